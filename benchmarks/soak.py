"""Random workloads for minutes -> how many live states replay was compared with, and how it went.

    python benchmarks/soak.py [--snapshots 100000] [--seed 0] [--jobs N] [--no-engine]

Most snapshots are of the real scheduler without a model, in random shapes (KV-cache groups,
policies, pool sizes, asynchronous or not, drafts, adapters, pauses, aborts, resets); the rest are
of real engines, each case of the test matrix once. Every trace is written to files, read back,
compared at every moment, judged by all laws, and its exits are named by both methods. A seed
makes the same run again. Exit code 1 if anything differs.
"""

from __future__ import annotations

import argparse
import importlib
import itertools
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from engines.cases import CASES
from engines.child import Child, start
from engines.run import play as play_case
from engines.verify import examine
from engines.workload import play, random_plan
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

BATCH = 12  # seeds that one child works through
SUMS = {
    "snapshots": "snapshots compared",
    "steps": "steps",
    "named": "steps whose exits were named twice",
    "judged": "judgements by laws",
    "divergences": "divergences",
    "broken": "laws broken",
    "disagreements": "exits named differently",
}


def main() -> int:
    """Run until enough was compared, and print what came of it."""
    options = _options()
    _import_vllm()
    console = Console()
    folder = Path(tempfile.mkdtemp(prefix="pagewalk-soak-"))
    total: dict[str, Counter[str]] = {"scheduler": Counter(), "engine": Counter()}
    began = time.monotonic()
    try:
        with Progress(console=console) as progress:
            bar = progress.add_task("snapshots compared", total=options.snapshots)
            for kind, child in _children(options, folder, total):
                found = child.result()
                total[kind].update(found["sums"])
                progress.update(bar, completed=_sum(total, "snapshots"))
                for message in found["wrong"]:
                    console.print(message, markup=False, highlight=False)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    _show(console, total, time.monotonic() - began)
    wrong = sum(_sum(total, name) for name in ("divergences", "broken", "disagreements"))
    return 1 if wrong or _sum(total, "snapshots") < options.snapshots else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--snapshots", type=int, default=100_000, help="how many at least")
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes at once")
    parser.add_argument("--no-engine", action="store_true", help="the scheduler alone")
    return parser.parse_args()


def _import_vllm() -> None:
    """Once, for all children to inherit."""
    from pagewalk.bed.settings import settle_environment

    settle_environment()
    os.environ["VLLM_LOGGING_LEVEL"] = "ERROR"
    os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
    for name in ("vllm.v1.engine.llm_engine", "vllm.v1.engine.core", "vllm.v1.worker.cpu_worker"):
        importlib.import_module(name)


def _children(
    options: argparse.Namespace, folder: Path, total: dict[str, Counter[str]]
) -> Iterator[tuple[str, Child]]:
    """Children in the order they were started, `jobs` of them at work at any time."""
    running: list[tuple[str, Child]] = []
    work = _work(options, folder)
    while True:
        while len(running) < options.jobs and _sum(total, "snapshots") < options.snapshots:
            running.append(next(work))
        if not running:
            return
        yield running.pop(0)


def _work(options: argparse.Namespace, folder: Path) -> Iterator[tuple[str, Child]]:
    """The cases of the matrix first, then seeds without end."""
    for case in () if options.no_engine else CASES:
        yield (
            "engine",
            start(case.name, folder / "log", lambda case=case: _case(case, folder), 600),
        )
    for first in itertools.count(options.seed, BATCH):
        seeds = range(first, first + BATCH)
        yield (
            "scheduler",
            start(f"seeds {seeds}", folder / "log", lambda s=seeds: _seeds(s, folder), 900),
        )


def _case(case: Any, folder: Path) -> dict[str, Any]:
    from pagewalk.bed.models import make

    place = folder / case.name
    model = make(case.kind, place / "model")
    found = play_case(case, model, place / "trace")["trace"]
    shutil.rmtree(place)
    return _counted(found, f"case {case.name}")


def _seeds(seeds: range, folder: Path) -> dict[str, Any]:
    from pagewalk.capture import tracing

    parts = []
    for seed in seeds:
        trace, plan = folder / f"seed-{seed}", random_plan(seed)
        with tracing(trace, digest="hash", strict=True):
            play(plan)
        parts.append(_counted(examine(trace), f"seed {seed}"))
        shutil.rmtree(trace)
    sums: Counter[str] = Counter()
    for part in parts:
        sums.update(part["sums"])
    return {"sums": sums, "wrong": [message for part in parts for message in part["wrong"]]}


def _counted(found: dict[str, Any], name: str) -> dict[str, Any]:
    """The examination of one trace as numbers, and in words what is wrong with it."""
    sums: Counter[str] = Counter({"runs": 1})
    wrong = [f"{name}: {one}" for one in found["problems"]]
    sums["divergences"] += len(wrong)
    for engine in found["engines"]:
        for key in SUMS:
            sums[key] += engine[key] if isinstance(engine[key], int) else len(engine[key])
        # A moment at which replay knows nothing is a moment that was not compared.
        sums["divergences"] += engine["unknown"]
        messages = [engine["located"] or engine["first"], *engine["broken"]]
        wrong += [f"{name}: {one}" for one in (*messages, *engine["disagreements"]) if one]
    return {"sums": sums, "wrong": wrong}


def _sum(total: dict[str, Counter[str]], name: str) -> int:
    return sum(counts[name] for counts in total.values())


def _show(console: Console, total: dict[str, Counter[str]], seconds: float) -> None:
    table = Table("", "scheduler alone", "whole engine", box=None)
    for name, title in {"runs": "runs", **SUMS}.items():
        table.add_row(title, *(f"{total[kind][name]:,}" for kind in ("scheduler", "engine")))
    console.print(table)
    console.print(
        f"{_sum(total, 'snapshots'):,} snapshots compared, "
        f"{_sum(total, 'divergences'):,} divergences, {seconds:.0f} s"
    )


if __name__ == "__main__":
    sys.exit(main())
