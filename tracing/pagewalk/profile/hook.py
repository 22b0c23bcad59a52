"""A signal to a vLLM process -> viztracer starts in it, or stops and writes what it saw.

vLLM loads `register` in each of its processes, as a plugin that `run.profiling` puts on
the path. Nothing of vLLM is patched, and without a signal nothing happens.
"""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

DIRECTORY, ENTRIES = "PAGEWALK_PROFILE", "PAGEWALK_PROFILE_ENTRIES"
START, STOP = signal.SIGUSR1, signal.SIGUSR2
READY, FUNCTIONS, CLOCK = ".ready", ".functions.json", ".clock.json"

_tracers: list[Any] = []


def register() -> None:
    """Listen to the two signals; called by vLLM, and by a script for its own process."""
    if not os.environ.get(DIRECTORY) or threading.current_thread() is not threading.main_thread():
        return
    signal.signal(START, lambda *_: start())
    signal.signal(STOP, lambda *_: stop())
    _ready()
    # A forked child has the handlers already, but nobody knows it yet.
    os.register_at_fork(after_in_child=_ready)


def start() -> None:
    """Log every call of the main thread; the oldest go when `PAGEWALK_PROFILE_ENTRIES` are full."""
    from viztracer import VizTracer

    # No `min_duration`: it calibrates viztracer's clock at once, over a few microseconds.
    tracer = VizTracer(
        tracer_entries=int(os.environ[ENTRIES]),
        verbose=0,
        register_global=False,
        output_file=os.devnull,
    )
    _tracers.append(tracer)
    tracer.start()


def stop() -> None:
    """Stop, and write the calls and a reading of both clocks; the file of calls comes last."""
    if not _tracers:
        return
    tracer = _tracers.pop()
    tracer.stop()
    # The first reading measures how fast the time stamp counter runs, since the import till now.
    tracer.getts()
    before, viztracer, after = time.monotonic_ns(), tracer.getts(), time.monotonic_ns()
    _file(CLOCK).write_text(
        json.dumps({"before_ns": before, "viztracer_us": viztracer, "after_ns": after})
    )
    unfinished = _file(FUNCTIONS + ".part")
    tracer.dump(str(unfinished))
    unfinished.rename(_file(FUNCTIONS))


def _ready() -> None:
    _tracers.clear()
    _file(READY).touch()


def _file(suffix: str) -> Path:
    return Path(os.environ[DIRECTORY]) / f"{os.getpid()}{suffix}"


__all__ = ["CLOCK", "DIRECTORY", "ENTRIES", "FUNCTIONS", "READY", "START", "STOP", "register"]
