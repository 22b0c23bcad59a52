"""What tracing costs: one saturated tiny engine, modes interleaved, with a null control.

    python benchmarks/overhead.py --rounds 7 --out benchmarks/results/overhead.json

Front end, engine core and worker share one thread here, so every event is paid on the step path:
the worst case. A mode's figure is the median over rounds of (time untraced / time traced) of the
same round. Each block begins with a few steps that are not timed: after a change of modes the
interpreter learns the functions anew, and without them the untraced block pays for its
predecessor. `null` is untraced against untraced; where its median leaves 1 by more than the guard,
the whole run is void and the exit code is 1.

`--shape 1b` takes a model of the size of a real one, with random weights, and `--engine` any
arguments of `LLM`, as in `--engine '{"enforce_eager": false}'` for CUDA graphs.
"""

from __future__ import annotations

import contextlib
import cProfile
import gc
import json
import platform
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from pagewalk.bed import models, settings, shapes
from pagewalk.capture.session import tracing

MODES = ("off", "null", "lean", "full")
PROFILERS = ("viztracer", "cprofile")
WARM_UP = 24  # tokens of each request before a block is timed


@dataclass(frozen=True)
class Block:
    """One measured run of the workload: seconds on the clock, engine steps, what was written."""

    mode: str
    wall: float
    cpu: float
    steps: int
    events: int = 0
    bytes: int = 0


