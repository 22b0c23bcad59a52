"""One engine of a trace -> one small file from which the player shows any of its steps, exactly.

A payload has frames: frame 0 is the state before anything was asked of the engine, then comes one
frame for each step, as it is right after schedule(), and the last is the end of the trace.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pagewalk.replay.machine import ADOPTED, RULES, Machine
from pagewalk.trace.events import (
    EngineConfigured,
    PoolCreated,
    QueueCreated,
    RequestNamed,
    StateDumped,
    StepScheduled,
    TablesCreated,
)
from pagewalk.trace.read import Trace
from pagewalk.views.engines import Engine
from pagewalk.views.identity import identities
from pagewalk.views.payload_blocks import BlockLog
from pagewalk.views.payload_columns import Column, column, pack
from pagewalk.views.payload_facts import FactLog
from pagewalk.views.payload_header import header, start_of
from pagewalk.views.payload_life import life_columns
from pagewalk.views.payload_places import Places
from pagewalk.views.payload_requests import RequestLog
from pagewalk.views.payload_words import Words
from pagewalk.views.payload_workers import BatchLog

Report = Callable[[int, int], None]
"""Called with (events done, events in all)."""
_REPORT_EVERY = 1 << 15
_DECLARE = (EngineConfigured, PoolCreated, TablesCreated, QueueCreated)


def payload(
    trace: Trace,
    engine: Engine,
    *,
    sources: Mapping[str, str] | None = None,
    verdict: Mapping[str, Any] | None = None,
    report: Report | None = None,
) -> bytes:
    """Encode an engine of a trace for the player: gzip, the same bytes for the same trace.

    `sources` maps the name of an event to the engine function it is the event of
    (`module:Class.function`), so that the player can link to it. `verdict` goes into the header
    as it is: `laws`, a list of name, outcome, judged and sentence, and `digests`, counts of
    `compared` and `divergences`.
    """
    recording = Recording(trace, engine)
    recording.run(report)
    names = list(recording.indices)
    known = identities(trace)
    head, life = life_columns(trace, names, known)
    columns = [*recording.columns(start_of(trace)), *life]
    facts = {
        **header(trace, engine, recording, sources or {}),
        **head,
        **recording.batches.header(),
        "names": names,
        "externals": [known.external(name) for name in names],
        "verdict": verdict,
    }
    return pack(facts, columns)


class Recording:
    """One engine's events, followed once: `run` fills the logs."""

    def __init__(self, trace: Trace, engine: Engine) -> None:
        self.engine = engine
        self.machine = Machine()
        self.words = Words()
        self.indices: dict[str, int] = {}
        self._of_number: dict[int, int] = {}
        self._number_of: dict[int, int] = {}
        index = self._index
        queues = [one.queue for one in engine.queues]
        self.places = Places(self.machine, engine.number, queues, index)
        self.blocks = BlockLog(engine, self.machine, index)
        self.requests = RequestLog(self.machine, engine.number, self.places, index, self.words)
        self.facts = FactLog(engine, self.machine, index, self.words)
        self.batches = BatchLog(trace, engine, self.indices, self.words)
        self.steps: list[int] = []
        self.times: list[int] = []
        self.budgets: list[int] = []
        self.unknown: list[int] = []
        self._missed = False

    def run(self, report: Report | None = None) -> None:
        """Follow all events."""
        events, machine, number = self.engine.segment.events, self.machine, self.engine.number
        first = self._first()
        before, after = self.blocks.before, self._handlers()
        lost = False
        for at, event in enumerate(events):
            if report is not None and at % _REPORT_EVERY == 0:
                report(at, len(events))
            if at == first:
                self._close(0, event.t, 0)
            kind = type(event)
            scheduled = kind is StepScheduled and event.engine == number
            if kind in before and not lost:
                before[kind](event)
            if scheduled:
                self.places.schedule()
            # A pool that is declared again is empty again: it is written whole.
            if kind is PoolCreated and at >= first and event.pool in self.blocks.pools:
                self._missed = True
            rule = RULES.get(kind)
            if rule is not None:
                rule(machine, event)
                lost = self._follow(kind, event, lost)
            handlers = after.get(kind, ())
            if lost or number not in machine.engines:
                # What happens to an engine that is not introduced yet is written with its pools.
                self._missed = self._missed or (bool(handlers) and not lost)
                handlers = self.facts_only.get(kind, ())
            for handler in handlers:
                handler(event)
            if scheduled:
                self._close(event.step, event.t, event.budget, event)
        if first == len(events):
            self._close(0, events[-1].t if events else 0, 0)
        self._close(self.steps[-1], events[-1].t if events else 0, 0)

    def columns(self, start: int) -> list[Column]:
        """All that was recorded, as columns; times count from `start`."""
        return [
            column("step", self.steps, delta=True),
            column("time", [one - start for one in self.times], delta=True),
            column("budget", self.budgets, delta=True),
            column("unknown", self.unknown, delta=True),
            *self.blocks.columns(),
            *self.requests.columns(),
            *self.facts.columns(),
            *self.batches.columns(),
        ]

    def _index(self, request: int) -> int:
        at = self._of_number.get(request)
        if at is None:
            name = self.machine.request_id(request)
            at = self._of_number[request] = self.indices.setdefault(name, len(self.indices))
            self._number_of[at] = request
        return at

    def _tables(self, index: int) -> Sequence[Sequence[int]] | None:
        """The scheduler's block tables of a request now, one for each group."""
        machine, number = self.machine, self._number_of.get(index)
        if number not in machine.requests:
            return None
        return [tuple(machine.tables[one.table].rows.get(number, ())) for one in self.engine.tables]

    def _handlers(self) -> dict[type, list[Callable[[Any], None]]]:
        tables = (self.blocks.after, self.places.after, self.requests.after, self.facts.after)
        kinds = {kind for table in tables for kind in table}
        self.facts_only = {kind: [handler] for kind, handler in self.facts.after.items()}
        handlers = {kind: [one[kind] for one in tables if kind in one] for kind in kinds}
        for found in (handlers, self.facts_only):
            found[RequestNamed] = [self._named]
        return handlers

    def _named(self, event: RequestNamed) -> None:
        self._of_number.pop(event.request, None)

    def _follow(self, kind: type, event: Any, lost: bool) -> bool:
        """Whether the state is lost now; a dump that brings it back is written whole."""
        number = self.engine.number
        now = bool(self.machine.lost(number)) and number in self.machine.engines
        adopted = kind is StateDumped and event.engine == number and event.at == ADOPTED
        if not now and (lost or adopted or self._missed) and number in self.machine.engines:
            self._missed = False
            self.blocks.load(number)
            self.requests.load()
        return now

    def _first(self) -> int:
        """Where frame 0 ends: behind the declarations that come before anything else."""
        number, events = self.engine.number, self.engine.segment.events
        end = 0
        for at, event in enumerate(events):
            kind = type(event)
            if kind in _DECLARE or (kind is StateDumped and event.at == ADOPTED):
                if getattr(event, "engine", number) == number:
                    end = at + 1
            elif getattr(event, "engine", None) == number:
                break
        return end

    def _close(self, step: int, t: int, budget: int, event: StepScheduled | None = None) -> None:
        why = self.machine.lost(self.engine.number) if self.steps or self.machine.engines else ""
        frame = len(self.steps)
        if event is None or why:
            self.requests.close(frame)
        else:
            self.requests.schedule(event, frame)
        self.blocks.close_frame()
        self.facts.close_frame()
        scheduled = step if event is not None else None
        self.batches.close_frame(scheduled, self._tables if not why else lambda _: None)
        self.steps.append(step)
        self.times.append(t)
        self.budgets.append(budget)
        self.unknown.append(self.words(why))


__all__ = ["Recording", "payload"]
