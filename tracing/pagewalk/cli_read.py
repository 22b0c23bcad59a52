"""The reading commands: a trace -> one view of it, as a table for people or as one JSON object."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from itertools import chain
from typing import Annotated

import typer

from pagewalk.cli_common import (
    BROKEN,
    OK,
    UNKNOWN,
    AsJson,
    EngineIndex,
    RequestId,
    TracePath,
    engine_of,
    find,
    number,
    open_with_bar,
    print_json,
    step_range,
)
from pagewalk.errors import PagewalkError, plain
from pagewalk.term import blocks as blocks_term
from pagewalk.term import check as check_term
from pagewalk.term import request as request_term
from pagewalk.term import requests as requests_term
from pagewalk.term import show as show_term
from pagewalk.term import why as why_term
from pagewalk.term.console import make_console
from pagewalk.term.wait import Report, waiting
from pagewalk.trace.read import Trace
from pagewalk.views import blocks as blocks_view
from pagewalk.views.engines import Engine, engines, pick_engine, summary
from pagewalk.views.identity import identities
from pagewalk.views.life import life
from pagewalk.views.requests import requests as all_requests
from pagewalk.views.steps import steps
from pagewalk.views.verdict import check as judge
from pagewalk.views.why import why as why_of

Moment = Annotated[
    str,
    typer.Option(
        "--at",
        metavar="scheduled|updated",
        help="After the step's schedule(), or after its update_from_output().",
    ),
]
StepText = Annotated[str, typer.Option("--step", metavar="N", help="The scheduler's own count.")]
OneStep = Annotated[
    str | None, typer.Option("--step", metavar="N", help="Only this step, with its own numbers.")
]
StepRange = Annotated[
    str | None,
    typer.Option("--step", metavar="N|N-M", help="Only these steps, as in 41 or 10-40."),
]


def show(
    trace: TracePath, step: StepRange = None, engine: EngineIndex = None, as_json: AsJson = False
) -> int:
    """A line a step: who got tokens, who lost blocks, who waits why."""
    first, last = step_range(step)
    opened = open_with_bar(trace)
    chosen = _engines(opened, engine)
    if as_json:
        with _bar("replaying") as report:
            told = [
                {"engine": summary(one), "steps": list(steps(one, first, last, report))}
                for one in chosen
            ]
        print_json({"engines": told})
        return OK
    for one in chosen:
        _show_engine(opened, one, first, last)
    return OK


def _engines(trace: Trace, wanted: str | None) -> list[Engine]:
    """The engine asked for, or all; an error where there is none."""
    found = list(engines(trace))
    if wanted is not None or not found:
        return [pick_engine(trace, _engine_index(wanted))]
    return found


def _engine_index(text: str | None) -> int | None:
    return None if text is None else number(text, "--engine", 0)


def _show_engine(trace: Trace, engine: Engine, first: int | None, last: int | None) -> None:
    place = (engine.segment.name, engine.number)
    mine = sum(one.engine == place for one in identities(trace).requests.values())
    with _bar("replaying") as report:
        found = steps(engine, first, last, report)
        # Before the heading: a range without a step is a mistake.
        head = next(found, None)
    console = make_console()
    show_term.heading(console, summary(engine), mine, len(engines(trace)) > 1)
    show_term.steps(console, found if head is None else chain([head], found))


def requests(trace: TracePath, as_json: AsJson = False) -> int:
    """All requests of the trace, a line each."""
    opened = open_with_bar(trace)
    with _bar("reading the requests") as report:
        rows = all_requests(opened, report=report)
    if as_json:
        print_json({"requests": rows})
    else:
        requests_term.table(make_console(), rows)
    return OK


def request(trace: TracePath, request_id: RequestId, as_json: AsJson = False) -> int:
    """The life of one request over all processes, with durations."""
    opened = open_with_bar(trace)
    known, wanted = find(opened, request_id)
    with _bar("following the request") as report:
        told = [life(opened, engine_of(opened, known, one), known, one, report) for one in wanted]
    if as_json:
        print_json({"requests": told})
        return OK
    console = make_console()
    for at, one in enumerate(told):
        if at:
            console.print()
        request_term.life(console, one)
    return OK


def blocks(
    trace: TracePath,
    step: StepText,
    at: Moment = blocks_view.SCHEDULED,
    engine: EngineIndex = None,
    as_json: AsJson = False,
) -> int:
    """Block tables, free queue and waiting queues at one moment."""
    if at not in (blocks_view.SCHEDULED, blocks_view.UPDATED):
        raise PagewalkError(
            "bad-moment",
            f"{plain(at)} is no moment of a step: write --at scheduled or --at updated.",
        )
    wanted, index = number(step, "--step", 41), _engine_index(engine)
    chosen = pick_engine(open_with_bar(trace), index)
    with _bar("replaying") as report:
        snapshot = blocks_view.snapshot_at(chosen, wanted, at, report)
    view = blocks_view.blocks(chosen, snapshot)
    if as_json:
        print_json(blocks_view.as_json(view))
    else:
        blocks_term.show(make_console(), view)
    return OK


def why(
    trace: TracePath, request_id: RequestId, step: OneStep = None, as_json: AsJson = False
) -> int:
    """Why a request waited, was preempted or missed the prefix cache."""
    wanted = None if step is None else number(step, "--step", 41)
    opened = open_with_bar(trace)
    known, ids = find(opened, request_id)
    places = [(one, engine) for one in ids if (engine := engine_of(opened, known, one))]
    if not places:
        raise PagewalkError(
            "not-in-engine",
            f"Request {plain(ids[0])} never reached an engine core in this trace: "
            "`pagewalk request` shows how far it came.",
        )
    with _bar("following the request") as report:
        told = [why_of(engine, one, wanted, report) for one, engine in places]
    if as_json:
        print_json({"requests": told})
        return OK
    console = make_console()
    for at, one in enumerate(told):
        if at:
            console.print()
        why_term.show(console, one)
    return OK


def check(trace: TracePath, as_json: AsJson = False) -> int:
    """Judge a trace: laws kept, nothing lost, replay as the live engine."""
    opened = open_with_bar(trace)
    with _bar("checking") as report:
        verdict = judge(opened, report)
    if as_json:
        print_json(verdict)
    else:
        check_term.show(make_console(), verdict)
    return {"holds": OK, "broken": BROKEN, "unknown": UNKNOWN}[verdict.outcome]


def _bar(what: str) -> AbstractContextManager[Report]:
    return waiting(what, make_console(sys.stderr))


__all__ = ["blocks", "check", "request", "requests", "show", "why"]
