"""`pagewalk excerpt` and `pagewalk excerpts`: symbols, pages and a release -> what they hold."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated

import typer

from pagewalk.cli_common import BROKEN, OK, AsJson, print_json
from pagewalk.errors import PagewalkError
from pagewalk.pages.fences import quotes
from pagewalk.source import drift_page
from pagewalk.source.drift import Judged, accepted, judge
from pagewalk.source.excerpt import Excerpt, Wanted, cut, find_place
from pagewalk.source.locate import names_of
from pagewalk.source.lock import LOCK, read_lock, write_lock
from pagewalk.source.package import Package, chosen, open_package
from pagewalk.term import excerpt as term
from pagewalk.term.console import make_console
from pagewalk.term.wait import waiting

Against = Annotated[
    Path | None,
    typer.Option(
        metavar="WHEEL|DIR",
        help="Read this vLLM; else the one that PAGEWALK_VLLM names, else the installed one.",
    ),
]
Pages = Annotated[Path, typer.Option(metavar="DIR", help="The folder of the pages.")]
Lock = Annotated[Path, typer.Option(metavar="FILE", help="The lock.")]

app = typer.Typer(rich_markup_mode=None)


def excerpt(
    symbol: Annotated[
        str, typer.Argument(metavar="SYMBOL", help="package.module:Class.method, or a module.")
    ],
    at: Annotated[
        list[str] | None,
        typer.Option(metavar="STEP", help="Narrow it, as in `call name`; several go deeper."),
    ] = None,
    to: Annotated[
        list[str] | None, typer.Option(metavar="STEP", help="The place that ends the excerpt.")
    ] = None,
    head: Annotated[int, typer.Option(min=0, help="Only so many lines.")] = 0,
    calls: Annotated[bool, typer.Option("--calls", help="List calls too.")] = False,
    against: Against = None,
    as_json: AsJson = False,
) -> int:
    """Show a piece of vLLM's source, the locators inside it, and the fence for a page."""
    wanted = Wanted(symbol, at=tuple(at or ()), to=tuple(to or ()), head=head)
    with open_package(against or chosen()) as package:
        found = cut(package, wanted)
        places = _places(package, found, calls)
    fence = fence_text(wanted)
    if as_json:
        print_json({"excerpt": found, "locators": places, "fence": fence})
    else:
        term.show_excerpt(make_console(), found, places, fence)
    return OK


@app.command("check")
def check(
    against: Against = None,
    pages: Pages = Path("walkthroughs"),
    lock: Lock = Path(LOCK),
    as_json: AsJson = False,
) -> int:
    """Compare every excerpt of the pages with the lock: 0 all same or moved, 1 look at some."""
    release, judged = _judged(pages, lock, against)
    well = all(one.is_well for one in judged)
    if as_json:
        print_json({"release": release, "excerpts": judged, "well": well})
    else:
        term.show_judged(make_console(), judged, release)
    return OK if well else BROKEN


@app.command("update")
def update(
    against: Against = None,
    pages: Pages = Path("walkthroughs"),
    lock: Lock = Path(LOCK),
    as_json: AsJson = False,
) -> int:
    """Write the lock anew, once the pages are read: 1 if an excerpt has to be found first."""
    release, judged = _judged(pages, lock, against)
    write_lock(lock, accepted(judged))
    done = all(one.now is not None or one.status == "unused" for one in judged)
    if as_json:
        print_json({"release": release, "excerpts": judged, "well": done})
    else:
        term.show_locked(make_console(), judged, release, lock.name)
    return OK if done else BROKEN


@app.command("page")
def page(
    against: Annotated[
        Path, typer.Option(metavar="WHEEL|DIR", help="The release that the page is about.")
    ],
    out: Annotated[Path, typer.Option(metavar="FILE", help="The page to write.")],
    pages: Pages = Path("walkthroughs"),
    lock: Lock = Path(LOCK),
) -> int:
    """Write the page that says what became of every excerpt in another release."""
    release, judged = _judged(pages, lock, against)
    out.write_text(drift_page.page(judged, read_lock(lock), release), encoding="utf-8")
    return OK


def fence_text(wanted: Wanted) -> str:
    """The fence that asks for this; JSON's strings and lists are YAML's too."""
    lines = [f"symbol: {wanted.symbol}"]
    for key, steps in (("at", wanted.at), ("to", wanted.to)):
        if steps:
            value = steps[0] if len(steps) == 1 else list(steps)
            lines.append(f"{key}: {json.dumps(value, ensure_ascii=False)}")
    if wanted.head:
        lines.append(f"head: {wanted.head}")
    return "\n".join(["```source", *lines, "```"])


def _places(package: Package, found: Excerpt, calls: bool) -> list[tuple[int, str]]:
    """Line and locator of what begins inside the excerpt."""
    _, symbol = find_place(package, found.symbol)
    inside = [
        place
        for place in (symbol, *symbol.walk())
        if found.first <= place.line <= found.last and place.kind != "module"
    ]
    names = names_of(inside)
    return [(place.line, names[place]) for place in inside if calls or place.kind != "call"]


def _judged(pages: Path, lock: Path, against: Path | None) -> tuple[str, tuple[Judged, ...]]:
    """The release that was read, and what became of every excerpt."""
    asked = quotes(pages)
    entries = read_lock(lock)
    with (
        waiting("reading the source", make_console(sys.stderr)),
        open_package(against or chosen()) as package,
        _old(against) as old,
    ):
        return package.release, judge(asked, entries, package, old)


@contextmanager
def _old(against: Path | None) -> Iterator[Package | None]:
    """The release that the pages stand on, where another one is judged and it is at hand."""
    with ExitStack() as stack:
        old: Package | None = None
        if against is not None:
            try:
                old = stack.enter_context(open_package(chosen()))
            except PagewalkError:
                old = None  # only the diffs are lost
        yield old


__all__ = ["app", "check", "excerpt", "fence_text", "page", "update"]
