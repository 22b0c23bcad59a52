"""Events -> what laws need to know beside the state: owners, promises, flights, what changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from pagewalk.replay.books import BOOKS
from pagewalk.replay.pools import Pool
from pagewalk.replay.tables import TableState

if TYPE_CHECKING:
    from pagewalk.replay.machine import Machine

Block = tuple[int, int]
Change = tuple[int, Pool, int, int]
"""Pool number, pool, block, and the event that changed it last."""


class EngineAudit:
    """The books of one engine: what changed since it was last settled, and what is in flight."""

    def __init__(self) -> None:
        # What changed, and the last event that changed it: blocks, requests, table rows.
        self.blocks: dict[Block, int] = {}
        self.requests: dict[int, int] = {}
        self.rows: dict[int, int] = {}
        # The changed blocks as the laws want them, null blocks left out: see `gather`.
        self.changed: list[Change] = []
        # Everything may have changed: the state was just read from a dump.
        self.whole = False
        # step -> request -> tokens that the step's output may bring it.
        self.flights: dict[int, dict[int, int]] = {}
        # Steps up to this one were scheduled while the state was not known.
        self.unsure_until = -1
        # Finished since the last step began -> the event that finished or last fed it.
        self.finished: dict[int, int] = {}
        # Connectors hold blocks for reasons that no event tells.
        self.connected = False

    def settle(self) -> None:
        """Forget the changes: they have been judged."""
        self.blocks.clear()
        self.requests.clear()
        self.rows.clear()
        self.whole = False

    def pending(self, request: int, but: int) -> int:
        """Tokens that steps in flight, other than `but`, may bring the request."""
        return sum(got.get(request, 0) for step, got in self.flights.items() if step != but)


class Audit:
    """Follows a machine and keeps the books; `note` comes before the machine applies the event."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        # Entries of block tables per block, and references that are rightly in no table.
        self.owners: Counter[Block] = Counter()
        self.promised: Counter[Block] = Counter()
        self._engines: dict[int, EngineAudit] = {}

    def note(self, event: Any) -> None:
        """Keep the books for one event."""
        book = BOOKS.get(type(event))
        if book is not None:
            book(self, event)

    def books(self, engine: int) -> EngineAudit:
        """The books of one engine."""
        found = self._engines.get(engine)
        if found is None:
            found = self._engines[engine] = EngineAudit()
        return found

    def gather(self, engine: int) -> bool:
        """Collect the changed blocks in `changed`; whether there are any."""
        books = self.books(engine)
        if not books.blocks and not books.whole:
            books.changed = []
            return False
        pools = self.machine.engine_pools(engine)
        seqs = self._all_blocks(pools) if books.whole else books.blocks
        books.changed = [
            (number, pools[number], block, seq)
            for (number, block), seq in seqs.items()
            if number in pools and block != pools[number].null_block
        ]
        return True

    def _all_blocks(self, pools: dict[int, Pool]) -> dict[Block, int]:
        """Every block that is free, referenced or in a table, as changed by the last event."""
        known = {
            (number, block)
            for number, pool in pools.items()
            for blocks in (pool.free, pool.refs)
            for block in blocks
        }
        return dict.fromkeys(known.union(self.owners), self.machine.seq)

    def changed_requests(self, engine: int) -> dict[int, int]:
        """Request -> event, of each request that moved or was set."""
        books = self.books(engine)
        if books.whole:
            return dict.fromkeys(self.machine.engines[engine].requests, self.machine.seq)
        return books.requests

    def changed_rows(self, engine: int) -> dict[int, int]:
        """Request -> event, of each request with a changed block table."""
        books = self.books(engine)
        if books.whole:
            return dict.fromkeys(self.machine.engines[engine].requests, self.machine.seq)
        return books.rows

    def resync(self, engine: int) -> None:
        """Start the books of an engine anew from its state, and take everything as changed."""
        before = self.books(engine)
        books = self._engines[engine] = EngineAudit()
        books.connected, books.whole = before.connected, True
        state = self.machine.engines[engine]
        books.unsure_until = max(state.step, state.scheduled)
        pools = self.machine.engine_pools(engine)
        for key in [key for key in self.owners if key[0] in pools]:
            del self.owners[key]
        for table in self.machine.tables.values():
            if table.engine == engine:
                for row in table.rows.values():
                    self.owners.update((table.pool, block) for block in row)
        for number, pool in pools.items():
            for block, count in pool.refs.items():
                self.promised[number, block] = max(count - self.owners[number, block], 0)

    def engine_of_pool(self, number: int) -> int | None:
        """The engine that a pool belongs to; None where no event tells."""
        pool = self.machine.pools.get(number)
        if pool is None:
            return None
        if pool.engine is None and len(self.machine.engines) == 1:
            return next(iter(self.machine.engines))
        return pool.engine

    def mark(self, pool: int, blocks: Iterable[int], seq: int) -> None:
        """Blocks changed at event `seq`."""
        engine = self.engine_of_pool(pool)
        if engine is not None:
            changed = self.books(engine).blocks
            for block in blocks:
                changed[pool, block] = seq

    def move(self, event: Any, table: TableState, out: Iterable[int], into: Iterable[int]) -> None:
        """Blocks left and entered a request's block table."""
        number = table.pool
        books = self.books(table.engine)
        books.rows[event.request] = event.seq
        if event.request in books.finished and into:
            books.finished[event.request] = event.seq
        for block in out:
            # The reference outlives the entry until it is freed, at once or later.
            self.owners[number, block] -= 1
            self.promised[number, block] += 1
            books.blocks[number, block] = event.seq
        for block in into:
            self.owners[number, block] += 1
            books.blocks[number, block] = event.seq


__all__ = ["Audit", "EngineAudit"]
