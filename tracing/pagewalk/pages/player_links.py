"""Links `#step=41&request=long&block=7&player=crowd` -> links that move a player of the page.

Without `player`, the nearest player above the link is meant, else the first one below. The link
leads to the player's place on the page, for whoever has no script; `data-` attributes hold the
moment. A step, request or block that the trace does not have fails the build.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import unquote
from xml.etree.ElementTree import Element

from markdown.treeprocessors import Treeprocessor

from pagewalk.errors import PagewalkError, plain
from pagewalk.pages.stem import Page, page_of
from pagewalk.pages.walk_html import attribute
from pagewalk.views.evidence import EngineRun

_KEYS = ("step", "request", "block", "player")
_CLASS = "pagewalk-step"


class PlayerLinks(Treeprocessor):
    """Turns every such link of a page."""

    def run(self, root: Element) -> None:
        """Walk the page in the order in which it is read."""
        page = page_of(self.md)
        above = ""
        for element in root.iter():
            if element.tag == "figure" and element.get("id") in page.players:
                above = element.get("id", "")
            elif element.tag == "a" and _is_move(element.get("href", "")):
                self._turn(page, element, above)

    def _turn(self, page: Page, link: Element, above: str) -> None:
        href = link.get("href", "")
        try:
            values = _values(href)
            name = values.get("player") or above or next(iter(page.players), "")
            if name not in page.players:
                raise PagewalkError(
                    "no-player-here",
                    f"there is no player {plain(name)} on the page: write a trace fence, or "
                    "correct its name."
                    if name
                    else "there is no player on the page: write a trace fence.",
                )
            found = _checked(values, page.players[name])
        except PagewalkError as error:
            raise PagewalkError(
                error.slug, f"{page.name}, the link {plain(href, 100)}: {error}"
            ) from None
        link.set("href", f"#{name}")
        link.set("class", " ".join(filter(None, (link.get("class"), _CLASS))))
        link.set("data-player", name)
        for key, value in found.items():
            link.set(f"data-{key}", value)


def _is_move(href: str) -> bool:
    """Whether the link's anchor begins with one of the keys."""
    return href.startswith(tuple(f"#{key}=" for key in _KEYS))


def _values(href: str) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for part in href.removeprefix("#").split("&"):
        key, _, value = part.partition("=")
        if key not in _KEYS or not value or key in found:
            raise PagewalkError(
                "bad-link", f"{plain(part)} says nothing: write #step=N&request=ID&block=N."
            )
        found[key] = unquote(value)
    return found


def _checked(values: Mapping[str, str], run: EngineRun) -> dict[str, str]:
    """The moment as the player has it: the request by its internal id."""
    found: dict[str, str] = {}
    if "step" in values:
        found["step"] = str(run.step(_number(values, "step")).step)
    if "request" in values:
        found["request"] = attribute(run.id(values["request"]))
    if "block" in values:
        block = _number(values, "block")
        if block >= run.engine.num_blocks:
            raise PagewalkError(
                "no-block", f"there are the blocks 0 to {run.engine.num_blocks - 1} only."
            )
        found["block"] = str(block)
    return found


def _number(values: Mapping[str, str], key: str) -> int:
    text = values[key]
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise PagewalkError("bad-link", f"{key} is a number, and {plain(text)} is none.")
    return int(text)


__all__ = ["PlayerLinks"]
