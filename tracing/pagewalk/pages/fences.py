"""Markdown -> the `source` fences in it: what each asks for, by which id.

The site and `pagewalk excerpts` read fences with the same code. A fence's body is YAML:

    symbol: vllm.package.module:Class.method
    at: ["while a and b", call something]   # the excerpt; a single step needs no list
    to: return                              # the place that ends it, or `head: 12` lines
    before: 2                               # lines around it; `after` too
    marks: {1: call something}              # where the notes of the list below hang
    hl: [assign x, "if y"]                  # lines to highlight
    title: what the reader sees             # the symbol, if left out
    id: own-name                            # made of symbol and locator, if left out
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pagewalk.errors import PagewalkError, plain
from pagewalk.source.excerpt import Wanted
from pagewalk.source.locate import Locator, parse_step
from pagewalk.source.lock import Quote
from pagewalk.source.module import parse_symbol

LANGUAGE = "source"
_KEYS = ("symbol", "at", "to", "head", "before", "after", "marks", "hl", "title", "id")
_PREFIX = re.compile(r"[> ]*")
_OPENING = re.compile(
    r"(?P<prefix>[> ]*)(?P<fence>~{3,}|`{3,})(?: *\.?(?P<language>[\w#.+-]+)(?= |$))?"
    r"(?: *\{(?P<attrs>[^\n]*)\})?(?P<options>[^`]*)"
)
_ID = re.compile(r"[a-z][a-z0-9-]{0,79}")
_LONGEST = 8192  # characters of a body
_MOST = 1000  # of a count of lines


@dataclass(frozen=True, slots=True)
class SourceFence:
    """What one fence asks for; `title` is "" where the symbol will do."""

    id: str
    title: str
    wanted: Wanted


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block of a page: the line of its opening, its language and its body."""

    line: int
    language: str
    body: str


def quotes(folder: Path, root: Path | None = None) -> tuple[Quote, ...]:
    """Every `source` fence of the pages under a folder; pages are named from `root` on."""
    if not folder.is_dir():
        raise PagewalkError(
            "no-pages", f"{plain(folder)} is no folder; name the folder of the pages with --pages."
        )
    found: list[Quote] = []
    for page in sorted(folder.rglob("*.md")):
        name = page.relative_to(root or folder.parent).as_posix()
        found += page_quotes(name, _text(page))
    return tuple(found)


def page_quotes(page: str, text: str) -> list[Quote]:
    """The `source` fences of one page; two of the same id are a mistake."""
    lines: dict[str, int] = {}
    found: list[Quote] = []
    for block in blocks(page, text):
        if block.language != LANGUAGE:
            continue
        try:
            fence = read_fence(block.body)
        except PagewalkError as error:
            raise PagewalkError(error.slug, f"{page}, line {block.line}: {error}") from error
        if fence.id in lines:
            raise PagewalkError(
                "same-id",
                f"{page}, line {block.line}: the excerpt of line {lines[fence.id]} has the same id "
                f"({fence.id}); give one of them an `id:` of its own.",
            )
        lines[fence.id] = block.line
        found.append(Quote(fence.id, page, block.line, fence.wanted))
    return found


def blocks(page: str, text: str) -> Iterator[Block]:
    """The fenced blocks of a page, as SuperFences finds them; what is in a block stays in it."""
    opened: re.Match[str] | None = None
    start, gap = 0, False
    body: list[str] = []
    for number, line in enumerate(text.split("\n"), 1):
        line = line.expandtabs(4)
        if opened is None:
            opened, start, gap, body = _OPENING.fullmatch(line), number, False, []
            _refuse_options(page, number, opened)
            continue
        prefix, fence = opened.group("prefix", "fence")
        before = _PREFIX.match(line[: len(prefix)]).group()  # type: ignore[union-attr]
        rest = line[len(before) :]
        quoted, open_quotes = before.count(">"), prefix.count(">")
        if not rest.strip() and quoted <= open_quotes:
            body.append(rest)
            gap = True
        elif len(before) < len(prefix) or quoted > open_quotes or (gap and quoted < open_quotes):
            # Text further left than the fence, or another quotation: that was no block.
            _refuse_open(page, start, opened)
            opened = None
        elif rest.rstrip() == fence:
            yield Block(start, _language(opened), "\n".join(body))
            opened = None
        else:
            body.append(rest)
            gap = False
    if opened is not None:
        _refuse_open(page, start, opened)


