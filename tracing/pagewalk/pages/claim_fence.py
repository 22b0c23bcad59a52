"""A `claim` fence -> a line with a tick that opens to the predicate that proves it.

    id: preempting-step-admits-nobody
    says: Step [[nobody_admitted.step]] preempts, and admits nobody.
    by: nobody_admitted            # or `scheduler/waiting_lora:lora_full`, of another stem

The predicate is judged when the page is built: one that fails, fails the build.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

from pagewalk.errors import PagewalkError
from pagewalk.pages.claims import judge, parse_by, predicate
from pagewalk.pages.once import once
from pagewalk.pages.runs import provenance, run_of
from pagewalk.pages.stem import STEM, Page, trace_path
from pagewalk.pages.walk_body import bad, fenced, name_of, read_body, text_of
from pagewalk.pages.walk_html import add, code, hidden

LANGUAGE = "claim"
TICK = "✓"
_KEYS = ("id", "says", "by")
_BY = re.compile(rf"(?:{STEM.pattern}:)?[a-z]\w*")


@dataclass(frozen=True, slots=True)
class ClaimFence:
    """What one fence claims. `stem` is that of the trace it is judged by."""

    id: str
    says: str
    stem: str
    name: str


def format_claim(
    source: str,
    language: str,
    class_name: str,
    options: Mapping[str, Any],
    md: Any,
    **kwargs: Any,
) -> str:
    """The fence's body -> HTML; whatever goes wrong fails the build with one sentence."""
    return fenced(LANGUAGE, md, lambda page: _element(read_claim(source, page.stem), page, md))


@lru_cache(maxsize=1024)  # each is read for its page and for the list of all
def read_claim(body: str, stem: str) -> ClaimFence:
    """Read a fence's body; whatever is wrong with it is one sentence."""
    values = read_body(LANGUAGE, body, _KEYS)
    name = name_of(values, "id")
    says, by = text_of(values, "says"), text_of(values, "by")
    if not says.endswith("."):
        raise bad(f"what the claim {name} says is no sentence: end it with a full stop")
    if not _BY.fullmatch(by):
        raise bad(f"`by` of the claim {name} is a predicate, or STEM:predicate of another trace")
    return ClaimFence(name, says, *parse_by(by, stem))


def where(docs: Path, stem: str) -> str:
    """Release, device and date of the trace that a claim is judged by."""
    known = provenance(run_of(trace_path(docs, stem)))
    return f"{known.release} · {known.place} · {known.date}"


def _element(claim: ClaimFence, page: Page, md: Any) -> Element:
    one = predicate(page.docs, claim.stem, claim.name)
    try:
        judge(page.docs, claim.stem, claim.name)
    except PagewalkError as error:
        raise PagewalkError(error.slug, f"the claim {claim.id} fails: {error}") from None
    _only_one(claim.id, page)
    details = Element("details", {"class": "pagewalk-claim", "id": f"claim-{claim.id}"})
    line = add(details, "summary")
    tick = add(line, "span", TICK, "pagewalk-tick")
    tick.set("title", "This claim was judged when the page was built, and holds.")
    add(line, "span", claim.says, "pagewalk-says", markdown=True)
    add(line, "span", where(page.docs, claim.stem), "pagewalk-where")
    proof = hidden(details, "pagewalk-proof")
    add(proof, "p", one.says, markdown=True)
    add(proof, "div").text = code(md, one.source, "python")
    add(proof, "p", "Judge it again:")
    add(proof, "div").text = code(md, f"pagewalk claims {claim.stem}", "text")
    return details


def _only_one(name: str, page: Page) -> None:
    """An id stands for one claim on the whole site: the list of claims links to it."""
    from pagewalk.pages.claims_page import pages_by_claim

    there = once(("claims", page.docs), lambda: pages_by_claim(page.docs)).get(name, ())
    elsewhere = [one for one in there if page.walk and one != page.walk.at]
    if name in page.claims or elsewhere:
        there = f"the page {elsewhere[0]}" if elsewhere else "this page"
        raise PagewalkError(
            "same-id", f"the claim {name} is on {there} already: give one of them another id."
        )
    page.claims.add(name)


__all__ = ["LANGUAGE", "TICK", "ClaimFence", "format_claim", "read_claim", "where"]
