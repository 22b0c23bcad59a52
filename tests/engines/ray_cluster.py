"""A Ray cluster of two nodes on this machine: each has an engine's scheduler, and one a worker.

    python ray_cluster.py FOLDER MODEL STEPS

A program of its own, because Ray changes the process that starts it. The actors get the variables
that vLLM would give them, and nothing else: the plugin must come up by itself. The two nodes
share a machine, so node-b is given clocks of its own: they are set before anything is imported.
The last line printed is what happened, as JSON.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from pathlib import Path
from typing import Any

NODES = ("node-a", "node-b")
AHEAD = 5_000_000_000_000  # nanoseconds, of node-b's monotonic clock
WRONG = -90_000_000_000  # of its wall clock


def set_clocks() -> None:
    """Give this process the clocks of the machine that it pretends to be on."""
    import time

    if os.environ["NODE"] == "node-b":
        monotonic, wall = time.monotonic_ns, time.time_ns
        time.monotonic_ns = lambda: monotonic() + AHEAD
        time.time_ns = lambda: wall() + WRONG


class Engine:
    """A real scheduler, stepped from outside."""

    def __init__(self, requests: dict[str, int]) -> None:
        set_clocks()
        # What every vLLM process does first.
        from vllm.plugins import load_general_plugins

        from pagewalk.bed.scheduler import SchedulerBed

        load_general_plugins()
        self.bed = SchedulerBed(num_blocks=20)
        for name, length in requests.items():
            self.bed.add(name, range(length), max_tokens=20)

    def step(self) -> Any:
        """One step; what was scheduled travels as it does to a worker."""
        return self.bed.step().scheduled

    def answers(self) -> dict[str, list[int]]:
        """The tokens of all requests, when they are done."""
        self.bed.run()
        return self.bed.outputs

    def pid(self) -> int:
        """Which process this is."""
        return os.getpid()


class Worker:
    """vLLM's own wrapper of a worker, brought up as its Ray executor does."""

    def __init__(self) -> None:
        set_clocks()
        from vllm.v1.worker.worker_base import WorkerWrapperBase

        self.wrapper = WorkerWrapperBase(rpc_rank=0)

    def begin(self, variables: dict[str, str], config: Any, address: str) -> bool:
        """The driver's variables, then the worker itself; whether it was traced before that."""
        from pagewalk.capture.plugin import recording

        before = bool(recording)
        self.wrapper.update_environment_variables([variables])
        told = {
            "vllm_config": config,
            "local_rank": 0,
            "rank": 0,
            "distributed_init_method": address,
            "is_driver_worker": True,
        }
        self.wrapper.init_worker([told])
        self.wrapper.init_device()
        return before

    def step_of(self, scheduled: Any) -> int:
        """The step that a batch says it is of, where it has arrived."""
        return int(scheduled._pagewalk_step)


def written(place: Path) -> int:
    """How many steps are on the disk."""
    return sum(one.read_bytes().count(b'"e":"StepScheduled"') for one in place.glob("*.jsonl"))


def main() -> None:
    """Start the cluster, step both engines in turn, and let one actor be killed."""
    folder, model, steps = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    from pagewalk.bed.settings import engine_args, settle_environment

    settle_environment()
    import ray
    from ray.cluster_utils import Cluster
    from vllm.engine.arg_utils import EngineArgs
    from vllm.ray.ray_env import get_env_vars_to_copy
    from vllm.utils.network_utils import get_distributed_init_method, get_open_port

    # As vLLM's executor and its data parallel manager choose them.
    variables = {name: os.environ[name] for name in get_env_vars_to_copy() if name in os.environ}
    size = {"num_cpus": 1, "object_store_memory": 80 << 20}
    cluster = Cluster()
    for node in NODES:
        cluster.add_node(**size, resources={node: 4}, include_dashboard=False)
    ray.init(address=cluster.address, log_to_driver=False)
    try:

        def there(node: str) -> dict[str, Any]:
            # On two machines it would be one path, with one run in it.
            place = folder / node
            own = {"PAGEWALK": str(place), "PAGEWALK_RUN": f"ray:{place}", "PAGEWALK_HOST": node}
            env = {**variables, **own, "NODE": node}
            return {"resources": {node: 1}, "num_cpus": 0, "runtime_env": {"env_vars": env}}

        remote = ray.remote(Engine)
        engines = [remote.options(**there(node)).remote({"x": 50, "y": 70}) for node in NODES]
        bare = there("node-b")
        given = bare["runtime_env"]["env_vars"]
        later = {name: given.pop(name) for name in [*given] if name.startswith("PAGEWALK")}
        worker = ray.remote(Worker).options(**bare).remote()
        pids = ray.get([one.pid.remote() for one in engines])
        config = EngineArgs(**engine_args("llama", model)).create_engine_config()
        address = get_distributed_init_method("127.0.0.1", get_open_port())
        traced_before = ray.get(worker.begin.remote(later, config, address))
        seen = []
        for _ in range(steps):
            for engine in engines:
                scheduled = engine.step.remote()
                seen.append(ray.get(worker.step_of.remote(scheduled)))
        answers = ray.get(engines[0].answers.remote())
        for actor in (engines[0], worker):
            with contextlib.suppress(ray.exceptions.RayActorError):
                ray.get(actor.__ray_terminate__.remote())
        # A kill costs what was not yet written, a fifth of a second; here that would be all.
        while written(folder / NODES[1]) < steps:
            ray.get(engines[1].pid.remote())
        ray.kill(engines[1])
        told = {
            "pids": pids,
            "steps": seen,
            "answers": answers,
            "traced_before": traced_before,
            "nodes": sum(one["Alive"] for one in ray.nodes()),
        }
    finally:
        ray.shutdown()
        cluster.shutdown()
    print(json.dumps(told))


if __name__ == "__main__":
    main()
