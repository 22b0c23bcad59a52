"""Engines of several processes: every process writes, every engine is exact, lives are whole."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
from engines import processes, server
from engines.cases import prompt
from engines.child import Child
from engines.drive import Drive
from engines.verify import examine, must_hold

from pagewalk.capture.launch import prepare
from pagewalk.trace.events import RoleTaken, StepScheduled
from pagewalk.trace.read import open_trace
from pagewalk.views.engines import engines
from pagewalk.views.execution import workers
from pagewalk.views.life import Life
from pagewalk.views.verdict import check

pytestmark = [pytest.mark.engine, pytest.mark.processes]
installed = pytest.mark.skipif(
    not any(one.name == "pagewalk" for one in entry_points(group="vllm.general_plugins")),
    reason="pagewalk is not installed, so spawned processes cannot load it: `make install`",
)
PROMPTS = {f"r{i}": prompt(i % 4, 40 + 9 * i) for i in range(processes.REQUESTS)}
# What must have happened to a request, and where, from the first to the last.
WHOLE = [
    ("arrived", "front end"),
    ("input processed", "front end"),
    ("sent", "front end"),
    ("received", "engine core"),
    ("dequeued", "engine core"),
    ("enqueued", "engine core"),
    ("admitted", "engine core"),
    ("prefill", "engine core"),
    ("decode", "engine core"),
    ("finished", "engine core"),
]
DELIVERED = [("first output received", "front end"), ("delivered", "front end")]
Fork = Callable[..., Child]
Models = Callable[[str], Path]


@pytest.fixture(scope="module")
def alone(fork: Fork, models: Models) -> dict[str, str]:
    """The answers of an untraced engine in one process."""
    model = models("llama")
    found = fork("alone", lambda: _alone(model)).result()
    return {name: seen[0][3] for name, seen in found["requests"].items()}


def _alone(model: Path) -> dict[str, Any]:
    from pagewalk.bed.settings import engine_args

    os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
    drive = Drive(engine_args("llama", model))
    processes.ask(drive, model)
    return drive.outcome()


def whole(life: Life, *further: tuple[str, str]) -> None:
    """Every moment is there, in an order that time allows, and none before the arrival."""
    told = [(moment.what, moment.role) for moment in life.moments]
    assert [one for one in WHOLE if one not in told] == []
    assert [one for one in further if one not in told] == []
    order = [told.index(one) for one in WHOLE]
    assert order == sorted(order)
    assert min(moment.t for moment in life.moments) == life.moments[0].t
    assert life.durations["total"] > 0


def texts(outcome: dict[str, Any]) -> dict[str, str]:
    return {name: seen[0][3] for name, seen in outcome["requests"].items()}


class TestForked:
    """The probes are inherited, and every child writes a segment of its own."""

    def test_core_and_worker(
        self, fork: Fork, models: Models, tmp_path: Path, alone: dict[str, str]
    ) -> None:
        model, trace = models("llama"), tmp_path / "trace"
        outcome = fork("forked", lambda: processes.offline(model, trace, "fork")).result()
        assert texts(outcome) == alone
        found = examine(trace)
        assert found["roles"] == ["engine_core", "front_end", "worker"]
        assert must_hold(found) > 60
        for life in processes.lives(open_trace(trace)).values():
            whole(life, *DELIVERED)

    def test_tensor_parallel(self, fork: Fork, models: Models, tmp_path: Path) -> None:
        model, trace = models("llama"), tmp_path / "trace"
        fork("tensor", lambda: _two_ranks(model, trace)).result()
        found = examine(trace)
        assert found["roles"] == ["engine_core", "front_end", "worker", "worker"]
        assert must_hold(found) > 10
        ranks = [
            event.rank
            for segment in open_trace(trace).segments
            for event in segment.events
            if type(event).__name__ == "ExecutionStarted"
        ]
        # Nobody waits for the answer of the second rank, so the end may come before its last step.
        assert 0 <= ranks.count(0) - ranks.count(1) <= 1
        assert ranks.count(1) > 10

    def test_pipeline_parallel(
        self, fork: Fork, models: Models, tmp_path: Path, alone: dict[str, str]
    ) -> None:
        """Two batches are in flight, each rank prepares every one of them for its own layers."""
        model, trace = models("llama"), tmp_path / "trace"
        found = fork("pipeline", lambda: _two_stages(model, trace)).result()
        assert texts(found) == alone
        found = examine(trace)
        assert found["roles"] == ["engine_core", "front_end", "worker", "worker"]
        assert must_hold(found) > 60
        (engine,) = found["engines"]
        first, second = found["ranks"]
        assert (first["rank"], second["rank"]) == (0, 1)
        # A step with nobody in it, while the other batch is under way, has no batch to prepare.
        peopled = [len(step.requests) > 0 for step in _steps(trace)]
        assert len(peopled) == engine["steps"]
        for rank in (first, second):
            assert rank["steps"] == sum(peopled)
            assert rank["slots"] > 300

    def test_a_worker_is_killed(self, fork: Fork, models: Models, tmp_path: Path) -> None:
        """The engine dies of it. What all processes wrote until then opens, and is exact."""
        model, trace = models("llama"), tmp_path / "trace"
        seen = fork("killed", lambda: _one_of_two(model, trace)).result()
        assert seen["error"] == "EngineDeadError"
        opened = open_trace(trace)
        (dead,) = [one for one in opened.segments if one.pid == seen["killed"]]
        assert not dead.ended
        verdict = check(opened)
        assert verdict.diverging == 0
        assert verdict.outcome != "broken", verdict.problems
        assert verdict.snapshots > 10
        assert {rank.rank: rank.differing for rank in verdict.ranks} == {0: 0, 1: 0}
        assert all(rank.steps > 5 for rank in verdict.ranks)

    def test_async_front_end(
        self, fork: Fork, models: Models, tmp_path: Path, alone: dict[str, str]
    ) -> None:
        """All clients get what they would get untraced, but the one that goes away."""
        model, trace = models("llama"), tmp_path / "trace"
        outcome = fork("async", lambda: processes.asynchronous(model, trace, "fork")).result()
        answers, left = texts(outcome), "r5"
        assert {**answers, left: ""} == {**alone, left: ""}
        found = examine(trace)
        assert found["roles"] == ["engine_core", "front_end", "worker"]
        assert must_hold(found) > 60
        lives = processes.lives(open_trace(trace))
        assert lives[left].status == "FINISHED_ABORTED"
        told = [(moment.what, moment.role) for moment in lives.pop(left).moments]
        assert ("given up by the client", "front end") in told
        assert ("abort received", "engine core") in told
        for life in lives.values():
            whole(life, *DELIVERED)


def _two_ranks(model: Path, trace: Path) -> dict[str, Any]:
    os.environ["VLLM_CPU_OMP_THREADS_BIND"] = "0|1"
    processes.REQUESTS = 2
    return processes.offline(model, trace, "fork", tensor_parallel_size=2)


def _two_stages(model: Path, trace: Path) -> dict[str, Any]:
    os.environ["VLLM_CPU_OMP_THREADS_BIND"] = "0|1"
    return processes.offline(model, trace, "fork", **processes.PIPELINE)


def _one_of_two(model: Path, trace: Path) -> dict[str, Any]:
    os.environ["VLLM_CPU_OMP_THREADS_BIND"] = "0|1"
    return processes.killed(model, trace, "fork", tensor_parallel_size=2)


@installed
class TestSpawned:
    """vLLM starts fresh interpreters, which load the plugin by its entry point."""

    def test_a_program_that_knows_nothing_of_it(
        self, models: Models, tmp_path: Path, alone: dict[str, str]
    ) -> None:
        trace = tmp_path / "trace"
        program = Path(processes.__file__).with_name("program.py")
        command = [str(program), str(models("llama")), json.dumps([*PROMPTS.values()])]
        settings = prepare(trace, "full", False, "hash", command)
        done = subprocess.run(
            [sys.executable, *command],
            env={**os.environ, **settings.environment()},
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-4000:]
        tokens = json.loads(done.stdout.strip().splitlines()[-1])
        assert [bytes(one).decode() for one in tokens] == [*alone.values()]
        found = examine(trace)
        assert found["roles"] == ["engine_core", "front_end", "worker"]
        assert must_hold(found) > 60
        for life in processes.lives(open_trace(trace)).values():
            whole(life, *DELIVERED)

    def test_api_server_with_two_engines(
        self, models: Models, tmp_path: Path, alone: dict[str, str]
    ) -> None:
        """Data parallel: steps count for each engine apart, and each is exact."""
        trace = tmp_path / "trace"
        settings = prepare(trace, "full", False, "hash", ["api_server"])
        with server.serving(
            models("llama"),
            tmp_path / "server.log",
            "--data-parallel-size",
            "2",
            # Without it vLLM kills the engine cores at once, and their last events with them.
            "--shutdown-timeout",
            "60",
            env=settings.environment(),
        ) as address:
            answers = server.complete(address, PROMPTS, 20)
        assert answers == alone
        found = examine(trace)
        assert all(found["ended"])
        assert found["roles"] == ["engine_core", "engine_core", "front_end", "worker", "worker"]
        assert len(found["engines"]) == 2
        assert all(engine["snapshots"] > 20 for engine in found["engines"])
        must_hold(found)
        opened = open_trace(trace)
        for place, engine in enumerate(engines(opened)):
            assert engine.configured.dp_rank == place
            roles = [role for one in workers(opened, engine) for role in one.facts_of(RoleTaken)]
            assert [one.dp_rank for one in roles if one.role == "worker"] == [place]
        lives = processes.lives(opened)
        for name in PROMPTS:
            whole(lives[f"cmpl-{name}-0"], *DELIVERED)


def _steps(trace: Path) -> list[StepScheduled]:
    events = (event for segment in open_trace(trace).segments for event in segment.events)
    return [event for event in events if isinstance(event, StepScheduled)]
