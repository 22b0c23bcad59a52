"""A function with exits -> the same function with marks that emit which exit was taken."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any

from pagewalk.capture.recompile import CannotRecompile, Recompiled, recompile, silence
from pagewalk.capture.recorder import Recorder
from pagewalk.capture.wrap import Fail
from pagewalk.probes.spec import Probe
from pagewalk.probes.steps import exit_taken
from pagewalk.trace.events import ExitsDeclared, ProbesInstalled

logger = logging.getLogger("pagewalk")

# Site numbers of a function start at a multiple of this, so that they are unique in a process.
SPACING = 1000


def mark(
    function: Any, row: Probe, recorder: Recorder, place: int, fail: Fail
) -> Recompiled | None:
    """`function` with marks, None where that cannot be done: then the trace says why."""
    emit = recorder.emit

    def taken(site: int, request: Any, values: tuple[Any, ...]) -> None:
        try:
            emit(exit_taken(site, request, values))
        except Exception as error:
            # A mark runs inside the scheduler itself: whatever it meets, a step must go on.
            fail(row, None, error)

    try:
        marked = recompile(function, taken, first_site=place * SPACING)
    except CannotRecompile as error:
        logger.info("pagewalk infers the exits of %s: %s", row.target, error.reason)
        reason = f"exits are inferred: {error.reason}"
        recorder.declare((ProbesInstalled, "marks", [], {row.target: reason}))
        return None
    if row.target.endswith("allocate_slots"):
        recorder.refusal_sites({one.site: tuple(one.names) for one in marked.sites})
    recorder.declare((ExitsDeclared, _shown(marked.file), list(marked.sites)))
    recorder.declare((ProbesInstalled, "marks", [row.target], {}))
    return marked


def unmark(marked: Recompiled) -> None:
    """Silence the marks, also for a call that is running in another thread."""
    silence(marked)


def _shown(file: str) -> str:
    """The path below site-packages: where a user keeps his environments is his own affair."""
    path = Path(file)
    roots = [root for root in sys.path if root and path.is_relative_to(root)]
    # The nearest one: the program's own directory may hold the whole environment.
    return path.relative_to(max(roots, key=len)).as_posix() if roots else path.name


__all__ = ["mark", "unmark"]
