"""A page -> its prose, sentence by sentence, and what a limit is measured on.

Prose is what a reader reads as text: paragraphs, list items, the titles and bodies of boxes.
Fences, tables, headings, comments and HTML are none. What a `claim` says, and the caption of a
`trace`, are sentences too; they are no part of the count of words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import yaml

_FENCE = re.compile(r"(?P<indent>[> ]*)(?P<marks>`{3,}|~{3,})\s*\.?(?P<language>[\w-]*).*")
_BOX = re.compile(r"(?:!!!|\?\?\?\+?)\s+[\w-]+(?:\s+[\w-]+)*(?:\s+\"(?P<title>.*)\")?\s*")
_ITEM = re.compile(r"(?:[-*+]|\d+[.)])\s+")
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_FRONT = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)
_HEADING = re.compile(r"(?P<marks>#{1,6})\s+(?P<title>.*?)(?:\s*\{[^}]*\})?\s*")
_FACT = re.compile(r"\\?\[\[[^\[\]\n]+\]\]")
_CODE = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)", re.DOTALL)
_LINK = re.compile(r"!?\[(?P<text>[^\[\]]*)\](?:\([^()\s]*(?:\s+\"[^\"]*\")?\)|\[[^\]]*\])")
_AUTO = re.compile(r"<https?://[^>]*>|https?://\S+")
_ATTRIBUTES = re.compile(r"\{[:.#][^}]*\}")
_TAG = re.compile(r"</?[a-zA-Z][^>]*>")
_ENTITY = re.compile(r"&#?\w+;")
_END = re.compile(r"(?<=[.!?])[\"')\]*_”’]*\s+")
_SHORT = re.compile(r"\b(e\.g|i\.e|vs|etc|cf|resp|approx)\.", re.IGNORECASE)

# A release (0.32, v0.32.0, 0.28rc1), an engine or a model runner (V0, V1, V2), a reference to an
# issue (#27), and nought, which is a name (block 0, the default 0) or nothing at all.
_NAMED = re.compile(
    r"\bv?0\.\d{2}(?:\.\d+)?(?:rc\d+)?(?![\w%])|\bV[012]\b|#\d+\b|(?<![\w.,-])0(?![\w%]|[.,]\d)"
)
_ORDINAL = re.compile(r"^\|\s*\d+\s*(?=\|)")
_DIGITS = re.compile(r"[\w.,%-]*\d[\w.,%-]*")


@dataclass(frozen=True, slots=True)
class Fence:
    """A fenced block: where it begins, its language and its body without indentation."""

    line: int
    language: str
    body: str


@dataclass(frozen=True, slots=True)
class Text:
    """One paragraph, list item or title; facts, code and the targets of links are still in it."""

    line: int
    text: str
    counts: bool = True


@dataclass(frozen=True, slots=True)
class Page:
    """A page taken apart."""

    texts: tuple[Text, ...]
    tables: tuple[Text, ...]
    fences: tuple[Fence, ...]
    headings: tuple[tuple[int, str], ...]

    def of(self, language: str) -> list[Fence]:
        """The fences of one language."""
        return [one for one in self.fences if one.language == language]

    @property
    def words(self) -> int:
        """Words of prose outside fences, tables and headings."""
        return sum(len(words(one.text)) for one in self.texts if one.counts)

    def sentences(self) -> Iterator[tuple[int, str]]:
        """Every sentence and the line where its paragraph begins."""
        for one in self.texts:
            for sentence in sentences(one.text):
                yield one.line, sentence

    def typed_numbers(self) -> Iterator[tuple[int, str]]:
        """Every number in prose or a table that no fact supplies, and its line."""
        for one in (*self.texts, *self.tables):
            for number in typed_numbers(one.text):
                yield one.line, number


def read_page(text: str) -> Page:
    """Take a page apart."""
    text = _FRONT.sub(lambda found: "\n" * found.group().count("\n"), text)
    lines, fences = _without_fences(text.split("\n"))
    blank = _COMMENT.sub(lambda found: "\n" * found.group().count("\n"), "\n".join(lines))
    reader = _Reader()
    for number, line in enumerate(blank.split("\n"), 1):
        reader.read(number, line)
    reader.end()
    said = [one for fence in fences for one in _said(fence)]
    texts = sorted((*reader.texts, *said), key=lambda one: one.line)
    return Page(tuple(texts), tuple(reader.tables), tuple(fences), tuple(reader.headings))


class _Reader:
    """Lines, one after the other -> paragraphs, tables and headings."""

    def __init__(self) -> None:
        self.texts: list[Text] = []
        self.tables: list[Text] = []
        self.headings: list[tuple[int, str]] = []
        self._open: list[str] = []
        self._from = 0

    def read(self, number: int, line: str) -> None:
        line = line.strip().removeprefix("> ").strip()
        heading, box = _HEADING.fullmatch(line), _BOX.fullmatch(line)
        if not line or heading or box or line.startswith(("|", "=== ", "[^", "*[")):
            self.end()
        if heading:
            self.headings.append((number, heading["title"]))
        elif box:
            title = _ITEM.sub("", box["title"] or "", count=1)
            if title:
                self.texts.append(Text(number, title))
        elif line.startswith("|"):
            # The first column may count the rows.
            self.tables.append(Text(number, _ORDINAL.sub("", line, count=1)))
        elif line and not line.startswith("=== "):
            if _ITEM.match(line):
                self.end()
                line = _ITEM.sub("", line, count=1)
            if not self._open:
                self._from = number
            self._open.append(line)

    def end(self) -> None:
        if self._open:
            self.texts.append(Text(self._from, " ".join(self._open)))
            self._open = []


def _without_fences(lines: list[str]) -> tuple[list[str], list[Fence]]:
    """The lines with those of fences blanked, and the fences."""
    left, fences, start = list(lines), [], 0
    opened: re.Match[str] | None = None
    for at, line in enumerate(lines):
        fence = _FENCE.fullmatch(line)
        if opened is None:
            if fence:
                opened, start, left[at] = fence, at, ""
            continue
        left[at] = ""
        if line.strip(" >") == opened["marks"]:
            width = len(opened["indent"])
            body = "\n".join(one[width:] for one in lines[start + 1 : at])
            fences.append(Fence(start + 1, opened["language"], body))
            opened = None
    assert opened is None, f"the fence of line {start + 1} is not closed"
    return left, fences


def _said(fence: Fence) -> Iterator[Text]:
    """The sentences that a fence shows to readers."""
    key = {"claim": "says", "trace": "caption"}.get(fence.language)
    if key is None:
        return
    values = yaml.safe_load(fence.body) or {}
    if isinstance(values.get(key), str):
        yield Text(fence.line, values[key], counts=False)


def bare(text: str) -> str:
    """Text as it is read: a fact and a piece of code are one word, a link is its text."""
    text = _CODE.sub("code", _FACT.sub("fact", text))
    text = _LINK.sub(lambda found: found["text"], text)
    for noise in (_AUTO, _ATTRIBUTES, _TAG, _ENTITY):
        text = noise.sub(" ", text)
    return text


def sentences(text: str) -> list[str]:
    """The sentences of a paragraph."""
    whole = _SHORT.sub(lambda found: found.group().replace(".", ""), bare(text))
    return [one.strip() for one in _END.split(whole) if words(one)]


def words(text: str) -> list[str]:
    """What counts as a word: anything with a letter or a digit in it."""
    return [one for one in bare(text).split() if any(char.isalnum() for char in one)]


def typed_numbers(text: str) -> list[str]:
    """Digits outside facts, code, releases, V0 to V2, references to issues, and nought."""
    return [one.strip(".,-") for one in _DIGITS.findall(_NAMED.sub(" ", bare(text)))]


__all__ = ["Fence", "Page", "Text", "bare", "read_page", "sentences", "typed_numbers", "words"]
