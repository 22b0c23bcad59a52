"""What became of the excerpts in another release -> the page that says so, without its code."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import groupby

import msgspec

from pagewalk.source.drift import STATUSES, Judged, Status
from pagewalk.source.excerpt import link
from pagewalk.source.lock import Entry

_HEAD = """\
<!-- Written by `make changed`. Do not edit. excerpts: {digest} -->
# What {release} changed

Every excerpt of this site is bound to a symbol of vLLM {base} and locked in `excerpts.lock`. This
page holds each of them against vLLM {release}. A changed excerpt means: read its page with care,
if {release} is what you run.

{counts}

"""
_ORDER: tuple[Status, ...] = (
    "gone", "ambiguous", "changed", "comments only", "moved", "same", "unlocked", "unused",
)  # fmt: skip


def digest(entries: Iterable[Entry]) -> str:
    """What the page depends on: it is stale where this differs from what it carries."""
    encoded = msgspec.json.encode(sorted(entries, key=lambda entry: entry.key))
    return hashlib.sha256(encoded).hexdigest()[:16]


def page(judged: Sequence[Judged], entries: Sequence[Entry], release: str) -> str:
    """The whole page, Markdown: the counts, and for each page its excerpts and their fate."""
    found = Counter(one.status for one in judged)
    counts = "\n".join(
        f"- **{found[status]} {status}**: {STATUSES[status]}." for status in _ORDER if found[status]
    )
    base = ", ".join(sorted({entry.release for entry in entries}))
    parts = [_HEAD.format(digest=digest(entries), release=release, base=base, counts=counts)]
    for name, rows in groupby(judged, key=lambda one: one.page):
        # The lock counts from the repository's root, links from the folder of the pages.
        within = name.partition("/")[2]
        parts.append(f"## [{within.removesuffix('.md')}]({within})\n\n")
        parts.append(f"| excerpt | in {base} | in {release} | | lines |\n")
        parts.append("| --- | --- | --- | --- | --- |\n")
        parts.extend(_row(one) for one in rows)
        parts.append("\n")
    return "".join(parts).rstrip() + "\n"


def _row(one: Judged) -> str:
    symbol = one.symbol.rpartition(":")[2] or one.symbol
    status = f"**{one.status}**" if one.status not in ("same", "moved") else one.status
    cells = (f"`{symbol}`", _place(one.entry), _place(one.now), status, _lines(one.diff))
    return f"| {' | '.join(cells)} |\n"


def _place(entry: Entry | None) -> str:
    if entry is None:
        return ""
    file = entry.file.rpartition("/")[2]
    text = f"{file}, {entry.first} to {entry.last}"
    url = link(entry.release, entry.file, entry.first, entry.last)
    return f"[{text}]({url})" if url else text


def _lines(diff: Sequence[str]) -> str:
    """How many lines came and went; the first two lines of a diff are its heads."""
    added = sum(line.startswith("+") for line in diff[2:])
    removed = sum(line.startswith("-") for line in diff[2:])
    return f"+{added} −{removed}" if diff else ""


__all__ = ["digest", "page"]
