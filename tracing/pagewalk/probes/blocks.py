"""BlockPool call -> event: who took, shared, hashed and gave back which blocks."""

from __future__ import annotations

from typing import Any

from pagewalk.probes.spec import NUMBER, Probe, Reading, argument
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
)

POOL = "vllm.v1.core.block_pool:BlockPool"
MANAGER = "vllm.v1.core.single_type_kv_cache_manager:SingleTypeKVCacheManager"
Args = tuple[Any, ...]
Kwargs = dict[str, Any]


def pool_created(pool: Any, args: Args, kwargs: Kwargs, result: Any) -> Reading:
    """A pool with all its blocks free but the null block."""
    return (
        PoolCreated,
        pool._pagewalk,
        pool.num_gpu_blocks,
        bool(pool.enable_caching),
        pool.null_block.block_id,
        str(getattr(pool, "medium", "")),
    )


def blocks_taken(pool: Any, args: Args, kwargs: Kwargs, result: Any) -> Reading | None:
    """Block ids in the order the free queue handed them out."""
    if not result:
        return None
    return (BlocksTaken, pool._pagewalk, [block.block_id for block in result])


def blocks_touched(pool: Any, args: Args, kwargs: Kwargs, result: Any) -> Reading | None:
    """Block ids whose reference count went up by one each, null blocks included."""
    blocks = argument(args, kwargs, 0, "blocks")
    if not blocks:
        return None
    return (BlocksTouched, pool._pagewalk, [block.block_id for block in blocks])


def blocks_freed(pool: Any, args: Args, kwargs: Kwargs, result: Any) -> Reading | None:
    """Block ids in call order. Blocks of another pool are freed by a nested call on that pool."""
    ids = [
        block.block_id
        for block in argument(args, kwargs, 0, "ordered_blocks")
        if getattr(block, "pool", None) in (None, pool)
    ]
    if not ids:
        return None
    if pool.enable_caching:
        return (BlocksFreed, pool._pagewalk, ids)
    # Which end they went to depends on the release. In an empty queue both are the same.
    tail = pool.free_block_queue.fake_free_list_tail.prev_free_block
    return (BlocksFreed, pool._pagewalk, ids, tail.block_id in ids)


def blocks_unpinned(pool: Any, args: Args, kwargs: Kwargs, result: Any) -> Reading | None:
    """Block ids released to the tail of the free queue while still readable."""
    blocks = argument(args, kwargs, 0, "blocks")
    ids = [block.block_id for block in blocks]
    return (BlocksUnpinned, pool._pagewalk, ids) if ids else None


def hash_added(pool: Any, args: Args, kwargs: Kwargs, result: Any) -> Reading:
    """The key is the block hash and, in its last four bytes, the KV-cache group."""
    key = argument(args, kwargs, 0, "block_hash_with_group_id")
    return (HashAdded, pool._pagewalk, key, argument(args, kwargs, 1, "block").block_id)


def hashes_removed(pool: Any, args: Args, kwargs: Kwargs, result: Any) -> list[Reading] | None:
    """One event for each hash under which the block could be hit until now."""
    if not result:
        return None
    block = argument(args, kwargs, 0, "block").block_id
    return [(HashRemoved, pool._pagewalk, key, block) for key in result]


def prefix_cache_reset(pool: Any, args: Args, kwargs: Kwargs, result: Any) -> Reading | None:
    """Only a reset that succeeded changed anything."""
    return (PrefixCacheReset, pool._pagewalk) if result else None


def hashes_moved(pool: Any, args: Args, kwargs: Kwargs, result: Any) -> Reading:
    """The writer keeps `src_block`, whose count the caller raises; the cache keeps the copy."""
    source = argument(args, kwargs, 0, "src_block").block_id
    copy = argument(args, kwargs, 1, "dst_block").block_id
    return (CopyQueued, pool._pagewalk, source, copy, source)


def copy_on_write(manager: Any, args: Args, kwargs: Kwargs, result: Any) -> Reading:
    """The hit request goes on with the copy, which keeps one more count until it has run."""
    source = argument(args, kwargs, 2, "source_block").block_id
    copy = argument(args, kwargs, 3, "cow_block").block_id
    return (CopyQueued, getattr(manager.block_pool, NUMBER), source, copy, copy)


PROBES = (
    Probe("blocks", f"{POOL}.__init__", "construct", pool_created, family="pool", wakes=True),
    Probe("blocks", f"{POOL}.get_new_blocks", "after", blocks_taken, ("num_blocks",)),
    Probe("blocks", f"{POOL}.touch", "after", blocks_touched, ("blocks",)),
    Probe(
        "blocks",
        f"{POOL}.free_blocks",
        "after",
        blocks_freed,
        ("ordered_blocks",),
        materialise=True,
    ),
    Probe(
        "blocks",
        f"{POOL}.unpin_blocks",
        "after",
        blocks_unpinned,
        ("blocks",),
        materialise=True,
        optional=True,
        note="since 0.30",
    ),
    Probe(
        "blocks",
        f"{POOL}._insert_block_hash",
        "after",
        hash_added,
        ("block_hash_with_group_id", "block"),
    ),
    Probe("blocks", f"{POOL}._remove_cached_block_hashes", "after", hashes_removed, ("block",)),
    Probe("blocks", f"{POOL}.reset_prefix_cache", "after", prefix_cache_reset),
    Probe("blocks", f"{POOL}.move_block_hashes", "after", hashes_moved, ("src_block", "dst_block")),
    Probe(
        "blocks",
        f"{MANAGER}._apply_cow",
        "after",
        copy_on_write,
        ("request_id", "block_idx", "source_block", "cow_block"),
    ),
)
