"""A `source` fence -> the excerpt as highlighted HTML: true line numbers, notes, a link.

It is a custom fence of SuperFences, so that MkDocs and Zensical run it alike:

    markdown_extensions:
      - pymdownx.superfences:
          custom_fences:
            - name: source
              class: source
              format: !!python/name:pagewalk.pages.source_fence.format_source
              validator: !!python/name:pagewalk.pages.source_fence.validate_source

PAGEWALK_VLLM names the wheel or the directory to read; without it the installed vLLM is read.
SuperFences swallows every exception but its own, and then the build passes: so all are turned.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import escape
from typing import Any

from pymdownx.highlight import Highlight
from pymdownx.superfences import SuperFencesException

from pagewalk.errors import PagewalkError, plain
from pagewalk.pages.fences import SourceFence, read_fence
from pagewalk.pages.source_notes import check_notes
from pagewalk.pages.thin import thin
from pagewalk.source.excerpt import Excerpt, cut
from pagewalk.source.package import VLLM, chosen, open_package

_SPANS = "__span"
_COMMENT = re.compile(r'<span class="c\w*">[^<]*</span>')
_NUMBER = re.compile(r"\((?=\d+\))")
_OPENING = re.compile(r"<div[^>]*>")
# A link at each line number would be a stop of the keyboard at each line, and has no name.
_ANCHOR = '<a href="#__codelineno'


def validate_source(
    language: str,
    inputs: Mapping[str, Any],
    options: dict[str, Any],
    attrs: dict[str, Any],
    md: Any,
) -> bool:
    """Refuse options behind the language: all is said in the body."""
    if inputs:
        raise SuperFencesException(
            f"The source fence takes no option {plain(next(iter(inputs)))}; say it in the body."
        )
    return True


def format_source(
    source: str,
    language: str,
    class_name: str,
    options: Mapping[str, Any],
    md: Any,
    **kwargs: Any,
) -> str:
    """The fence's body -> HTML; whatever goes wrong fails the build with one sentence."""
    try:
        fence = read_fence(source)
        with open_package(chosen()) as package:
            return render(fence, cut(package, fence.wanted), md)
    except PagewalkError as error:
        raise SuperFencesException(_told(error, source)) from None
    except Exception as error:
        raise SuperFencesException(
            f"The source fence failed ({type(error).__name__}: {plain(error, 200)})."
        ) from error


def render(fence: SourceFence, excerpt: Excerpt, md: Any) -> str:
    """An excerpt as a block of Material's, with the marks that its annotations hang on."""
    css_class = "highlight"
    data = {"data-search-exclude": "", "data-release": escape(excerpt.release)}
    if excerpt.marks:
        css_class = "highlight annotate"
        data["data-marks"] = str(len(excerpt.marks))
        check_notes(md)
    html = Highlight(
        md,
        linenums=True,
        # The table would end what the search leaves out, at its first inner element.
        linenums_style="pymdownx-inline",
        line_spans=_SPANS,
        line_anchors="__codelineno",
        anchor_linenums=True,
        stripnl=False,
    ).highlight(
        "\n".join(excerpt.lines),
        "python",
        css_class,
        hl_lines=[line - excerpt.first + 1 for line in excerpt.highlights],
        linestart=excerpt.first,
        id_value=fence.id,
        classes=["pagewalk-source"],
        attrs=data,
    )
    html = _COMMENT.sub(_without_numbers, thin(html))
    html = html.replace(_ANCHOR, f'<a tabindex="-1" aria-hidden="true"{_ANCHOR[2:]}')
    for number, line in excerpt.marks:
        html = _mark(html, fence.id, number, line)
    opening = _OPENING.match(html)
    end = opening.end() if opening else 0
    return f"{html[:end]}{_title(fence, excerpt)}{html[end:]}"


def _title(fence: SourceFence, excerpt: Excerpt) -> str:
    name = escape(fence.title or excerpt.title)
    numbers = (
        f"line {excerpt.first}"
        if excerpt.first == excerpt.last
        else f"lines {excerpt.first} to {excerpt.last}"
    )
    place = escape(f"{excerpt.file}, {numbers}, vLLM {excerpt.release}")
    if excerpt.url:
        place = f'<a href="{escape(excerpt.url)}">{place}</a>'
    return f'<span class="filename">{name} <span class="pagewalk-place">{place}</span></span>'


def _mark(html: str, name: str, number: int, line: int) -> str:
    """Put a note's mark at the end of a line; any line will do, inside brackets too."""
    start = html.index(f'<span id="{_SPANS}-{name}-{line}">')
    end = html.index("\n", start)
    return f'{html[:end]}<span class="c1">  # ({number})!</span>{html[end:]}'


def _without_numbers(comment: re.Match[str]) -> str:
    """VLLM's own comments count `(1)`, which Material would take for a note: split the text."""
    return _NUMBER.sub("<span>(</span>", comment.group())


def _told(error: PagewalkError, source: str) -> str:
    if error.slug == "no-vllm":
        return (
            f"The source fence found no vLLM: install it, or set {VLLM} to a wheel file or to the "
            "directory that one was unpacked into."
        )
    symbol = next((line for line in source.splitlines() if line.startswith("symbol:")), "")
    return f"{error} (source fence, {plain(symbol, 100)})" if symbol else str(error)


__all__ = ["format_source", "render", "validate_source"]
