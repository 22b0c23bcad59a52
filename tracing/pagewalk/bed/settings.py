"""A kind of engine -> the settings that make things happen in it: few blocks, a small budget."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# Nothing is fetched and nothing is reported at run time, and one thread per process keeps a
# two-core machine responsive (the models are far too small to gain from more).
_ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "VLLM_LOGGING_LEVEL": "ERROR",
    "TORCH_CPP_LOG_LEVEL": "ERROR",
    "TORCH_LOGS": "-all",
    "PYTHONWARNINGS": "ignore",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "OMP_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
}

_DEFAULT_ARGS: dict[str, Any] = {
    "max_model_len": 256,
    "block_size": 32,
    "num_gpu_blocks_override": 14,
    "max_num_batched_tokens": 64,
    "max_num_seqs": 6,
    "enforce_eager": True,
    "dtype": "float32",
    "seed": 0,
}

# What a kind needs beside the defaults. MLA chooses its own block size on the CPU, Mamba keeps
# one block per request, and a pooling model is the llama read by its last hidden state.
_KIND_ARGS: dict[str, dict[str, Any]] = {
    "gemma3": {"num_gpu_blocks_override": 24},
    "deepseek_mla": {
        "block_size": 16,
        "num_gpu_blocks_override": 28,
        # On a CPU with AMX vLLM would prefer AMX_MLA, which takes no float32 weights.
        "attention_backend": "CPU_MLA",
    },
    "mamba2": {"block_size": None},
    "pooling": {"runner": "pooling", "convert": "embed"},
    "lora": {"enable_lora": True, "max_loras": 1, "max_lora_rank": 8},
}


def environment() -> dict[str, str]:
    """Return the environment of a bed's processes: offline, silent, single-threaded."""
    return dict(_ENVIRONMENT)


def settle_environment() -> None:
    """Give this process the bed's environment where the caller has not chosen otherwise.

    Must run before vLLM is imported: several of these are read once.
    """
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)


@contextmanager
def temporary_environment(**changes: str | None) -> Iterator[None]:
    """Change environment variables for the length of a block; None unsets one."""
    before = {name: os.environ.get(name) for name in changes}
    _assign(changes)
    try:
        yield
    finally:
        _assign(before)


def engine_args(kind: str, model: str | os.PathLike[str], **over: Any) -> dict[str, Any]:
    """Return keyword arguments for `LLM`, `EngineArgs` or `AsyncEngineArgs`.

    `over` wins over the bed's choices, and a value of None leaves an argument to vLLM.
    """
    chosen = {"model": str(Path(model)), **_DEFAULT_ARGS, **_KIND_ARGS.get(kind, {}), **over}
    return {name: value for name, value in chosen.items() if value is not None}


def _assign(values: dict[str, str | None]) -> None:
    kept = {name: value for name, value in values.items() if value is not None}
    for name in values.keys() - kept.keys():
        os.environ.pop(name, None)
    os.environ.update(kept)
