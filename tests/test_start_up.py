"""A worker's start-up as it is recorded: which calls, in which order, and what was answered."""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from engines.child import Child

from pagewalk.probes import start_up
from pagewalk.trace.events import EngineConfigured, Event, ProbesInstalled, StartUpCallEnded
from pagewalk.trace.read import open_trace

Fork = Callable[..., Child]
Models = Callable[[str], Path]

CALLS = [
    "init_device",
    "load_model",
    "get_kv_cache_spec",
    "determine_available_memory",
    "initialize_from_config",
    "compile_or_warm_up_model",
]
MEMORY = 2**21
COMPILED = {"enforce_eager": False, "compilation_config": {"mode": 2, "backend": "eager"}}


def started(model: Path, trace: Path, events: str = "full", **over: Any) -> str:
    """Start an engine in this process, and stop it; the error that it ended with."""
    from pagewalk.bed.settings import engine_args
    from pagewalk.capture import tracing

    os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
    os.environ.pop("VLLM_CPU_KVCACHE_SPACE", None)  # it would win over the argument
    over = {"num_gpu_blocks_override": None, "kv_cache_memory_bytes": MEMORY, **over}
    with tracing(trace, events=events, strict=True):
        from vllm import LLM

        try:
            llm = LLM(**engine_args("llama", model, use_tqdm_on_load=False, **over))
        except ValueError as error:
            return str(error)
        llm.llm_engine.engine_core.shutdown()
    return ""


def told(trace: Path) -> list[Event]:
    """The events of the one process that wrote into a trace."""
    (segment,) = open_trace(trace).segments
    return [event for event in segment.events if isinstance(event, Event)]


def calls(trace: Path) -> list[StartUpCallEnded]:
    """Those of the start-up."""
    return [event for event in told(trace) if isinstance(event, StartUpCallEnded)]


@pytest.mark.engine
class TestLive:
    """On the CPU engine."""

    def test_each_call_and_its_answer(self, fork: Fork, models: Models, tmp_path: Path) -> None:
        trace = tmp_path / "trace"
        assert fork("start_up", lambda: started(models("llama"), trace)).result() == ""
        found = calls(trace)
        assert [one.call for one in found] == CALLS
        assert all(one.begun < one.t <= after.begun for one, after in pairwise(found))
        assert {one.rank for one in found} == {0}
        answers = [(one.layers, one.memory, one.blocks) for one in found]
        (configured,) = [one for one in told(trace) if isinstance(one, EngineConfigured)]
        blocks = configured.settings["num_blocks"]
        nothing = (-1, -1, -1)
        assert answers == [
            nothing,
            nothing,
            (2, -1, -1),
            (-1, MEMORY, -1),
            (-1, -1, blocks),
            nothing,
        ]

    def test_the_profile_run_is_inside(self, fork: Fork, models: Models, tmp_path: Path) -> None:
        """A model that is compiled is run while the worker is asked for its memory."""
        trace = tmp_path / "trace"
        run = fork("start_up_compiled", lambda: started(models("llama"), trace, **COMPILED))
        assert run.result() == ""
        found = {one.call: one for one in calls(trace)}
        asked, ran = found["determine_available_memory"], found["profile_run"]
        assert asked.begun < ran.begun < ran.t < asked.t
        assert sorted(found) == sorted([*CALLS, "profile_run"])

    def test_a_call_that_raises_ends_the_list(
        self, fork: Fork, models: Models, tmp_path: Path
    ) -> None:
        """The engine's error passes, and what was done before it is in the trace."""
        trace = tmp_path / "trace"
        run = fork(
            "start_up_refused",
            lambda: started(models("llama"), trace, kv_cache_memory_bytes=2**60),
        )
        assert "is less than requested memory for kv" in run.result()
        assert [one.call for one in calls(trace)] == CALLS[:3]

    def test_lean_does_not_ask(self, fork: Fork, models: Models, tmp_path: Path) -> None:
        trace = tmp_path / "trace"
        run = fork("start_up_lean", lambda: started(models("llama"), trace, events="lean"))
        assert run.result() == ""
        assert calls(trace) == []
        installed = [one for one in told(trace) if isinstance(one, ProbesInstalled)]
        assert installed
        assert "start_up" not in {one.component for one in installed}


@pytest.mark.parametrize("by_name", [False, True])
def test_each_rank_tells_its_own_blocks(by_name: bool) -> None:
    """Every rank is handed the configurations of all."""
    configs = [SimpleNamespace(num_blocks=7), SimpleNamespace(num_blocks=9)]
    args, kwargs = ((), {"kv_cache_configs": configs}) if by_name else ((configs,), {})
    reading = start_up.cache_made(SimpleNamespace(global_rank=1), args, kwargs, None, 5)
    event = StartUpCallEnded(0, 6, *reading[1:])
    assert (event.rank, event.call, event.begun, event.blocks) == (
        1,
        "initialize_from_config",
        5,
        9,
    )
