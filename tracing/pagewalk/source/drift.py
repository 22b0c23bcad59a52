"""Quotes, the lock and a release -> what became of each excerpt, with a diff where it changed."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pagewalk.errors import PagewalkError
from pagewalk.source.excerpt import Excerpt, Wanted, cut
from pagewalk.source.lock import Entry, Quote, entry_of
from pagewalk.source.package import Package

Status = Literal[
    "same", "moved", "comments only", "changed", "gone", "ambiguous", "unlocked", "unused"
]
STATUSES: dict[Status, str] = {
    "same": "the same lines at the same place",
    "moved": "the same lines at another place",
    "comments only": "the code does the same; comments or layout differ",
    "changed": "the code differs: read the page again",
    "gone": "the locator leads nowhere: write a new one",
    "ambiguous": "the locator leads to several places: make it sharper",
    "unlocked": "the page asks for what the lock does not know",
    "unused": "the lock knows it and no page asks for it",
}
_WELL = {"same", "moved"}
_LOST = {
    "no-such-module": "gone",
    "no-such-symbol": "gone",
    "no-such-place": "gone",
    "several-symbols": "ambiguous",
    "several-places": "ambiguous",
}


@dataclass(frozen=True, slots=True)
class Judged:
    """What became of one excerpt. `line` is the fence's, 0 where there is none.

    `entry` is what the lock says, `now` what would be locked; `diff` are lines of a unified diff,
    empty if nothing differs or the old release is not at hand.
    """

    id: str
    page: str
    line: int
    symbol: str
    status: Status
    detail: str = ""
    entry: Entry | None = None
    now: Entry | None = None
    diff: tuple[str, ...] = ()

    @property
    def is_well(self) -> bool:
        """Whether nobody need look."""
        return self.status in _WELL


def judge(
    quotes: Sequence[Quote],
    entries: Sequence[Entry],
    package: Package,
    old: Package | None = None,
) -> tuple[Judged, ...]:
    """Judge all quotes against a release, in the order of the pages; unused entries come last.

    `old` is read for the diffs, where it is the release that an entry was made of.
    """
    known = {entry.key: entry for entry in entries}
    judged = [
        _judge_quote(quote, known.pop((quote.page, quote.id), None), package, old)
        for quote in quotes
    ]
    unused = (
        Judged(entry.id, entry.page, 0, entry.symbol, "unused", entry=entry)
        for entry in known.values()
    )
    return (*judged, *unused)


def accepted(judged: Sequence[Judged]) -> tuple[Entry, ...]:
    """What the lock holds once all is read: what is lost keeps its entry, until it is found."""
    kept = ((one.now or one.entry) for one in judged if one.status != "unused")
    return tuple(entry for entry in kept if entry is not None)


def _judge_quote(
    quote: Quote, entry: Entry | None, package: Package, old: Package | None
) -> Judged:
    def said(status: Status, detail: str = "", **more: object) -> Judged:
        symbol = quote.wanted.symbol
        return Judged(quote.id, quote.page, quote.line, symbol, status, detail, entry, **more)  # type: ignore[arg-type]

    try:
        excerpt, broken = _cut(package, quote)
    except PagewalkError as error:
        status = _LOST.get(error.slug)
        if status is None:
            raise _placed(error, quote) from error
        return said(status, str(error))  # type: ignore[arg-type]
    now = entry_of(quote, excerpt)
    if broken:
        return said("changed", broken, diff=_diff(quote, entry, excerpt, old))
    if entry is None:
        return said("unlocked", "it is not in the lock", now=now)
    if not entry.is_for(quote.wanted):
        return said("unlocked", "its symbol or locator was edited", now=now)
    status = _compare(entry, now)
    detail = "" if status in _WELL or entry.release == now.release else f"since {entry.release}"
    return said(status, detail, now=now, diff=_diff(quote, entry, excerpt, old))


def _cut(package: Package, quote: Quote) -> tuple[Excerpt, str]:
    """The excerpt, and what is wrong with its marks and highlights."""
    try:
        return cut(package, quote.wanted), ""
    except PagewalkError as error:
        if error.slug not in _LOST:
            raise
        excerpt = cut(package, _unmarked(quote.wanted))
        return excerpt, f"a mark or highlight is lost: {error}"


def _unmarked(wanted: Wanted) -> Wanted:
    return dataclasses.replace(wanted, marks=(), highlights=())


def _compare(entry: Entry, now: Entry) -> Status:
    if entry.text == now.text:
        place = (entry.file, entry.first, entry.last)
        return "same" if place == (now.file, now.first, now.last) else "moved"
    return "comments only" if entry.code == now.code else "changed"


def _diff(
    quote: Quote, entry: Entry | None, excerpt: Excerpt, old: Package | None
) -> tuple[str, ...]:
    """The difference from what was locked, if the release of that is at hand."""
    if entry is None or old is None or entry.text == excerpt.text:
        return ()
    if not entry.is_for(quote.wanted) or old.release != entry.release:
        return ()
    try:
        before = cut(old, _unmarked(quote.wanted))
    except PagewalkError:
        return ()
    lines = difflib.unified_diff(
        before.lines, excerpt.lines, _called(before), _called(excerpt), lineterm=""
    )
    return tuple(lines)


def _called(excerpt: Excerpt) -> str:
    return f"{excerpt.file} (vLLM {excerpt.release}, line {excerpt.first})"


def _placed(error: PagewalkError, quote: Quote) -> PagewalkError:
    return PagewalkError(error.slug, f"{quote.page}, line {quote.line}: {error}")


__all__ = ["STATUSES", "Judged", "Status", "accepted", "judge"]
