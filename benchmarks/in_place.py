"""What each probe costs where it stands: time on the engine's path, target by target.

    python benchmarks/in_place.py --events full

`overhead.py` tells what tracing costs in all, and needs a quiet machine for it. This one reads the
clock around every stand-in of a running engine, and around the engine's function inside it: the
difference is the probe's. It is told as it is met, between two passes of a model, where a function
that would take 0.3 us in a loop takes several times as long, because nothing of it is in the
processor's caches any more. The two clock readings are part of the figure. The writer thread and
the marks of recompiled functions are not.
"""

from __future__ import annotations

import functools
import inspect
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from overhead import WARM_UP, Bench
from rich.console import Console
from rich.table import Table

from pagewalk.capture import install
from pagewalk.capture.session import tracing

now = time.perf_counter_ns


@dataclass
class Spent:
    """What the stand-ins of one target cost so far."""

    ns: int = 0
    calls: int = 0


class Stopwatch:
    """Takes the place of `install.wrap`: each stand-in comes with a clock around it."""

    def __init__(self) -> None:
        self.spent: dict[str, Spent] = defaultdict(Spent)
        self._wrap = install.wrap

    def __enter__(self) -> Stopwatch:
        install.wrap = self.wrap
        return self

    def __exit__(self, *_: object) -> None:
        install.wrap = self._wrap

    def wrap(self, original: Any, row: Any, outlets: Any) -> Any:
        """`install.wrap`, timed. A chain of rows on one target is timed row by row."""
        if inspect.iscoroutinefunction(original):
            return self._wrap(original, row, outlets)
        spent, inner = self.spent[row.target], [0]
        stand_in = self._wrap(_inside(original, inner), row, outlets)

        @functools.wraps(original)
        def timed(*args: Any, **kwargs: Any) -> Any:
            before, inner[0] = inner[0], 0
            start = now()
            try:
                return stand_in(*args, **kwargs)
            finally:
                spent.ns += now() - start - inner[0]
                spent.calls += 1
                # A function may call itself, by way of another one.
                inner[0] = before

        return timed


def _inside(original: Any, inner: list[int]) -> Callable[..., Any]:
    @functools.wraps(original)
    def inside(*args: Any, **kwargs: Any) -> Any:
        start = now()
        try:
            return original(*args, **kwargs)
        finally:
            inner[0] += now() - start

    return inside


def measure(bench: Bench, events: str, rounds: int) -> tuple[dict[str, Spent], int]:
    """Each target's cost over `rounds` runs of the workload, and their steps."""
    with (
        Stopwatch() as watch,
        tempfile.TemporaryDirectory() as folder,
        tracing(Path(folder) / "trace", events=events, adopt=[bench.scheduler]),
    ):
        bench.workload(WARM_UP)
        for one in watch.spent.values():
            one.ns = one.calls = 0
        steps = sum(bench.workload(bench.tokens) for _ in range(rounds))
    return watch.spent, steps


def main(
    events: Annotated[str, typer.Option(help="lean or full.")] = "full",
    rounds: Annotated[int, typer.Option(help="Runs of the workload.")] = 3,
    batch: Annotated[int, typer.Option(help="Requests decoding together.")] = 32,
    tokens: Annotated[int, typer.Option(help="Output tokens of each request.")] = 256,
) -> None:
    """Print one line a target, the dearest first."""
    spent, steps = measure(Bench(batch, tokens, 32), events, rounds)
    table = Table(title=f"{events}: on the engine's path, {steps} steps")
    for name in ("target", "calls/step", "µs/call", "µs/step"):
        table.add_column(name, justify="left" if name == "target" else "right")
    for target, one in sorted(spent.items(), key=lambda item: -item[1].ns):
        if one.calls:
            each = one.ns / one.calls / 1e3
            table.add_row(
                target.partition(":")[2],
                f"{one.calls / steps:.2f}",
                f"{each:.2f}",
                f"{one.ns / steps / 1e3:.2f}",
            )
    total = sum(one.ns for one in spent.values()) / steps / 1e3
    table.add_section()
    table.add_row("all", "", "", f"{total:.1f}")
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
