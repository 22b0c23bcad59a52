"""Block and table events -> operations that the player repeats, foreseeing most block ids.

The player keeps the same free queue, reference counts and block tables as replay does. So the
operations name blocks only where they cannot be foreseen: a block that is taken is the head of
the free queue, a table that is dropped frees its row from the end, and the block that becomes
cached is the next of its row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pagewalk.replay.machine import Machine
from pagewalk.trace.events import (
    BlocksFreed,
    BlocksTaken,
    BlocksTouched,
    BlocksUnpinned,
    CopyQueued,
    HashAdded,
    HashRemoved,
    PrefixCacheReset,
    TableDropped,
    TableEntrySet,
    TableExtended,
    TableReplaced,
)
from pagewalk.views.engines import Engine
from pagewalk.views.payload_columns import Column, column, folded
from pagewalk.views.payload_ops import Operations

Index = Callable[[int], int]
"""A request's number in its segment -> its place in the payload's list of requests."""


class BlockLog:
    """Operations of one engine, frame by frame. `pools` and `tables` map a number to its place
    in the payload; `entries` is the number of table entries that were set."""

    def __init__(self, engine: Engine, machine: Machine, index: Index) -> None:
        self.pools = {one.pool: at for at, one in enumerate(engine.pools)}
        self.tables = {one.table: at for at, one in enumerate(engine.tables)}
        self.entries = 0
        self.before = {BlocksTaken: self._taken}
        self.after: dict[type, Callable[[Any], None]] = {
            BlocksTouched: self._touched,
            BlocksFreed: self._freed,
            BlocksUnpinned: lambda event: self._listed("unpin", event.pool, event.blocks),
            CopyQueued: lambda event: self._listed("pin", event.pool, [event.pinned]),
            HashAdded: self._hash_added,
            HashRemoved: self._hash_removed,
            PrefixCacheReset: self._reset,
            TableExtended: self._extended,
            TableEntrySet: self._entry_set,
            TableReplaced: self._replaced,
            TableDropped: self._dropped,
        }
        self._machine = machine
        self._index = index
        self._ops = Operations()
        self._row_ids: dict[tuple[int, int], int] = {}
        self._held: dict[int, list[int]] = {}
        self._cursor: dict[int, int] = {}
        self._cached: dict[int, set[int]] = {}
        self._placed: dict[tuple[int, int], int] = {}
        # What has happened and is not written yet, because the next event may foresee it.
        self._taking: tuple[int, list[int]] | None = None
        self._touching: tuple[int, list[int]] | None = None
        self._uncaching: tuple[int, list[int]] | None = None
        self._caching: tuple[int, int] | None = None
        self._dropping: tuple[int, int, list[int]] | None = None

    def close_frame(self) -> None:
        """All operations since the last call belong to one frame."""
        self._flush()
        self._ops.close_frame()

    @property
    def changes(self) -> int:
        """At least the number of changes of single blocks that the player will make."""
        return self._ops.changes

    def load(self, engine: int) -> None:
        """Write all pools and tables as they are now: what came before is not to be built on."""
        self._taking = self._touching = self._uncaching = self._caching = self._dropping = None
        machine = self._machine
        for number, pool in machine.engine_pools(engine).items():
            if pool.engine is None and number not in self.pools:
                continue  # It belongs to an engine that is not introduced yet.
            self.pools.setdefault(number, len(self.pools))
            free, cached = list(pool.free), sorted(pool.hashed)
            nums = [len(free), len(cached), len(pool.refs), *folded(pool.refs.values())]
            blocks = [*free, *cached, *pool.refs]
            self._ops.write("load", self.pools[number], nums, blocks, pool.num_blocks)
            self._cached[number] = set(cached)
        self._ops.write("clear", 0, changes=sum(map(len, self._held.values())))
        self._held.clear()
        self._cursor.clear()
        for number, table in machine.tables.items():
            if table.engine != engine:
                continue
            self.tables.setdefault(number, len(self.tables))
            for request, blocks in table.rows.items():
                self._replace(number, request, blocks)

    def columns(self) -> list[Column]:
        """The operations as columns."""
        return [
            *self._ops.columns(),
            column("row_request", [request for request, _ in self._row_ids], delta=True),
            column("row_table", [table for _, table in self._row_ids]),
        ]

    # Writing

    def _listed(self, code: str, pool: int, blocks: Sequence[int]) -> None:
        if pool in self.pools:
            self._flush()
            self._ops.write(code, self.pools[pool], [len(blocks)], blocks)

    def _flush(self) -> None:
        if self._uncaching is not None:
            (pool, blocks), self._uncaching = self._uncaching, None
            self._listed("uncache", pool, blocks)
        if self._taking is not None:
            (pool, blocks), self._taking = self._taking, None
            self._ops.write("take", self.pools[pool], [len(blocks)], changes=len(blocks))
        if self._touching is not None:
            (pool, blocks), self._touching = self._touching, None
            self._listed("touch", pool, blocks)
        if self._caching is not None:
            (row, count), self._caching = self._caching, None
            self._ops.write("cache_row", row, [count], changes=count)
        if self._dropping is not None:
            (row, _, blocks), self._dropping = self._dropping, None
            self._ops.write("drop", row, changes=len(blocks))

    # Pools

    def _taken(self, event: BlocksTaken) -> None:
        """Before the event is applied: the head of the queue is still to be seen."""
        if event.pool not in self.pools:
            return
        if self._uncaching is None or self._uncaching[0] != event.pool:
            self._flush()
        cached = self._cached.setdefault(event.pool, set())
        lost = self._uncaching[1] if self._uncaching is not None else []
        pool = self._machine.pools.get(event.pool)
        foreseen = pool is not None and pool.free.first(len(event.blocks)) == event.blocks
        if not foreseen or not set(lost) <= set(event.blocks) or cached & set(event.blocks):
            self._listed("take_listed", event.pool, event.blocks)
            return
        self._uncaching = None
        self._flush()
        self._taking = (event.pool, event.blocks)

    def _touched(self, event: BlocksTouched) -> None:
        if event.pool in self.pools:
            self._flush()
            self._touching = (event.pool, event.blocks)

    def _freed(self, event: BlocksFreed) -> None:
        if event.pool not in self.pools:
            return
        if self._dropping is not None and not event.back:
            row, pool, blocks = self._dropping
            if pool == event.pool and event.blocks == blocks[::-1]:
                self._dropping = None
                self._ops.write("drop_free", row, changes=len(blocks))
                return
        self._listed("free_back" if event.back else "free", event.pool, event.blocks)

    def _hash_added(self, event: HashAdded) -> None:
        if event.pool not in self.pools:
            return
        cached = self._cached.setdefault(event.pool, set())
        if event.block in cached:
            return
        row = self._placed.get((event.pool, event.block))
        if row is not None and self._next_to_cache(row, event.pool, cached) == event.block:
            if self._caching is None or self._caching[0] != row:
                self._flush()
                self._caching = (row, 0)
            self._caching = (row, self._caching[1] + 1)
            self._cursor[row] += 1
        else:
            self._listed("cache", event.pool, [event.block])
        cached.add(event.block)

    def _next_to_cache(self, row: int, pool: int, cached: set[int]) -> int | None:
        held, at = self._held.get(row, []), self._cursor.get(row, 0)
        null = self._machine.pools[pool].null_block
        while at < len(held) and (held[at] == null or held[at] in cached):
            at += 1
        self._cursor[row] = at
        return held[at] if at < len(held) else None

    def _hash_removed(self, event: HashRemoved) -> None:
        cached = self._cached.setdefault(event.pool, set())
        pool = self._machine.pools.get(event.pool)
        if event.pool not in self.pools or event.block not in cached:
            return
        if pool is not None and event.block in pool.hashed:
            return  # It has another hash.
        if self._uncaching is None or self._uncaching[0] != event.pool:
            self._flush()
            self._uncaching = (event.pool, [])
        self._uncaching[1].append(event.block)
        cached.discard(event.block)

    def _reset(self, event: PrefixCacheReset) -> None:
        if event.pool not in self.pools:
            return
        self._flush()
        cached = self._cached.setdefault(event.pool, set())
        self._ops.write("reset", self.pools[event.pool], changes=len(cached))
        cached.clear()

    # Tables

    def _row(self, table: int, request: int) -> int:
        key = (self._index(request), self.tables[table])
        return self._row_ids.setdefault(key, len(self._row_ids))

    def _extended(self, event: TableExtended) -> None:
        if event.table not in self.tables or not event.blocks:
            return
        row, pool = self._row(event.table, event.request), self._machine.tables[event.table].pool
        count = len(event.blocks)
        if self._taking == (pool, event.blocks):
            self._taking = None
            self._ops.write("grow", row, [count], changes=count)
        elif self._touching == (pool, event.blocks):
            self._touching = None
            self._ops.write("share", row, [count], event.blocks)
        else:
            self._flush()
            self._ops.write("extend", row, [count], event.blocks)
        self.entries += count
        self._held.setdefault(row, []).extend(event.blocks)
        self._cursor.setdefault(row, 0)
        for block in event.blocks:
            self._placed[pool, block] = row

    def _entry_set(self, event: TableEntrySet) -> None:
        if event.table not in self.tables:
            return
        row, pool = self._row(event.table, event.request), self._machine.tables[event.table].pool
        self._flush()
        self._ops.write("set", row, [event.index], [event.block], 2)
        self.entries += 1
        self._held[row][event.index] = event.block
        self._placed[pool, event.block] = row

    def _replaced(self, event: TableReplaced) -> None:
        if event.table in self.tables:
            self._flush()
            self._replace(event.table, event.request, event.blocks)

    def _replace(self, table: int, request: int, blocks: list[int]) -> None:
        row, pool = self._row(table, request), self._machine.tables[table].pool
        changes = len(blocks) + len(self._held.get(row, ()))
        self._ops.write("replace", row, [len(blocks)], blocks, changes)
        self.entries += len(blocks)
        self._held[row], self._cursor[row] = list(blocks), 0
        for block in blocks:
            self._placed[pool, block] = row

    def _dropped(self, event: TableDropped) -> None:
        if event.table not in self.tables:
            return
        self._flush()
        row = self._row(event.table, event.request)
        blocks = self._held.pop(row, [])
        self._cursor.pop(row, None)
        if blocks:
            self._dropping = (row, self._machine.tables[event.table].pool, blocks)


__all__ = ["BlockLog"]
