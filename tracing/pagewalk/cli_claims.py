"""`pagewalk claims`: the predicates of the pages -> whether each holds, on which trace."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from pagewalk.cli_common import BROKEN, OK, AsJson, print_json
from pagewalk.errors import PagewalkError, plain
from pagewalk.pages.claims import Fact, book, judge
from pagewalk.pages.facts import shown
from pagewalk.pages.stem import check_stem, claims_path
from pagewalk.term.console import line, make_console
from pagewalk.term.safe import escape

Stem = Annotated[
    str | None, typer.Argument(metavar="STEM", help="One claims file; all, if left out.")
]
TraceDir = Annotated[
    Path | None,
    typer.Option("--trace", metavar="DIR", help="Judge them by this trace, recorded by you."),
]
Docs = Annotated[Path, typer.Option("--docs", metavar="DIR", help="The folder of the pages.")]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one predicate: its facts, or the sentence that tells why it fails."""

    stem: str
    predicate: str
    says: str
    holds: bool
    facts: dict[str, Fact]
    why: str


def claims(
    stem: Stem = None,
    trace: TraceDir = None,
    docs: Docs = Path("walkthroughs"),
    as_json: AsJson = False,
) -> int:
    """Judge the claims of the pages by their traces: 1 if one does not hold."""
    if trace is not None and stem is None:
        raise PagewalkError(
            "no-stem", "One trace belongs to one claims file: name its STEM before --trace."
        )
    if trace is not None and not trace.is_dir():
        raise PagewalkError("no-trace", f"{plain(trace, 120)} is no trace: name its directory.")
    found = [
        _verdict(docs, one, name, trace)
        for one in _stems(docs, stem)
        for name in book(docs, one).predicates
    ]
    well = all(one.holds for one in found)
    if as_json:
        print_json({"claims": found, "well": well})
    else:
        _show(found)
    return OK if well else BROKEN


def _stems(docs: Path, wanted: str | None) -> list[str]:
    """The claims files: the one asked for, or all by name."""
    if wanted is not None:
        return [check_stem(wanted.removesuffix(".py"))]
    root = claims_path(docs, "x").parent
    found = sorted(root.rglob("*.py"))
    if not found:
        raise PagewalkError(
            "no-claims",
            f"There are no claims under {plain(root.as_posix(), 120)}: run this where the pages "
            "are, or name their folder with --docs.",
        )
    return [check_stem(one.relative_to(root).as_posix().removesuffix(".py")) for one in found]


def _verdict(docs: Path, stem: str, name: str, trace: Path | None) -> Verdict:
    says = book(docs, stem).predicates[name].says
    try:
        facts = judge(docs, stem, name, trace)
    except PagewalkError as error:
        if error.slug in ("claim-fails", "bad-facts", "unsafe-fact"):
            return Verdict(stem, name, says, False, {}, str(error))
        raise
    return Verdict(stem, name, says, True, dict(facts), "")


def _show(found: list[Verdict]) -> None:
    console = make_console()
    stem = ""
    for one in found:
        if one.stem != stem:
            stem = one.stem
            line(console, (stem, "head"))
        sign = ("✓", "good") if one.holds else ("✕", "hurt")
        # What a failing line holds is not ours: it may be anything.
        told = escape(one.says) if one.holds else escape(one.why)
        line(console, "  ", sign, " ", (one.predicate, "id"), f"  {told}")
        if one.facts:
            facts = " · ".join(f"{escape(key)} {shown(value)}" for key, value in one.facts.items())
            line(console, (f"      {escape(facts)}", "quiet"))
    failed = sum(not one.holds for one in found)
    line(console, "")
    if failed:
        line(console, (f"{failed} of {_many(len(found))} do not hold.", "hurt"))
    else:
        line(console, (f"{_many(len(found))}: all hold.", "good"))


def _many(number: int) -> str:
    return f"{number} claim{'' if number == 1 else 's'}"


__all__ = ["Verdict", "claims"]
