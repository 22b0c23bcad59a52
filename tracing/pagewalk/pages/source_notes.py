"""A page's tree -> nothing, or the sentence that a `source` fence and its notes do not fit.

The notes are the ordered list that comes right after the fence. Nothing else would notice that it
is missing or has an item too few: the reader would see `(3)` in the code.
"""

from __future__ import annotations

import re
from typing import Any
from xml.etree.ElementTree import Element

from markdown.treeprocessors import Treeprocessor
from markdown.util import HTML_PLACEHOLDER_RE
from pymdownx.superfences import SuperFencesException

_NAME = "pagewalk-notes"
_MARKS = re.compile(r'<div id="([a-z0-9-]+)" class="pagewalk-source[^>]* data-marks="(\d+)"')


class NotesCheck(Treeprocessor):
    """Compares the marks of each excerpt with the list that follows it."""

    def run(self, root: Element) -> None:
        """Look at every block of the page, nested ones too."""
        for parent in root.iter():
            blocks = list(parent)
            for at, block in enumerate(blocks):
                marked = self._marks(block)
                if marked is not None:
                    follows = blocks[at + 1] if at + 1 < len(blocks) else None
                    _compare(*marked, follows)

    def _marks(self, block: Element) -> tuple[str, int] | None:
        """The id and the number of marks, if the block stands for an excerpt that has some."""
        stashed = HTML_PLACEHOLDER_RE.fullmatch((block.text or "").strip())
        if stashed is None:
            return None
        html = self.md.htmlStash.rawHtmlBlocks[int(stashed.group(1))]
        found = _MARKS.match(html) if isinstance(html, str) else None
        return (found.group(1), int(found.group(2))) if found else None


def check_notes(md: Any) -> None:
    """Have the page checked once it is parsed."""
    if _NAME not in md.treeprocessors:
        # Before anything replaces placeholders or wraps lists.
        md.treeprocessors.register(NotesCheck(md), _NAME, 1000)


def _compare(name: str, num_marks: int, follows: Element | None) -> None:
    is_list = follows is not None and follows.tag == "ol"
    num_notes = len(follows.findall("li")) if follows is not None and is_list else 0
    if num_notes != num_marks:
        raise SuperFencesException(
            f"The source fence {name} has {num_marks} marks and the list right after it "
            f"{num_notes} notes: write one note for each, with an empty line before the list and "
            "after a note of several paragraphs."
        )


__all__ = ["NotesCheck", "check_notes"]
