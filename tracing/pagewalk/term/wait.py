"""Long work -> a moving line on stderr, but only after two seconds and only for a person."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

PATIENCE = 2.0

Report = Callable[[int, int], None]
"""Called with (done, total); total 0 means that nobody knows."""


@contextmanager
def waiting(what: str, console: Console, patience: float = PATIENCE) -> Iterator[Report]:
    """Show `what` and how far it is once it has taken longer than `patience` seconds."""
    if not console.is_interactive:
        yield _ignore
        return
    progress = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )
    task = progress.add_task(what, total=None)

    def report(done: int, total: int) -> None:
        progress.update(task, completed=done, total=total or None)

    timer = threading.Timer(patience, progress.start)
    timer.daemon = True
    timer.start()
    try:
        yield report
    finally:
        timer.cancel()
        timer.join()
        progress.stop()


def _ignore(done: int, total: int) -> None:
    """Report to nobody."""
