"""All requests -> a table, a line each."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from pagewalk.term.console import line
from pagewalk.term.request import status_words
from pagewalk.term.safe import shown
from pagewalk.term.words import count, duration
from pagewalk.views.requests import RequestRow

_COLUMNS = (
    ("prompt", 8),
    ("output", 8),
    ("hit", 7),
    ("preempted", 11),
    ("queued", 9),
    ("1st token", 11),
    ("in engine", 11),
)
_FIXED = sum(width for _, width in _COLUMNS) + 2
_NONE = "·"


def table(console: Console, rows: Sequence[RequestRow]) -> None:
    """The table; times are from the queue on."""
    if not rows:
        line(console, "No request is in this trace.")
        return
    width = min(28, max(len(_id(row, 28)) for row in rows))
    several = len({row.engine for row in rows if row.engine is not None}) > 1
    titles = "".join(title.rjust(size) for title, size in _COLUMNS)
    engine = "  engine" if several else ""
    line(console, (f"{'request'.ljust(width)}{engine}{titles}  status", "quiet"))
    for row in rows:
        cells = Text(_id(row, width).ljust(width), "hurt" if row.num_preemptions else "")
        if several:
            cells.append(_number(row.engine).rjust(8))
        for cell, (_, size) in zip(_cells(row), _COLUMNS, strict=True):
            cells.append(cell.rjust(size), "quiet" if cell == _NONE else "")
        status = "finished: stop string" if row.stop_string else status_words(row.status)
        cells.append(f"  {status}", "quiet")
        line(console, cells)
    line(console, (count(len(rows), "request"), "quiet"))


def _id(row: RequestRow, width: int) -> str:
    return shown(row.request, width)


def _cells(row: RequestRow) -> list[str]:
    return [
        _number(row.prompt_tokens),
        _number(row.output_tokens),
        _number(row.prefix_hit) if row.prefix_hit else _NONE,
        str(row.num_preemptions) if row.num_preemptions else _NONE,
        _time(row.queued),
        _time(row.first_token),
        _time(row.in_engine),
    ]


def _number(value: int | None) -> str:
    return _NONE if value is None else str(value)


def _time(value: int | None) -> str:
    return _NONE if value is None else duration(value)


__all__ = ["table"]
