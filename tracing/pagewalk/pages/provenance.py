"""A page's stem -> the line that says what the page stands on, opening to the scenario."""

from __future__ import annotations

from typing import Any
from xml.etree.ElementTree import Element

from pagewalk.errors import PagewalkError, plain
from pagewalk.pages.runs import provenance, run_of
from pagewalk.pages.stem import Page, scenario_path, short, trace_path
from pagewalk.pages.walk_html import add, code, hidden


def provenance_element(page: Page, md: Any) -> Element:
    """The release, the engine, the date; inside it, how to record the trace afresh."""
    stem = page.stem
    known = provenance(run_of(trace_path(page.docs, stem)))
    engine = f"a live engine on {known.device}" if known.live else "its scheduler alone"
    details = Element("details", {"class": "pagewalk-provenance", "data-trace": stem})
    summary = add(details, "summary")
    add(summary, "span", f"Recorded from vLLM {known.release}, {engine}, {known.date}")
    add(summary, "span", "scenario", "pagewalk-scenario")
    path = scenario_path(page.docs, stem)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PagewalkError(
            "no-scenario",
            f"There is no scenario {plain(path.as_posix(), 120)}: write the program that was run.",
        ) from error
    shown = f"{page.docs.name}/{path.relative_to(page.docs).as_posix()}"
    inside = hidden(details, "pagewalk-recorded")
    add(inside, "p", f"The program that was run, `{shown}`:", markdown=True)
    # The placeholder is the text: there is no paragraph around a block.
    add(inside, "div").text = code(md, text.rstrip(), "python")
    add(inside, "p", "Record it afresh, and judge the page's claims by what you recorded:")
    again = (
        f"pagewalk run --out build/{short(stem)} -- python {shown}\n"
        f"pagewalk claims {stem} --trace build/{short(stem)}"
    )
    add(inside, "div").text = code(md, again, "text")
    return details


__all__ = ["provenance_element"]
