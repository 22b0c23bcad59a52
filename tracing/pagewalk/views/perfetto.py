"""Trace -> the events of a Chrome trace file, one at a time, as Perfetto's UI shows them.

Processes by role, a lane of steps and a lane for each request under its engine, counters, and an
arrow for each request from its arrival over its first step to its delivery. Times in the file are
microseconds since the first event of the trace, with three decimals.
"""

from __future__ import annotations

from collections.abc import Iterator

from pagewalk.trace.events import (
    Dropped,
    ExecutionEnded,
    ExecutionStarted,
    StepUpdated,
    UpdateStarted,
)
from pagewalk.trace.read import Segment, Trace
from pagewalk.trace.segment import Gap
from pagewalk.views.engines import Engine
from pagewalk.views.perfetto_requests import RequestLanes
from pagewalk.views.perfetto_tracks import Json, Lane, Tracks, belongs, shown
from pagewalk.views.spans_all import Telling
from pagewalk.views.step import Step
from pagewalk.views.steps import exit_kinds
from pagewalk.views.walk import Report

_NAMES = 16  # of so many requests a step's slice tells the names
_COUNTERS = (
    ("free", "blocks", "free_blocks"),
    ("scheduled", "tokens", "used"),
    ("waiting", "requests", "waiting"),
    ("running", "requests", "running"),
)


def perfetto(
    trace: Trace, chosen: tuple[Engine, ...] | None = None, report: Report | None = None
) -> Iterator[Json]:
    """The events of the chosen engines (None: of all), and of the processes around them."""
    telling, tracks = Telling(trace, chosen), Tracks(trace)
    segments = [one for one in trace.segments if belongs(one, telling.chosen, telling.every)]
    yield from tracks.processes(segments)
    steps: dict[int, Lane] = {}
    for engine in telling.chosen:
        mark = f" of engine {engine.index}" if len(engine.segment.engines) > 1 else ""
        steps[engine.index], introduction = tracks.lane(engine.segment, f"steps{mark}")
        yield from introduction
        yield from _steps(telling, engine, steps[engine.index], mark, report)
        yield from _updates(engine, steps[engine.index])
    for segment in segments:
        yield from _model(segment, tracks)
        yield from _losses(segment, tracks)
    # The phases of a request are known only at the end.
    yield from RequestLanes(trace, tracks, list(telling.requests()), steps).events()


def _steps(
    telling: Telling, engine: Engine, lane: Lane, mark: str, report: Report | None
) -> Iterator[Json]:
    """Each schedule(), and the counters right after it."""
    unknown = ""
    for step in telling.steps(engine, report):
        yield lane.slice("schedule", step.began, step.t, _facts(step))
        for name, unit, field in _COUNTERS:
            value = getattr(step, field)
            if value is not None:
                yield lane.counter(name + mark, unit, step.t, value)
        if step.unknown != unknown:
            unknown = step.unknown
            what = "state unknown" if unknown else "state known again"
            yield lane.instant(what, step.t, {"why": unknown} if unknown else {})


def _facts(step: Step) -> Json:
    facts: Json = {
        "step": step.step,
        "budget": step.budget,
        "tokens": step.used,
        "scheduled": len(step.scheduled),
        "free_blocks": step.free_blocks,
        "waiting": step.waiting,
        "running": step.running,
        "shares": [f"{shown(one.request)}: {one.tokens}" for one in step.scheduled[:_NAMES]],
        "new": _some(step.admitted("new")),
        "resumed": _some(step.admitted("resumed")),
        "preempted": _some(tuple(one.request for one in step.preempted)),
        "refused": _some(tuple(one.request for one in step.refused)),
        "exits": [
            " ".join([kind, *(shown(one) for one in requests[:_NAMES] if one is not None)])
            for kind, requests in exit_kinds(step).items()
        ],
        "unknown": step.unknown,
    }
    return {name: value for name, value in facts.items() if value not in (None, [], "")}


def _some(requests: tuple[str, ...]) -> list[str]:
    more = [f"and {len(requests) - _NAMES} more"] if len(requests) > _NAMES else []
    return [shown(one) for one in requests[:_NAMES]] + more


def _updates(engine: Engine, lane: Lane) -> Iterator[Json]:
    """Each update_from_output()."""
    began: dict[int, int] = {}
    for event in engine.segment.events:
        if type(event) is UpdateStarted and event.engine == engine.number:
            began[event.step] = event.t
        elif type(event) is StepUpdated and event.engine == engine.number:
            yield lane.slice(
                "update", began.pop(event.step, event.t), event.t, {"step": event.step}
            )


def _model(segment: Segment, tracks: Tracks) -> Iterator[Json]:
    """What a worker ran. `sample_tokens` does not know its step: it is the one executed last."""
    lanes: dict[int, Lane] = {}
    last: dict[int, ExecutionStarted] = {}
    for event in segment.events:
        if type(event) is ExecutionStarted:
            last[event.rank] = event
        elif type(event) is ExecutionEnded:
            start = last.get(event.rank)
            began = event.began or (start.t if start is not None else event.t)
            if event.rank not in lanes:
                lanes[event.rank], made = tracks.lane(segment, f"model, rank {event.rank}")
                yield from made
            step = start.step if start is not None and event.step < 0 else event.step
            facts: Json = {"step": step, "rank": event.rank}
            if start is not None and event.step >= 0:
                facts |= {"requests": start.num_requests, "tokens": start.num_tokens}
            yield lanes[event.rank].slice(event.call, began, event.t, facts)


def _losses(segment: Segment, tracks: Tracks) -> Iterator[Json]:
    """What was not recorded."""
    lane = None
    for event in segment.events:
        if type(event) in (Gap, Dropped):
            if lane is None:
                lane, made = tracks.lane(segment, "recording")
                yield from made
            yield lane.instant("events lost", event.t, {"why": event.reason, "count": event.count})


__all__ = ["perfetto"]