def read_fence(body: str) -> SourceFence:
    """Read a fence's body; whatever is wrong with it is one sentence."""
    values = _load(body)
    unknown = [plain(key) for key in values if key not in _KEYS]
    if unknown:
        raise _bad(f"it has no key {unknown[0]}; there are {', '.join(_KEYS)}")
    symbol = values.get("symbol")
    if not isinstance(symbol, str):
        raise _bad("it needs `symbol: package.module:Class.method`")
    wanted = Wanted(
        symbol=parse_symbol(symbol).text,
        at=_locator(values, "at"),
        to=_locator(values, "to"),
        head=_count(values, "head"),
        before=_count(values, "before"),
        after=_count(values, "after"),
        marks=_marks(values.get("marks")),
        highlights=_highlights(values.get("hl")),
    )
    title, name = values.get("title", ""), values.get("id")
    if not isinstance(title, str):
        raise _bad("`title` is text")
    if name is not None and not (isinstance(name, str) and _ID.fullmatch(name)):
        raise _bad("`id` is small letters, digits and hyphens, and begins with a letter")
    return SourceFence(name or stable_id(wanted), title.strip(), wanted)


def stable_id(wanted: Wanted) -> str:
    """An id that depends on what is asked for, and not on what else is on the page."""
    parts = wanted.symbol.replace(":", ".").replace("@", "-").split(".")[-2:]
    name = re.sub(r"[^a-z0-9]+", "-", "-".join(parts).lower()).strip("-")
    asked = (wanted.symbol, wanted.at, wanted.to, wanted.head, wanted.before, wanted.after)
    return f"src-{name[:60]}-{hashlib.sha256(repr(asked).encode()).hexdigest()[:6]}"


def _load(body: str) -> Mapping[Any, Any]:
    try:
        import yaml
    except ImportError as error:
        raise PagewalkError(
            "no-yaml", "Reading fences needs PyYAML: install pagewalk with its extra `site`."
        ) from error
    if len(body) > _LONGEST:
        raise _bad(f"it is longer than {_LONGEST} characters")
    try:
        values = yaml.safe_load(body)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in its line {mark.line + 1}" if mark else ""
        problem = plain(getattr(error, "problem", "") or type(error).__name__)
        raise _bad(
            f"it is no YAML{where} ({problem}); put quotes around a step that has a colon, a "
            "bracket or a # in it"
        ) from error
    if not isinstance(values, dict):
        raise _bad("its body is lines of `key: value`, with at least `symbol:`")
    return values


def _locator(values: Mapping[Any, Any], key: str) -> Locator:
    value = values.get(key)
    return () if value is None else _steps(value, key)


def _steps(value: Any, key: str) -> Locator:
    steps = [value] if isinstance(value, str) else value
    if not isinstance(steps, list) or not all(isinstance(step, str) for step in steps):
        raise _bad(f"`{key}` is a step or a list of steps; put quotes around a step with a colon")
    for step in steps:
        parse_step(step)
    return tuple(step.strip() for step in steps)


def _marks(value: Any) -> tuple[tuple[int, Locator], ...]:
    if value is None:
        return ()
    if not isinstance(value, dict) or not all(type(key) is int for key in value):
        raise _bad("`marks` is numbers with a step each, as in `marks: {1: call something}`")
    if sorted(value) != list(range(1, len(value) + 1)):
        raise _bad("`marks` counts 1, 2, 3 as the list of notes below the fence does")
    return tuple((number, _steps(step, "marks")) for number, step in sorted(value.items()))


def _highlights(value: Any) -> tuple[Locator, ...]:
    if value is None:
        return ()
    return tuple(_steps(one, "hl") for one in (value if isinstance(value, list) else [value]))


def _count(values: Mapping[Any, Any], key: str) -> int:
    value = values.get(key, 0)
    if type(value) is not int or not 0 <= value <= _MOST:
        raise _bad(f"`{key}` is a number of lines")
    return value


def _text(page: Path) -> str:
    try:
        return page.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise PagewalkError(
            "unreadable-page", f"{plain(page)} cannot be read ({type(error).__name__}); check it."
        ) from error


def _language(opened: re.Match[str]) -> str:
    words = (opened.group("attrs") or "").split()
    return opened.group("language") or (words[0].removeprefix(".") if words else "")


def _refuse_options(page: str, line: int, opened: re.Match[str] | None) -> None:
    if opened is not None and _language(opened) == LANGUAGE:
        words = (opened.group("attrs") or "").split()[0 if opened.group("language") else 1 :]
        words += opened.group("options").split()
        if words:
            raise PagewalkError(
                "bad-fence",
                f"{page}, line {line}: the source fence takes no option {plain(words[0])}; say it "
                "in the body.",
            )


def _refuse_open(page: str, line: int, opened: re.Match[str]) -> None:
    if _language(opened) == LANGUAGE:
        raise PagewalkError(
            "open-fence",
            f"{page}, line {line}: the fence is not closed by the same marks at the same "
            "indentation; close it.",
        )


def _bad(what: str) -> PagewalkError:
    return PagewalkError("bad-fence", f"The source fence is wrong: {what}.")


__all__ = [
    "LANGUAGE",
    "Block",
    "SourceFence",
    "blocks",
    "page_quotes",
    "quotes",
    "read_fence",
    "stable_id",
]
