"""Segment -> the state of an engine at any step, found fast in both directions."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from typing import NamedTuple

from pagewalk.errors import PagewalkError
from pagewalk.replay.machine import RULES, Machine
from pagewalk.replay.snapshot import SCHEDULED, UPDATED, Snapshot, take
from pagewalk.trace.events import Event, StepScheduled, StepStarted, StepUpdated
from pagewalk.trace.segment import Gap, Segment

EVERY = 256
# Copies of big pools are big: together they may hold this many entries (about 200 MB).
KEPT_ENTRIES = 2_000_000
_REPORTED = 1 << 15

Report = Callable[[int, int], None]
"""Called with (events done, events in all)."""


class Span(NamedTuple):
    """Where a step stands in the segment's events: indexes; None for what is not there."""

    started: int | None
    scheduled: int
    updated: int | None


class Timeline:
    """One engine of a segment, step by step.

    The events are replayed once, keeping a copy of the machine every `every` steps, or more rarely
    where the copies grow too big; a seek starts at the copy before it. `steps` are the steps whose
    schedule() is in the segment.
    """

    def __init__(
        self, segment: Segment, engine: int, every: int = EVERY, report: Report | None = None
    ) -> None:
        self.segment = segment
        self.engine = engine
        self._spans: dict[int, Span] = {}
        self._marks: list[int] = []
        self._kept: list[Machine] = []
        self._sizes: list[int] = []
        self._walk(max(1, every), report)
        self.steps: tuple[int, ...] = tuple(self._spans)
        self._cursor = (0, Machine())

    def at(self, step: int, at: str = UPDATED) -> Snapshot:
        """The state after `step`'s schedule() (`scheduled`) or update_from_output() (`updated`)."""
        span = self.span(step)
        index = span.updated if at == UPDATED else span.scheduled if at == SCHEDULED else None
        if index is None:
            raise PagewalkError(
                "no-such-moment",
                f"step {step} has no moment {at!r} in this trace: ask for {SCHEDULED!r}"
                + ("" if span.updated is None else f" or {UPDATED!r}"),
            )
        return take(self._seek(index + 1), self.engine, step, at)

    def last(self, step: int) -> Snapshot:
        """The last known moment of a step: `updated`, or `scheduled` if no update came."""
        return self.at(step, SCHEDULED if self.span(step).updated is None else UPDATED)

    def slice(
        self, first: int | None = None, last: int | None = None, at: str = UPDATED
    ) -> Iterator[Snapshot]:
        """The states of the steps from `first` to `last`, both included; steps without `at` are
        passed over."""
        for step, span in self._spans.items():
            wanted = (first is None or step >= first) and (last is None or step <= last)
            if wanted and (at == SCHEDULED or span.updated is not None):
                yield self.at(step, at)

    def span(self, step: int) -> Span:
        """Where the step's events are."""
        span = self._spans.get(step)
        if span is None:
            raise PagewalkError("unknown-step", self._no_step(step))
        return span

    def events(self, step: int) -> list[Event | Gap]:
        """The events from the step's StepStarted to its StepScheduled, both included."""
        span = self.span(step)
        first = span.scheduled if span.started is None else span.started
        return self.segment.events[first : span.scheduled + 1]

    def _no_step(self, step: int) -> str:
        if not self.steps:
            return f"step {step} is not in the trace: engine {self.engine} scheduled no step"
        return (
            f"step {step} is not in the trace: engine {self.engine} has steps "
            f"{min(self.steps)} to {max(self.steps)}"
        )

    def _walk(self, every: int, report: Report | None) -> None:
        machine = Machine()
        started: dict[int, int] = {}
        rules = RULES
        events = self.segment.events
        for index, event in enumerate(events):
            kind = type(event)
            rule = rules.get(kind)
            if rule is not None:
                rule(machine, event)
            if kind is StepStarted and event.engine == self.engine:
                started[event.step] = index
            elif kind is StepScheduled and event.engine == self.engine:
                if event.step in self._spans:
                    continue
                self._spans[event.step] = Span(started.pop(event.step, None), index, None)
                if len(self._spans) % every == 0:
                    machine.seq, machine.t = event.seq, event.t
                    every *= self._keep(index + 1, machine)
            elif kind is StepUpdated and event.engine == self.engine:
                span = self._spans.get(event.step)
                if span is not None and span.updated is None:
                    self._spans[event.step] = span._replace(updated=index)
            if report is not None and index % _REPORTED == 0:
                report(index, len(events))

    def _keep(self, mark: int, machine: Machine) -> int:
        """Keep a copy, and only every other one if they have become too big; 2 if so, or 1."""
        self._marks.append(mark)
        self._kept.append(machine.copy())
        self._sizes.append(machine.size())
        if sum(self._sizes) <= KEPT_ENTRIES or len(self._kept) < 2:
            return 1
        del self._marks[::2], self._kept[::2], self._sizes[::2]
        return 2

    def _seek(self, stop: int) -> Machine:
        """The machine after the first `stop` events; it stays the timeline's own."""
        position, machine = self._cursor
        kept = bisect_right(self._marks, stop) - 1
        mark = self._marks[kept] if kept >= 0 else 0
        if not mark <= position <= stop:
            position, machine = mark, self._kept[kept].copy() if kept >= 0 else Machine()
        machine.feed(self.segment.events[position:stop])
        self._cursor = (stop, machine)
        return machine


__all__ = ["EVERY", "Span", "Timeline"]
