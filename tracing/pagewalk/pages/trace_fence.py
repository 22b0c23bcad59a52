"""A `trace` fence -> the block player on a recorded trace, and a table for who has no script.

trace: scheduler/waiting_lora        # the page's own stem if left out
engine: 0
panes: grid queues step
step: "[[nobody_admitted.step]]"
steps: "[[x.first]]..[[x.last]]"     # the range that the transport is held to
select: long                         # a request, by its author's name
name: crowd                          # id on the page; trace-1, trace-2 if left out
caption: One sentence that tells what to look at.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from xml.etree.ElementTree import Element

from pagewalk.errors import PagewalkError
from pagewalk.pages.payloads import ensure_payload, requests_in
from pagewalk.pages.runs import run_of
from pagewalk.pages.stem import Page, trace_path
from pagewalk.pages.trace_fence_body import LANGUAGE, TraceFence, read_trace
from pagewalk.pages.trace_table import fallback
from pagewalk.pages.walk_body import bad, fenced
from pagewalk.pages.walk_html import SEARCH, add, attribute, raw
from pagewalk.pages.walk_where import include_file
from pagewalk.views.evidence import EngineRun


def format_trace(
    source: str,
    language: str,
    class_name: str,
    options: Mapping[str, Any],
    md: Any,
    **kwargs: Any,
) -> str:
    """The fence's body -> HTML; whatever goes wrong fails the build with one sentence."""
    return fenced(LANGUAGE, md, lambda page: _element(read_trace(source, page.stem), page, md))


def _element(asked: TraceFence, page: Page, md: Any) -> Element:
    run = engine_run(page, asked)
    name = asked.name or f"trace-{len(page.players) + 1}"
    if name in page.players:
        raise PagewalkError(
            "same-name", f"there are two players named {name}: give one another `name:`."
        )
    page.players[name] = run
    # Whatever step or request it does not have is an error here, and not on the reader's screen.
    for step in (asked.step, asked.first, asked.last):
        if step is not None:
            run.step(step)
    file = ensure_payload(page.docs, asked.stem, asked.engine)
    include_file(md, page.docs, file)
    figure = Element("figure", {"class": "pagewalk-trace", "id": name, "data-trace": asked.stem})
    figure.set("data-engine", str(asked.engine))
    player = add(figure, "pagewalk-player")
    # So much room is kept before anything is loaded.
    player.set("style", f"--blocks:{run.engine.num_blocks};--requests:{requests_in(file)}")
    for key, value in _attributes(asked, run, file.relative_to(page.docs).as_posix()):
        player.set(key, value)
    player.text = raw(md, fallback(run, asked.step, asked.first, asked.last))
    if asked.caption:
        add(figure, "figcaption", asked.caption, markdown=True)
    return figure


def engine_run(page: Page, asked: TraceFence) -> EngineRun:
    """The engine that a fence asks for."""
    run = run_of(trace_path(page.docs, asked.stem))
    if asked.engine >= len(run.engines):
        raise bad(f"the trace {asked.stem} has {len(run.engines)} engines, counted from 0")
    return run.engines[asked.engine]


def _attributes(asked: TraceFence, run: EngineRun, src: str) -> list[tuple[str, str]]:
    """The player's attributes; what the fence leaves out is left to the player."""
    said = {
        # From the site's root, which the site's script knows; it loads what comes into view.
        "data-src": src,
        "embedded": "embedded",
        "panes": " ".join(asked.panes),
        "step": "" if asked.step is None else str(asked.step),
        "select": attribute(run.id(asked.select)) if asked.select else "",
        "from": "" if asked.first is None else str(asked.first),
        "to": "" if asked.last is None else str(asked.last),
        "play": "play" if asked.play else "",
        SEARCH: SEARCH,
    }
    return [(key, value) for key, value in said.items() if value]


__all__ = ["engine_run", "format_trace"]
