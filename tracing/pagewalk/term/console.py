"""Where output goes: a person's terminal with colour, or plain text at 100 columns."""

from __future__ import annotations

import codecs
import os
import sys
from typing import IO

from rich.console import Console
from rich.text import Text
from rich.theme import Theme

PLAIN_WIDTH = 100
_HANDLER = "pagewalk.plain"
_PLAIN = {"·": "-", "…": "...", "→": "->", "✕": "x", "×": "x", "∅": "0", "≥": ">=", "⨯": "x"}

THEME = Theme(
    {
        "head": "bold",
        "quiet": "dim",
        "hurt": "bold red",
        "good": "green",
        "unsure": "yellow",
        "id": "cyan",
        "place": "dim",
    },
    inherit=True,
)


def make_console(stream: IO[str] | None = None, *, plain: bool = False) -> Console:
    """A console on `stream` (stdout): no markup, no guessing at what looks like a number.

    `plain`: no colour and no width of a terminal, whatever the environment says.
    """
    stream = sys.stdout if stream is None else stream
    _make_encodable(stream)
    width = None
    if not stream.isatty():
        width = (None if plain else _columns()) or PLAIN_WIDTH
    return Console(
        file=stream,
        theme=THEME,
        markup=False,
        highlight=False,
        emoji=False,
        width=width,
        # Without colour there is no bold either: plain means plain.
        color_system=None if plain or os.environ.get("NO_COLOR") else "auto",
    )


def line(console: Console, *parts: str | Text | tuple[str, str]) -> None:
    """Print one line that is never wrapped or cut, except by the terminal itself."""
    text = Text.assemble(*parts)
    if console.color_system is None:
        # Plain text needs no renderer: a long trace has many lines.
        console.file.write(f"{text.plain}\n")
    else:
        console.print(text, soft_wrap=True)


def _columns() -> int | None:
    text = os.environ.get("COLUMNS", "")
    return max(40, int(text)) if text.isdecimal() and len(text) < 5 else None


def _make_encodable(stream: IO[str]) -> None:
    """In an ASCII or Latin locale write `->` for an arrow, and no traceback for anything."""
    codecs.register_error(_HANDLER, _replace)
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors=_HANDLER)


def _replace(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    cut = error.object[error.start : error.end]
    safe = "".join(_PLAIN.get(char) or ascii(char)[1:-1] for char in cut)
    return safe, error.end


__all__ = ["PLAIN_WIDTH", "line", "make_console"]
