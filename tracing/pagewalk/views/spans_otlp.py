"""Trace -> OTLP/JSON: an `ExportTraceServiceRequest` for each request, as the collector reads it.

A span per request and a child span per phase. The encoding is that of the OTLP specification:
ids are hexadecimal, 64-bit integers are strings, names are in camel case.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

from pagewalk.trace.read import Trace
from pagewalk.views.clock import Clock
from pagewalk.views.engines import Engine
from pagewalk.views.moments import Moment
from pagewalk.views.spans import Phase, Stay
from pagewalk.views.spans_all import Telling
from pagewalk.views.spans_told import Told
from pagewalk.views.walk import Report

Json = dict[str, Any]
_SERVICE = "vllm"
_INTERNAL, _SERVER = 1, 2
_ERROR = 2
_FAILED = "FINISHED_ERROR"
_REASONS = {
    "FINISHED_STOPPED": "stop",
    "FINISHED_LENGTH_CAPPED": "length",
    "FINISHED_ABORTED": "abort",
    "FINISHED_ERROR": "error",
    "stop string": "stop",
}
_NAMES = {"waiting": "queued"}
# Moments in the front end that the request's span tells as events.
_EVENTS = ("sent", "received", "first output received", "first delivery", "delivered")


def otlp(
    trace: Trace, chosen: tuple[Engine, ...] | None = None, report: Report | None = None
) -> Iterator[Json]:
    """The requests of the chosen engines (None: of all), each as one export request."""
    telling = Telling(trace, chosen)
    for engine in telling.chosen:
        for _ in telling.steps(engine, report):
            pass
    writer = _Writer(trace)
    for told in telling.requests():
        spans = writer.spans(told)
        if spans:
            scope = {"name": "pagewalk", "version": trace.header.pagewalk}
            yield {
                "resourceSpans": [
                    {
                        "resource": {"attributes": _attributes(_resource(trace, told.engine))},
                        "scopeSpans": [{"scope": scope, "spans": spans}],
                    }
                ]
            }


class _Writer:
    """Makes spans with ids that are the same each time the trace is exported."""

    def __init__(self, trace: Trace) -> None:
        self._run = trace.header.run
        self._clock = Clock(trace)
        self._segments = {one.pid: one for one in reversed(trace.segments)}

    def spans(self, told: Told) -> list[Json]:
        """The request's span and its children; none if nothing is known of when it was."""
        stay, engine = told.stay, told.engine
        events = self._events(told)
        times = [*self._extent(told), *(int(one["timeUnixNano"]) for one in events)]
        if not times:
            return []
        key = f"{self._run}\n{engine.index if engine else ''}\n{told.request}"
        trace_id, root = _id(key, 16), _id(f"{key}\nrequest", 8)
        span = {
            "traceId": trace_id,
            "spanId": root,
            "name": "llm_request",
            "kind": _SERVER,
            "startTimeUnixNano": str(min(times)),
            "endTimeUnixNano": str(max(times)),
            "attributes": _attributes(_request(told)),
            "events": events,
            "status": _status(told),
        }
        spans = [span]
        if stay is not None and engine is not None:
            for at, phase in enumerate(stay.phases):
                spans.append(
                    {
                        "traceId": trace_id,
                        "spanId": _id(f"{key}\n{at}", 8),
                        "parentSpanId": root,
                        "name": _NAMES.get(phase.kind, phase.kind),
                        "kind": _INTERNAL,
                        "startTimeUnixNano": str(self._clock.wall(engine.segment, phase.began)),
                        "endTimeUnixNano": str(self._clock.wall(engine.segment, phase.ended)),
                        "attributes": _attributes(_phase(phase)),
                    }
                )
        return spans

    def _extent(self, told: Told) -> list[int]:
        """Arrival and delivery, and where the phases begin and end: children lie within."""
        stay, engine = told.stay, told.engine
        times = []
        if stay is not None and engine is not None:
            own = [t for one in stay.phases for t in (one.began, one.ended)]
            own += [t for t in (stay.began, stay.ended) if t is not None]
            times = [self._clock.wall(engine.segment, t) for t in own]
        ends = [one for one in told.outside if not times or one.what in ("arrived", "delivered")]
        return times + [self._at(one, t) for one in ends for t in (one.start, one.t)]

    def _at(self, moment: Moment, t: int) -> int:
        segment = self._segments.get(moment.pid)
        return self._clock.wall(segment, t) if segment is not None else t

    def _events(self, told: Told) -> list[Json]:
        found = [
            (self._at(one, one.t), one.what.replace(" ", "_"), {})
            for one in told.outside
            if one.what in _EVENTS
        ]
        if told.stay is not None and told.engine is not None:
            segment = told.engine.segment
            found += [
                (self._clock.wall(segment, t), name, facts)
                for t, name, facts in _engine_events(told.stay)
            ]
        return [
            {"timeUnixNano": str(t), "name": name, "attributes": _attributes(facts)}
            for t, name, facts in sorted(found, key=lambda one: one[0])
        ]


