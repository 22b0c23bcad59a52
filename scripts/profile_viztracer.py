"""Open an engine's slowest step down to the function, in all of its processes.

    python scripts/profile_viztracer.py [--model MODEL] [--out DIR]

viztracer logs every call of the main threads of front end, engine core and worker, pagewalk what
they do; both read one clock. DIR/profile.json.gz has both: open it in https://ui.perfetto.dev, or
with the `vizviewer` that comes with viztracer. Each process keeps its last million calls.
"""

from __future__ import annotations

import os
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pagewalk.bed.engine import arguments, ask, run_script
from pagewalk.bed.models import make
from pagewalk.bed.settings import engine_args, settle_environment
from pagewalk.capture import tracing
from pagewalk.profile.functions import Call, merged, opened, read_profile, write
from pagewalk.profile.run import profiling
from pagewalk.trace.read import open_trace
from pagewalk.views.engines import pick_engine
from pagewalk.views.execution import executions
from pagewalk.views.walk import Walk

PROMPTS = {
    "long": "A long story that is told in several chunks, for it is long. " * 3,
    "elm": "A tree of which there are few left. " * 2,
    "ash": "The one with the wood that rackets are of. " * 2,
    "fir": "And here is one that is green all winter. ",
}


@contextmanager
def engine_apart(model: str | None) -> Iterator[Any]:
    """Start an `LLM` whose engine core and worker are processes of their own."""
    settle_environment()
    os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "1"
    # PYTHONWARNINGS comes too late for this process.
    warnings.filterwarnings("ignore", category=FutureWarning)
    from vllm import LLM

    with tempfile.TemporaryDirectory(prefix="pagewalk-model-") as directory:
        over = {"dtype": "auto"} if model else {}
        model = model or str(make("llama", directory))
        llm = LLM(**engine_args("llama", model, use_tqdm_on_load=False, **over))
        try:
            yield llm
        finally:
            llm.llm_engine.engine_core.shutdown()


def play(llm: Any, number: int, max_tokens: int = 40) -> float:
    """Send all prompts to an engine that has cached nothing; return how long it took, in s."""
    llm.reset_prefix_cache()
    began = time.monotonic()
    ask(llm, {f"{name}-{number}": text for name, text in PROMPTS.items()}, max_tokens)
    return time.monotonic() - began


def main() -> None:
    """Run the engine under both, then merge what they wrote."""
    options = arguments(__doc__)
    # What viztracer writes itself is full of this machine's paths: it does not stay.
    with tempfile.TemporaryDirectory(prefix="pagewalk-profile-") as raw:
        with (
            tracing(options.out / "trace") as directory,
            profiling(Path(raw)) as profile,
            engine_apart(options.model) as llm,
        ):
            # The first round is slower than any other: it is not looked at.
            _, plain = play(llm, 0), play(llm, 1)
            profile.start()
            took = play(llm, 2)
            files = profile.stop()
        profiles = [read_profile(one) for one in files]

    trace = open_trace(directory)
    calls = {one.pid: one.calls for one in profiles}
    for one in profiles:
        lost = ", the oldest are gone" if one.overflow else ""
        print(
            f"process {one.pid}: {len(one.calls):,} calls{lost}; viztracer's clock is within "
            f"{(one.clock_reading + one.clock_error) / 1000:.0f} µs of pagewalk's"
        )
    print(f"The same requests took {plain:.2f} s, and {took:.2f} s with viztracer on")
    engine = pick_engine(trace, None)
    covered = min(call.began for call in calls[engine.segment.pid])
    step = max((one for one in Walk(engine) if one.began > covered), key=lambda s: s.t - s.began)
    print(f"\nStep {step.step} has the slowest schedule(), in process {engine.segment.pid}:")
    show(calls[engine.segment.pid], step.began, step.t)
    run = executions(trace, engine).get(step.step)
    if run is not None and run.pid in calls:
        print(f"\nThe model of step {step.step}, in process {run.pid}:")
        show(calls[run.pid], run.began, run.ended)
    path = options.out / "profile.json.gz"
    everything = (call for one in profiles for call in one.calls)
    told = {"clock": "CLOCK_MONOTONIC; zero is the first event of the trace"}
    write(path, merged(trace, everything, "functions"), told)
    print(f"\nBoth, on one clock: {path}. The trace is in {directory}")


def show(calls: tuple[Call, ...], began: int, ended: int) -> None:
    """Print the calls that took a tenth of this time or more, as they stand in each other."""
    print(f"  {(ended - began) / 1000:9.1f} µs  as pagewalk saw it")
    for depth, call in opened(calls, began, ended, share=0.1):
        if depth < 8:
            print(f"  {call.took / 1000:9.1f} µs  {'  ' * depth}{call.name}")


if __name__ == "__main__":
    run_script(main)
