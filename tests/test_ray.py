"""Ray: actors of two nodes record what they do, and their segments become one exact trace."""

from __future__ import annotations

import importlib.util
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from engines import ray_cluster

from pagewalk.capture.handshake import serving
from pagewalk.capture.header import begin_run
from pagewalk.capture.launch import prepare
from pagewalk.capture.settings import RAY_PREFIXES, Settings, for_ray
from pagewalk.cli import main
from pagewalk.collect.merge import collect
from pagewalk.trace.events import RoleTaken, StepScheduled
from pagewalk.trace.read import Trace, open_trace
from pagewalk.views.clock import Clock
from pagewalk.views.verdict import check

pytestmark = pytest.mark.engine
STEPS = 12


class TestVariables:
    """What makes vLLM's Ray workers record: its own rules decide which variables they get."""

    @pytest.mark.parametrize(
        ("before", "after"),
        [("", "PAGEWALK"), ("MY_", "MY_,PAGEWALK"), (" MY_ , PAGEWALK", "MY_,PAGEWALK")],
    )
    def test_prefix(self, before: str, after: str) -> None:
        """What the user lets travel still travels."""
        assert for_ray({RAY_PREFIXES: before}) == {RAY_PREFIXES: after}

    def test_both_executors_copy_all(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The environment of `pagewalk run`, through the functions that vLLM's executors call."""
        ray_env = pytest.importorskip("vllm.ray.ray_env", reason="this vLLM has no such module")
        utils = pytest.importorskip("vllm.v1.executor.ray_env_utils")
        settings = prepare(tmp_path / "t", "full", False, "hash", None, "node-a", "head:7325")
        told = settings.environment()
        for name, value in told.items():
            monkeypatch.setenv(name, value)
        ours = {name for name in told if name.startswith("PAGEWALK")}
        assert len(ours) >= 7
        # The compiled-graph executor and the actors of data parallel engine cores.
        assert ours <= ray_env.get_env_vars_to_copy()
        # The newer executor, which copies everything.
        assert ours <= utils.get_driver_env_vars(set()).keys()

    def test_without_run(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A program started with PAGEWALK=DIR alone lets it travel too."""
        for name in ("PAGEWALK_RUN", RAY_PREFIXES):
            monkeypatch.setenv(name, "")
        begin_run(Settings(tmp_path))
        assert os.environ[RAY_PREFIXES] == "PAGEWALK"
        assert os.environ["PAGEWALK_RUN"]


def test_a_batch_keeps_its_step_when_it_is_pickled(vllm_imported: None, tmp_path: Path) -> None:
    """As it goes through shared memory to workers of this machine, and over sockets to others."""
    from pagewalk.bed.scheduler import SchedulerBed
    from pagewalk.capture import tracing

    with tracing(tmp_path / "t"):
        bed = SchedulerBed()
        bed.add("a", range(8))
        scheduled = bed.step().scheduled
    buffers: list[Any] = []
    data = pickle.dumps(scheduled, 5, buffer_callback=buffers.append)
    arrived: Any = pickle.loads(data, buffers=buffers)
    assert arrived._pagewalk_step == 1


@pytest.fixture(scope="module")
def run(
    models: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, Any], Path]:
    """A cluster of two nodes, and the folder with a trace directory for each."""
    if importlib.util.find_spec("ray") is None:
        pytest.skip("ray is not installed: pip install -r requirements/ray.txt")
    folder = tmp_path_factory.mktemp("ray")
    with serving("node-a") as (host, port):
        environment = {
            **os.environ,
            "PAGEWALK_DIGEST": "hash",
            "PAGEWALK_CLOCK": f"{host}:{port}",
            "RAY_USAGE_STATS_ENABLED": "0",
            # Whatever it is called: Ray then listens on the loopback address alone.
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
            **for_ray({}),
        }
        program = str(Path(ray_cluster.__file__))
        done = subprocess.run(
            [sys.executable, program, str(folder), str(models("llama")), str(STEPS)],
            env=environment,
            capture_output=True,
            text=True,
            timeout=1500,
            check=False,
        )
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout.strip().splitlines()[-1]), folder


@pytest.fixture(scope="module")
def joined(run: tuple[dict[str, Any], Path]) -> Trace:
    """Both nodes' segments in one trace."""
    sources = [str(run[1] / node) for node in ray_cluster.NODES]
    collected = collect(sources, str(run[1] / "all"))
    assert collected.lost == ()
    assert collected.hosts == {"node-a": 1, "node-b": 2}
    return open_trace(run[1] / "all")


class TestCluster:
    """Two nodes, an engine on each, a worker of vLLM's on the second."""

    def test_each_engine_is_exact(self, run: tuple[dict[str, Any], Path], joined: Trace) -> None:
        """One of them was killed: what it wrote until then is exact as well."""
        verdict = check(joined)
        assert verdict.outcome == "holds", (verdict.losses, verdict.problems)
        assert verdict.diverging == 0
        engines = [one for one in verdict.segments if one.engines]
        assert {one.pid for one in engines} == set(run[0]["pids"])
        assert all(one.snapshots >= STEPS for one in engines)
        assert main(["check", str(joined.path)]) == 0

    def test_steps_travel_with_the_batches(self, run: tuple[dict[str, Any], Path]) -> None:
        """From one node's scheduler through Ray to the other's worker."""
        assert run[0]["nodes"] == 2
        assert run[0]["steps"] == [step for step in range(1, STEPS + 1) for _ in range(2)]

    def test_the_plugin_comes_up_in_a_ray_worker(
        self, run: tuple[dict[str, Any], Path], joined: Trace
    ) -> None:
        """Its variables arrive after its process has started, before its worker is made."""
        assert run[0]["traced_before"] is False
        roles = [role for one in joined.segments for role in one.facts_of(RoleTaken)]
        assert [one.role for one in roles if one.role == "worker"] == ["worker"]

    def test_one_timeline(self, joined: Trace) -> None:
        """Steps were taken in turn, and so they stand in the merged trace, with a stated error."""
        turns = [
            (one.segment.started.host, one.event.step)
            for one in joined.merged()
            if isinstance(one.event, StepScheduled) and one.segment.started
        ]
        want = [(node, step) for step in range(1, STEPS + 1) for node in ray_cluster.NODES]
        assert turns[: len(want)] == want
        error = joined.clocks.error
        assert error is not None
        hosts = {one.started.host: one for one in joined.segments if one.started}
        clock, ahead = Clock(joined), ray_cluster.AHEAD
        gap = clock.wall(hosts["node-b"], ahead) - clock.wall(hosts["node-a"], 0)
        assert abs(gap) <= error < 10**9

    def test_untraced_answers_are_the_same(self, run: tuple[dict[str, Any], Path]) -> None:
        from pagewalk.bed.scheduler import SchedulerBed

        bed = SchedulerBed(num_blocks=20)
        bed.add("x", range(50), max_tokens=20)
        bed.add("y", range(70), max_tokens=20)
        bed.run()
        assert run[0]["answers"] == bed.outputs
