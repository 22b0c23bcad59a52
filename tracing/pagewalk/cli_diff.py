"""`pagewalk diff`: two traces of one scenario -> the first step that differs, and why.

Exit codes as those of `diff`: 0 equal, 1 different, 2 a mistake in the call; 3 where what could
be compared is equal, and something could not.
"""

from __future__ import annotations

import sys
from io import StringIO
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
    trace_place,
    write_page,
)
from pagewalk.pages.comparison import Side, comparison
from pagewalk.term import diff as diff_term
from pagewalk.term.console import make_console
from pagewalk.term.diff_points import point
from pagewalk.term.wait import waiting
from pagewalk.views.diff import diff as compare
from pagewalk.views.diff_values import Diff
from pagewalk.views.engines import pick_engine

TraceA = Annotated[
    Path, typer.Argument(metavar="A", parser=trace_place, help="A trace directory, or its URL.")
]
_WIDE = 160
Out = Annotated[
    Path | None,
    typer.Option("--out", metavar="FILE", help="Also write one HTML file with both players."),
]
TraceB = Annotated[
    Path, typer.Argument(metavar="B", parser=trace_place, help="The trace to compare it with.")
]


def diff(
    a: TraceA,
    b: TraceB,
    engine: EngineIndex = None,
    out: Out = None,
    as_json: AsJson = False,
) -> int:
    """What differs between two traces: settings, first step and why, requests."""
    index = None if engine is None else number(engine, "--engine", 0)
    first, second = open_with_bar(a), open_with_bar(b)
    sides = None
    if out is not None:
        engines = (pick_engine(first, index), pick_engine(second, index))
        index = engines[0].index
        sides = Side(str(a), first, engines[0]), Side(str(b), second, engines[1])
    with waiting("comparing", make_console(sys.stderr)) as report:
        told = compare(first, second, index, report)
        text = "" if sides is None else comparison(*sides, told, _why(told), report=report)
    if out is not None:
        write_page(out, text)
    if as_json:
        print_json(told)
    else:
        diff_term.show(make_console(), told, str(a), str(b))
    return {"equal": OK, "different": BROKEN, "unknown": UNKNOWN}[told.outcome]


def _why(told: Diff) -> str:
    """What differs in the first step, as the terminal tells it."""
    text = StringIO()
    console = make_console(text, plain=True)
    console.width = _WIDE  # the page scrolls sideways; a line of numbers is not torn apart
    for one in told.engines:
        for each in one.first.points if one.first is not None else ():
            point(console, each)
    return text.getvalue()


__all__ = ["diff"]
