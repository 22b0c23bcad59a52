"""A scheduler under tracing, the same each time, and what must be true of its trace."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pagewalk.capture.install import Installation
from pagewalk.capture.recorder import Recorder
from pagewalk.capture.settings import RUN
from pagewalk.probes import PROBES
from pagewalk.replay.compare import Comparison, compare
from pagewalk.trace.read import open_trace


def new_bed(**shape: Any) -> Any:
    from pagewalk.bed.scheduler import SchedulerBed

    return SchedulerBed(**{"num_blocks": 14, "block_size": 16, **shape})


def add_crowd(bed: Any, count: int = 10, name: Callable[[int], str] = "r{}".format) -> None:
    """Requests in pairs of equal beginnings, more than fit: queueing, hits and preemption."""
    for i in range(count):
        bed.add(name(i), [(7 * (i // 2) + j) % 90 for j in range(40 + 7 * i)], max_tokens=30)


def plain_outputs() -> dict[str, list[int]]:
    """What the crowd gets from an engine that nobody watches."""
    bed = new_bed()
    add_crowd(bed)
    bed.run()
    return dict(bed.outputs)


@contextmanager
def probes_in_place(recorder: Recorder, rows: Any = PROBES) -> Iterator[Installation]:
    """As the plugin does it, with a recorder and rows of the test's own."""
    os.environ[RUN] = ""
    recorder.follow_forks()
    installation = Installation(recorder, rows)
    installation.install()
    try:
        yield installation
    finally:
        installation.restore()
        recorder.close()


def compared(trace: Path, which: int = 0) -> Comparison:
    """Replay against what the engine said of itself, for the segments in order of their start."""
    segments = sorted(open_trace(trace).segments, key=lambda one: one.started.wall_ns)  # type: ignore[union-attr]
    return compare(segments[which])


def exact(comparison: Comparison) -> bool:
    return comparison.snapshots > 0 and comparison.divergences == 0 and comparison.unknown == 0
