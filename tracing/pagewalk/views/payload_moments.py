"""All segments -> the moments of every request outside the steps, in one pass over the events."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from pagewalk.trace.events import (
    AbortReceived,
    AbortSent,
    Delivered,
    Detokenized,
    EngineFailed,
    Event,
    InputProcessed,
    OutputReceived,
    RequestAborted,
    RequestArrived,
    RequestDequeued,
    RequestEnqueued,
    RequestFinished,
    RequestReceived,
    RequestSent,
)
from pagewalk.trace.read import Trace
from pagewalk.trace.segment import Segment
from pagewalk.views.moments import Moment, moments

_OF_ONE = (
    InputProcessed,
    RequestArrived,
    RequestReceived,
    RequestSent,
    RequestDequeued,
    Delivered,
)
_OF_MANY = (AbortSent, AbortReceived, RequestAborted, OutputReceived, Detokenized)
_TAKEN = {RequestEnqueued: "enqueued", RequestFinished: "finished"}


class MomentIndex:
    """The events of life of a trace by the request they name; `of` gives one request's moments."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._segments = [_Index(segment) for segment in trace.segments]

    def of(self, request: str, external: str | None) -> list[Moment]:
        """What happened to it in all processes, in order of time."""
        parent = request.partition("_")[2]
        names = {request, *([external, parent] if external is not None else [])}
        slim = [one.only(names) for one in self._segments]
        found = moments(replace(self._trace, segments=tuple(slim)), request, external)
        for index in self._segments:
            found += index.scheduler_moments(request)
        return sorted(found, key=lambda one: one.start)


class _Index:
    """One segment's events by the names of their requests."""

    def __init__(self, segment: Segment) -> None:
        self.segment = segment
        self._by_name: dict[str, list[Event]] = {}
        self._scheduler: dict[str, list[Moment]] = {}
        self._failed: list[Event] = []
        self._numbered: dict[str, list[int]] = {}
        names = segment.names
        for number, name in names.items():
            self._numbered.setdefault(name, []).append(number)
        for event in segment.events:
            kind = type(event)
            if kind in _OF_ONE:
                self._add(event, {names.get(event.request), getattr(event, "external", None)})
            elif kind in _OF_MANY:
                self._add(event, {names.get(one) for one in _numbers(event)})
            elif kind is EngineFailed:
                self._failed.append(event)
            elif kind in _TAKEN and event.request in names:
                moment = Moment(_TAKEN[kind], event.t, segment.pid, "engine core")
                self._scheduler.setdefault(names[event.request], []).append(moment)

    def only(self, names: set[str]) -> Segment:
        """The segment with no more events than a reader of these names needs."""
        found = {event.seq: event for name in names for event in self._by_name.get(name, ())}
        numbers = {number: name for name in names for number in self._numbers_of(name)}
        if numbers:
            found.update((event.seq, event) for event in self._failed)
        events = [found[seq] for seq in sorted(found)]
        return replace(self.segment, events=events, names=numbers)

    def scheduler_moments(self, request: str) -> list[Moment]:
        """When the scheduler got the request and when it let it go."""
        return self._scheduler.get(request, [])

    def _numbers_of(self, name: str) -> Sequence[int]:
        return self._numbered.get(name, ())

    def _add(self, event: Event, names: Iterable[str | None]) -> None:
        for name in names:
            if name:
                self._by_name.setdefault(name, []).append(event)


def _numbers(event: Any) -> set[int]:
    return {*event.requests, *getattr(event, "stopped", ())}


__all__ = ["MomentIndex"]
