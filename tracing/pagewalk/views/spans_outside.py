"""Trace -> each request's moments in front ends and at the core's socket, in one pass.

`moments` looks through all segments for one request. Here the events are sorted by request once,
so that it looks through those that may concern its request only.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

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
    RequestReceived,
    RequestSent,
)
from pagewalk.trace.read import Segment, Trace
from pagewalk.views.moments import Moment, arrival, moments

_SINGLE = (InputProcessed, RequestArrived, RequestDequeued, RequestReceived, RequestSent)
_SEVERAL = (AbortReceived, AbortSent, RequestAborted)


class Outside:
    """What happened outside of the scheduler; `of` tells it of one request."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._sorted = [_Sorted(segment) for segment in trace.segments]

    def of(self, request: str, external: str | None) -> list[Moment]:
        """The moments of one request by time, as `moments` has them, and its arrival.

        Of the outputs only the first and the last are counted.
        """
        parent = request.partition("_")[2]
        names = {one for one in (request, parent, external) if one}
        small = tuple(one.only(names) for one in self._sorted)
        found = moments(replace(self._trace, segments=small), request, external)
        return found + arrival(self._trace, found)


class _Sorted:
    """The events of one segment by request name, batches cut into their requests."""

    def __init__(self, segment: Segment) -> None:
        self._segment = segment
        self._by_name: dict[str, list[Event]] = defaultdict(list)
        self._numbers: dict[str, list[int]] = defaultdict(list)
        self._outputs: dict[str, list[OutputReceived]] = {}
        self._failures: list[Event] = []
        for number, name in segment.names.items():
            self._numbers[name].append(number)
        for event in segment.events:
            self._take(event)

    def only(self, names: set[str]) -> Segment:
        """The segment, as if nobody but these requests had been there."""
        # The event of a batch may stand under several names.
        found = {event.seq: event for name in names for event in self._by_name.get(name, ())}
        outputs = [one for name in names for one in self._outputs.get(name, ())]
        if found or outputs:
            found |= {event.seq: event for event in self._failures}
        events = sorted([*found.values(), *outputs], key=lambda one: one.seq)
        numbers = {number: name for name in names for number in self._numbers.get(name, ())}
        return replace(self._segment, events=events, names=numbers)

    def _take(self, event: object) -> None:
        kind = type(event)
        if kind is OutputReceived:
            self._output(event)
        elif kind is Delivered:
            self._put(event, event.request)
            if event.external and event.external != self._segment.names.get(event.request):
                self._by_name[event.external].append(event)
        elif kind is Detokenized:
            for number in event.stopped:
                self._put(event, number)
        elif kind is EngineFailed:
            self._failures.append(event)
        elif kind in _SINGLE:
            self._put(event, event.request)
        elif kind in _SEVERAL:
            for number in event.requests:
                self._put(event, number)

    def _put(self, event: Event, number: int) -> None:
        name = self._segment.names.get(number)
        if name is not None:
            self._by_name[name].append(event)

    def _output(self, event: OutputReceived) -> None:
        for number, tokens in zip(event.requests, event.tokens, strict=False):
            name = self._segment.names.get(number)
            if name is None:
                continue
            one = OutputReceived(event.seq, event.t, [number], [tokens])
            kept = self._outputs.get(name)
            if kept is None:
                self._outputs[name] = [one]
            else:
                kept[1:] = [one]


__all__ = ["Outside"]
