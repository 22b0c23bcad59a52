"""A package and what a page wants -> an excerpt: lines, their true numbers, marks, a link."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from pagewalk.errors import PagewalkError, plain
from pagewalk.source.canonical import code_sha, text_sha
from pagewalk.source.locate import Locator, locate
from pagewalk.source.module import Module, Symbol, find_symbol, parse_symbol, read_module
from pagewalk.source.package import Package
from pagewalk.source.places import Place, place_of

_TAG = re.compile(r"\d+\.\d+\.\d+(?:rc\d+|\.post\d+)?")
_REPOSITORY = "https://github.com/vllm-project/vllm"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a page asks for. Locators are steps; numbers of lines are counts, never line numbers.

    `at` is where the excerpt begins and what it holds, `to` the place that ends it instead, `head`
    how many of its lines are shown, `before` and `after` how many lines are shown around it.
    """

    symbol: str
    at: Locator = ()
    to: Locator = ()
    head: int = 0
    before: int = 0
    after: int = 0
    marks: tuple[tuple[int, Locator], ...] = ()
    highlights: tuple[Locator, ...] = ()


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Lines `first` to `last` of a file of a release, without their common indentation.

    `marks` are a note's number and its line, `highlights` lines; all count from 1 in the file.
    `url` leads to the lines at the release's tag, "" where the release has none. The two hashes
    tell what the code does and how it is written.
    """

    symbol: str
    title: str
    release: str
    file: str
    first: int
    last: int
    lines: tuple[str, ...]
    marks: tuple[tuple[int, int], ...]
    highlights: tuple[int, ...]
    url: str
    code: str
    text: str


def cut(package: Package, wanted: Wanted) -> Excerpt:
    """Cut the excerpt; what is not there, or there twice, is one sentence with line numbers."""
    try:
        return _cut(package, wanted)
    except RecursionError as error:
        raise PagewalkError(
            "unreadable-source",
            f"{plain(wanted.symbol)} in {plain(package.where)} is nested too deeply to be vLLM's; "
            "check the file.",
        ) from error


def find_place(package: Package, symbol: str) -> tuple[Module, Place]:
    """The module of a symbol, and the place that the symbol names in it."""
    parsed = parse_symbol(symbol)
    module = read_module(package, parsed.module)
    return module, _place(module, parsed)


@lru_cache(maxsize=32)  # a page quotes one function in several pieces, and several pages do
def _place(module: Module, symbol: Symbol) -> Place:
    return place_of(find_symbol(module, symbol), module.lines)


def _cut(package: Package, wanted: Wanted) -> Excerpt:
    module, symbol = find_place(package, wanted.symbol)
    first, last = _span(wanted, symbol, len(module.lines))
    lines = _dedented(module.lines[first - 1 : last])
    marks = tuple(
        (number, _inside(symbol, locator, first, last).line) for number, locator in wanted.marks
    )
    highlights = {
        line
        for locator in wanted.highlights
        for place in [_inside(symbol, locator, first, last)]
        for line in range(max(first, place.first), min(last, place.head_last) + 1)
    }
    return Excerpt(
        symbol=wanted.symbol,
        title=parse_symbol(wanted.symbol).title,
        release=package.release,
        file=module.file,
        first=first,
        last=last,
        lines=lines,
        marks=marks,
        highlights=tuple(sorted(highlights)),
        url=link(package.release, module.file, first, last),
        code=code_sha(module.tree.body, first, last),
        text=text_sha(lines),
    )


def _inside(symbol: Place, locator: Locator, first: int, last: int) -> Place:
    """The one place with its line in the excerpt; the symbol itself can be named too."""
    # Steps before the last may name what encloses the excerpt.
    return locate(
        Place("module", symbol.node, symbol.first, symbol.last, 0, 0, (symbol,)),
        locator,
        lambda place, is_end: (
            first <= place.line <= last if is_end else place.first <= last and place.last >= first
        ),
        "the excerpt",
    )


def _dedented(lines: Sequence[str]) -> tuple[str, ...]:
    """The lines without their common indentation and what blanks follow them."""
    indents = [len(line) - len(line.lstrip()) for line in lines if line.strip()]
    common = min(indents, default=0)
    return tuple(line[common:].rstrip() for line in lines)


def _span(wanted: Wanted, symbol: Place, num_lines: int) -> tuple[int, int]:
    """The first and the last line that are wanted."""
    if wanted.head and wanted.to:
        raise PagewalkError(
            "bad-excerpt",
            f"The excerpt of {plain(wanted.symbol)} has `head` and `to`; keep one of them.",
        )
    start = locate(symbol, wanted.at)
    first, last = start.first, start.last
    if wanted.to:
        end = locate(
            symbol,
            wanted.to,
            # A place that ends before the excerpt begins cannot end it.
            lambda place, is_end: place.first >= first if is_end else place.last >= first,
            "what follows the beginning",
        )
        last = end.last
    elif wanted.head:
        last = min(last, first + wanted.head - 1)
    return max(1, first - wanted.before), min(num_lines, last + wanted.after)


def link(release: str, file: str, first: int, last: int) -> str:
    """The lines on the web, at the release's tag; "" for what was never released."""
    tag = release.partition("+")[0]
    if not _TAG.fullmatch(tag):
        return ""
    return f"{_REPOSITORY}/blob/v{tag}/{file}#L{first}-L{last}"


__all__ = ["Excerpt", "Wanted", "cut", "find_place", "link"]
