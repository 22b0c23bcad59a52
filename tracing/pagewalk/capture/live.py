"""A live scheduler -> its state as plain data: what replay must come to, field by field."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pagewalk.probes.spec import NUMBER
from pagewalk.probes.steps import QUEUES

Salt = Callable[[bytes], str]


def live_state(scheduler: Any, salt: Salt) -> dict[str, Any]:
    """All fields of the state. Cost grows with the number of blocks: for checks only."""
    managers = scheduler.kv_cache_manager.coordinator.single_type_managers
    pools = {getattr(one.block_pool, NUMBER): one.block_pool for one in managers}
    main = scheduler.kv_cache_manager.block_pool
    pools.setdefault(getattr(main, NUMBER), main)
    return {
        "free_queue": {str(n): free_queue(pool) for n, pool in pools.items()},
        "ref_counts": {str(n): ref_counts(pool) for n, pool in pools.items()},
        "hashes": {str(n): hashes(pool, salt) for n, pool in pools.items()},
        "tables": {str(getattr(one, NUMBER)): tables(one) for one in managers},
        "queues": {
            name: [request.request_id for request in getattr(scheduler, name)]
            for name in QUEUES
            if getattr(scheduler, name, None) is not None
        },
        "running": [request.request_id for request in scheduler.running],
        "requests": {
            request_id: [request.status.name, request.num_computed_tokens, request.num_tokens]
            for request_id, request in scheduler.requests.items()
            if not request.is_finished()
        },
    }


def order(scheduler: Any) -> dict[str, tuple[int, float]]:
    """Priority and arrival time of each request: what a priority queue sorts by."""
    return {
        request_id: (int(request.priority), float(request.arrival_time))
        for request_id, request in scheduler.requests.items()
        if not request.is_finished()
    }


def free_queue(pool: Any) -> list[int]:
    """Ids in the order in which the free queue will hand them out, read link by link."""
    block = pool.free_block_queue.fake_free_list_head.next_free_block
    tail = pool.free_block_queue.fake_free_list_tail
    ids = []
    while block is not tail:
        ids.append(block.block_id)
        block = block.next_free_block
    return ids


def ref_counts(pool: Any) -> dict[str, int]:
    """Counts that are not zero, the null block's too."""
    return {str(block.block_id): block.ref_cnt for block in pool.blocks if block.ref_cnt}


def hashes(pool: Any, salt: Salt) -> dict[str, list[int]]:
    """`group:hash` -> ids of the blocks under it, the one that would be hit first."""
    out = {}
    for key, blocks in pool.cached_block_hash_to_block._cache.items():
        ids = list(blocks) if isinstance(blocks, dict) else [blocks.block_id]
        out[f"{int.from_bytes(key[-4:], 'big')}:{salt(bytes(key[:-4]))}"] = ids
    return out


def tables(manager: Any) -> dict[str, list[int]]:
    """Request id -> block ids; tables without a block are left out."""
    return {
        request_id: [block.block_id for block in blocks]
        for request_id, blocks in manager.req_to_blocks.items()
        if blocks
    }
