"""Engines of several processes, and what their traces say of a request over all of them."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engines.cases import prompt
from engines.drive import Drive
from pagewalk.trace.events import BatchPrepared
from pagewalk.trace.read import Trace, open_trace
from pagewalk.views.engines import engines
from pagewalk.views.identity import identities
from pagewalk.views.life import Life, life

REQUESTS = 8
# Two stages of a pipeline need the model's dummy run at start-up, which the CPU engine leaves out
# where nothing is compiled. Traced by dynamo and run as it is, nothing is compiled either: it
# takes a second, and no C++ compiler.
PIPELINE = {
    "pipeline_parallel_size": 2,
    "enforce_eager": False,
    "compilation_config": {"mode": 2, "backend": "eager"},
}


def ask(drive: Drive, _: Path) -> None:
    """Requests that share prompts, more than fit at once."""
    for i in range(REQUESTS):
        drive.add(f"r{i}", prompt(i % 4, 40 + 9 * i), 20)
    drive.run()


def offline(model: Path, trace: Path, method: str, **over: Any) -> dict[str, Any]:
    """`LLMEngine` with its core and workers in processes of their own."""
    from vllm.v1.engine.llm_engine import LLMEngine

    def use(config: Any, executor: Any) -> dict[str, Any]:
        drive = Drive({}, LLMEngine(config, executor, False, multiprocess_mode=True))
        ask(drive, model)
        drive.engine.engine_core.shutdown()
        return drive.outcome()

    return _traced(model, trace, method, use, over)


def killed(model: Path, trace: Path, method: str, **over: Any) -> dict[str, Any]:
    """Like `offline`, until rank 1 is killed in the middle of it; what its user saw then."""
    from vllm.v1.engine.llm_engine import LLMEngine

    def use(config: Any, executor: Any) -> dict[str, Any]:
        drive = Drive({}, LLMEngine(config, executor, False, multiprocess_mode=True))
        drive.add("long", prompt(0, 40), 200)
        while (victim := _busy(trace, rank=1)) is None:
            drive.step()
        os.kill(victim, signal.SIGKILL)
        try:
            drive.run()
        except Exception as error:
            return {"error": type(error).__name__, "killed": victim}
        return {"error": "", "killed": victim}

    return _traced(model, trace, method, use, over)


def _busy(trace: Path, rank: int) -> int | None:
    """The process of a rank that has written of some batches."""
    for segment in open_trace(trace).segments:
        batches = [one for one in segment.events if isinstance(one, BatchPrepared)]
        if len([one for one in batches if one.rank == rank]) > 5:
            return segment.pid
    return None


def asynchronous(model: Path, trace: Path, method: str, **over: Any) -> dict[str, Any]:
    """`AsyncLLM`, as a server uses it; one client goes away in the middle of its answer."""
    from vllm.v1.engine.async_llm import AsyncLLM

    def use(config: Any, executor: Any) -> dict[str, Any]:
        async def serve() -> dict[str, Any]:
            engine = AsyncLLM(config, executor, log_stats=False)
            try:
                jobs = (_stream(engine, i, leaves=i == 5) for i in range(REQUESTS))
                return {"requests": dict(await asyncio.gather(*jobs))}
            finally:
                engine.shutdown()

        return asyncio.run(serve())

    return _traced(model, trace, method, use, over)


async def _stream(engine: Any, number: int, leaves: bool) -> tuple[str, list[Any]]:
    from vllm.sampling_params import SamplingParams

    name, seen = f"r{number}", [["nothing"]]
    params = SamplingParams(temperature=0.0, ignore_eos=True, max_tokens=60 if leaves else 20)
    tokens = {"prompt_token_ids": prompt(number % 4, 40 + 9 * number)}
    async for output in engine.generate(tokens, params, name):
        (one,) = output.outputs
        seen = [[one.index, list(one.token_ids), one.finish_reason, one.text]]
        if leaves and len(one.token_ids) >= 3:
            await engine.abort(name)
            break
    return name, seen


def _traced(
    model: Path,
    trace: Path,
    method: str,
    use: Callable[[Any, Any], dict[str, Any]],
    over: dict[str, Any],
) -> dict[str, Any]:
    """Build the configuration, then let its processes be started by `method`."""
    from vllm.engine.arg_utils import EngineArgs
    from vllm.v1.executor import Executor

    from pagewalk.bed.settings import engine_args
    from pagewalk.capture import tracing

    with tracing(trace, digest="hash", strict=True):
        config = EngineArgs(**engine_args("llama", model, **over)).create_engine_config()
        # The CPU platform has just chosen to spawn, as if somebody had asked for it.
        os.environ["VLLM_WORKER_MULTIPROC_METHOD"] = method
        return use(config, Executor.get_class(config))


def lives(trace: Trace) -> dict[str, Life]:
    """The life of each request by the user's own id."""
    known = identities(trace)
    cores = {(one.segment.name, one.number): one for one in engines(trace)}
    found = {}
    for request, sighting in known.requests.items():
        core = cores.get(sighting.engine) if sighting.engine else None
        found[sighting.external or request] = life(trace, core, known, request)
    return found


def told(path: Path) -> dict[str, list[tuple[str, str]]]:
    """Per request, by the user's id: what happened to it and in which kind of process."""
    return {
        name: [(moment.what, moment.role) for moment in one.moments]
        for name, one in lives(open_trace(path)).items()
    }
