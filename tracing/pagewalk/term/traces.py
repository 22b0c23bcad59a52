"""Scenarios recorded or listed -> a line for each as it comes, and a table of all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TimeElapsedColumn
from rich.text import Text

from pagewalk.term.console import line
from pagewalk.term.layout import paragraph, table
from pagewalk.term.safe import escape
from pagewalk.term.words import count

_STYLES = {"new": "good", "same": "good", "changed": "unsure", "unsure": "unsure", "failed": "hurt"}

Tell = Callable[[str, str, str], None]
"""Called with the stem, the outcome in a word, and a sentence."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One scenario: where its trace comes from, and what it lacks."""

    stem: str
    date: str
    release: str
    place: str
    steps: int
    claims: int
    missing: tuple[str, ...]


@contextmanager
def telling(total: int, console: Console) -> Iterator[Tell]:
    """Tell of each as it comes; a person also sees how many are left."""
    progress = Progress(
        SpinnerColumn(),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_interactive,
    )
    task = progress.add_task("recording", total=total)

    def tell(stem: str, word: str, sentence: str) -> None:
        text = Text.assemble((escape(stem), "id"), " ", (word, _STYLES[word]))
        if word == "failed":
            text.append(f": {escape(sentence)}")
        line(console, text)
        progress.advance(task)

    with progress:
        yield tell


def show_recorded(console: Console, rows: Sequence[tuple[str, str, str]]) -> None:
    """All of them by name, and how many were recorded."""
    cells = [
        (Text(escape(stem), "id"), Text(word, _STYLES[word]), escape(told))
        for stem, word, told in rows
    ]
    table(console, ("scenario", "outcome", "what is new"), cells)
    failed = sum(word in ("failed", "unsure") for _, word, _ in rows)
    line(console, "")
    told = f"{count(len(rows) - failed, 'trace')} recorded"
    if failed:
        told += f", {failed:,} not: what was there is still there"
    paragraph(console, told, "hurt" if failed else "good")


def show_listed(console: Console, rows: Sequence[Listed], strays: Sequence[str]) -> None:
    """All scenarios by name, then traces that none of them makes."""
    cells = [
        (
            Text(escape(one.stem), "id"),
            one.date or "·",
            escape(one.release) or "·",
            escape(one.place) or "·",
            f"{one.steps:,}" if one.steps else "·",
            f"{one.claims:,}" if one.claims else "·",
            Text(f"missing: {escape(', '.join(one.missing))}" if one.missing else "", "hurt"),
        )
        for one in rows
    ]
    titles = ("scenario", "recorded", "vLLM", "on", "steps", "claims", "")
    table(console, titles, cells, right=(4, 5))
    for stem in strays:
        paragraph(console, f"No scenario makes the trace {escape(stem)}.", "hurt")


__all__ = ["Listed", "Tell", "show_listed", "show_recorded", "telling"]
