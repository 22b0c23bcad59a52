"""Digest mode: the live state after each step -> an event to compare replay with.

Also the way back after a loss: once events were dropped, the next schedule() leaves the whole
state in the trace, so that replay is exact again from there.
"""

from __future__ import annotations

import functools
import hashlib
from typing import Any

import msgspec

from pagewalk.capture.live import live_state
from pagewalk.capture.recorder import Recorder
from pagewalk.probes.spec import NUMBER, STEP, Probe
from pagewalk.trace.digest import digest_fields
from pagewalk.trace.events import StateDigested, StateDumped

MOMENTS = {"schedule": "scheduled", "update_from_output": "updated", "finish_requests": "finished"}
SCHEDULER = "vllm.v1.core.sched.scheduler:Scheduler"


class StateChecker:
    """Wraps the three calls after which the scheduler's state is whole."""

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder
        self._salted: dict[bytes, str] = {}
        self._updating = 0

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
        if engine is None:
            return
        emit, mode = self.recorder.emit, self.recorder.settings.digest
        state = live_state(scheduler, self._salt)
        if mode != "off":
            emit((StateDigested, engine, step, at, digest_fields(state)))
        if mode == "full" or self.recorder.lost:
            self.recorder.lost = 0
            emit((StateDumped, engine, step, at, msgspec.Raw(msgspec.json.encode(state))))

    def dump(self, scheduler: Any, step: int, at: str) -> None:
        """Leave the whole state in the trace, whatever the mode."""
        state = msgspec.Raw(msgspec.json.encode(live_state(scheduler, self._salt)))
        self.recorder.emit((StateDumped, getattr(scheduler, NUMBER), step, at, state))

    def _behind(self, stand_in: Any, at: str) -> Any:
        recorder, wanted = self.recorder, self.recorder.settings.digest != "off"

        @functools.wraps(stand_in)
        def behind(scheduler: Any, *args: Any, **kwargs: Any) -> Any:
            result = stand_in(scheduler, *args, **kwargs)
            if (wanted or recorder.lost) and not self._updating:
                self.look(scheduler, scheduler.current_step, at)
            return result

        return behind

    def _behind_update(self, stand_in: Any) -> Any:
        @functools.wraps(stand_in)
        def behind(scheduler: Any, output: Any, *args: Any, **kwargs: Any) -> Any:
            # finish_requests may run inside: the state is not whole before the update returns.
            self._updating += 1
            try:
                result = stand_in(scheduler, output, *args, **kwargs)
            finally:
                self._updating -= 1
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
