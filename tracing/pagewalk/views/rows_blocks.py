"""An engine's events -> a row for each block that each of them moved, beside a replay of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pagewalk.replay.machine import Machine
from pagewalk.replay.pools import Pool
from pagewalk.trace.events import (
    BlocksFreed,
    BlocksTaken,
    BlocksTouched,
    BlocksUnpinned,
    CopyQueued,
    HashAdded,
    HashRemoved,
    StepStarted,
    TableDropped,
    TableEntrySet,
    TableExtended,
    TableReplaced,
)
from pagewalk.views.clock import Clock
from pagewalk.views.engines import Engine
from pagewalk.views.walk import Report

Row = tuple[Any, ...]
_LISTS: dict[type, str] = {
    BlocksTaken: "taken",
    BlocksTouched: "shared",
    BlocksFreed: "freed",
    BlocksUnpinned: "unpinned",
}
_HASHES: dict[type, str] = {HashAdded: "cached", HashRemoved: "evicted"}
_IN_TABLES = (TableExtended, TableEntrySet, TableReplaced, TableDropped)
_REPORT_EVERY = 8192


def block_rows(engine: Engine, clock: Clock, report: Report | None = None) -> Iterator[Row]:
    """The rows of `block_events`, in the order of the events."""
    scribe = _Scribe(engine, clock)
    events = engine.segment.events
    for at, event in enumerate(events):
        if report is not None and at % _REPORT_EVERY == 0:
            report(at, len(events))
        yield from scribe.take(event)


class _Scribe:
    """Knows the step and the block tables at each event."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self._machine = Machine()
        self._pools = {one.pool for one in engine.pools}
        self._tables = {one.table for one in engine.tables}
        self._step = 0

    def take(self, event: Any) -> list[Row]:
        """The rows of an event."""
        kind, machine = type(event), self._machine
        if kind is StepStarted and event.engine == self._engine.number:
            self._step = event.step
        if kind in _IN_TABLES and event.table in self._tables:
            table = machine.tables.get(event.table)
            # Only as good as the state: what a lost table held is not known.
            held = list(table.rows.get(event.request, ())) if table is not None else []
            machine.apply(event)
            return self._in_table(event, held)
        machine.apply(event)
        if kind in _LISTS and event.pool in self._pools:
            return [self._row(event, _LISTS[kind], event.pool, block) for block in event.blocks]
        if kind in _HASHES and event.pool in self._pools:
            more = (None, event.group, None, event.hash)
            return [self._row(event, _HASHES[kind], event.pool, event.block, more)]
        if kind is CopyQueued and event.pool in self._pools:
            return [self._row(event, "copied", event.pool, event.source)]
        return []

    def _in_table(self, event: Any, held: list[int]) -> list[Row]:
        """Blocks that enter a request's table and blocks that leave it, with their places."""
        kind, first = type(event), len(held)
        if kind is TableExtended:
            left, entered = [], list(enumerate(event.blocks, first))
        elif kind is TableEntrySet:
            left = [(event.index, held[event.index])] if 0 <= event.index < first else []
            entered = [(event.index, event.block)]
        else:
            left = list(enumerate(held))
            entered = list(enumerate(event.blocks)) if kind is TableReplaced else []
        known = not self._machine.lost(self._engine.number)
        rows = []
        for what, places in (("dropped", left), ("entered", entered)):
            for slot, block in places:
                rows.append(self._place(event, what, block, slot if known else None))
        return rows

    def _place(self, event: Any, what: str, block: int, slot: int | None) -> Row:
        table = next(one for one in self._engine.tables if one.table == event.table)
        request = self._engine.segment.request_id(event.request)
        return self._row(event, what, table.pool, block, (request, table.group, slot, None))

    def _row(
        self, event: Any, what: str, pool: int, block: int, more: Row = (None, None, None, None)
    ) -> Row:
        t = self._clock.since(self._engine.segment, event.t)
        refs = None
        found: Pool | None = self._machine.pools.get(pool)
        # The engine does not maintain the null block's count.
        counted = found is not None and block != found.null_block
        if counted and not self._machine.lost(self._engine.number):
            refs = found.refs.get(block, 0)
        where = (self._engine.index, self._step, t, event.seq)
        return (*where, what, pool, block, refs, *more)


__all__ = ["block_rows"]
