"""Events -> entries in the books of an audit: one rule for each type of event that laws need."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pagewalk.replay.tables import TableState
from pagewalk.trace.events import (
    BlocksFreed,
    BlocksTaken,
    BlocksTouched,
    BlocksUnpinned,
    CopyQueued,
    EngineConfigured,
    QueueAdded,
    QueuePopped,
    QueuePrepended,
    QueueRemoved,
    RequestEnqueued,
    RequestFinished,
    RequestPreempted,
    RequestSet,
    StepScheduled,
    StepUpdated,
    TableDropped,
    TableEntrySet,
    TableExtended,
    TableReplaced,
)

if TYPE_CHECKING:
    from pagewalk.replay.audit import Audit

# Deeper than any pipeline; steps that are never updated must not pile up.
_FLIGHTS_KEPT = 64


def _configured(audit: Audit, event: EngineConfigured) -> None:
    settings = event.settings.items()
    audit.books(event.engine).connected = any("connector" in key and on for key, on in settings)


def _counted(audit: Audit, event: BlocksTaken | BlocksTouched) -> None:
    audit.mark(event.pool, event.blocks, event.seq)


def _released(audit: Audit, event: BlocksFreed | BlocksUnpinned) -> None:
    audit.mark(event.pool, event.blocks, event.seq)
    promised = audit.promised
    for block in event.blocks:
        if promised[event.pool, block] > 0:
            promised[event.pool, block] -= 1


def _copied(audit: Audit, event: CopyQueued) -> None:
    audit.mark(event.pool, (event.source, event.copy, event.pinned), event.seq)
    # The extra reference; and where the writer keeps the source, the copy is in no table at all.
    for block in {event.pinned, event.copy}:
        audit.promised[event.pool, block] += 1


def _row(audit: Audit, event: Any) -> tuple[TableState | None, list[int]]:
    table = audit.machine.tables.get(event.table)
    return table, table.rows.get(event.request, []) if table else []


def _extended(audit: Audit, event: TableExtended) -> None:
    table, _ = _row(audit, event)
    if table is not None:
        audit.move(event, table, (), event.blocks)


def _entry_set(audit: Audit, event: TableEntrySet) -> None:
    table, row = _row(audit, event)
    if table is not None and 0 <= event.index < len(row):
        audit.move(event, table, [row[event.index]], [event.block])


def _replaced(audit: Audit, event: TableReplaced) -> None:
    table, row = _row(audit, event)
    if table is not None:
        before, after = Counter(row), Counter(event.blocks)
        out, into = (before - after).elements(), (after - before).elements()
        audit.move(event, table, list(out), list(into))


def _table_dropped(audit: Audit, event: TableDropped) -> None:
    table, row = _row(audit, event)
    if table is not None:
        audit.move(event, table, row, ())


def _request(audit: Audit, event: Any) -> None:
    state = audit.machine.requests.get(event.request)
    if state is not None:
        audit.books(state.engine).requests[event.request] = event.seq


def _requests(audit: Audit, event: QueuePrepended | QueueRemoved) -> None:
    for request in event.requests:
        state = audit.machine.requests.get(request)
        if state is not None:
            audit.books(state.engine).requests[request] = event.seq


def _enqueued(audit: Audit, event: RequestEnqueued) -> None:
    books = audit.books(event.engine)
    books.requests[event.request] = event.seq
    books.finished.pop(event.request, None)


def _gone(audit: Audit, event: RequestPreempted | RequestFinished) -> None:
    _request(audit, event)
    books = audit.books(event.engine)
    # What steps in flight still bring it is stale.
    for flight in books.flights.values():
        flight.pop(event.request, None)
    if isinstance(event, RequestFinished):
        books.finished[event.request] = event.seq


def _scheduled(audit: Audit, event: StepScheduled) -> None:
    books = audit.books(event.engine)
    if event.requests:
        flight = dict.fromkeys(event.requests, 1)
        for request, drafts in event.spec.items():
            flight[request] = 1 + drafts
        books.flights[event.step] = flight
        if len(books.flights) > _FLIGHTS_KEPT:
            del books.flights[next(iter(books.flights))]
    for admitted in (event.new, event.resumed):
        books.requests.update(dict.fromkeys(admitted, event.seq))


def _updated(audit: Audit, event: StepUpdated) -> None:
    audit.books(event.engine).flights.pop(event.step, None)


BOOKS: dict[type, Callable[[Audit, Any], None]] = {
    EngineConfigured: _configured,
    BlocksTaken: _counted,
    BlocksTouched: _counted,
    BlocksFreed: _released,
    BlocksUnpinned: _released,
    CopyQueued: _copied,
    TableExtended: _extended,
    TableEntrySet: _entry_set,
    TableReplaced: _replaced,
    TableDropped: _table_dropped,
    QueueAdded: _request,
    QueuePopped: _request,
    RequestSet: _request,
    QueuePrepended: _requests,
    QueueRemoved: _requests,
    RequestEnqueued: _enqueued,
    RequestPreempted: _gone,
    RequestFinished: _gone,
    StepScheduled: _scheduled,
    StepUpdated: _updated,
}

__all__ = ["BOOKS"]
