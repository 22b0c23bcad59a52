"""Trace -> all its requests, one line each: who, how long, how it went."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pagewalk.trace.events import (
    Detokenized,
    RequestEnqueued,
    RequestFinished,
    RequestPreempted,
    StepScheduled,
    StepUpdated,
)
from pagewalk.trace.read import Trace
from pagewalk.views.engines import Engine, engines
from pagewalk.views.identity import Identities, identities
from pagewalk.views.walk import Report

_REPORT_EVERY = 8192


@dataclass(frozen=True, slots=True)
class RequestRow:
    """One request. Times are nanoseconds; None is what the trace does not tell.

    `stop_string`: the front end found one, and had the engine core abort the request.
    """

    request: str
    external: str | None
    engine: int | None
    status: str
    t: int
    prompt_tokens: int | None
    output_tokens: int | None
    prefix_hit: int | None
    num_preemptions: int
    queued: int | None
    first_token: int | None
    in_engine: int | None
    first_step: int | None
    last_step: int | None
    stop_string: bool = False


@dataclass(slots=True)
class _Seen:
    enqueued: RequestEnqueued
    finished: RequestFinished | None = None
    hit: int | None = None
    preemptions: int = 0
    admitted: int | None = None
    token: int | None = None
    first_step: int | None = None
    last_step: int | None = None
    output: int = 0


def requests(
    trace: Trace, known: Identities | None = None, report: Report | None = None
) -> tuple[RequestRow, ...]:
    """Every request of the trace, by the time it was first seen."""
    known = known or identities(trace)
    seen: dict[str, tuple[Engine, _Seen]] = {}
    for engine in engines(trace):
        for name, one in _of_engine(engine, report).items():
            seen[name] = (engine, one)
    stopped = _stopped(trace)
    return tuple(
        replace(_row(known, name, seen.get(name)), stop_string=name in stopped)
        for name in known.requests
    )


def _stopped(trace: Trace) -> set[str]:
    """Requests that ended at a stop string."""
    return {
        segment.names[number]
        for segment in trace.segments
        for event in segment.events
        if type(event) is Detokenized
        for number in event.stopped
        if number in segment.names
    }


def _of_engine(engine: Engine, report: Report | None) -> dict[str, _Seen]:
    names, number = engine.segment.names, engine.number
    found: dict[str, _Seen] = {}
    events = engine.segment.events
    for at, event in enumerate(events):
        if report is not None and at % _REPORT_EVERY == 0:
            report(at, len(events))
        kind = type(event)
        if kind is StepScheduled and event.engine == number:
            _scheduled(event, names, found)
        elif kind is StepUpdated and event.engine == number:
            _updated(event, names, found)
        elif kind is RequestEnqueued and event.engine == number and event.request in names:
            found[names[event.request]] = _Seen(event)
        elif kind is RequestPreempted and (one := found.get(names.get(event.request, ""))):
            one.preemptions += 1
        elif kind is RequestFinished and (one := found.get(names.get(event.request, ""))):
            one.finished = event
    return found


def _scheduled(event: StepScheduled, names: dict[int, str], found: dict[str, _Seen]) -> None:
    for request, computed in event.new.items():
        one = found.get(names.get(request, ""))
        if one is not None and one.admitted is None:
            one.admitted, one.hit, one.first_step = event.t, computed, event.step
    for request in event.requests:
        one = found.get(names.get(request, ""))
        if one is not None:
            one.last_step = event.step


def _updated(event: StepUpdated, names: dict[int, str], found: dict[str, _Seen]) -> None:
    many = event.tokens
    counts = [many] * len(event.requests) if isinstance(many, int) else many
    for request, tokens in zip(event.requests, counts, strict=False):
        one = found.get(names.get(request, ""))
        if one is None:
            continue
        one.output += tokens
        if tokens and one.token is None:
            one.token = event.t


def _row(known: Identities, name: str, found: tuple[Engine, _Seen] | None) -> RequestRow:
    sighting = known.requests[name]
    if found is None:
        return RequestRow(
            name,
            sighting.external,
            None,
            "never reached an engine core",
            sighting.t,
            *(None, None, None),
            0,
            *(None, None, None, None, None),
        )
    engine, one = found
    enqueued, finished = one.enqueued, one.finished
    return RequestRow(
        request=name,
        external=sighting.external,
        engine=engine.index,
        status=finished.status if finished else "unfinished",
        t=sighting.t,
        prompt_tokens=enqueued.num_prompt_tokens,
        output_tokens=finished.num_output_tokens if finished else one.output,
        prefix_hit=one.hit,
        num_preemptions=one.preemptions,
        queued=None if one.admitted is None else one.admitted - enqueued.t,
        first_token=None if one.token is None else one.token - enqueued.t,
        in_engine=None if finished is None else finished.t - enqueued.t,
        first_step=one.first_step,
        last_step=one.last_step,
    )


__all__ = ["RequestRow", "requests"]
