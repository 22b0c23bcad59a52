"""Terms of the glossary -> links to it, where a page first uses them.

A term is a heading of `glossary.md`; its other forms stand in a comment below it:

    ### Free queue
    <!-- forms: free queues, FreeKVCacheBlockQueue -->

Headings, links, code, the heads of tables, claims and the glossary itself are left alone.
Without the file there are no links.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from posixpath import relpath
from xml.etree.ElementTree import Element

from markdown.extensions.toc import slugify
from markdown.treeprocessors import Treeprocessor
from markdown.util import AtomicString

from pagewalk.errors import PagewalkError, plain
from pagewalk.pages.stem import page_of
from pagewalk.pages.walk_html import SEARCH
from pagewalk.pages.walk_where import page_path

_FILE = "glossary"
_SKIP = {
    "a",
    "code",
    "pre",
    "th",
    "summary",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "button",
    "script",
}
_HEADING = re.compile(r"^### +(?P<term>.+?) *#* *$", re.M)
_OWN_ID = re.compile(r"\s*\{[^}]*#(?P<id>[\w-]+)[^}]*\}\s*$")
_FORMS = re.compile(r"<!--\s*forms:(.*?)-->", re.S)


@dataclass(frozen=True, slots=True)
class Glossary:
    """Every form of every term, in small letters -> the anchor of its term."""

    slugs: dict[str, str]
    pattern: re.Pattern[str] | None


_read: dict[Path, tuple[str, Glossary]] = {}


class GlossaryLinks(Treeprocessor):
    """Links each term once a page."""

    def run(self, root: Element) -> None:
        """Look at the page's text in the order in which it is read."""
        docs, at = page_of(self.md).docs, page_path(self.md)
        if not at or at == _FILE:
            return
        known = glossary(docs)
        if known.pattern is not None:
            href = f"{relpath(_FILE, at.rpartition('/')[0] or '.')}.md"
            _Linker(known, href).element(root)


class _Linker:
    """Goes through a tree and links what is new."""

    def __init__(self, known: Glossary, href: str) -> None:
        self.known = known
        self.href = href
        self.linked: set[str] = set()

    def element(self, element: Element) -> None:
        """The text of an element, and of what is in it."""
        hidden = element.get(SEARCH) is not None or element.get("class") == "admonition-title"
        if hidden or element.tag in _SKIP:
            return
        at = 0
        if element.text and not isinstance(element.text, AtomicString):
            element.text, links = self._split(element.text)
            at = _insert(element, 0, links)
        while at < len(element):
            child = element[at]
            at += 1
            self.element(child)
            if child.tail:
                child.tail, links = self._split(child.tail)
                at = _insert(element, at, links)

    def _split(self, text: str) -> tuple[str, list[Element]]:
        """The text before the first link, and the links, each with the text behind it."""
        before, links, end = "", [], 0
        for found in self.known.pattern.finditer(text):  # type: ignore[union-attr]
            slug = self.known.slugs[_key(found[0])]
            if slug in self.linked:
                continue
            self.linked.add(slug)
            gap = text[end : found.start()]
            if links:
                links[-1].tail = gap
            else:
                before = gap
            link = Element("a", {"class": "pagewalk-term", "href": f"{self.href}#{slug}"})
            link.text = AtomicString(found[0])
            links.append(link)
            end = found.end()
        if not links:
            return text, []
        links[-1].tail = text[end:]
        return before, links


def _insert(parent: Element, at: int, links: list[Element]) -> int:
    for number, link in enumerate(links):
        parent.insert(at + number, link)
    return at + len(links)


def glossary(docs: Path) -> Glossary:
    """The terms of the glossary; none where there is no file."""
    path = docs / f"{_FILE}.md"
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return Glossary({}, None)
    except (OSError, UnicodeDecodeError) as error:
        raise PagewalkError(
            "unreadable-page", f"The glossary {plain(path.as_posix())} cannot be read: check it."
        ) from error
    kept = _read.get(path)
    if kept is None or kept[0] != text:
        kept = _read[path] = (text, _terms(text))
    return kept[1]


def _terms(text: str) -> Glossary:
    headings = list(_HEADING.finditer(text))
    slugs: dict[str, str] = {}
    for number, found in enumerate(headings):
        end = headings[number + 1].start() if number + 1 < len(headings) else len(text)
        own = _OWN_ID.search(found["term"])
        term = _OWN_ID.sub("", found["term"]).replace("`", "").strip()
        slug = own["id"] if own else slugify(term, "-")
        forms = [
            one for found in _FORMS.findall(text[found.end() : end]) for one in found.split(",")
        ]
        for form in (term, *forms):
            key = _key(form)
            if slugs.setdefault(key, slug) != slug:
                raise PagewalkError(
                    "same-term", f"The glossary has {plain(form.strip())} twice: remove one."
                )
    slugs.pop("", None)
    if not slugs:
        return Glossary({}, None)
    longest = sorted(slugs, key=lambda one: (-len(one), one))
    words = "|".join(r"\s+".join(map(re.escape, one.split())) for one in longest)
    return Glossary(slugs, re.compile(rf"(?<![\w-])(?:{words})(?![\w-])", re.I))


def _key(text: str) -> str:
    return " ".join(text.lower().split())


__all__ = ["Glossary", "GlossaryLinks", "glossary"]
