"""What became of the excerpts in another release -> the page that says so, without its code."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from pagewalk.source.drift import Judged, Status
from pagewalk.source.excerpt import link
from pagewalk.source.lock import Entry

_HEAD = """\
<!-- Written by `make changed`. Do not edit. excerpts: {digest} -->
# What {release} changed

The pages of this site explain vLLM {base}. They quote {all} pieces of its source, each found by its
symbol and never by a line number. Here each piece is held against vLLM {release}.

**{well} of {all} do the same there.** If {release} is what you run, read the pages below with care.

"""
# In the order of the page: what a reader should look at first.
_SECTIONS: dict[Status, tuple[str, str]] = {
    "gone": ("Gone", "What the excerpt shows is no longer written like this there."),
    "ambiguous": ("More than one", "Several places there read like the excerpt."),
    "changed": ("Changed", "The code differs."),
    "comments only": ("Comments only", "The code is the same. Comments or line breaks differ."),
}
_KEPT: tuple[Status, ...] = ("moved", "same")


def digest(entries: Iterable[Entry]) -> str:
    """What the page depends on: it is stale where this differs from what it carries."""
    encoded = msgspec.json.encode(sorted(entries, key=lambda entry: entry.key))
    return hashlib.sha256(encoded).hexdigest()[:16]


def page(judged: Sequence[Judged], entries: Sequence[Entry], release: str) -> str:
    """The whole page, Markdown: what differs, kind by kind, and how much of each page does not."""
    base = ", ".join(sorted({entry.release for entry in entries}))
    well = sum(one.status in (*_KEPT, "comments only") for one in judged)
    parts = [
        _HEAD.format(digest=digest(entries), release=release, base=base, all=len(judged), well=well)
    ]
    for status, (title, told) in _SECTIONS.items():
        rows = [one for one in judged if one.status == status]
        if rows:
            parts.append(f"## {title}\n\n{told}\n\n")
            titles = ("page", "excerpt", f"lines in {base}", f"in {release}", "")
            if not any(one.now for one in rows):
                titles = titles[:3]
            parts.append(f"| {' | '.join(titles)} |\n|{' --- |' * len(titles)}\n")
            parts.extend(_row(one, len(titles)) for one in rows)
            parts.append("\n")
    return "".join([*parts, _kept(judged, release)])


def _kept(judged: Sequence[Judged], release: str) -> str:
    """How many excerpts of each page are as they were."""
    counts = {one.page: Counter[str]() for one in judged}
    for one in judged:
        counts[one.page][one.status] += 1
    rows = [
        f"| {_page(name)} | {found.total()} | {found['same']} | {found['moved']} |\n"
        for name, found in counts.items()
    ]
    return (
        f"## Unchanged\n\nThe same lines, at the same place in {release} or at another one.\n\n"
        f"| page | excerpts | same place | moved |\n| --- | ---: | ---: | ---: |\n{''.join(rows)}"
    )


def _row(one: Judged, columns: int) -> str:
    symbol = one.symbol.rpartition(":")[2] or one.symbol
    cells = (_page(one.page), f"`{symbol}`", _place(one.entry), _place(one.now), _lines(one.diff))
    return f"| {' | '.join(cells[:columns])} |\n"


def _page(name: str) -> str:
    """The lock counts from the repository's root, links from the folder of the pages."""
    within = name.partition("/")[2]
    return f"[{within.removesuffix('.md')}]({within})"


def _place(entry: Entry | None) -> str:
    if entry is None:
        return ""
    text = f"{entry.first} to {entry.last}"
    url = link(entry.release, entry.file, entry.first, entry.last)
    return f"[{text}]({url})" if url else text


def _lines(diff: Sequence[str]) -> str:
    """How many lines came and went; the first two lines of a diff are its heads."""
    added = sum(line.startswith("+") for line in diff[2:])
    removed = sum(line.startswith("-") for line in diff[2:])
    return f"+{added} −{removed}" if diff else ""


__all__ = ["digest", "page"]
