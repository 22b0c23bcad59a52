"""All segments -> a request's moments outside the scheduler: arrival, transport, delivery."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

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
from pagewalk.trace.segment import Gap

Role = Literal["front end", "engine core", "worker"]
STOP_STRING = "stop string found"
Fact = int | float | str | bool | None
_OLDEST = 3600 * 10**9  # an arrival further back than an hour is no clock to trust
_CHILD = re.compile(r"\d+_(?s:(.*))")


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened to the request: `t` is when it was done, `began` when it started.

    Steps are those of the request's engine. `facts` are the numbers and names of the moment.
    """

    what: str
    t: int
    pid: int
    role: Role
    began: int | None = None
    step: int | None = None
    last_step: int | None = None
    facts: dict[str, Fact] = field(default_factory=dict)

    @property
    def start(self) -> int:
        """Where it stands in time."""
        return self.t if self.began is None else self.began


_PLAIN: dict[type, tuple[str, Role]] = {
    RequestDequeued: ("dequeued", "engine core"),
    AbortSent: ("abort sent", "front end"),
    AbortReceived: ("abort received", "engine core"),
    RequestAborted: ("given up by the client", "front end"),
}


def moments(trace: Trace, request: str, external: str | None) -> list[Moment]:
    """What front ends and core sockets did for the request, in order of time."""
    found = [
        one for segment in trace.segments for one in _Scan(segment, request, external).moments()
    ]
    return sorted(found, key=lambda one: one.start)


class _Scan:
    """One segment, looked through for one request.

    Some front-end events know only the user's own id, which may be used again: such an event is
    ours from the last `InputProcessed` before our arrival to the next one after it.
    """

    def __init__(self, segment: Segment, request: str, external: str | None) -> None:
        self._segment = segment
        self._external = external
        parent = _CHILD.fullmatch(request)
        own = {request} | ({parent[1]} if parent is not None and external else set())
        self._own = {number for number, name in segment.names.items() if name in own}
        self._users = {
            number
            for number, name in segment.names.items()
            if external is not None and name == external
        }
        self._input: InputProcessed | None = None
        self._arrived = False
        self._ours = False
        self._outputs: list[tuple[int, int]] = []
        self._deliveries: list[Delivered] = []

    def moments(self) -> Iterator[Moment]:
        """The moments of the segment, in the order of its events."""
        if not self._own and not self._users:
            return
        for event in self._segment.events:
            yield from self._of(event)
        yield from self._output_moments()

    def _of(self, event: Event | Gap) -> Iterator[Moment]:
        kind = type(event)
        if kind is InputProcessed:
            yield from self._input_processed(event)
        elif kind is RequestArrived:
            yield from self._request_arrived(event)
        elif kind is RequestReceived and event.request in self._own:
            yield self._received(event)
        elif kind is RequestSent and event.request in self._own:
            # The core may be faster than the return of the call: it was sent when the call began.
            at, rank = event.began or event.t, {"dp_rank": event.dp_rank}
            yield Moment("sent", at, self._segment.pid, "front end", facts=rank)
        elif kind is OutputReceived:
            self._output(event)
        elif kind is Delivered:
            if self._delivered_here(event):
                self._deliveries.append(event)
        elif kind is Detokenized:
            if any(one in self._own for one in event.stopped):
                yield self._moment(STOP_STRING, event, "front end", event.began)
        elif kind is EngineFailed:
            yield self._moment("engine failed", event, "engine core", where=event.where)
        elif kind in _PLAIN and self._concerns(event):
            what, role = _PLAIN[kind]
            yield self._moment(what, event, role)

    def _concerns(self, event: Any) -> bool:
        numbers = getattr(event, "requests", None) or (getattr(event, "request", -1),)
        return any(one in self._own or (self._ours and one in self._users) for one in numbers)

    def _input_processed(self, event: InputProcessed) -> Iterator[Moment]:
        if event.request in self._own and event.request not in self._users:
            yield self._input_moment(event)
        elif event.request in self._users:
            self._ours = False
            self._input = event

    def _request_arrived(self, event: RequestArrived) -> Iterator[Moment]:
        if event.request not in self._own or self._arrived:
            return
        self._arrived = self._ours = True
        began = event.began or (self._input.began if self._input else 0) or event.t
        pid, facts = self._segment.pid, {"external": event.external}
        yield Moment("arrived", began, pid, "front end", facts=facts)
        if self._input is not None:
            yield self._input_moment(self._input)

    def _input_moment(self, event: InputProcessed) -> Moment:
        return self._moment(
            "input processed", event, "front end", event.began, tokens=event.num_prompt_tokens
        )

    def _received(self, event: RequestReceived) -> Moment:
        return self._moment(
            "received",
            event,
            "engine core",
            event.began,
            tokens=event.num_prompt_tokens,
            arrival=event.arrival,
        )

    def _output(self, event: OutputReceived) -> None:
        for number, tokens in zip(event.requests, event.tokens, strict=False):
            if number in self._own:
                self._outputs.append((event.t, tokens))

    def _delivered_here(self, event: Delivered) -> bool:
        if event.request in self._own:
            return True
        return self._ours and (
            event.request in self._users
            or (self._external is not None and event.external == self._external)
        )

    def _output_moments(self) -> Iterator[Moment]:
        """Outputs come every step: the first and the last tell enough."""
        if self._outputs:
            t, tokens = self._outputs[0]
            pid = self._segment.pid
            yield Moment("first output received", t, pid, "front end", facts={"tokens": tokens})
        if len(self._outputs) > 1:
            t, _ = self._outputs[-1]
            total = sum(tokens for _, tokens in self._outputs)
            facts: dict[str, Fact] = {"outputs": len(self._outputs), "tokens": total}
            yield Moment("last output received", t, pid, "front end", facts=facts)
        if len(self._deliveries) > 1:
            yield self._moment("first delivery", self._deliveries[0], "front end")
        if self._deliveries:
            last = self._deliveries[-1]
            what = "delivered" if last.finished else "last delivery"
            facts = {"deliveries": len(self._deliveries), "finished": last.finished}
            yield self._moment(what, last, "front end", **facts)

    def _moment(
        self, what: str, event: Any, role: Role, began: int | None = None, **facts: Fact
    ) -> Moment:
        return Moment(what, event.t, self._segment.pid, role, began or None, facts=facts)


def arrival(trace: Trace, found: list[Moment]) -> list[Moment]:
    """The arrival by the front end's own wall clock, where none of its events is in the trace."""
    received = next((one for one in found if one.what == "received"), None)
    if received is None or any(one.what == "arrived" for one in found):
        return []
    wall = received.facts.get("arrival")
    anchors = [one.started for one in trace.segments if one.pid == received.pid and one.started]
    if not isinstance(wall, float) or not anchors:
        return []
    t = anchors[0].t + int(wall * 1e9) - anchors[0].wall_ns
    if not 0 <= received.start - t < _OLDEST:
        return []
    return [Moment("arrived", t, received.pid, "engine core", facts={"clock": "wall"})]


__all__ = ["STOP_STRING", "Fact", "Moment", "Role", "arrival", "moments"]
