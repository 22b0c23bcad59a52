"""The Markdown extension of the pages: facts, provenance, claims, traces, links, terms.

    markdown_extensions:
      - pagewalk.pages.walk:
          docs: walkthroughs          # the folder of the pages, from where the build is run

The fences `claim`, `claims`, `trace` and `pagewalk` are custom fences of SuperFences, so that
MkDocs and Zensical run them alike; `validate` is the validator of all of them. This extension
replaces facts before the fences are read, and gives what they made its place in the page.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

from markdown import Markdown
from markdown.extensions import Extension
from markdown.preprocessors import Preprocessor
from markdown.treeprocessors import Treeprocessor
from markdown.util import HTML_PLACEHOLDER_RE

from pagewalk.errors import PagewalkError, plain
from pagewalk.pages.facts import substitute
from pagewalk.pages.glossary_links import GlossaryLinks
from pagewalk.pages.once import looked_once
from pagewalk.pages.player_links import PlayerLinks
from pagewalk.pages.provenance import provenance_element
from pagewalk.pages.stem import Page, find_walk, page_of
from pagewalk.pages.walk_body import validate
from pagewalk.pages.walk_where import check_place, page_path

# SuperFences leaves as text what it does not take for a fence.
_FENCES = r"(?:source|exits|backends|claims?|trace|pagewalk)"
_LEFT = re.compile(rf"[> ]*(?:`{{3,}}|~{{3,}}) *\{{? *\.?{_FENCES}\b")
_MARK = re.compile(r'<div data-pagewalk="([a-z]+-\d+)"></div>')


class WalkExtension(Extension):
    """Registers what a page needs; one page at a time."""

    def __init__(self, **kwargs: Any) -> None:
        self.config = {"docs": ["walkthroughs", "The folder of the pages."]}
        super().__init__(**kwargs)

    def extendMarkdown(self, md: Markdown) -> None:  # noqa: N802
        """Facts come before SuperFences (25), elements before inline text (20)."""
        self.md = md
        self.reset()
        md.registerExtension(self)
        md.preprocessors.register(WalkText(md), "pagewalk-text", 28)
        md.preprocessors.register(Room(md), "pagewalk-room", 24)
        md.treeprocessors.register(Elements(md), "pagewalk-elements", 23)
        md.treeprocessors.register(PlayerLinks(md), "pagewalk-player-links", 16)
        md.treeprocessors.register(GlossaryLinks(md), "pagewalk-glossary", 15)

    def reset(self) -> None:
        """Forget the page before."""
        self.md.pagewalk = Page(Path(self.getConfig("docs")))  # type: ignore[attr-defined]


class WalkText(Preprocessor):
    """Finds the page's stem and replaces facts; an error fails the build."""

    def run(self, lines: list[str]) -> list[str]:
        """The lines of the page, with facts."""
        page = self.md.pagewalk = Page(page_of(self.md).docs)  # type: ignore[attr-defined]
        page.at = page_path(self.md)
        try:
            with looked_once(page.seen):
                return self._lines(page, lines)
        except PagewalkError as error:
            raise PagewalkError(error.slug, f"{page.name}, {error}") from None

    def _lines(self, page: Page, lines: list[str]) -> list[str]:
        found = find_walk(lines)
        if found is None:
            return substitute("\n".join(lines), page.docs, None).split("\n")
        number, page.walk = found
        check_place(self.md, page.walk)
        lines = substitute("\n".join(lines), page.docs, page.walk.stem).split("\n")
        # An element of its own, as fences have one.
        page.elements["walk-0"] = provenance_element(page, self.md)
        mark = self.md.htmlStash.store('<div data-pagewalk="walk-0"></div>')
        return [*lines[:number], "", mark, "", *lines[number + 1 :]]


class Room(Preprocessor):
    """Puts empty lines around what fences made: a fence may follow its text at once."""

    def run(self, lines: list[str]) -> list[str]:
        """The lines, with a paragraph of its own for each mark."""
        found: list[str] = []
        for line in lines:
            if _LEFT.match(line):
                raise PagewalkError(
                    "open-fence",
                    f"{page_of(self.md).name}: no fence begins with {plain(line.strip())}: close "
                    "it with the same marks at the same indentation, and say all in its body.",
                )
            alone = _key(self.md, line)
            found += ["", line, ""] if alone else [line]
        return found


class Elements(Treeprocessor):
    """Puts what the fences made in the place of their marks.

    In the tree, MkDocs finds the ids that links lead to, and text is Markdown.
    """

    def run(self, root: Element) -> None:
        """Look at every block of the page, nested ones too."""
        page = page_of(self.md)
        left = dict(page.elements)
        for block in list(root.iter()):
            key = _key(self.md, block.text or "")
            if key not in left:
                continue
            element = left.pop(key)
            if block.tag == "p":
                _become(block, element)
            else:
                block.text = None
                block.insert(0, element)
        if left:
            language = next(iter(left)).partition("-")[0]
            raise PagewalkError(
                "lost-fence",
                f"{page.name}: a {language} fence or comment stands in an indented block, where "
                "nothing is rendered: give it the indentation of its neighbours.",
            )


def _key(md: Markdown, text: str) -> str:
    """Which element a block or a line stands for; empty where it stands for none."""
    stashed = HTML_PLACEHOLDER_RE.fullmatch(text.strip())
    if stashed is None:
        return ""
    html = md.htmlStash.rawHtmlBlocks[int(stashed.group(1))]
    found = _MARK.fullmatch(html) if isinstance(html, str) else None
    return found[1] if found else ""


def _become(block: Element, element: Element) -> None:
    tail = block.tail
    block.clear()
    block.tag, block.text, block.tail = element.tag, element.text, tail
    block.attrib.update(element.attrib)
    block.extend(list(element))


def makeExtension(**kwargs: Any) -> WalkExtension:  # noqa: N802
    """What Python-Markdown calls."""
    return WalkExtension(**kwargs)


__all__ = ["WalkExtension", "makeExtension", "validate"]
