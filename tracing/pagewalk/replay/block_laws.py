"""Laws of blocks: who may be taken, shared, freed, hashed and queued."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest
from typing import Any

from pagewalk.errors import plain
from pagewalk.replay.audit import Audit
from pagewalk.replay.block_rules import hash_key
from pagewalk.replay.law import Broken, Law, law
from pagewalk.trace.events import (
    BlocksFreed,
    BlocksTaken,
    BlocksUnpinned,
    CopyQueued,
    HashAdded,
    HashRemoved,
    StateDumped,
)

POOL = "vllm.v1.core.block_pool:BlockPool"
QUEUE = "vllm.v1.core.kv_cache_utils:FreeKVCacheBlockQueue"
MAP = "vllm.v1.core.block_pool:BlockHashToBlockMap"
MANAGER = "vllm.v1.core.single_type_kv_cache_manager:SingleTypeKVCacheManager"
_SHOWN = 8


def block_name(pool: int, block: int) -> str:
    """How messages name a block."""
    return f"block {block} of pool {pool}"


@law("taken-from-front", f"{QUEUE}.popleft_n", (BlocksTaken,), "before")
def taken_from_front(audit: Audit, event: BlocksTaken) -> Iterator[Broken]:
    """New blocks are the front of the free queue, in its order."""
    front = audit.machine.pools[event.pool].free.first(len(event.blocks))
    if front == event.blocks:
        return
    pairs = zip_longest(front, event.blocks)
    due, block = next(pair for pair in pairs if pair[0] != pair[1])
    stood = "no block" if due is None else f"block {due}"
    yield Broken(
        f"block {block} was taken where {stood} stood at the front",
        (block_name(event.pool, block),),
    )


@law("taken-has-no-hash", f"{POOL}._maybe_evict_cached_block", (BlocksTaken,), "after")
def taken_has_no_hash(audit: Audit, event: BlocksTaken) -> Iterator[Broken]:
    """A block that is taken to be written can no longer be hit."""
    hashed = audit.machine.pools[event.pool].hashed
    for block in event.blocks:
        if block in hashed:
            yield Broken(
                f"block {block} was taken and still has {hashed[block]} hash(es)",
                (block_name(event.pool, block),),
            )


@law("ref-never-negative", f"{POOL}.free_blocks", (BlocksFreed, BlocksUnpinned), "before")
def ref_never_negative(audit: Audit, event: BlocksFreed | BlocksUnpinned) -> Iterator[Broken]:
    """No block is freed more often than it was referenced (the null block is not counted)."""
    pool = audit.machine.pools[event.pool]
    freed: dict[int, int] = {}
    for block in event.blocks:
        freed[block] = freed.get(block, 0) + 1
        if block != pool.null_block and freed[block] > pool.refs.get(block, 0):
            yield Broken(
                f"block {block} was freed with no reference left",
                (block_name(event.pool, block),),
            )


@law(
    "null-block-never-queued",
    f"{POOL}.__init__",
    (BlocksTaken, BlocksUnpinned, StateDumped),
    "after",
)
def null_block_never_queued(audit: Audit, event: Any) -> Iterator[Broken]:
    """The null block is never in the free queue, so nobody can take it."""
    if isinstance(event, StateDumped):
        pools = audit.machine.engine_pools(event.engine)
        wrong = [number for number, pool in pools.items() if pool.null_block in pool.free]
    else:
        null = audit.machine.pools[event.pool].null_block
        wrong = [event.pool] if null in event.blocks else []
    for number in wrong:
        null = audit.machine.pools[number].null_block
        yield Broken(
            f"the null block {null} went through the free queue", (block_name(number, null),)
        )


@law("free-queue-holds-no-referenced-block", f"{POOL}.touch", of_blocks=True)
def free_holds_no_referenced(audit: Audit, event: Any) -> Iterator[Broken]:
    """A block in the free queue has no reference."""
    for number, pool, block, seq in audit.books(event.engine).changed:
        count = pool.refs.get(block, 0)
        if count > 0 and block in pool.free:
            yield Broken(
                f"block {block} is in the free queue with {count} reference(s)",
                (block_name(number, block),),
                seq,
            )


@law("free-plus-owned-is-all", f"{POOL}.get_usage", of_blocks=True)
def free_plus_owned_is_all(audit: Audit, event: Any) -> Iterator[Broken]:
    """Every block but the null block is either free or referenced."""
    for number, pool, block, seq in audit.books(event.engine).changed:
        if pool.refs.get(block, 0) <= 0 and block not in pool.free:
            yield Broken(
                f"block {block} is neither free nor referenced", (block_name(number, block),), seq
            )
    if not audit.books(event.engine).whole:
        return
    for number, pool in audit.machine.engine_pools(event.engine).items():
        owned = sum(count > 0 for block, count in pool.refs.items() if block != pool.null_block)
        total = len(pool.free) + owned + 1
        if total != pool.num_blocks:
            yield Broken(
                f"{len(pool.free)} free and {owned} referenced blocks and the null block are not "
                f"the {pool.num_blocks} of pool {number}",
                (f"pool {number}",),
                audit.machine.seq,
            )


@law("no-double-owner", f"{MANAGER}.add_local_computed_blocks", of_blocks=True)
def no_double_owner(audit: Audit, event: Any) -> Iterator[Broken]:
    """A block stands in no more block tables than its reference count says."""
    for number, pool, block, seq in audit.books(event.engine).changed:
        entries, count = audit.owners[number, block], pool.refs.get(block, 0)
        if entries > max(count, 0):
            yield Broken(
                f"block {block} stands {entries} times in block tables with {count} reference(s)",
                (block_name(number, block), *_holders(audit, number, block)),
                seq,
            )


@law("every-reference-has-a-holder", f"{MANAGER}.pop_blocks_for_free", of_blocks=True)
def every_reference_has_a_holder(audit: Audit, event: Any) -> Iterator[Broken]:
    """A reference is an entry of a block table, or a copy or free under way: no block leaks."""
    if audit.books(event.engine).connected:
        return
    bound = {table.pool for table in audit.machine.tables.values()}
    for number, pool, block, seq in audit.books(event.engine).changed:
        if number not in bound:
            continue
        surplus = pool.refs.get(block, 0) - audit.owners[number, block]
        if surplus > audit.promised[number, block]:
            yield Broken(
                f"block {block} has {pool.refs.get(block, 0)} reference(s) and stands "
                f"{audit.owners[number, block]} times in block tables",
                (block_name(number, block),),
                seq,
            )
        audit.promised[number, block] = max(min(surplus, audit.promised[number, block]), 0)


@law("hash-points-to-live-block", f"{POOL}._insert_block_hash", (HashAdded,), "before")
def hash_points_to_live_block(audit: Audit, event: HashAdded) -> Iterator[Broken]:
    """A block gets a hash while somebody references it, and never the null block."""
    pool = audit.machine.pools[event.pool]
    if event.block == pool.null_block:
        why = "it is the null block"
    elif pool.refs.get(event.block, 0) <= 0:
        why = "nobody references it"
    else:
        return
    yield Broken(
        f"block {event.block} got a hash although {why}", (block_name(event.pool, event.block),)
    )


@law("removed-hash-was-there", f"{MAP}.pop", (HashRemoved,), "before")
def removed_hash_was_there(audit: Audit, event: HashRemoved) -> Iterator[Broken]:
    """A hash that is removed pointed to the block."""
    known = audit.machine.pools[event.pool].hashes.get(hash_key(event.group, event.hash), ())
    if event.block not in known:
        yield Broken(
            f"block {event.block} lost a hash that it did not have",
            (block_name(event.pool, event.block),),
        )


@law("copy-holds-both-ends", f"{MANAGER}._apply_cow", (CopyQueued,), "after")
def copy_holds_both_ends(audit: Audit, event: CopyQueued) -> Iterator[Broken]:
    """Both ends of a queued copy stay referenced until it has run."""
    refs = audit.machine.pools[event.pool].refs
    for block in (event.source, event.copy):
        if refs.get(block, 0) <= 0:
            yield Broken(
                f"block {block} is an end of a copy and nobody references it",
                (block_name(event.pool, block),),
            )


def _holders(audit: Audit, pool: int, block: int) -> list[str]:
    """The requests whose block tables hold the block."""
    holders = [
        f"request {plain(audit.machine.request_id(request))}"
        for table in audit.machine.tables.values()
        if table.pool == pool
        for request, row in table.rows.items()
        if block in row
    ]
    return list(dict.fromkeys(holders))[:_SHOWN]


BLOCK_LAWS: tuple[Law, ...] = (
    taken_from_front,
    taken_has_no_hash,
    ref_never_negative,
    null_block_never_queued,
    free_holds_no_referenced,
    free_plus_owned_is_all,
    no_double_owner,
    every_reference_has_a_holder,
    hash_points_to_live_block,
    removed_hash_was_there,
    copy_holds_both_ends,
)

__all__ = ["BLOCK_LAWS", "block_name"]
