"""A `backends` fence -> the table of what attention backends can do, each cell with its line.

    backends: [CPU_ATTN, FLASH_ATTN]     # names of vLLM's registry, in the order of the columns
    rows: [head sizes, MLA]              # without it all of them
    caption: What they can do

Nothing in the table is typed: each answer is read in the vLLM that pages are made of. A backend
that the release does not have fails the build.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any
from xml.etree.ElementTree import Element

from pagewalk.errors import plain
from pagewalk.pages.backends import ROWS, Answer, Backend, Row, backends
from pagewalk.pages.stem import Page
from pagewalk.pages.walk_body import bad, fenced, read_body
from pagewalk.pages.walk_html import add
from pagewalk.source.package import chosen, open_package

LANGUAGE = "backends"
_KEYS = ("backends", "rows", "caption")
_TITLES = {row.title: row for row in ROWS}


def format_backends(
    source: str,
    language: str,
    class_name: str,
    options: Mapping[str, Any],
    md: Any,
    **kwargs: Any,
) -> str:
    """The fence's body -> HTML; whatever goes wrong fails the build with one sentence."""
    return fenced(LANGUAGE, md, lambda page: _element(source, page))


def _element(source: str, page: Page) -> Element:
    values = read_body(LANGUAGE, source, _KEYS)
    names = _names(values.get("backends"))
    rows = _rows(values.get("rows"))
    with open_package(chosen()) as package:
        found = backends(package, names)
        release = package.release
    box = Element("div", {"class": "pagewalk-backends"})
    wide = add(box, "div", "", "pagewalk-wide")
    table = add(wide, "table")
    if values.get("caption"):
        add(table, "caption", str(values["caption"]))
    head = add(add(table, "thead"), "tr")
    add(head, "th", "").set("scope", "col")
    for one in found:
        _linked(_heading(head), one.name, one.url, f"{one.title}, {one.file}, line {one.line}")
    body = add(table, "tbody")
    for row in rows:
        _row(add(body, "tr"), row, found)
    add(box, "p", _note(rows, found, release), "pagewalk-backends-note")
    return box


def _heading(head: Element) -> Element:
    cell = add(head, "th")
    cell.set("scope", "col")
    return cell


def _row(line: Element, row: Row, found: tuple[Backend, ...]) -> None:
    first = add(line, "th")
    first.set("scope", "row")
    add(first, "span", row.title)
    _breakable(first, "code", row.names[0])
    for one in found:
        cell = add(line, "td")
        cell.set("data-head", one.name)
        answer = _answer(one, row)
        _said(cell, answer)
        if answer.more is not None:
            more = add(cell, "div", "only: ", "pagewalk-backends-more")
            _said(more, answer.more)


def _said(cell: Element, answer: Answer) -> None:
    """The words of an answer, as a link to its line."""
    if not answer.url:
        place = add(cell, "span")
    else:
        place = add(cell, "a")
        place.set("href", answer.url)
        place.set("title", f"{answer.owner}, {answer.file}, line {answer.line}")
    place.set("class", "pagewalk-inherited" if answer.inherited else "pagewalk-own")
    parts = answer.words.parts
    for number, part in enumerate(parts):
        piece = _breakable(place, "code" if number in answer.words.code else "span", part)
        piece.tail = "" if parts[number + 1 : number + 2] in ((), (";",)) else " "


def _breakable(parent: Element, tag: str, text: str) -> Element:
    """An element whose text may be broken behind each underscore: columns are narrow."""
    first, *rest = text.replace("_", "_\0").split("\0")
    element = add(parent, tag, first)
    for part in rest:
        add(element, "wbr").tail = part
    return element


def _linked(parent: Element, text: str, url: str, title: str) -> None:
    link = _breakable(parent, "a" if url else "span", text)
    link.set("title", title)
    if url:
        link.set("href", url)


def _answer(one: Backend, row: Row) -> Answer:
    return one.answers[ROWS.index(row)]


def _note(rows: tuple[Row, ...], found: tuple[Backend, ...], release: str) -> str:
    answers = [_answer(one, row) for row in rows for one in found]
    inherited = sum(one.inherited for one in answers)
    return (
        f"Read in the source of vLLM {release}. Each answer leads to its line; {inherited} of "
        f"{len(answers)}, in grey, are inherited from a class above."
    )


def _names(value: Any) -> list[str]:
    if not isinstance(value, list) or not value or not all(isinstance(one, str) for one in value):
        raise bad("`backends` is a list of names, as in [CPU_ATTN, FLASH_ATTN]")
    return list(dict.fromkeys(value))


def _rows(value: Any) -> tuple[Row, ...]:
    if value is None:
        return ROWS
    if not isinstance(value, list) or not value:
        raise bad("`rows` is a list of titles, as in [head sizes, MLA]")
    for one in value:
        if one not in _TITLES:
            near = get_close_matches(str(one), _TITLES, 1)
            raise bad(
                f"there is no row {plain(one)}" + (f" (did you mean {near[0]}?)" if near else "")
            )
    return tuple(_TITLES[one] for one in value)


__all__ = ["LANGUAGE", "format_backends"]
