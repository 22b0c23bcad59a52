"""`pagewalk diff`: two traces of one scenario -> the first step that differs, and why.

Exit codes as those of `diff`: 0 equal, 1 different, 2 a mistake in the call; 3 where what could
be compared is equal, and something could not.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from pagewalk.cli_common import (
    BROKEN,
    OK,
    UNKNOWN,
    AsJson,
    EngineIndex,
    number,
    open_with_bar,
    print_json,
)
from pagewalk.term import diff as diff_term
from pagewalk.term.console import make_console
from pagewalk.term.wait import waiting
from pagewalk.views.diff import diff as compare

TraceA = Annotated[Path, typer.Argument(metavar="A", help="A trace directory.")]
TraceB = Annotated[Path, typer.Argument(metavar="B", help="The trace to compare it with.")]


def diff(a: TraceA, b: TraceB, engine: EngineIndex = None, as_json: AsJson = False) -> int:
    """What differs between two traces: settings, first step and why, requests."""
    index = None if engine is None else number(engine, "--engine", 0)
    first, second = open_with_bar(a), open_with_bar(b)
    with waiting("comparing", make_console(sys.stderr)) as report:
        told = compare(first, second, index, report)
    if as_json:
        print_json(told)
    else:
        diff_term.show(make_console(), told, str(a), str(b))
    return {"equal": OK, "different": BROKEN, "unknown": UNKNOWN}[told.outcome]


__all__ = ["diff"]
