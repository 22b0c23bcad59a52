"""A page's walk comment -> its stem, and where the scenario, the trace and the claims of it lie.

    <!-- walk: scheduler/preemption -->
    <!-- walk: demo at: index -->          the page lies elsewhere than its stem says

A stem is the page's path without `.md`; scenario, trace and claims share it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

from pagewalk.errors import PagewalkError, plain
from pagewalk.pages.once import Seen

STEM = re.compile(r"[a-z][a-z0-9_]*(?:/[a-z][a-z0-9_]*)*")
_COMMENT = re.compile(r"<!--\s*walk:(?P<rest>.*?)-->\s*")
_REST = re.compile(r"\s*(?P<stem>\S+)(?:\s+at:\s*(?P<at>\S+))?\s*")
_FENCE = re.compile(r"[> ]*(?:`{3}|~{3})")


@dataclass(frozen=True, slots=True)
class Walk:
    """The stem of a page, and the page's path without `.md`."""

    stem: str
    at: str


@dataclass(slots=True)
class Page:
    """What the directives of one page share while it is rendered."""

    docs: Path
    walk: Walk | None = None
    at: str = ""
    """Where the page lies, as far as the builder says so."""
    elements: dict[str, Element] = field(default_factory=dict)
    """What fences made, until it takes its place in the page's tree."""
    players: dict[str, Any] = field(default_factory=dict)
    """Name of a player -> the engine it plays."""
    claims: set[str] = field(default_factory=set)
    seen: Seen = field(default_factory=dict)
    """What was seen of files while this page is rendered: `pagewalk.pages.once`."""

    @property
    def name(self) -> str:
        """How a message names the page."""
        known = self.walk.at if self.walk else self.at
        return f"page {known}" if known else "a page without a walk comment"

    @property
    def stem(self) -> str:
        """The page's stem; an error where the page has none."""
        if self.walk is None:
            raise PagewalkError(
                "no-walk",
                "The page does not say which trace it stands on: write "
                "<!-- walk: STEM --> right after its title.",
            )
        return self.walk.stem


def page_of(md: Any) -> Page:
    """The page that a Markdown converter is rendering."""
    page = getattr(md, "pagewalk", None)
    if not isinstance(page, Page):
        raise PagewalkError(
            "no-extension",
            "The directives need the Markdown extension pagewalk.pages.walk: add it to "
            "markdown_extensions.",
        )
    return page


def find_walk(lines: list[str]) -> tuple[int, Walk] | None:
    """The line of the walk comment and what it says; only what stands before the first fence."""
    for number, line in enumerate(lines):
        if _FENCE.match(line):
            return None
        found = _COMMENT.fullmatch(line)
        if found:
            return number, _read(found["rest"])
    return None


def _read(text: str) -> Walk:
    found = _REST.fullmatch(text)
    if found is None:
        raise PagewalkError(
            "bad-walk", f"The walk comment has no stem ({plain(text)}): write <!-- walk: STEM -->."
        )
    stem = check_stem(found["stem"])
    return Walk(stem, check_stem(found["at"]) if found["at"] else stem)


def check_stem(text: str) -> str:
    """The stem itself; an error where it is none."""
    if len(text) > 200 or not STEM.fullmatch(text):
        raise PagewalkError(
            "bad-stem",
            f"{plain(text)} is no stem: write small letters, digits and underscores, with / "
            "between folders.",
        )
    return text


def scenario_path(docs: Path, stem: str) -> Path:
    """The program that was run."""
    return docs / "scenarios" / f"{stem}.py"


def trace_path(docs: Path, stem: str) -> Path:
    """What happened: an error where nothing was recorded."""
    path = docs / "traces" / stem
    if not (path / "header.json").is_file():
        raise PagewalkError(
            "no-trace",
            f"There is no trace {plain(stem, 120)}: record it with `pagewalk run --digest hash "
            f"--out {path.as_posix()} -- python {scenario_path(docs, stem).as_posix()}`.",
        )
    return path


def claims_path(docs: Path, stem: str) -> Path:
    """The predicates of that trace."""
    return docs / "claims" / f"{stem}.py"


def payload_path(docs: Path, stem: str, engine: int = 0) -> Path:
    """The player's data for one engine of the trace."""
    suffix = f"-engine{engine}" if engine else ""
    return docs / "assets" / "traces" / f"{stem}{suffix}.pgwk"


def short(stem: str) -> str:
    """The name a reader gives the trace when recording it."""
    return stem.rpartition("/")[2]


__all__ = [
    "STEM",
    "Page",
    "Walk",
    "check_stem",
    "claims_path",
    "find_walk",
    "page_of",
    "payload_path",
    "scenario_path",
    "short",
    "trace_path",
]
