"""Segment -> a verdict for each named law of a legal history, and every breach with its event."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from pagewalk.replay.audit import Audit
from pagewalk.replay.block_laws import BLOCK_LAWS
from pagewalk.replay.law import Broken, Law, UnsureError, law
from pagewalk.replay.machine import ADOPTED, Machine
from pagewalk.replay.request_laws import REQUEST_LAWS
from pagewalk.trace.events import (
    Event,
    StateDumped,
    StepScheduled,
    StepStarted,
    StepUpdated,
    UpdateStarted,
)
from pagewalk.trace.segment import Gap, Segment

_KEPT = 1000
_REPORTED = 1 << 15

Report = Callable[[int, int], None]
"""Called with (events done, events in all)."""


@law("seq-gapless", "pagewalk.capture.encoder:Encoder")
def seq_gapless(audit: Audit, event: Any) -> Iterator[Broken]:
    """No event is missing: `seq` counts up by one."""
    yield from ()


@law("every-event-can-be-followed", "pagewalk.replay.machine:Machine.refuse")
def every_event_can_be_followed(audit: Audit, event: Any) -> Iterator[Broken]:
    """Events name only what was created before them, and fit the state they meet."""
    yield from ()


# These two are judged by the walk itself, which alone sees gaps and what the machine refuses.
_BY_WALK = (seq_gapless, every_event_can_be_followed)
LAWS: tuple[Law, ...] = (*_BY_WALK, *BLOCK_LAWS, *REQUEST_LAWS)
_SETTLED = tuple(one for one in LAWS if one.moment == "settled" and one not in _BY_WALK)


def _by_type(moment: str) -> dict[type, tuple[Law, ...]]:
    kinds = {kind for one in LAWS if one.moment == moment for kind in one.on}
    return {
        kind: tuple(one for one in LAWS if one.moment == moment and kind in one.on)
        for kind in kinds
    }


_BEFORE, _AFTER = _by_type("before"), _by_type("after")


@dataclass(frozen=True, slots=True)
class Violation:
    """A broken law: which, the event that broke it, the step it was in, and the objects."""

    law: str
    seq: int
    step: int
    message: str
    objects: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """`broken`; `holds` at all `judged` points; or `unknown`: at `skipped` points the state was
    not known, because of `since`."""

    law: Law
    outcome: Literal["holds", "broken", "unknown"]
    judged: int
    skipped: int
    violations: tuple[Violation, ...]
    count: int
    since: str = ""


@dataclass(slots=True)
class _Tally:
    judged: int = 0
    skipped: int = 0
    count: int = 0
    since: str = ""
    kept: list[Violation] = field(default_factory=list)


def verify(segment: Segment, report: Report | None = None) -> list[Violation]:
    """Every breach of a law in the segment, by event."""
    found = [one for verdict in judge(segment, report) for one in verdict.violations]
    return sorted(found, key=lambda one: one.seq)


def judge(segment: Segment, report: Report | None = None) -> tuple[Verdict, ...]:
    """A verdict on each law of `LAWS`, in that order."""
    walk = _Walk(segment)
    events = segment.events
    for index, event in enumerate(events):
        walk.step(event)
        if report is not None and index % _REPORTED == 0:
            report(index, len(events))
    return walk.verdicts()


class _Walk:
    """One pass over a segment: books, machine and laws in the right order."""

    def __init__(self, segment: Segment) -> None:
        self.segment = segment
        self.machine = Machine()
        self.audit = Audit(self.machine)
        self.tallies = {one.name: _Tally() for one in LAWS}

    def step(self, event: Event | Gap) -> None:
        """Judge and apply one event."""
        kind = type(event)
        if kind is Gap:
            self._gap(event)
        if kind is StepStarted or kind is UpdateStarted:
            self._settle(event)
        self._judge_all(_BEFORE.get(kind), event)
        lost = kind is StateDumped and (event.at == ADOPTED or self.machine.lost(event.engine))
        self.audit.note(event)
        self.machine.apply(event)
        if lost and not self.machine.lost(event.engine):
            self.audit.resync(event.engine)
            self._settle(event)
        self._judge_all(_AFTER.get(kind), event)
        if kind is StepScheduled or kind is StepUpdated:
            self._settle(event)

    def verdicts(self) -> tuple[Verdict, ...]:
        """What came of it."""
        walked = self.tallies["every-event-can-be-followed"]
        walked.judged = self.tallies["seq-gapless"].judged = len(self.segment.events)
        for nonsense in self.machine.nonsense:
            self._broken(every_event_can_be_followed, nonsense.seq, Broken(nonsense.message))
        return tuple(_verdict(one, self.tallies[one.name]) for one in LAWS)

    def _gap(self, gap: Gap) -> None:
        # A torn end is how a killed process leaves its trace: nothing was recorded after it.
        if not gap.tail:
            self._broken(seq_gapless, gap.seq, Broken(gap.reason))
            walked = self.tallies["every-event-can-be-followed"]
            walked.skipped += 1
            walked.since = walked.since or gap.reason

    def _settle(self, event: Any) -> None:
        why = self.machine.lost(event.engine)
        changed = self.audit.gather(event.engine)
        for one in _SETTLED:
            if one.of_blocks and not changed and not why:
                self.tallies[one.name].judged += 1
            else:
                self._judge(one, event, why)
        self.audit.books(event.engine).settle()

    def _judge_all(self, laws: tuple[Law, ...] | None, event: Any) -> None:
        if laws:
            why = self._unknown(event)
            for one in laws:
                self._judge(one, event, why)

    def _judge(self, one: Law, event: Any, why: str) -> None:
        tally = self.tallies[one.name]
        if why:
            tally.skipped += 1
            tally.since = tally.since or why
            return
        try:
            for broken in one.check(self.audit, event):
                self._broken(one, event.seq, broken)
        except UnsureError as unsure:
            tally.skipped += 1
            tally.since = tally.since or str(unsure)
        else:
            tally.judged += 1

    def _unknown(self, event: Any) -> str:
        """Why the state that a law would judge is not known, or empty."""
        engine = self._engine(event)
        if engine is not None:
            return self.machine.lost(engine)
        return self.machine.blind or "the event names what is not in the trace"

    def _engine(self, event: Any) -> int | None:
        if hasattr(event, "engine"):
            return event.engine
        if hasattr(event, "pool"):
            return self.audit.engine_of_pool(event.pool)
        queue = self.machine.queues.get(event.queue)
        return None if queue is None else queue.engine

    def _broken(self, one: Law, seq: int, broken: Broken) -> None:
        tally = self.tallies[one.name]
        tally.count += 1
        if len(tally.kept) < _KEPT:
            found = seq if broken.seq is None else broken.seq
            step = max((engine.step for engine in self.machine.engines.values()), default=0)
            tally.kept.append(Violation(one.name, found, step, broken.message, broken.objects))


def _verdict(one: Law, tally: _Tally) -> Verdict:
    outcome: Literal["holds", "broken", "unknown"] = "holds"
    if tally.count:
        outcome = "broken"
    elif tally.skipped:
        outcome = "unknown"
    kept = tuple(tally.kept)
    return Verdict(one, outcome, tally.judged, tally.skipped, kept, tally.count, tally.since)


__all__ = ["LAWS", "Law", "Verdict", "Violation", "judge", "verify"]