class Bench:
    """An in-process engine with `batch` requests that decode together, over and over."""

    def __init__(
        self, batch: int, tokens: int, block_size: int, shape: str = "", **engine: Any
    ) -> None:
        settings.settle_environment()
        import os

        os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
        from vllm import LLM

        self.batch, self.tokens = batch, tokens
        self.folder = tempfile.TemporaryDirectory()
        blocks = batch * (-(-(16 + tokens) // block_size) + 1) + 1
        args = settings.engine_args(
            "llama",
            self._model(shape),
            block_size=block_size,
            num_gpu_blocks_override=blocks,
            max_num_seqs=batch,
            max_num_batched_tokens=max(2048, batch * 16),
        )
        if shape:
            args = shapes.shape_args(**args)
        self.llm: Any = LLM(distributed_executor_backend="uni", **{**args, **engine})
        self.scheduler = self.llm.llm_engine.engine_core.engine_core.scheduler
        self.runs = 0

    def _model(self, shape: str) -> Path:
        """The bed's model, or one of a shape and without weights."""
        place = Path(self.folder.name) / f"llama-{shape or 'bed'}"
        return shapes.write_shape(shape, place) if shape else models.make("llama", place)

    def workload(self, tokens: int) -> int:
        """Run the batch to its end, `tokens` for each request; the steps it took."""
        from vllm import SamplingParams

        params = SamplingParams(
            max_tokens=tokens, temperature=0.0, ignore_eos=True, detokenize=False
        )
        engine = self.llm.llm_engine
        before = self.scheduler.current_step
        self.runs += 1
        for index in range(self.batch):
            prompt = {
                "prompt_token_ids": [(self.runs * 31 + index * 7 + i) % 250 for i in range(16)]
            }
            engine.add_request(f"bench-{self.runs}-{index}", prompt, params)
        while engine.has_unfinished_requests():
            engine.step()
        return int(self.scheduler.current_step - before)

    def measure(self, mode: str) -> Block:
        """One block in `mode`. Installing, opening and closing the trace are not timed."""
        gc.collect()
        with tempfile.TemporaryDirectory() as folder, self._mode(mode, Path(folder)) as trace:
            self.workload(WARM_UP)
            events, size = _written(trace)
            wall, cpu = time.perf_counter(), time.process_time()
            steps = self.workload(self.tokens)
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            more_events, more_size = _written(trace)
            return Block(mode, wall, cpu, steps, more_events - events, more_size - size)

    @contextlib.contextmanager
    def _mode(self, mode: str, folder: Path) -> Iterator[Path | None]:
        if mode in ("off", "null"):
            yield None
        elif mode in PROFILERS:
            with _profiler(mode, folder):
                yield None
        else:
            with tracing(folder / "trace", events=mode, adopt=[self.scheduler]) as trace:
                yield trace


@contextlib.contextmanager
def _profiler(name: str, folder: Path) -> Iterator[None]:
    if name == "cprofile":
        profile = cProfile.Profile()
        profile.enable()
        try:
            yield
        finally:
            profile.disable()
        return
    from viztracer import VizTracer

    tracer = VizTracer(output_file=str(folder / "viz.json"), verbose=0, tracer_entries=2_000_000)
    tracer.start()
    try:
        yield
    finally:
        tracer.stop()
        tracer.clear()


def _written(trace: Path | None) -> tuple[int, int]:
    """Events and bytes in the trace so far."""
    if trace is None:
        return 0, 0
    from pagewalk.capture.session import flush_all

    flush_all()
    texts = [path.read_bytes() for path in trace.glob("*.jsonl")]
    return sum(text.count(b"\n") for text in texts), sum(map(len, texts))


def summary(blocks: list[Block], guard: float) -> dict[str, Any]:
    """Ratios per mode over the rounds, and whether the run may be quoted."""
    rounds = [block for block in blocks if block.mode == "off"]
    out: dict[str, Any] = {"modes": {}}
    for mode in dict.fromkeys(block.mode for block in blocks):
        mine = [block for block in blocks if block.mode == mode]
        ratios = [
            (off.wall / off.steps) / (one.wall / one.steps)
            for off, one in zip(rounds, mine, strict=True)
        ]
        extra = [
            (one.cpu / one.steps - off.cpu / off.steps)
            for off, one in zip(rounds, mine, strict=True)
        ]
        events = statistics.median(one.events / one.steps for one in mine)
        out["modes"][mode] = {
            "throughput_ratio": round(statistics.median(ratios), 4),
            "lowest": round(min(ratios), 4),
            "highest": round(max(ratios), 4),
            "ms_per_step": round(statistics.median(b.wall / b.steps for b in mine) * 1e3, 4),
            "cpu_us_per_step_more": round(statistics.median(extra) * 1e6, 1),
            "events_per_step": round(events, 2),
            "ns_per_event": round(statistics.median(extra) * 1e9 / events) if events else None,
            "bytes_per_step": round(statistics.median(one.bytes / one.steps for one in mine)),
        }
    null = out["modes"]["null"]["throughput_ratio"]
    out["void"] = abs(null - 1) > guard
    out["guard"] = guard
    return out


def show(result: dict[str, Any]) -> None:
    """The table for people."""
    table = Table(title="throughput, traced / untraced (median of rounds)")
    for name in (
        "mode",
        "ratio",
        "range",
        "ms/step",
        "cpu µs/step more",
        "events/step",
        "ns/event",
        "bytes/step",
    ):
        table.add_column(name, justify="left" if name == "mode" else "right")
    for mode, row in result["modes"].items():
        table.add_row(
            mode,
            f"{row['throughput_ratio']:.3f}",
            f"{row['lowest']:.3f}–{row['highest']:.3f}",
            f"{row['ms_per_step']:.2f}",
            f"{row['cpu_us_per_step_more']:.0f}",
            f"{row['events_per_step']:.1f}",
            str(row["ns_per_event"] or ""),
            str(row["bytes_per_step"] or ""),
        )
    Console().print(table)


def main(
    rounds: Annotated[int, typer.Option(help="Interleaved rounds, at least 5.")] = 7,
    batch: Annotated[int, typer.Option(help="Requests decoding together.")] = 32,
    tokens: Annotated[int, typer.Option(help="Output tokens of each request.")] = 128,
    block_size: Annotated[int, typer.Option(help="Tokens per KV block.")] = 32,
    guard: Annotated[float, typer.Option(help="How far the null control may leave 1.")] = 0.01,
    profilers: Annotated[bool, typer.Option(help="Also viztracer and cProfile.")] = True,
    shape: Annotated[
        str, typer.Option(help=f"A model without weights: {' or '.join(shapes.SHAPES)}.")
    ] = "",
    engine: Annotated[str, typer.Option(help="Arguments of LLM that win, as JSON.")] = "{}",
    out: Annotated[Path | None, typer.Option(help="Where the result goes, as JSON.")] = None,
) -> None:
    """Measure, print, and write the result with the raw blocks."""
    told = json.loads(engine)
    bench = Bench(batch, tokens, block_size, shape, **told)
    modes = [*MODES, *(PROFILERS if profilers else ())]
    for mode in modes:
        bench.measure(mode)  # warm up each path once
    blocks: list[Block] = []
    for turn in range(rounds):
        # Each round begins with another mode, so that a drift hits all of them alike.
        order = modes[turn % len(modes) :] + modes[: turn % len(modes)]
        blocks += [bench.measure(mode) for mode in order]
    result = summary(blocks, guard)
    result |= {
        "machine": {"cpus": _cpus(), "python": platform.python_version(), "device": _device()},
        "workload": {"batch": batch, "tokens": tokens, "block_size": block_size, "rounds": rounds},
        "engine": {"shape": shape, **told},
        "blocks": [asdict(block) for block in blocks],
    }
    show(result)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(result, indent=1) + "\n")
    if result["void"]:
        Console().print(f"VOID: the null control left 1 by more than {guard:.0%}; run it again.")
        raise typer.Exit(1)


def _cpus() -> int:
    import os

    return os.cpu_count() or 0


def _device() -> str:
    """The accelerator's name, else what vLLM calls the platform."""
    from vllm.platforms import current_platform

    with contextlib.suppress(Exception):
        return str(current_platform.get_device_name())
    return str(current_platform.device_type)


if __name__ == "__main__":
    typer.run(main)
