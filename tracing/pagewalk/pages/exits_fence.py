"""An `exits` fence -> the table of all exits of the scheduler, each with a recorded example.

    traces: [scheduler/exits, scheduler/waiting]   # where examples are looked for, in this order;
                                                   # without it the page's trace, then all others
    missing:                                       # why an exit is not recorded, by its kind
      ec_transfer: It needs an encoder cache connector.

Nothing in the table is typed: the exits are those that the first trace declares, at lines that
are looked up in the installed vLLM. An exit with neither an example nor a reason fails the build.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from posixpath import relpath
from typing import Any
from xml.etree.ElementTree import Element

from pagewalk.errors import PagewalkError, plain
from pagewalk.pages.exits import PASSES, Example, ExitRow, exit_rows
from pagewalk.pages.stem import Page, check_stem
from pagewalk.pages.walk_body import bad, fenced, read_body
from pagewalk.pages.walk_html import add
from pagewalk.pages.walk_where import page_path
from pagewalk.source.package import chosen, open_package

LANGUAGE = "exits"
_KEYS = ("traces", "missing")
_TITLES = {
    "running": "The running pass of schedule()",
    "waiting": "The waiting pass of schedule()",
    "allocate": "Inside allocate_slots(), which either pass calls",
}
# Class of a cell -> its heading. A narrow screen shows a row as a card, and needs it in each cell.
_HEADS = {
    "line": "line",
    "guard": "guard",
    "effect": "what it does",
    "meaning": "meaning",
    "example": "recorded",
}


def format_exits(
    source: str,
    language: str,
    class_name: str,
    options: Mapping[str, Any],
    md: Any,
    **kwargs: Any,
) -> str:
    """The fence's body -> HTML; whatever goes wrong fails the build with one sentence."""
    return fenced(LANGUAGE, md, lambda page: _element(source, page, page_path(md)))


def _element(source: str, page: Page, path: str) -> Element:
    values = read_body(LANGUAGE, source, _KEYS)
    missing = _missing(values.get("missing"))
    with open_package(chosen()) as package:
        rows = exit_rows(page.docs, _stems(values.get("traces"), page), package)
        release = package.release
    _refuse_unexplained(rows, missing)
    box = Element("div", {"class": "pagewalk-exits"})
    for loop in PASSES:
        here = [one for one in rows if one.loop == loop]
        if here:
            _table(box, loop, here, missing, _Links(page.docs, path))
    taken = sum(one.example is not None for one in rows)
    note = f"{taken} of {len(rows)} exits are recorded. Lines are those of vLLM {release}."
    add(box, "p", note, "pagewalk-exits-note")
    return box


class _Links:
    """Stem -> the page that tells of it, as this page links there; "" where it is this one."""

    def __init__(self, docs: Path, here: str) -> None:
        self._docs, self._here = docs, here

    def __call__(self, stem: str) -> str:
        name = stem
        while name and not (self._docs / f"{name}.md").is_file():
            name = name.rpartition("_")[0]
        if not name or name == self._here:
            return ""
        return f"{relpath(name, self._here.rpartition('/')[0] or '.')}.md"


def _table(
    box: Element, loop: str, rows: list[ExitRow], missing: Mapping[str, str], links: _Links
) -> None:
    wide = add(box, "div", "", "pagewalk-wide")
    table = add(wide, "table", "", f"pagewalk-exits-{loop}")
    add(table, "caption", _TITLES[loop])
    head = add(add(table, "thead"), "tr")
    for title in _HEADS.values():
        add(head, "th", title).set("scope", "col")
    body = add(table, "tbody")
    for one in rows:
        _row(add(body, "tr"), one, missing, links)


def _row(row: Element, one: ExitRow, missing: Mapping[str, str], links: _Links) -> None:
    row.set("data-kind", one.kind)
    cells = {name: add(row, "td", "", f"pagewalk-exit-{name}") for name in _HEADS}
    for name, cell in cells.items():
        cell.set("data-head", _HEADS[name])
    link = add(cells["line"], "a" if one.url else "span", str(one.line))
    if one.url:
        link.set("href", one.url)
        link.set("title", f"{one.file}, line {one.line}")
    add(cells["guard"], "code", one.guard)
    add(cells["effect"], "span", one.effect)
    add(cells["meaning"], "code", one.kind, "pagewalk-exit-kind").tail = " "
    add(cells["meaning"], "span", one.meaning)
    if one.example is None:
        add(cells["example"], "span", f"not recorded: {missing[one.kind]}", "pagewalk-exit-missing")
    else:
        _example(cells["example"], one.example, links)


def _example(cell: Element, one: Example, links: _Links) -> None:
    page = links(one.stem)
    if page:
        link = add(cell, "a", one.stem, "pagewalk-exit-page")
        link.set("href", page)
        link.tail = " "
    engine = f"engine {one.engine}, " if one.engines > 1 else ""
    add(cell, "span", f"{engine}step {one.step}").tail = " "
    if one.request:
        add(cell, "code", one.request)


def _stems(value: Any, page: Page) -> list[str]:
    if value is not None:
        if not isinstance(value, list) or not value or not all(isinstance(x, str) for x in value):
            raise bad("`traces` is a list of stems, as in [scheduler/exits, scheduler/waiting]")
        return [check_stem(one) for one in value]
    folder = page.docs / "traces"
    headers = sorted(folder.rglob("header.json"))
    others = [one.parent.relative_to(folder).as_posix() for one in headers]
    return list(dict.fromkeys((page.stem, *(one for one in others if "." not in one))))


def _missing(value: Any) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(one, str) for one in value.values()):
        raise bad("`missing` is a reason for each kind, as in `ec_transfer: It needs an encoder.`")
    return {str(kind): " ".join(reason.split()) for kind, reason in value.items()}


def _refuse_unexplained(rows: tuple[ExitRow, ...], missing: Mapping[str, str]) -> None:
    lacking = [one for one in rows if one.example is None]
    unexplained = [one for one in lacking if one.kind not in missing]
    if unexplained:
        one = unexplained[0]
        raise PagewalkError(
            "exit-unexplained",
            f"no trace takes the exit {one.kind} in line {one.line} of {one.function}: record one "
            "that does, or give the reason under `missing`.",
        )
    needless = sorted(missing.keys() - {one.kind for one in lacking})
    if needless:
        raise PagewalkError(
            "exit-recorded",
            f"`missing` gives a reason for {plain(needless[0])}, and every exit of that kind is "
            "recorded: take the reason out.",
        )


__all__ = ["LANGUAGE", "format_exits"]
