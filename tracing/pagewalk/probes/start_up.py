"""Worker start-up call -> event: a device, a model and memory, before the first step.

A few calls in the life of a worker, and never one in a step.
"""

from __future__ import annotations

from typing import Any

from pagewalk.probes.front import begun_now
from pagewalk.probes.spec import Probe, Reader, Reading, argument
from pagewalk.trace.events import StartUpCallEnded

WRAPPER = "vllm.v1.worker.worker_base:WorkerWrapperBase"
WORKER = "vllm.v1.worker.gpu_worker:Worker"
CPU_WORKER = "vllm.v1.worker.cpu_worker:CPUWorker"
RUNNER = "vllm.v1.worker.gpu_model_runner:GPUModelRunner"
RUNNER_V2 = "vllm.v1.worker.gpu.model_runner:GPUModelRunner"
Args = tuple[Any, ...]
Kwargs = dict[str, Any]


def device_ready(wrapper: Any, args: Args, kwargs: Kwargs, result: Any, begun: int) -> Reading:
    """The device is this worker's, the ranks know each other, and the runner is built."""
    return (StartUpCallEnded, int(wrapper.global_rank), "init_device", begun)


def model_loaded(worker: Any, args: Args, kwargs: Kwargs, result: Any, begun: int) -> Reading:
    """The weights are on the device."""
    return (StartUpCallEnded, int(worker.rank), "load_model", begun)


def specs_told(worker: Any, args: Args, kwargs: Kwargs, result: Any, begun: int) -> Reading:
    """Which layers keep KV, and what of it."""
    return (StartUpCallEnded, int(worker.rank), "get_kv_cache_spec", begun, len(result))


def memory_told(worker: Any, args: Args, kwargs: Kwargs, result: Any, begun: int) -> Reading:
    """How many bytes are left for the KV cache, measured or as they were set."""
    call = "determine_available_memory"
    return (StartUpCallEnded, int(worker.rank), call, begun, -1, int(result))


def cache_made(wrapper: Any, args: Args, kwargs: Kwargs, result: Any, begun: int) -> Reading:
    """The memory of the blocks is there, and every layer has its share of it."""
    config = argument(args, kwargs, 0, "kv_cache_configs")[wrapper.global_rank]
    rank, blocks = int(wrapper.global_rank), int(config.num_blocks)
    return (StartUpCallEnded, rank, "initialize_from_config", begun, -1, -1, blocks)


def warmed_up(worker: Any, args: Args, kwargs: Kwargs, result: Any, begun: int) -> Reading:
    """What would be slow the first time has been done once."""
    return (StartUpCallEnded, int(worker.rank), "compile_or_warm_up_model", begun)


def profiled(runner: Any, args: Args, kwargs: Kwargs, result: Any, begun: int) -> Reading:
    """The model ran once on made-up input of the greatest size."""
    rank = int(runner.vllm_config.parallel_config.rank)
    return (StartUpCallEnded, rank, "profile_run", begun)


def captured(runner: Any, args: Args, kwargs: Kwargs, result: Any, begun: int) -> Reading:
    """The CUDA graphs are recorded, if there are to be any."""
    rank = int(runner.vllm_config.parallel_config.rank)
    return (StartUpCallEnded, rank, "capture_model", begun)


def _row(target: str, read: Reader, *needs: str) -> Probe:
    return Probe("start_up", target, "around", read, needs, level="full", begin=begun_now)


PROBES = (
    _row(f"{WRAPPER}.init_device", device_ready),
    _row(f"{WORKER}.load_model", model_loaded),
    _row(f"{WORKER}.get_kv_cache_spec", specs_told),
    _row(f"{WORKER}.determine_available_memory", memory_told),
    _row(f"{CPU_WORKER}.determine_available_memory", memory_told),
    _row(f"{WRAPPER}.initialize_from_config", cache_made, "kv_cache_configs"),
    _row(f"{WORKER}.compile_or_warm_up_model", warmed_up),
    _row(f"{CPU_WORKER}.compile_or_warm_up_model", warmed_up),
    *(_row(f"{runner}.profile_run", profiled) for runner in (RUNNER, RUNNER_V2)),
    *(_row(f"{runner}.capture_model", captured) for runner in (RUNNER, RUNNER_V2)),
)
