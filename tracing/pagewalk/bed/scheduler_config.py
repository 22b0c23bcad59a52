"""The shape of a bed -> a vLLM scheduler built for it, from configurations made only once."""

from __future__ import annotations

import copy
import functools
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pagewalk.bed.settings import settle_environment

NO_MODEL = "no-model"


@dataclass(frozen=True)
class BedShape:
    """Everything about a scheduler-only bed that its scheduler is built from."""

    groups: str | tuple[Any, ...]
    policy: str
    num_blocks: int
    block_size: int
    max_num_batched_tokens: int
    max_num_seqs: int
    max_model_len: int | None
    async_scheduling: bool
    prefix_caching: bool
    watermark: float
    chunked: bool
    reserve_full_sequence: bool
    long_prefill_token_threshold: int
    num_spec_tokens: int
    max_loras: int
    log_stats: bool


def _attention(block_size: int, window: int | None = None) -> Any:
    import torch
    from vllm.v1.kv_cache_interface import FullAttentionSpec, SlidingWindowSpec

    common = {"block_size": block_size, "num_kv_heads": 1, "head_size": 8, "dtype": torch.float32}
    if window is None:
        return FullAttentionSpec(**common)
    return SlidingWindowSpec(**common, sliding_window=window)


def _chunked_local(block_size: int) -> Any:
    import torch
    from vllm.v1.kv_cache_interface import ChunkedLocalAttentionSpec

    return ChunkedLocalAttentionSpec(
        block_size=block_size,
        num_kv_heads=1,
        head_size=8,
        dtype=torch.float32,
        attention_chunk_size=2 * block_size,
    )


def _mamba(block_size: int, mode: str) -> Any:
    import torch
    from vllm.v1.kv_cache_interface import MambaSpec

    return MambaSpec(
        block_size=block_size,
        shapes=((4, 4),),
        dtypes=(torch.float32,),
        page_size_padded=_attention(block_size).page_size_bytes,
        mamba_cache_mode=mode,
    )


