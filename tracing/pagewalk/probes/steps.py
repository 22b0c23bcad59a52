"""Scheduler.schedule and update_from_output -> event: what a step decided and what came of it."""

from __future__ import annotations

import os
import re
import sys
from typing import Any

from pagewalk.probes.outputs import outputs_of, request_ids, token_counts
from pagewalk.probes.spec import STEP, Probe, Reading, argument, dp_rank, optional_argument
from pagewalk.trace.events import (
    EngineConfigured,
    ExitTaken,
    PrefixLookedUp,
    QueueCreated,
    SlotsRefused,
    StepScheduled,
    StepStarted,
    StepUpdated,
    UpdateStarted,
)

SCHEDULER = "vllm.v1.core.sched.scheduler:Scheduler"
KV_MANAGER = "vllm.v1.core.kv_cache_manager:KVCacheManager"
_HUB_NAME = re.compile(r"[\w-][\w.-]*(/[\w.-]+)?")
QUEUES = ("waiting", "kv_holding_waiting", "skipped_waiting")
Args = tuple[Any, ...]
Kwargs = dict[str, Any]


def engine_configured(scheduler: Any, args: Args, kwargs: Kwargs, result: Any) -> list[Reading]:
    """The limits the scheduler works under, and its waiting queues by attribute name."""
    config = scheduler.vllm_config
    # Looked up, not imported: probes name the engine's objects and never bring them in.
    vllm = sys.modules.get("vllm")
    readings: list[Reading] = [
        (
            EngineConfigured,
            scheduler._pagewalk,
            type(scheduler).__name__,
            _model_name(str(config.model_config.model)),
            str(config.device_config.device_type),
            str(getattr(vllm, "__version__", "")),
            _settings(scheduler, config),
            dp_rank(config.parallel_config),
        )
    ]
    policy = str(getattr(scheduler.policy, "value", scheduler.policy))
    for name in QUEUES:
        queue = getattr(scheduler, name, None)
        if queue is not None:
            readings.append((QueueCreated, queue._pagewalk, scheduler._pagewalk, name, policy))
    return readings


def _model_name(model: str) -> str:
    """A hub name as it is; of any path only the last part, the rest is the user's affair."""
    is_hub_name = _HUB_NAME.fullmatch(model) and not os.path.exists(model)
    return model if is_hub_name else os.path.basename(model.rstrip("/"))


def _interval(scheduling: Any) -> int:
    """Steps between prefills, 0 where none is held back: each step (1) is the default."""
    interval = int(getattr(scheduling, "prefill_schedule_interval", 1) or 1)
    return interval if interval > 1 else 0


def _kind_of(scheduler: Any, attribute: str) -> str:
    part = getattr(scheduler, attribute, None)
    return type(part).__name__ if part is not None else ""


def _settings(scheduler: Any, config: Any) -> dict[str, Any]:
    scheduling, cache, parallel = (
        config.scheduler_config,
        config.cache_config,
        config.parallel_config,
    )
    spec = config.speculative_config
    return {
        "max_num_scheduled_tokens": int(scheduler.max_num_scheduled_tokens),
        "max_num_batched_tokens": int(scheduling.max_num_batched_tokens),
        "max_num_seqs": int(scheduler.max_num_running_reqs),
        "max_num_active_reqs": int(
            getattr(scheduler, "max_num_active_reqs", scheduler.max_num_running_reqs)
        ),
        "max_model_len": int(scheduler.max_model_len),
        "block_size": int(scheduler.block_size),
        "hash_block_size": int(getattr(scheduler, "hash_block_size", None) or scheduler.block_size),
        "num_blocks": int(scheduler.kv_cache_manager.block_pool.num_gpu_blocks),
        "enable_prefix_caching": bool(scheduler.kv_cache_manager.enable_caching),
        "enable_chunked_prefill": bool(scheduling.enable_chunked_prefill),
        "long_prefill_token_threshold": int(scheduling.long_prefill_token_threshold),
        "policy": str(getattr(scheduler.policy, "value", scheduler.policy)),
        "async_scheduling": bool(getattr(scheduling, "async_scheduling", False)),
        "watermark_blocks": int(getattr(scheduler.kv_cache_manager, "watermark_blocks", 0)),
        "reserve_full_isl": bool(getattr(scheduler, "scheduler_reserve_full_isl", False)),
        "num_spec_tokens": int(getattr(scheduler, "num_spec_tokens", 0) or 0),
        "draft_slots": int(getattr(spec, "max_num_new_slots_for_drafting", 0) or 0),
        "max_loras": int(config.lora_config.max_loras) if config.lora_config else 0,
        "cache_dtype": str(cache.cache_dtype),
        "tensor_parallel_size": int(parallel.tensor_parallel_size),
        "pipeline_parallel_size": int(parallel.pipeline_parallel_size),
        "data_parallel_size": int(parallel.data_parallel_size),
        "connector": _kind_of(scheduler, "connector"),
        "ec_connector": _kind_of(scheduler, "ec_connector"),
        "encoder": bool(getattr(scheduler, "max_num_encoder_input_tokens", 0)),
        "mamba_align": bool(getattr(scheduler, "need_mamba_block_aligned_split", False)),
        "prefill_lookahead": int(getattr(scheduler, "num_prefill_lookahead", 0) or 0),
        "prefill_schedule_interval": _interval(scheduling),
        "pause_state": scheduler.pause_state.name,
    }


