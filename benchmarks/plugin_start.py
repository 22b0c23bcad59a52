"""The plugin in a starting process -> milliseconds it adds, idle and armed.

    python benchmarks/plugin_start.py [--runs 15] [--engine-runs 5] [--json FILE]

Each figure is of fresh processes, the kinds interleaved, timed inside them from the first import
of the plugin to the return of `register()`, by the clock and in processor time. The limit is for
the clock; where that is far above the processor time, the machine was busy with something else.

    idle      PAGEWALK is not set
    armed     PAGEWALK is set, in a bare interpreter: what the plugin needs is imported by it
    vllm      PAGEWALK is set, in a process that has imported vLLM, as every process has that
              loads plugins: most of what the plugin needs is there already
    patched   the same, and all modules with probes are imported: every probe is put in place
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

TIMED = """
import time
wall, cpu = time.perf_counter_ns(), time.thread_time_ns()
from pagewalk.capture.plugin import register
register()
print("figure", time.perf_counter_ns() - wall, time.thread_time_ns() - cpu)
"""
IMPORT_VLLM = "import vllm, vllm.plugins, vllm.engine.arg_utils\n"
IMPORT_ENGINE = """
import vllm.v1.engine.core, vllm.v1.engine.llm_engine, vllm.v1.engine.async_llm
import vllm.v1.worker.worker_base
try:
    import vllm.v1.worker.gpu_worker
except ImportError:
    pass
"""
LIMIT_MS = 50.0
KINDS = {
    "idle": (False, TIMED),
    "armed": (True, TIMED),
    "vllm": (True, IMPORT_VLLM + TIMED),
    "patched": (True, IMPORT_VLLM + IMPORT_ENGINE + TIMED),
}
WITH_ENGINE = ("vllm", "patched")


def measure(kind: str, directory: str) -> tuple[float, float]:
    """Milliseconds in one fresh process: on the clock, and of the processor."""
    armed, code = KINDS[kind]
    environment = {name: one for name, one in os.environ.items() if "PAGEWALK" not in name}
    environment["VLLM_LOGGING_LEVEL"] = "ERROR"
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed package has its byte code
    if armed:
        environment["PAGEWALK"] = directory
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    figure = next(line for line in done.stdout.splitlines() if line.startswith("figure "))
    wall, cpu = figure.split()[1:]
    return int(wall) / 1e6, int(cpu) / 1e6


def collect(runs: int, engine_runs: int) -> dict[str, list[tuple[float, float]]]:
    """All figures, the kinds taking turns, so that a slow minute hits all of them."""
    has_engine = importlib.util.find_spec("vllm") is not None
    figures: dict[str, list[tuple[float, float]]] = {kind: [] for kind in KINDS}
    with tempfile.TemporaryDirectory() as directory:
        for kind in KINDS:  # once for the byte code
            if has_engine or kind not in WITH_ENGINE:
                measure(kind, directory)
        for turn in range(max(runs, engine_runs)):
            for kind, values in figures.items():
                wanted = engine_runs if kind in WITH_ENGINE else runs
                if turn < wanted and (has_engine or kind not in WITH_ENGINE):
                    values.append(measure(kind, directory))
    return {kind: values for kind, values in figures.items() if values}


def main() -> int:
    """Measure, print, and fail where the limit is not kept."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--engine-runs", type=int, default=5)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    figures = collect(options.runs, options.engine_runs)
    print(f"{'':8} {'median':>8} {'least':>8} {'most':>8} {'cpu':>8}  runs   (ms)")
    for kind, values in figures.items():
        wall, cpu = zip(*values, strict=True)
        shown = (statistics.median(wall), min(wall), max(wall), statistics.median(cpu))
        print(f"{kind:8} " + " ".join(f"{one:8.2f}" for one in shown) + f"  {len(values):4}")
    if options.json:
        facts = {"python": platform.python_version(), "cores": os.cpu_count(), "ms": figures}
        options.json.write_text(json.dumps(facts, indent=1) + "\n")
    # A bare interpreter is no process of an engine: it counts where there is no other.
    judged = ("idle", "vllm") if "vllm" in figures else ("idle", "armed")
    medians = {kind: statistics.median(wall for wall, _ in figures[kind]) for kind in judged}
    over = [kind for kind, median in medians.items() if median >= LIMIT_MS]
    print(f"limit {LIMIT_MS:g} ms: " + (f"NOT KEPT by {', '.join(over)}" if over else "kept"))
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
