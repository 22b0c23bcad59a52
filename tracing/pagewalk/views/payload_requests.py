"""Request and step events -> segments: stretches of frames in which a request goes on evenly.

A segment says what a request is at a frame; until its next one, the player goes on from there by
rules that both sides know. In steady decoding that is one token per step, and costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pagewalk.replay.machine import Machine
from pagewalk.replay.requests import RequestState
from pagewalk.trace.events import (
    RequestEnqueued,
    RequestFinished,
    RequestPreempted,
    RequestSet,
    StepScheduled,
    StepUpdated,
)
from pagewalk.views.payload_columns import Column, column
from pagewalk.views.payload_places import NOWHERE, RUNNING, Places
from pagewalk.views.payload_words import Words

WAITING, PREFILL, DECODE, PREEMPTED, FINISHED = 1, 2, 3, 4, 5
ADMITTED_NEW, ADMITTED_RESUMED = 1, 2
GONE = ""
Index = Callable[[int], int]
# One bit for each field of a segment that is not what the rules foresaw; `model_requests.js` too.
FIELDS = ("status", "place", "share", "computed", "tokens", "drafts", "admission", "phase")


class Segment:
    """What a request is from `frame` on: `computed` and `tokens` grow evenly."""

    __slots__ = (*(name for name in FIELDS), "frame", "stamp")

    def __init__(self) -> None:
        self.frame = self.status = self.place = self.stamp = self.share = 0
        self.computed = self.tokens = self.drafts = self.admission = self.phase = 0

    def at(self, frame: int) -> tuple[int, int]:
        """(computed, tokens) as the rules foresee them."""
        if not self.share:
            return self.computed, self.tokens
        grown = frame - self.frame
        speaks = self.computed >= self.tokens
        return self.computed + grown * self.share, self.tokens + (grown if speaks else 0)

    @property
    def even(self) -> bool:
        """Whether the rules foresee one token computed and one more known, step after step."""
        return self.share == 1 and self.phase == DECODE and self.computed >= self.tokens


class RequestLog:
    """Segments of one engine's requests, frame by frame."""

    def __init__(
        self, machine: Machine, engine: int, places: Places, index: Index, words: Words
    ) -> None:
        self.after: dict[type, Callable[[Any], None]] = {
            RequestEnqueued: self._enqueued,
            RequestSet: self._set,
            RequestPreempted: self._preempted,
            RequestFinished: self._touch_one,
            StepUpdated: self._updated,
        }
        self._machine, self._engine, self._places = machine, engine, places
        self._index, self._words = index, words
        words(GONE)  # The first word: what a request is before it is anything.
        self._last: dict[int, Segment] = {}
        self._numbers: dict[int, int] = {}
        self._dirty: set[int] = set()
        self._target: dict[int, int] = {}
        self._readmitted: set[int] = set()
        self._steady: list[int] | None = None
        self._proven = False
        self._updates: list[StepUpdated] = []
        self._scheduled: list[int] = []
        self._order: list[int] = []
        self._count = 0
        self._out: dict[str, list[int]] = {
            name: [] for name in ("count", "request", "mask", "stamp", "orders", "listed", *FIELDS)
        }

    def schedule(self, event: StepScheduled, frame: int) -> None:
        """The step's end is applied: write what it changed."""
        self._places.settle()
        if self._is_steady(event):
            self._updates = []
            self._out["count"].append(0)
            return
        tokens = event.tokens
        counts = [tokens] * len(event.requests) if isinstance(tokens, int) else tokens
        shares: dict[int, tuple[int, int, int]] = {}
        for request, count in zip(event.requests, counts, strict=False):
            at = self._touch(request)
            shares[at] = (count, event.spec.get(request, 0), self._admission(event, request, at))
        self._write(frame, shares)
        self._write_order(frame, list(shares))
        even = tokens == 1 and not (event.new or event.resumed or event.spec)
        self._steady, self._proven = (event.requests if even else None), False

    def close(self, frame: int) -> None:
        """A frame in which nothing is scheduled."""
        self._places.settle()
        self._write(frame, {})
        self._write_order(frame, [])
        self._steady = None

    def load(self) -> None:
        """Write every request as it is now."""
        self._places.load()
        self._dirty |= set(self._last)
        for request, state in self._machine.requests.items():
            if state.engine == self._engine:
                self._touch(request)

    def columns(self) -> list[Column]:
        """The segments as columns; a field's column holds a value only where its bit is set."""
        out = self._out
        signed = {"computed", "tokens", "stamp"}
        return [
            *(column(f"seg_{name}", out[name]) for name in ("count", "request", "mask")),
            *(
                column(f"seg_{name}", out[name], signed=name in signed)
                for name in (*FIELDS, "stamp")
            ),
            column("order_head", out["orders"]),
            column("order_request", out["listed"]),
        ]

    def _touch(self, request: int) -> int:
        at = self._index(request)
        self._numbers[at] = request
        self._dirty.add(at)
        return at

    def _touch_one(self, event: Any) -> None:
        if event.engine == self._engine:
            self._touch(event.request)

    def _set(self, event: RequestSet) -> None:
        state = self._machine.requests.get(event.request)
        if state is not None and state.engine == self._engine:
            self._touch(event.request)

    def _enqueued(self, event: RequestEnqueued) -> None:
        if event.engine == self._engine:
            at = self._touch(event.request)
            self._target[at] = event.num_prompt_tokens
            self._readmitted.discard(at)

    def _preempted(self, event: RequestPreempted) -> None:
        if event.engine == self._engine:
            at = self._touch(event.request)
            self._target[at] = event.tokens
            self._readmitted.add(at)

    def _updated(self, event: StepUpdated) -> None:
        if event.engine == self._engine:
            self._updates.append(event)

    def _is_steady(self, event: StepScheduled) -> bool:
        """Whether the step went on as the one before, so that every segment still holds."""
        if self._steady is None or self._dirty or self._places.moved or len(self._updates) != 1:
            return False
        update = self._updates[0]
        if (
            not event.tokens == update.tokens == 1
            or event.new
            or event.resumed
            or event.spec
            or update.computed
            or not event.requests == self._steady == update.requests
        ):
            return False
        if not self._proven:
            self._proven = all(self._last[self._index(one)].even for one in self._steady)
        return self._proven

    def _admission(self, event: StepScheduled, request: int, at: int) -> int:
        """Model runner V2 is sent a resumed request as if it were new."""
        again = at in self._readmitted
        if request in event.resumed or (request in event.new and again):
            self._readmitted.discard(at)
            return ADMITTED_RESUMED
        return ADMITTED_NEW if request in event.new else 0

    def _write(self, frame: int, shares: dict[int, tuple[int, int, int]]) -> None:
        engine = self._machine.engines.get(self._engine)
        if engine is not None:
            engine.catch_up()
        for update in self._updates:
            for request in update.requests:
                self._touch(request)
        self._updates = []
        dirty = self._dirty | self._places.moved | set(self._scheduled) | set(shares)
        self._dirty, self._places.moved = set(), set()
        for at in sorted(dirty):
            self._write_one(at, frame, shares.get(at, (0, 0, 0)))
        self._scheduled = list(shares)
        self._out["count"].append(self._count)
        self._count = 0

    def _write_one(self, at: int, frame: int, given: tuple[int, int, int]) -> None:
        last, number = self._last.get(at), self._numbers.get(at)
        state = None if number is None else self._machine.requests.get(number)
        if state is not None and state.engine != self._engine:
            state = None
        if last is None:
            if state is None:
                return
            last = self._last[at] = Segment()
        share, drafts, admission = given
        place, stamp = self._places.of.get(at, (NOWHERE, 0)) if state is not None else (NOWHERE, 0)
        computed, tokens = last.at(frame)
        if state is None:
            values = (self._words(GONE), NOWHERE, 0, computed, tokens, 0, 0, FINISHED)
        else:
            counted = share, state.computed, state.tokens, drafts, admission
            values = (
                self._words(state.status),
                place,
                *counted,
                self._phase(at, state, place, share),
            )
        going_on = last.status, last.place, last.share, computed, tokens
        foreseen = (*going_on, last.drafts, 0, last.phase)
        mask = sum(1 << bit for bit in range(8) if values[bit] != foreseen[bit])
        if place and stamp != last.stamp:
            mask |= 2
        if mask:
            self._append(at, last, mask, values, foreseen, stamp)
            last.frame, last.stamp = frame, stamp
            for name, value in zip(FIELDS, values, strict=True):
                setattr(last, name, value)

    def _append(
        self,
        at: int,
        last: Segment,
        mask: int,
        values: tuple[int, ...],
        foreseen: tuple[int, ...],
        stamp: int,
    ) -> None:
        out = self._out
        self._count += 1
        out["request"].append(at)
        out["mask"].append(mask)
        for bit, name in enumerate(FIELDS):
            if mask >> bit & 1:
                base = foreseen[bit] if name in ("computed", "tokens") else 0
                out[name].append(values[bit] - base)
        if mask & 2:
            out["stamp"].append(stamp - last.stamp)

    def _phase(self, at: int, state: RequestState, place: int, share: int) -> int:
        if place == RUNNING:
            known = self._target.get(at, state.tokens)
            return PREFILL if state.computed - share < known else DECODE
        return PREEMPTED if state.status == "PREEMPTED" else WAITING

    def _write_order(self, frame: int, scheduled: list[int]) -> None:
        """Note the order of the shares where it is not the running order."""
        of = self._places.of
        stamps = [of.get(at, (NOWHERE, 0))[1] for at in scheduled]
        listed = [] if stamps == sorted(stamps) else scheduled
        if listed != self._order:
            self._order = listed
            self._out["orders"] += (frame, len(listed))
            self._out["listed"] += listed


__all__ = ["FIELDS", "RequestLog"]