# Name -> block size -> the KV-cache spec of each group. The window is two and a half blocks, so
# that its edge falls inside a block.
GROUPS: dict[str, Callable[[int], Sequence[Any]]] = {
    "full": lambda size: [_attention(size)],
    "swa": lambda size: [_attention(size, window=size * 5 // 2)],
    "chunked_local": lambda size: [_chunked_local(size)],
    "hybrid": lambda size: [_attention(size), _attention(size, window=size * 5 // 2)],
    "hybrid_sizes": lambda size: [_attention(size), _attention(2 * size, window=size * 5)],
    "mamba": lambda size: [_mamba(size, "all")],
    "mamba_align": lambda size: [_attention(size), _mamba(size, "align")],
}


def build_scheduler(shape: BedShape) -> tuple[Any, Callable[..., Any], int]:
    """Return the scheduler, a maker of requests hashed for it, and the longest request."""
    config = _configure(shape)
    groups = _group_specs(shape)
    longest = _longest_request(shape, groups)
    config.model_config.max_model_len = longest
    kv_config = _kv_cache_config(shape, groups)

    from vllm.v1.core.kv_cache_utils import resolve_kv_cache_block_sizes
    from vllm.v1.core.sched.async_scheduler import AsyncScheduler
    from vllm.v1.core.sched.scheduler import Scheduler

    scheduler_block_size, hash_block_size = resolve_kv_cache_block_sizes(kv_config, config)
    scheduler = (AsyncScheduler if shape.async_scheduling else Scheduler)(
        vllm_config=config,
        kv_cache_config=kv_config,
        structured_output_manager=_structured_output_manager(),
        block_size=scheduler_block_size,
        hash_block_size=hash_block_size,
        log_stats=shape.log_stats,
    )
    hasher = _block_hasher(hash_block_size) if shape.prefix_caching else None
    return scheduler, functools.partial(_make_request, hasher), longest


def _configure(shape: BedShape) -> Any:
    """Copy the one configuration of this process and change what the shape says.

    Building a `VllmConfig` takes seconds, a copy microseconds: that is what lets a property test
    build a fresh scheduler per example.
    """
    base = _base_config(shape.num_spec_tokens)
    config = copy.copy(base)
    config.model_config = copy.copy(base.model_config)
    config.scheduler_config = copy.copy(base.scheduler_config)
    config.cache_config = copy.copy(base.cache_config)
    config.lora_config = _lora_config(shape.max_loras)

    scheduling = config.scheduler_config
    scheduling.policy = shape.policy
    scheduling.max_num_batched_tokens = shape.max_num_batched_tokens
    scheduling.max_num_scheduled_tokens = shape.max_num_batched_tokens
    scheduling.max_num_seqs = shape.max_num_seqs
    scheduling.async_scheduling = shape.async_scheduling
    scheduling.enable_chunked_prefill = shape.chunked
    scheduling.watermark = shape.watermark
    scheduling.scheduler_reserve_full_isl = shape.reserve_full_sequence
    scheduling.long_prefill_token_threshold = shape.long_prefill_token_threshold

    caching = config.cache_config
    caching.block_size = shape.block_size
    caching.num_gpu_blocks = shape.num_blocks
    caching.enable_prefix_caching = shape.prefix_caching
    if shape.groups == "mamba":
        caching.mamba_cache_mode = "all"
    if shape.groups == "mamba_align":
        # Hashes at half a block are what makes a hit inside a block, and its copy-on-write.
        caching.mamba_cache_mode = "align"
        caching.prefix_match_unit = shape.block_size // 2 if shape.prefix_caching else None
    return config


@functools.lru_cache(maxsize=4)
def _base_config(num_spec_tokens: int) -> Any:
    settle_environment()
    from vllm.engine.arg_utils import EngineArgs
    from vllm.v1.core.single_type_kv_cache_manager import register_all_kvcache_specs

    from pagewalk.bed.models import write_config

    extra: dict[str, Any] = {}
    if num_spec_tokens:
        extra["speculative_config"] = {
            "method": "ngram",
            "num_speculative_tokens": num_spec_tokens,
            "prompt_lookup_max": 2,
        }
    with tempfile.TemporaryDirectory() as directory:
        # A trace names the model by its directory: the same name in every run.
        model = Path(directory) / NO_MODEL
        model.mkdir()
        write_config("llama", model)
        config = EngineArgs(
            model=str(model),
            skip_tokenizer_init=True,
            enforce_eager=True,
            dtype="float32",
            max_model_len=4096,
            max_num_batched_tokens=4096,
            max_num_seqs=4096 if not extra else 256,
            block_size=16,
            **extra,
        ).create_engine_config()
    register_all_kvcache_specs(config)
    return config


@functools.lru_cache(maxsize=1)
def _structured_output_manager() -> Any:
    from vllm.v1.structured_output import StructuredOutputManager

    return StructuredOutputManager(_base_config(0))


def _lora_config(max_loras: int) -> Any:
    if not max_loras:
        return None
    from vllm.config.lora import LoRAConfig

    return LoRAConfig(max_lora_rank=8, max_loras=max_loras)


def _group_specs(shape: BedShape) -> list[Any]:
    from vllm.v1.kv_cache_interface import KVCacheGroupSpec

    if not isinstance(shape.groups, str):
        return list(shape.groups)
    specs = GROUPS[shape.groups](shape.block_size)
    return [KVCacheGroupSpec([f"layer.{i}"], spec) for i, spec in enumerate(specs)]


def _longest_request(shape: BedShape, groups: list[Any]) -> int:
    """Return the longest request that certainly fits into the pool alone: each group takes part.

    The engine refuses to start with less; a scheduler alone would preempt such a request forever.
    """
    usable = (shape.num_blocks - 1) // len(groups)
    smallest = min(group.kv_cache_spec.block_size for group in groups)
    fitting = max(usable - 1, 1) * smallest
    return min(shape.max_model_len or 4096, fitting)


def _kv_cache_config(shape: BedShape, groups: list[Any]) -> Any:
    from vllm.v1.kv_cache_interface import KVCacheConfig

    return KVCacheConfig(
        num_blocks=shape.num_blocks, kv_cache_tensors=[], kv_cache_groups=groups
    )


@functools.lru_cache(maxsize=8)
def _block_hasher(hash_block_size: int) -> Any:
    from vllm.utils.hashing import get_hash_fn_by_name
    from vllm.v1.core.kv_cache_utils import get_request_block_hasher, init_none_hash

    hash_function = get_hash_fn_by_name("sha256")
    init_none_hash(hash_function)
    return get_request_block_hasher(hash_block_size, hash_function)


def _make_request(hasher: Any, request_id: str, prompt: list[int], **options: Any) -> Any:
    from vllm.lora.request import LoRARequest
    from vllm.sampling_params import SamplingParams
    from vllm.v1.request import Request

    lora = options.pop("lora")
    params = SamplingParams(
        max_tokens=options.pop("max_tokens"),
        stop_token_ids=options.pop("stop_token_ids"),
        temperature=0.0,
    )
    return Request(
        request_id=request_id,
        prompt_token_ids=prompt,
        sampling_params=params,
        pooling_params=None,
        lora_request=LoRARequest(f"adapter-{lora}", lora, f"adapter-{lora}") if lora else None,
        block_hasher=hasher,
        **options,
    )