def _engine_events(stay: Stay) -> Iterator[tuple[int, str, Json]]:
    for phase in stay.phases:
        lost = phase.preemption
        if lost is not None:
            facts = {"by": lost.by, "lost_tokens": lost.computed, "step": lost.step}
            yield lost.t, "preempted", _own(facts)
    for one in stay.admissions:
        if one.how == "resumed":
            yield one.t, "resumed", _own({"step": one.step, "hit_tokens": one.hit})
        if one.hit:
            facts = {"step": one.step, "hit_tokens": one.hit, "of_tokens": one.tokens}
            yield one.t, "prefix_hit", _own(facts)
    if stay.first_token is not None:
        yield stay.first_token, "first_token", _own({"step": stay.first_token_step})


def _resource(trace: Trace, engine: Engine | None) -> Json:
    facts: Json = {"service.name": _SERVICE}
    if engine is not None:
        facts |= {
            "service.version": engine.configured.release,
            "service.instance.id": f"{trace.header.run}/{engine.index}",
            "process.pid": engine.segment.pid,
        } | _own({"device": engine.configured.device, "model": engine.configured.model})
        facts |= _own({"engine": engine.index, "dp_rank": engine.configured.dp_rank})
    elif trace.header.releases:
        facts["service.version"] = trace.header.releases[0]
    return facts | _own({"run": trace.header.run})


def _request(told: Told) -> Json:
    """What the conventions have a name for, and under our own name what they have none for."""
    stay, facts = told.stay, {"gen_ai.provider.name": _SERVICE}
    # vLLM puts the user's id there in its own spans: they can be joined by it.
    facts["gen_ai.request.id"] = told.external
    own: Json = {"request.id": told.request}
    own["request.status"] = told.status
    if told.engine is not None:
        facts["gen_ai.request.model"] = told.engine.configured.model
    if stay is not None:
        reason = _REASONS.get(told.status)
        facts |= {
            "gen_ai.usage.output_tokens": stay.output_tokens,
            "gen_ai.usage.cache_read.input_tokens": _hit(stay),
            "gen_ai.response.finish_reasons": [reason] if reason else None,
            "error.type": told.status if told.status == _FAILED else None,
        }
        if stay.enqueued is not None:
            facts["gen_ai.usage.input_tokens"] = stay.enqueued.num_prompt_tokens
            facts["gen_ai.request.max_tokens"] = stay.enqueued.max_tokens
            own["request.priority"] = stay.enqueued.priority
        own["request.preemptions"] = stay.num_preemptions
    own |= {f"duration.{name}_ns": value for name, value in told.durations.items()}
    return facts | _own(own)


def _hit(stay: Stay) -> int | None:
    return stay.admissions[0].hit if stay.admissions else None


def _phase(phase: Phase) -> Json:
    facts: Json = {"first_step": phase.first, "last_step": phase.last}
    facts["resumed_step"] = phase.resumed
    if phase.steps:
        facts |= {"steps": phase.steps, "tokens": phase.tokens}
    if not phase.over:
        facts["unfinished"] = True
    return _own(facts)


def _status(told: Told) -> Json:
    """Unset unless it failed, as the conventions ask for."""
    return {"code": _ERROR, "message": told.status} if told.status == _FAILED else {}


def _own(facts: Json) -> Json:
    return {f"pagewalk.{name}": value for name, value in facts.items()}


def _attributes(facts: Json) -> list[Json]:
    return [
        {"key": name, "value": _value(value)} for name, value in facts.items() if value is not None
    ]


def _value(value: Any) -> Json:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, list):
        return {"arrayValue": {"values": [_value(one) for one in value]}}
    return {"stringValue": value}


def _id(text: str, size: int) -> str:
    """`size` bytes as hexadecimal; ids of zeros only are not allowed, and do not come up."""
    # An id may hold what UTF-8 does not allow.
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[: 2 * size]


__all__ = ["otlp"]