def step_begun(scheduler: Any, args: Args, kwargs: Kwargs) -> Reading:
    """`current_step` counts the calls of schedule(); the call will raise it by one."""
    return (StepStarted, scheduler._pagewalk, scheduler.current_step + 1)


def step_scheduled(scheduler: Any, args: Args, kwargs: Kwargs, result: Any, begun: Any) -> Reading:
    """Who got how many tokens; who is new or resumed, and from which token on."""
    scheduled = result.num_scheduled_tokens
    cached = result.scheduled_cached_reqs
    resumed = {}
    if cached.resumed_req_ids:
        resumed = {
            request_id: computed
            for request_id, computed in zip(cached.req_ids, cached.num_computed_tokens, strict=True)
            if request_id in cached.resumed_req_ids
        }
    spec = result.scheduled_spec_decode_tokens
    return (
        StepScheduled,
        scheduler._pagewalk,
        scheduler.current_step,
        list(scheduled),
        list(scheduled.values()),
        scheduler.max_num_scheduled_tokens,
        {new.req_id: new.num_computed_tokens for new in result.scheduled_new_reqs},
        resumed,
        {request_id: len(tokens) for request_id, tokens in spec.items()} if spec else {},
        scheduler.scheduler_config.max_num_batched_tokens,
    )


def update_begun(scheduler: Any, args: Args, kwargs: Kwargs) -> Reading:
    """The step is carried by the SchedulerOutput, several of which may be in flight."""
    output = argument(args, kwargs, 0, "scheduler_output")
    return (UpdateStarted, scheduler._pagewalk, getattr(output, STEP, -1))


def step_updated(scheduler: Any, args: Args, kwargs: Kwargs, result: Any, begun: Any) -> Reading:
    """New tokens per request as they were appended, that is after trimming at a stop."""
    output = argument(args, kwargs, 0, "scheduler_output")
    outputs = outputs_of(result)
    spec = output.scheduled_spec_decode_tokens
    return (
        StepUpdated,
        scheduler._pagewalk,
        getattr(output, STEP, -1),
        request_ids(outputs),
        token_counts(outputs),
        {
            request_id: scheduler.requests[request_id].num_computed_tokens
            for request_id in spec
            if request_id in scheduler.requests
        }
        if spec
        else {},
    )


def step_updated_with_tokens(
    scheduler: Any, args: Args, kwargs: Kwargs, result: Any, begun: Any
) -> Reading:
    """The same with the token ids, only where the user asked for them."""
    outputs = outputs_of(result)
    reading = step_updated(scheduler, args, kwargs, result, begun)
    return (*reading, [[int(token) for token in one.new_token_ids] for one in outputs])


def prefix_looked_up(manager: Any, args: Args, kwargs: Kwargs, result: Any) -> Reading | None:
    """How many tokens hit, and the first hash that did not."""
    request = argument(args, kwargs, 0, "request")
    hit, missed, reason = result[1], None, ""
    if not manager.enable_caching:
        return None
    if getattr(request, "skip_reading_prefix_cache", False):
        reason = "not_read"
    else:
        index = hit // manager.block_pool.hash_block_size
        hashes = request.block_hashes
        if index >= len(hashes):
            reason = "no_full_block_left"
        elif hit + manager.block_pool.hash_block_size > request.num_tokens - 1:
            reason = "last_token_is_always_computed"
        else:
            missed = hashes[index]
    return (PrefixLookedUp, request.request_id, hit, request.num_tokens, missed, reason)


def exit_taken(site: int, request: Any, values: Any) -> Reading:
    """What a mark in the recompiled function hands over."""
    return (
        ExitTaken,
        site,
        request.request_id if request is not None else None,
        list(values),
    )


def slots_refused(manager: Any, args: Args, kwargs: Kwargs, result: Any) -> Reading | None:
    """Where the function could not be recompiled: that it was refused, without the numbers."""
    if result is not None:
        return None
    request = argument(args, kwargs, 0, "request")
    return (
        SlotsRefused,
        request.request_id,
        optional_argument(args, kwargs, 1, "num_new_tokens", 0),
    )


STEP_UPDATED = Probe(
    "steps",
    f"{SCHEDULER}.update_from_output",
    "around",
    step_updated,
    ("scheduler_output",),
    begin=update_begun,
)
PROBES = (
    Probe(
        "steps",
        f"{SCHEDULER}.__init__",
        "construct",
        engine_configured,
        family="engine",
        children=QUEUES,
        wakes=True,
    ),
    Probe("steps", f"{SCHEDULER}.schedule", "marks", exit_taken),
    Probe("steps", f"{SCHEDULER}.schedule", "around", step_scheduled, begin=step_begun, stamp=True),
    STEP_UPDATED,
    Probe(
        "steps",
        f"{SCHEDULER}.update_from_output",
        "around",
        step_updated_with_tokens,
        ("scheduler_output",),
        level="tokens",
        begin=update_begun,
    ),
    Probe("steps", f"{KV_MANAGER}.get_computed_blocks", "after", prefix_looked_up, ("request",)),
    Probe(
        "steps",
        f"{KV_MANAGER}.allocate_slots",
        "marks",
        slots_refused,
        ("request", "num_new_tokens"),
    ),
)
