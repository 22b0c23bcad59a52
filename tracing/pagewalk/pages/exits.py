"""Recorded traces and the installed vLLM -> every exit of its scheduler, with a step that took it.

The traces say which exits there are and what they are called; the source must have the same
guards at the same lines, or the page would explain another release.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pagewalk.errors import PagewalkError, plain
from pagewalk.pages.runs import run_of
from pagewalk.pages.stem import trace_path
from pagewalk.source.excerpt import find_place, link
from pagewalk.source.package import Package
from pagewalk.trace.events import ExitSite
from pagewalk.trace.exit_kinds import SENTENCES
from pagewalk.views.evidence import EngineRun, Run
from pagewalk.views.step import Step

PASSES = ("running", "waiting", "allocate")
REFUSED = {True: "full_sequence_blocks", False: "no_blocks"}
_EFFECTS = {
    ast.Break: "ends the pass",
    ast.While: "ends the pass",
    ast.Continue: "skips the request",
    ast.If: "keeps the pass from beginning",
    ast.Return: "refuses the blocks",
}

Key = tuple[str, int, str]
"""Function, line and guard: which exit it is, in every trace of one release."""


@dataclass(frozen=True, slots=True)
class Example:
    """The first step of a trace that left here, and the request it was about, by its name."""

    stem: str
    engine: int
    engines: int
    step: int
    request: str


@dataclass(frozen=True, slots=True)
class ExitRow:
    """One exit: where it is, under which guard, what it does and means, and who took it."""

    file: str
    function: str
    line: int
    url: str
    loop: str
    guard: str
    kind: str
    effect: str
    meaning: str
    example: Example | None


def exit_rows(docs: Path, stems: Iterable[str], package: Package) -> tuple[ExitRow, ...]:
    """All exits that the first trace declares, each with its first example in the traces' order.

    Raises:
        PagewalkError: a trace declares none, is of another release, or the source differs.
    """
    runs = {stem: run_of(trace_path(docs, stem)) for stem in stems}
    for stem, run in runs.items():
        _same_release(stem, run, package)
    stem, first = next(iter(runs.items()))
    taken = _taken(runs)
    rows = []
    for file, site in _sites(stem, first):
        statement = _statement(package, file, site)
        rows.append(
            ExitRow(
                file=file,
                function=site.function,
                line=site.line,
                url=link(package.release, file, site.line, site.line),
                loop=site.loop,
                guard=site.guard,
                kind=site.kind,
                effect=_EFFECTS[type(statement)],
                meaning=SENTENCES.get(site.kind, SENTENCES["unknown"]),
                example=taken.get((site.function, site.line, site.guard)),
            )
        )
    rows.sort(key=lambda one: (PASSES.index(one.loop), one.line))
    return tuple(rows)


def _sites(stem: str, run: Run) -> Iterator[tuple[str, ExitSite]]:
    """The exits that the trace declares, each once, however many processes declare it."""
    found = {
        (declared.file, site.function, site.line, site.guard): (declared.file, site)
        for every in run.trace.header.exits.values()
        for declared in every
        for site in declared.sites
    }
    if not found:
        raise PagewalkError(
            "no-exits",
            f"The trace {stem} declares no exits: record it with a pagewalk that marks them.",
        )
    strange = [site for _, site in found.values() if site.loop not in PASSES]
    if strange:
        raise PagewalkError(
            "unknown-exit",
            f"The trace {stem} has an exit in line {strange[0].line} of no pass that is known "
            f"({plain(strange[0].loop)}): name it.",
        )
    yield from found.values()


def _same_release(stem: str, run: Run, package: Package) -> None:
    wrong = [one for one in run.trace.header.releases if one != package.release]
    if wrong:
        raise PagewalkError(
            "other-release",
            f"The trace {stem} is of vLLM {plain(wrong[0])} and the source of "
            f"{plain(package.release)}: record the trace again.",
        )


def _statement(package: Package, file: str, site: ExitSite) -> ast.stmt:
    """The statement at the exit's line; its guard must name what the trace's guard names."""
    module = file.removesuffix(".py").replace("/", ".")
    _, place = find_place(package, f"{module}:{site.function}")
    found = _at(place.node, site.line, ())
    if found is not None:
        statement, tests = found
        known = {name for test in tests for name in _names(test)}
        if _names(ast.parse(site.guard, mode="eval")) <= known:
            return statement
    raise PagewalkError(
        "exit-moved",
        f"Line {site.line} of {plain(file)} in vLLM {plain(package.release)} is not the exit that "
        f"the trace recorded ({plain(site.guard)}): record the trace again.",
    )


def _at(
    node: ast.AST, line: int, tests: tuple[ast.expr, ...]
) -> tuple[ast.stmt, tuple[ast.expr, ...]] | None:
    """The exit statement of a line, and the conditions that it stands under, itself included."""
    own = (node.test,) if isinstance(node, ast.If | ast.While) else ()
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt):
            # What is inside comes first: it may stand in the line of its own condition.
            found = _at(child, line, (*own, *tests))
            if found is not None:
                return found
    # A condition is a way out by itself only where it keeps a whole pass from beginning.
    shut = not isinstance(node, ast.If) or any(isinstance(one, ast.While) for one in node.body)
    if type(node) in _EFFECTS and shut and getattr(node, "lineno", 0) == line:
        return node, (*own, *tests[:1])  # type: ignore[return-value]
    return None


def _names(node: ast.AST) -> set[str]:
    """Every name and attribute in an expression."""
    return {
        one.id if isinstance(one, ast.Name) else one.attr
        for one in ast.walk(node)
        if isinstance(one, ast.Name | ast.Attribute)
    }


def _taken(runs: dict[str, Run]) -> dict[Key, Example]:
    """Each exit that was taken anywhere, with the first step that did."""
    found: dict[Key, Example] = {}
    for stem, run in runs.items():
        sites = {(site.loop, site.kind): site for _, site in _sites(stem, run)}
        for engine in run.engines:
            for step in engine.steps:
                for key, request in _of_step(step, sites):
                    if key not in found:
                        found[key] = _example(stem, run, engine, step, request)
    return found


def _of_step(
    step: Step, sites: dict[tuple[str, str], ExitSite]
) -> Iterator[tuple[Key, str | None]]:
    for one in step.exits:
        if one.line:
            yield (one.function, one.line, one.guard), one.request
    for refusal in step.refused:
        # Where the blocks were refused is told by what was asked for.
        kind = REFUSED.get(refusal.full_sequence) if refusal.full_sequence is not None else None
        site = sites.get(("allocate", kind)) if kind else None
        if site is not None:
            yield (site.function, site.line, site.guard), refusal.request


def _example(stem: str, run: Run, engine: EngineRun, step: Step, request: str | None) -> Example:
    name = engine.name(request) if request else ""
    return Example(stem, engine.engine.index, len(run.engines), step.step, name)


__all__ = ["PASSES", "Example", "ExitRow", "exit_rows"]
