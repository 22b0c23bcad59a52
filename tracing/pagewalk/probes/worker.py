"""Worker call -> event: when a rank ran which step."""

from __future__ import annotations

import time
from typing import Any

from pagewalk.probes.memory import executing
from pagewalk.probes.spec import STEP, Probe, Reading, argument, dp_rank
from pagewalk.trace.events import ExecutionEnded, ExecutionStarted, LayersRan, RoleTaken

WORKER = "vllm.v1.worker.worker_base:WorkerWrapperBase"
RUNNER = "vllm.v1.worker.gpu_worker:Worker"
Args = tuple[Any, ...]
Kwargs = dict[str, Any]


def worker_started(worker: Any, args: Args, kwargs: Kwargs) -> Reading:
    """This process runs the model as one rank of an engine."""
    rank = int(getattr(worker, "global_rank", None) or worker.rpc_rank or 0)
    return (RoleTaken, "worker", rank, "", dp_rank(worker.vllm_config.parallel_config))


def execution_begun(worker: Any, args: Args, kwargs: Kwargs) -> Reading:
    """A step's batch reached the worker: what is called until the end belongs to that step."""
    output = argument(args, kwargs, 0, "scheduler_output")
    executing.step = step = getattr(output, STEP, -1)
    executing.rank = int(worker.worker.rank)
    executing.layers = []
    return (
        ExecutionStarted,
        step,
        int(worker.rpc_rank or 0),
        len(output.num_scheduled_tokens),
        output.total_num_scheduled_tokens,
    )


def execution_ended(
    worker: Any, args: Args, kwargs: Kwargs, result: Any, begun: Any
) -> Reading | list[Reading]:
    """The forward pass was launched (on a GPU) or run (on a CPU)."""
    step, layers = executing.step, executing.layers
    executing.step = -1
    ended = (ExecutionEnded, step, int(worker.rpc_rank or 0), "execute_model", 0)
    if not layers:
        return ended
    told = [] if executing.told.get(executing.rank) == layers else layers
    executing.told[executing.rank] = layers
    return [(LayersRan, step, executing.rank, len(layers), told), ended]


def sampling_begun(worker: Any, args: Args, kwargs: Kwargs) -> int:
    """When the call was entered, in monotonic nanoseconds."""
    return time.monotonic_ns()


def sampling_ended(worker: Any, args: Args, kwargs: Kwargs, result: Any, begun: int) -> Reading:
    """The tokens of the batch executed last were sampled."""
    return (ExecutionEnded, -1, int(getattr(worker, "rank", 0) or 0), "sample_tokens", begun)


PROBES = (
    # Not `init_worker`: that is where vLLM loads the plugin, so the call has begun already.
    Probe("worker", f"{WORKER}.init_device", "before", worker_started, level="full", wakes=True),
    Probe(
        "worker",
        f"{WORKER}.execute_model",
        "around",
        execution_ended,
        ("scheduler_output",),
        level="full",
        begin=execution_begun,
        forget=executing.forget,
    ),
    Probe(
        "worker",
        f"{RUNNER}.sample_tokens",
        "around",
        sampling_ended,
        level="full",
        begin=sampling_begun,
    ),
)
