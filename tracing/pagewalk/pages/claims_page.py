"""A `claims` fence -> the list of all claims of all pages, by page, each judged anew.

pages: [scheduler/index, scheduler/request]     # their order; the others follow by name
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from posixpath import relpath
from typing import Any
from xml.etree.ElementTree import Element

from markdown.util import AtomicString

from pagewalk.errors import PagewalkError, plain
from pagewalk.pages.claim_fence import LANGUAGE as CLAIM
from pagewalk.pages.claim_fence import TICK, ClaimFence, read_claim, where
from pagewalk.pages.claims import judge
from pagewalk.pages.facts import substitute
from pagewalk.pages.fences import blocks
from pagewalk.pages.stem import Page, find_walk
from pagewalk.pages.walk_body import bad, fenced, read_body
from pagewalk.pages.walk_html import add
from pagewalk.pages.walk_where import page_path

LANGUAGE = "claims"
_TITLE = re.compile(r"^# +(.+?) *#*$", re.M)
_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")
_ID = re.compile(r"^id: *[\"']?([a-z][a-z0-9-]*)", re.M)


@dataclass(frozen=True, slots=True)
class Listed:
    """The claim fences of one page as they stand there: facts are not replaced yet."""

    at: str
    title: str
    stem: str
    bodies: tuple[str, ...]
    ids: frozenset[str]


_scanned: dict[Path, tuple[tuple[int, int], Listed | None]] = {}


def format_claims(
    source: str,
    language: str,
    class_name: str,
    options: Mapping[str, Any],
    md: Any,
    **kwargs: Any,
) -> str:
    """The fence's body -> HTML; whatever goes wrong fails the build with one sentence."""
    return fenced(LANGUAGE, md, lambda page: _element(source, page, page_path(md)))


def listed(docs: Path) -> tuple[Listed, ...]:
    """The pages that claim something, by name; a page is read again when it has changed."""
    found = (_page(docs, path) for path in sorted(docs.rglob("*.md")))
    return tuple(one for one in found if one is not None)


def pages_by_claim(docs: Path) -> Mapping[str, list[str]]:
    """Id of a claim -> the pages that have a claim of that id."""
    found: dict[str, list[str]] = {}
    for one in listed(docs):
        for name in one.ids:
            found.setdefault(name, []).append(one.at)
    return found


def claims_of(docs: Path, page: Listed) -> tuple[ClaimFence, ...]:
    """The claims of a page, with their facts."""
    try:
        return tuple(
            read_claim(substitute(body, docs, page.stem), page.stem) for body in page.bodies
        )
    except PagewalkError as error:
        raise PagewalkError(error.slug, f"page {page.at}, a claim fence: {error}") from None


def _page(docs: Path, path: Path) -> Listed | None:
    facts = path.stat()
    stamp = (facts.st_size, facts.st_mtime_ns)
    kept = _scanned.get(path)
    if kept is None or kept[0] != stamp:
        kept = _scanned[path] = (stamp, _read(docs, path))
    return kept[1]


def _read(docs: Path, path: Path) -> Listed | None:
    at = path.relative_to(docs).as_posix().removesuffix(".md")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise PagewalkError(
            "unreadable-page", f"page {plain(at, 120)} cannot be read: check the file."
        ) from error
    if "claim" not in text:
        return None
    bodies = tuple(one.body for one in blocks(at, text) if one.language == CLAIM)
    found = find_walk(text.split("\n"))
    if not bodies or found is None:
        return None
    title = _TITLE.search(text)
    ids = frozenset(one for body in bodies for one in _ID.findall(body))
    return Listed(at, title[1] if title else at, found[1].stem, bodies, ids)


def _element(source: str, page: Page, path: str) -> Element:
    order = read_body(LANGUAGE, source, ("pages",)).get("pages", [])
    if not isinstance(order, list) or not all(isinstance(one, str) for one in order):
        raise bad("`pages` is a list of pages, as in [scheduler/index, scheduler/request]")
    rank = {name: number for number, name in enumerate(order)}
    found = sorted(listed(page.docs), key=lambda one: (rank.get(one.at, len(rank)), one.at))
    box = Element("div", {"class": "pagewalk-claims"})
    count = add(box, "p")
    total = 0
    for one in found:
        claims = claims_of(page.docs, one)
        total += len(claims)
        here = f"{relpath(one.at, path.rpartition('/')[0] or '.')}.md"
        title = add(box, "p", "", "pagewalk-page")
        link = add(title, "a", one.title, markdown=True)
        link.set("href", here)
        add(title, "span", str(len(claims)), "pagewalk-count")
        rows = add(box, "ul")
        for claim in claims:
            _row(rows, claim, page.docs, here)
    count.text = AtomicString(
        f"{_many(total, 'claim')} on {_many(len(found), 'page')}. Each one was judged by its "
        "predicate on a recorded trace when this page was built, and holds."
    )
    return box


def _row(rows: Element, claim: ClaimFence, docs: Path, page: str) -> None:
    try:
        judge(docs, claim.stem, claim.name)
    except PagewalkError as error:
        raise PagewalkError(error.slug, f"the claim {claim.id} fails: {error}") from None
    row = add(rows, "li")
    add(row, "span", TICK, "pagewalk-tick")
    # A link of the sentence's own would be a link inside this one.
    link = add(row, "a", _LINK.sub(r"\1", claim.says), markdown=True)
    link.set("href", f"{page}#claim-{claim.id}")
    add(row, "span", where(docs, claim.stem), "pagewalk-where")


def _many(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


__all__ = ["Listed", "claims_of", "format_claims", "listed", "pages_by_claim"]
