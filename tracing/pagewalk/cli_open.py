"""A trace -> `report.html` in it, opened in the browser: the player, the story and the verdict."""

from __future__ import annotations

import os
import sys
import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from pagewalk.cli_common import (
    OK,
    EngineIndex,
    TracePath,
    is_fetched,
    number,
    open_with_bar,
    write_page,
)
from pagewalk.pages.report import report as report_of
from pagewalk.term.console import make_console
from pagewalk.term.wait import waiting
from pagewalk.views.engines import pick_engine

_NAME = "report.html"
Out = Annotated[
    Path | None,
    typer.Option("--out", metavar="FILE", help=f"Where to write it; TRACE/{_NAME} if not said."),
]
NoBrowser = Annotated[bool, typer.Option("--no-browser", help="Write the file and stop there.")]


def open_report(
    trace: TracePath, out: Out = None, engine: EngineIndex = None, no_browser: NoBrowser = False
) -> int:
    """Write the trace as one HTML file to play with, and open it."""
    index = None if engine is None else number(engine, "--engine", 0)
    opened = open_with_bar(trace)
    chosen = pick_engine(opened, index)
    with waiting("writing the report", make_console(sys.stderr)) as report:
        text = report_of(opened, chosen, report=report)
    beside = Path(f"{trace.name}.html") if is_fetched(trace) else trace / _NAME
    path = write_page(beside if out is None else out, text)
    sys.stdout.write(f"{path}\n")
    if not no_browser and _has_display():
        webbrowser.open(path.resolve().as_uri())
    return OK


def _has_display() -> bool:
    """Whether someone sits before a screen: a terminal, and a desktop it belongs to."""
    if not sys.stdout.isatty():
        return False
    desktop = sys.platform in ("darwin", "win32")
    return desktop or any(os.environ.get(one) for one in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"))


__all__ = ["open_report"]
