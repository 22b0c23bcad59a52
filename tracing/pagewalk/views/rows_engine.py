"""Trace -> the rows of all tables, as they come: (name of the table, values in its order)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from pagewalk.trace.events import StepUpdated
from pagewalk.trace.read import Trace
from pagewalk.views.clock import Clock
from pagewalk.views.engines import Engine
from pagewalk.views.execution import executions
from pagewalk.views.rows import REQUESTS
from pagewalk.views.rows_blocks import block_rows
from pagewalk.views.spans import Stay
from pagewalk.views.spans_all import Telling
from pagewalk.views.spans_told import Told
from pagewalk.views.step import Step
from pagewalk.views.steps import exit_kinds
from pagewalk.views.walk import Report

Row = tuple[Any, ...]
Rows = Iterator[tuple[str, Row]]
_DURATIONS = (
    "to_engine",
    "queued",
    "prefill",
    "decode",
    "per_output_token",
    "preempted",
    "model",
    "total",
)


def rows(
    trace: Trace, chosen: tuple[Engine, ...] | None = None, report: Report | None = None
) -> Rows:
    """The rows of the chosen engines (None: of all). Rows of one table come in its order."""
    telling, clock = Telling(trace, chosen), Clock(trace)
    for engine in telling.chosen:
        yield from _engine(telling, engine, clock, report)
        for row in block_rows(engine, clock, report):
            yield "block_events", row
    for told in telling.requests():
        yield "requests", _request(told, clock, trace)
        for row in _preemptions(told, clock):
            yield "preemptions", row


def _engine(telling: Telling, engine: Engine, clock: Clock, report: Report | None) -> Rows:
    index, runs = engine.index, executions(telling.trace, engine)
    updated = {
        event.step: clock.since(engine.segment, event.t)
        for event in engine.segment.events
        if type(event) is StepUpdated and event.engine == engine.number
    }
    for step in telling.steps(engine, report):
        run = runs.get(step.step)
        times = (updated.get(step.step), run.took if run is not None else None)
        yield "steps", _step(step, engine, clock, times)
        for one in step.scheduled:
            share = (one.request, one.tokens, one.computed, one.admission, one.drafts)
            yield "shares", (index, step.step, *share)
        for place, out in enumerate(step.exits):
            source = (out.loop, out.function, out.line or None, out.guard, out.inferred)
            kind = next(iter(exit_kinds(replace(step, exits=(out,)))))
            yield "exits", (index, step.step, place, kind, out.request, *source)
        admitted = {one.request for one in step.scheduled if one.admission != "running"}
        for look in step.lookups:
            found = (look.request, look.hit, look.tokens, look.missed, look.reason)
            yield "lookups", (index, step.step, look.seq, *found, look.request in admitted)


def _step(step: Step, engine: Engine, clock: Clock, times: tuple[int | None, int | None]) -> Row:
    updated, ran = times
    return (
        engine.index,
        step.step,
        clock.since(engine.segment, step.began),
        clock.since(engine.segment, step.t),
        clock.wall(engine.segment, step.t),
        updated,
        step.budget,
        step.used,
        len(step.scheduled),
        len(step.admitted("new")),
        len(step.admitted("resumed")),
        len(step.preempted),
        step.waiting,
        step.running,
        step.free_blocks,
        ran,
        step.unknown or None,
    )


def _request(told: Told, clock: Clock, trace: Trace) -> Row:
    """A request's row; what is not known of it stays out of the dictionary."""
    facts: dict[str, Any] = {
        "request": told.request,
        "external": told.external,
        "status": told.status,
        "time_to_first_token": told.durations.get("first_token"),
    }
    facts |= {name: told.durations.get(name) for name in _DURATIONS}
    for name, what in (("arrived", "arrived"), ("delivered", "delivered")):
        moment = told.moment(what)
        if moment is not None:
            segment = next(one for one in trace.segments if one.pid == moment.pid)
            facts[name] = clock.since(segment, moment.start)
    if told.engine is not None and told.stay is not None:
        facts |= _in_engine(told.stay, told.engine, clock)
    began = facts.get("arrived", facts.get("enqueued"))
    facts["wall"] = None if began is None else clock.zero + began
    return tuple(facts.get(column.name) for column in REQUESTS.columns)


def _in_engine(stay: Stay, engine: Engine, clock: Clock) -> dict[str, Any]:
    times = {
        "admitted": stay.admitted,
        "first_token": stay.first_token,
        "last_token": stay.last_token,
    }
    steps = [one for one in stay.phases if one.steps]
    facts: dict[str, Any] = {
        "engine": engine.index,
        "first_step": steps[0].first if steps else None,
        "last_step": steps[-1].last if steps else None,
        "output_tokens": stay.output_tokens,
        "prefix_hit": stay.admissions[0].hit if stay.admissions else None,
        "preemptions": stay.num_preemptions,
    }
    if stay.enqueued is not None:
        times["enqueued"] = stay.enqueued.t
        facts |= {
            "enqueued_step": stay.enqueued_step,
            "prompt_tokens": stay.enqueued.num_prompt_tokens,
            "max_tokens": stay.enqueued.max_tokens,
            "priority": stay.enqueued.priority,
        }
    if stay.finished is not None:
        times["finished"] = stay.finished.t
    known = {name: t for name, t in times.items() if t is not None}
    return facts | {name: clock.since(engine.segment, t) for name, t in known.items()}


def _preemptions(told: Told, clock: Clock) -> Iterator[Row]:
    """Each loss of a request, with what came of it."""
    if told.stay is None or told.engine is None:
        return
    hits = {one.step: one.hit for one in told.stay.admissions}
    for phase in told.stay.phases:
        lost = phase.preemption
        if lost is None:
            continue
        hit = hits.get(phase.resumed) if phase.resumed is not None else None
        yield (
            told.engine.index,
            lost.step,
            clock.since(told.engine.segment, lost.t),
            lost.seq,
            lost.request,
            lost.by,
            lost.computed,
            lost.tokens,
            lost.num_preemptions,
            phase.resumed,
            hit,
            None if hit is None else max(0, lost.computed - hit),
            None if phase.resumed is None else phase.ended - phase.began,
        )


__all__ = ["rows"]
