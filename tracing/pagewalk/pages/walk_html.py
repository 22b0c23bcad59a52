"""Parts of a page -> elements of its tree: text that is Markdown, text that is not, code."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Any
from xml.etree.ElementTree import Element, SubElement

from markdown.util import AtomicString
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name

from pagewalk.errors import PagewalkError, plain
from pagewalk.pages.thin import thin

SEARCH = "data-search-exclude"
"""What keeps an element out of the site's search, as Material reads it."""


def add(
    parent: Element, tag: str, text: str = "", css: str = "", *, markdown: bool = False
) -> Element:
    """A child element; its text is read as Markdown only where that is asked for."""
    child = SubElement(parent, tag, {"class": css} if css else {})
    child.text = text if markdown else AtomicString(text)
    return child


def attribute(request: str) -> str:
    """A request's id as an attribute may hold it: Markdown reads control characters there."""
    if not request.isprintable():
        raise PagewalkError(
            "unsafe-id",
            f"the id {plain(request)} holds characters that cannot be shown: name another request.",
        )
    # Markdown takes what looks like an entity for one; as text this is the `&` itself.
    return request.replace("&", "&amp;")


def hidden(parent: Element, css: str) -> Element:
    """What opens under a line: no search finds it, and no glossary term is first used in it.

    A `section`, because the search takes the end of an inner element of the same name for its own.
    """
    section = add(parent, "section", "", css)
    section.set(SEARCH, SEARCH)
    return section


def code(md: Any, text: str, language: str, css: str = "highlight") -> str:
    """A highlighted block, kept out of the way until the page is written: its placeholder."""
    return str(md.htmlStash.store(_highlighted(text, language, css)))


@lru_cache(maxsize=512)  # a predicate may prove several claims, on its page and on others
def _highlighted(text: str, language: str, css: str) -> str:
    # The site's own numbering belongs to vLLM's source: these lines have none.
    return thin(highlight(text, _lexer(language), _formatter(css)).strip())


@cache
def _lexer(language: str) -> Any:
    return get_lexer_by_name(language)


@cache
def _formatter(css: str) -> Any:
    return HtmlFormatter(cssclass=css, wrapcode=True)


def raw(md: Any, html: str) -> str:
    """HTML that nobody looks into: its placeholder."""
    return str(md.htmlStash.store(html))


__all__ = ["SEARCH", "add", "attribute", "code", "hidden", "raw"]
