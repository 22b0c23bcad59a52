"""Digest mode: the live state after each step -> an event to compare replay with.

Also the way back after a loss: once events were dropped, the next schedule() leaves the whole
state in the trace, so that replay is exact again from there.
"""

from __future__ import annotations

import functools
import hashlib
import logging
from typing import Any

import msgspec

from pagewalk.capture.live import live_state, order
from pagewalk.capture.recorder import Recorder
from pagewalk.capture.text import mended
from pagewalk.probes.spec import NUMBER, STEP, Probe, argument
from pagewalk.trace.digest import digest_fields
from pagewalk.trace.events import ProbeFailed, StateDigested, StateDumped

logger = logging.getLogger("pagewalk")

MOMENTS = {"schedule": "scheduled", "update_from_output": "updated", "finish_requests": "finished"}
SCHEDULER = "vllm.v1.core.sched.scheduler:Scheduler"
STATE = "pagewalk.capture.live:live_state"  # the reader that is no probe, where it fails


class StateChecker:
    """Wraps the three calls after which the scheduler's state is whole."""

    def __init__(self, recorder: Recorder, *, strict: bool = False) -> None:
        self.recorder = recorder
        self._strict = strict
        self._salted: dict[bytes, str] = {}
        self._updating = 0
        self._told: dict[int, int] = {}  # engine -> losses after which its state was dumped
        self._blind = False

    def wrap(self, row: Probe, stand_in: Any) -> Any:
        """The stand-in with a look at the state behind it, where `row` is one of the three."""
        method = row.target.rpartition(".")[2]
        if not row.target.startswith(f"{SCHEDULER}.") or row.moment not in ("around", "after"):
            return stand_in
        if method == "schedule":
            return self._behind(stand_in, "scheduled")
        if self.recorder.settings.digest == "off":
            return stand_in
        if method == "update_from_output":
            return self._behind_update(stand_in)
        if method == "finish_requests":
            return self._behind(stand_in, "finished")
        return stand_in

    def look(self, scheduler: Any, step: int, at: str) -> None:
        """Leave the state, or its digests, in the trace; never raise into the engine."""
        engine = getattr(scheduler, NUMBER, None)
        if engine is None or self._blind:
            return
        lost, mode = self.recorder.lost, self.recorder.settings.digest
        stale = lost != self._told.get(engine, 0)
        if mode == "off" and not stale:
            return
        try:
            if stale:
                self.recorder.inherit()
            state = self._state(scheduler)
            if mode != "off":
                self.recorder.emit((StateDigested, engine, step, at, digest_fields(state)))
            if mode == "full" or stale:
                self._told[engine] = lost
                self._dump(scheduler, state, step, at)
        except Exception as error:
            self._give_up(error)

    def dump(self, scheduler: Any, step: int, at: str) -> None:
        """Leave the whole state in the trace, whatever the mode."""
        self._dump(scheduler, self._state(scheduler), step, at)

    def _state(self, scheduler: Any) -> dict[str, Any]:
        state = live_state(scheduler, self._salt)
        if all(map(str.isascii, scheduler.requests)):
            return state
        return dict(mended(state))

    def _dump(self, scheduler: Any, state: dict[str, Any], step: int, at: str) -> None:
        more = {"order": mended(order(scheduler)), "pause": scheduler.pause_state.name}
        whole = msgspec.Raw(msgspec.json.encode({**state, **more}))
        # With the ids: each must have its number before the state that speaks of it.
        ids = list(scheduler.requests)
        self.recorder.emit((StateDumped, getattr(scheduler, NUMBER), step, at, whole, ids))

    def _give_up(self, error: Exception) -> None:
        if self._strict:
            raise error
        self._blind = True
        logger.warning(
            "pagewalk cannot read the scheduler's state (%s); the engine goes on, its state is "
            "not compared any more",
            type(error).__name__,
        )
        self.recorder.emit((ProbeFailed, STATE, type(error).__name__))

    def _behind(self, stand_in: Any, at: str) -> Any:
        recorder, wanted = self.recorder, self.recorder.settings.digest != "off"

        @functools.wraps(stand_in)
        def behind(scheduler: Any, *args: Any, **kwargs: Any) -> Any:
            result = stand_in(scheduler, *args, **kwargs)
            if (wanted or recorder.lost) and not self._updating:
                self.look(scheduler, getattr(scheduler, "current_step", -1), at)
            return result

        return behind

    def _behind_update(self, stand_in: Any) -> Any:
        @functools.wraps(stand_in)
        def behind(scheduler: Any, *args: Any, **kwargs: Any) -> Any:
            # finish_requests may run inside: the state is not whole before the update returns.
            self._updating += 1
            try:
                result = stand_in(scheduler, *args, **kwargs)
            finally:
                self._updating -= 1
            output = argument(args, kwargs, 0, "scheduler_output")
            self.look(scheduler, getattr(output, STEP, -1), "updated")
            return result

        return behind

    def _salt(self, block_hash: bytes) -> str:
        known = self._salted.get(block_hash)
        if known is None:
            known = hashlib.blake2b(
                block_hash, digest_size=8, key=self.recorder.salt
            ).hexdigest()
            if len(self._salted) > 100_000:
                self._salted.clear()
            self._salted[block_hash] = known
        return known
