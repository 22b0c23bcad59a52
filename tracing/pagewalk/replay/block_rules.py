"""Block and table events -> moves of the machine: one rule for each type of event."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pagewalk.replay.pools import MAX_BLOCKS, Pool
from pagewalk.replay.requests import EngineState
from pagewalk.replay.tables import TableState
from pagewalk.trace.events import (
    BlocksFreed,
    BlocksTaken,
    BlocksTouched,
    BlocksUnpinned,
    CopyQueued,
    HashAdded,
    HashRemoved,
    PoolCreated,
    PrefixCacheReset,
    TableDropped,
    TableEntrySet,
    TableExtended,
    TableReplaced,
    TablesCreated,
)

if TYPE_CHECKING:
    from pagewalk.replay.machine import Machine


def hash_key(group: int, block_hash: str) -> str:
    """The key of a hash map entry as the canonical state spells it."""
    return f"{group}:{block_hash}"


def _pool_created(machine: Machine, event: PoolCreated) -> None:
    if not (0 < event.num_blocks <= MAX_BLOCKS and 0 <= event.null_block < event.num_blocks):
        machine.refuse(event, f"a pool of {event.num_blocks} blocks, null {event.null_block}")
        return
    machine.pools[event.pool] = Pool(
        event.num_blocks, event.null_block, event.caching, event.medium
    )


def _tables_created(machine: Machine, event: TablesCreated) -> None:
    machine.engines.setdefault(event.engine, EngineState())
    table = TableState(event.engine, event.group, event.pool, event.block_size, event.kind)
    before = machine.tables.get(event.table)
    if before is not None:
        # The same tables, bound to another pool: what they hold stays.
        table.rows = before.rows
    machine.tables[event.table] = table
    pool = machine.pools.get(event.pool)
    if pool is None:
        machine.missing(event, f"pool {event.pool}", event.engine)
    elif pool.engine is None:
        pool.engine = event.engine


def _taken(machine: Machine, event: BlocksTaken) -> None:
    pool = _pool(machine, event)
    if pool is not None:
        pool.take(_real(machine, event, pool, event.blocks))


def _touched(machine: Machine, event: BlocksTouched) -> None:
    pool = _pool(machine, event)
    if pool is not None:
        pool.touch(_real(machine, event, pool, event.blocks))


def _freed(machine: Machine, event: BlocksFreed) -> None:
    pool = _pool(machine, event)
    if pool is not None:
        pool.release(_real(machine, event, pool, event.blocks), event.back)


def _unpinned(machine: Machine, event: BlocksUnpinned) -> None:
    pool = _pool(machine, event)
    if pool is not None:
        pool.unpin(_real(machine, event, pool, event.blocks))


def _copy_queued(machine: Machine, event: CopyQueued) -> None:
    pool = _pool(machine, event)
    if pool is not None and _real(machine, event, pool, [event.pinned]):
        pool.pin(event.pinned)


def _hash_added(machine: Machine, event: HashAdded) -> None:
    pool = _pool(machine, event)
    if pool is not None and _real(machine, event, pool, [event.block]):
        pool.add_hash(hash_key(event.group, event.hash), event.block)


def _hash_removed(machine: Machine, event: HashRemoved) -> None:
    pool = _pool(machine, event)
    if pool is not None:
        pool.remove_hash(hash_key(event.group, event.hash), event.block)


def _cache_reset(machine: Machine, event: PrefixCacheReset) -> None:
    pool = _pool(machine, event)
    if pool is not None:
        pool.reset_hashes()


def _extended(machine: Machine, event: TableExtended) -> None:
    table = _table(machine, event)
    if table is None:
        return
    blocks = _row_blocks(machine, event, table, event.blocks)
    row = table.rows.get(event.request)
    if row is None:
        table.rows[event.request] = list(blocks)
        if event.request not in machine.names:
            machine.missing(event, f"request {event.request}", table.engine)
    else:
        row.extend(blocks)


def _entry_set(machine: Machine, event: TableEntrySet) -> None:
    table = _table(machine, event)
    if table is None:
        return
    row = table.rows.get(event.request, [])
    if not 0 <= event.index < len(row):
        machine.refuse(event, f"entry {event.index} of a block table with {len(row)}", table.engine)
    elif _row_blocks(machine, event, table, [event.block]):
        row[event.index] = event.block


def _replaced(machine: Machine, event: TableReplaced) -> None:
    table = _table(machine, event)
    if table is not None:
        table.rows[event.request] = list(_row_blocks(machine, event, table, event.blocks))


def _table_dropped(machine: Machine, event: TableDropped) -> None:
    table = _table(machine, event)
    if table is not None:
        table.rows.pop(event.request, None)


def _pool(machine: Machine, event: Any) -> Pool | None:
    pool = machine.pools.get(event.pool)
    if pool is None:
        machine.missing(event, f"pool {event.pool}")
    return pool


def _table(machine: Machine, event: Any) -> TableState | None:
    table = machine.tables.get(event.table)
    if table is None:
        machine.missing(event, f"block table {event.table}")
    return table


def _row_blocks(machine: Machine, event: Any, table: TableState, blocks: list[int]) -> list[int]:
    pool = machine.pools.get(table.pool)
    return blocks if pool is None else _real(machine, event, pool, blocks)


def _real(machine: Machine, event: Any, pool: Pool, blocks: list[int]) -> list[int]:
    """Those blocks that exist; the others are refused."""
    if not blocks or (min(blocks) >= 0 and max(blocks) < pool.num_blocks):
        return blocks
    real = [block for block in blocks if pool.has(block)]
    strange = next(block for block in blocks if not pool.has(block))
    machine.refuse(event, f"block {strange} of a pool of {pool.num_blocks}", pool.engine)
    return real


BLOCK_RULES: dict[type, Callable[[Any, Any], None]] = {
    PoolCreated: _pool_created,
    TablesCreated: _tables_created,
    BlocksTaken: _taken,
    BlocksTouched: _touched,
    BlocksFreed: _freed,
    BlocksUnpinned: _unpinned,
    CopyQueued: _copy_queued,
    HashAdded: _hash_added,
    HashRemoved: _hash_removed,
    PrefixCacheReset: _cache_reset,
    TableExtended: _extended,
    TableEntrySet: _entry_set,
    TableReplaced: _replaced,
    TableDropped: _table_dropped,
}

__all__ = ["BLOCK_RULES", "hash_key"]
