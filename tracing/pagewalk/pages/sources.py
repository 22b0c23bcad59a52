"""An event's name -> the engine function it tells of: where the player's links lead."""

from __future__ import annotations

_SCHEDULER = "vllm.v1.core.sched.scheduler:Scheduler."
_POOL = "vllm.v1.core.block_pool:BlockPool."
_TABLES = "vllm.v1.core.single_type_kv_cache_manager:SingleTypeKVCacheManager."
_MANAGER = "vllm.v1.core.kv_cache_manager:KVCacheManager."

# Event -> `module:Class.function`. An exit has a line of its own in the trace.
SOURCES: dict[str, str] = {
    "StepScheduled": f"{_SCHEDULER}schedule",
    "RequestEnqueued": f"{_SCHEDULER}add_request",
    "RequestPreempted": f"{_SCHEDULER}_preempt_request",
    "RequestFinished": f"{_SCHEDULER}_free_request",
    "PauseStateSet": f"{_SCHEDULER}set_pause_state",
    "PrefixLookedUp": f"{_MANAGER}get_computed_blocks",
    "SlotsRefused": f"{_MANAGER}allocate_slots",
    "BlocksTaken": f"{_POOL}get_new_blocks",
    "BlocksTouched": f"{_POOL}touch",
    "BlocksFreed": f"{_POOL}free_blocks",
    "HashAdded": f"{_POOL}_insert_block_hash",
    "HashRemoved": f"{_POOL}_remove_cached_block_hashes",
    "CopyQueued": f"{_TABLES}_apply_cow",
    "PrefixCacheReset": f"{_POOL}reset_prefix_cache",
}

__all__ = ["SOURCES"]
