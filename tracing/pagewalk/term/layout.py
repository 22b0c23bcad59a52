"""Cells and paragraphs -> lines that end where their text ends, wrapped to the console."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from pagewalk.term.console import line

Cell = str | Text
Side = Literal["left", "right"]
_GAP = 2
_NARROWEST = 24


def table(
    console: Console,
    titles: Sequence[str],
    rows: Iterable[Sequence[Cell]],
    right: Iterable[int] = (),
) -> None:
    """Columns as wide as their widest cell; the last one takes the rest and wraps under itself.

    `right` are the columns whose cells end at the same place, as numbers do.
    """
    cells = [[Text(one) if isinstance(one, str) else one for one in row] for row in rows]
    heads = [Text(title, "quiet") for title in titles]
    widths = [
        max(cell_len(row[at].plain) for row in (heads, *cells)) for at in range(len(titles) - 1)
    ]
    sides = frozenset(right)
    indent = sum(widths) + _GAP * len(widths)
    for row in (heads, *cells):
        start = Text()
        for at, (cell, width) in enumerate(zip(row, widths, strict=False)):
            start.append_text(_filled(cell, width, "right" if at in sides else "left"))
            start.append(" " * _GAP)
        _hang(console, start, row[-1], indent)


def paragraph(console: Console, text: Cell, style: str = "", indent: int = 0) -> None:
    """Text wrapped to the width of the console, all of it indented."""
    body = Text(text, style) if isinstance(text, str) else text
    _hang(console, Text(" " * indent), body, indent)


def flow(console: Console, parts: Iterable[str], between: str = " · ") -> None:
    """Parts one after the other, broken only between them."""
    text = ""
    for part in parts:
        longer = f"{text}{between}{part}" if text else part
        if text and cell_len(longer) > console.width:
            line(console, text)
            longer = part
        text = longer
    line(console, text)


def _hang(console: Console, start: Text, body: Text, indent: int) -> None:
    """`body` after `start`, its further lines under its first."""
    room = max(_NARROWEST, console.width - indent)
    lines = body.wrap(console, room, overflow="fold") or [Text()]
    for at, part in enumerate(lines):
        whole = start.copy() if not at else Text(" " * indent)
        whole.append_text(part)
        whole.rstrip()
        line(console, whole)


def _filled(cell: Text, width: int, side: Side) -> Text:
    space = " " * (width - cell_len(cell.plain))
    return Text.assemble(space, cell) if side == "right" else Text.assemble(cell, space)


__all__ = ["Cell", "flow", "paragraph", "table"]
