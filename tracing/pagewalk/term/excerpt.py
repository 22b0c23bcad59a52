"""Excerpts, and what became of them -> lines on a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.console import Console

from pagewalk.source.drift import STATUSES, Judged
from pagewalk.source.excerpt import Excerpt
from pagewalk.term.console import line
from pagewalk.term.safe import escape

_STYLES = {"same": "good", "moved": "good", "comments only": "unsure", "unlocked": "unsure"}
_DIFF = {"+": "good", "-": "hurt", "@": "place"}


def show_excerpt(
    console: Console, excerpt: Excerpt, places: Sequence[tuple[int, str]], fence: str
) -> None:
    """The code with its line numbers, the locators inside it, and the fence for a page."""
    place = f"{excerpt.file}, lines {excerpt.first} to {excerpt.last}, vLLM {excerpt.release}"
    line(console, (escape(excerpt.title), "head"), (f"  {escape(place)}", "place"))
    if excerpt.url:
        line(console, (excerpt.url, "place"))
    line(console)
    width = len(str(excerpt.last))
    for number, text in enumerate(excerpt.lines, excerpt.first):
        line(console, (f"{number:>{width}}  ", "quiet"), code(text))
    _section(console, "Locators inside it, for marks and hl")
    for number, locator in places:
        line(console, (f"{number:>{width}}  ", "quiet"), code(locator))
    if not places:
        line(console, ("none", "quiet"))
    _section(console, "The fence")
    for text in fence.splitlines():
        line(console, code(text))


def show_judged(console: Console, judged: Sequence[Judged], release: str) -> None:
    """What needs a look, one by one with its difference; then how many are how."""
    _each(console, judged, with_diffs=True)
    counts = Counter(one.status for one in judged)
    told = ", ".join(f"{counts[status]} {status}" for status in STATUSES if counts[status])
    line(console, f"{len(judged)} excerpts, vLLM {escape(release)}: {told or 'none'}.")
    for status in ("comments only", "changed", "gone", "ambiguous", "unlocked", "unused"):
        if counts[status]:
            line(console, (f"  {status}: {STATUSES[status]}", "quiet"))


def show_locked(console: Console, judged: Sequence[Judged], release: str, lock: str) -> None:
    """What was different in the lock, and what could not be locked."""
    _each(console, judged, with_diffs=False)
    locked = sum(one.now is not None for one in judged)
    line(console, f"{escape(lock)} holds {locked} excerpts as they are in vLLM {escape(release)}.")
    lost = sum(one.now is None and one.status != "unused" for one in judged)
    if lost:
        line(console, (f"{lost} of the pages' excerpts must be found again first.", "hurt"))


def _each(console: Console, judged: Sequence[Judged], *, with_diffs: bool) -> None:
    for one in judged:
        if one.status == "same":
            continue
        where = f"{one.page}:{one.line}" if one.line else one.page
        line(
            console,
            (one.status, _STYLES.get(one.status, "hurt")),
            f"  {escape(where)}  {escape(one.symbol)}",
            (f"  {_places(one)}", "place"),
        )
        if one.detail:
            line(console, "    ", escape(one.detail))
        for text in one.diff if with_diffs else ():
            line(console, "    ", (code(text), _DIFF.get(text[:1], "quiet")))


def code(text: str) -> str:
    """A line of code as a terminal may show it; a backslash stays one."""
    return "\\".join(escape(part) for part in text.expandtabs(4).split("\\"))


def _places(one: Judged) -> str:
    old = f"{one.entry.first}-{one.entry.last}" if one.entry else ""
    new = f"{one.now.first}-{one.now.last}" if one.now else ""
    return " -> ".join(dict.fromkeys(part for part in (old, new) if part))


def _section(console: Console, title: str) -> None:
    line(console)
    line(console, (title, "head"))


__all__ = ["code", "show_excerpt", "show_judged", "show_locked"]
