"""All requests of a trace -> their lanes in a Chrome trace file, engine and front end."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from pagewalk.trace.events import SlotsRefused
from pagewalk.trace.read import Segment, Trace
from pagewalk.views import perfetto_slices as slices
from pagewalk.views.engines import Engine
from pagewalk.views.moments import Moment
from pagewalk.views.perfetto_tracks import Json, Lane, Tracks, lanes_for, shown
from pagewalk.views.spans_told import Told

Place = tuple[Segment, str, tuple[int, int]]
"""A request's segment, id, and its extent there."""


class RequestLanes:
    """Lays the requests out once all of them are known; `steps` has each engine's lane of steps."""

    def __init__(
        self, trace: Trace, tracks: Tracks, told: list[Told], steps: dict[int, Lane]
    ) -> None:
        self._tracks = tracks
        self._told = told
        self._steps = steps
        self._segments = {one.pid: one for one in reversed(trace.segments)}
        self._front = {one.request: _front(one) for one in told}
        self._inputs: dict[str, Lane] = {}

    def events(self) -> Iterator[Json]:
        """Introductions, slices, marks and arrows."""
        beside = [
            (self._segments[moments[0].pid], one.request, extent)
            for one in self._told
            if (moments := self._front[one.request])
            and (extent := slices.front_extent(moments, self._at_core(one)))
        ]
        inside = [
            (one.engine.segment, one.request, slices.engine_extent(one.stay))
            for one in self._told
            if one.stay is not None and one.engine is not None
        ]
        front, made = self._lanes(beside)
        yield from made
        core, made = self._lanes(inside)
        yield from made
        for number, one in enumerate(self._told, 1):
            yield from self._request(number, one, front.get(one.request), core.get(one.request))
        for engine in {one.engine.index: one.engine for one in self._told if one.engine}.values():
            yield from _refusals(engine, core)

    def _at_core(self, told: Told) -> int | None:
        """When the core received it, in the time of the front end's process."""
        moment, front = told.moment("received"), self._front[told.request]
        if moment is None or not front:
            return None
        clock = self._tracks.clock
        wall = clock.wall(self._segments[moment.pid], moment.start)
        return wall - clock.wall(self._segments[front[0].pid], 0)

    def _lanes(self, places: list[Place]) -> tuple[dict[str, Lane], list[Json]]:
        """A lane for each request by id, and what introduces the lanes."""
        by_segment: dict[str, list[Place]] = defaultdict(list)
        for place in places:
            by_segment[place[0].name].append(place)
        found: dict[str, Lane] = {}
        made: list[Json] = []
        for group in by_segment.values():
            numbers = lanes_for([extent for _, _, extent in group])
            own = len(set(numbers)) == len(group)
            opened: dict[int, Lane] = {}
            names = dict(zip(numbers, (request for _, request, _ in group), strict=True))
            for number in sorted(names):
                name = names[number] if own else f"requests, lane {number + 1}"
                opened[number], introduction = self._tracks.lane(group[0][0], name)
                made += introduction
            for number, (_, request, _) in zip(numbers, group, strict=True):
                found[request] = opened[number]
        return found, made

    def _request(
        self, number: int, told: Told, front: Lane | None, core: Lane | None
    ) -> Iterator[Json]:
        moments, received = self._front[told.request], told.moment("received")
        there: list[slices.Point] = []
        back: list[slices.Point] = []
        if front is not None:
            yield from slices.in_front_end(told, moments, self._at_core(told), front)
            there, back = slices.front_points(moments, front)
        if received is not None and told.engine is not None:
            lane, events = self._received(told, told.engine, received)
            yield from events
            there.append((lane, received.start))
        if core is not None and told.stay is not None and told.engine is not None:
            yield from slices.in_engine(told, told.stay, core)
            for one in told.outside:
                if one.role == "engine core" and one.what not in ("received", "arrived"):
                    yield core.instant(one.what, one.t)
            if told.stay.enqueued is not None:
                there.append((core, told.stay.enqueued.t))
            if told.stay.admitted is not None:
                there.append((self._steps[told.engine.index], told.stay.admitted))
        yield from slices.arrows(number, there + back)

    def _received(self, told: Told, engine: Engine, moment: Moment) -> tuple[Lane, list[Json]]:
        """The lane of the core's input thread, and the request's slice on it."""
        name, events = engine.segment.name, []
        if name not in self._inputs:
            self._inputs[name], events = self._tracks.lane(engine.segment, "input thread")
        lane = self._inputs[name]
        facts = {"request": shown(told.request), "tokens": moment.facts.get("tokens")}
        return lane, [*events, lane.slice("receive", moment.start, moment.t, facts)]


def _front(told: Told) -> list[Moment]:
    """What happened in the front end, by time."""
    return [one for one in told.outside if one.role == "front end"]


def _refusals(engine: Engine, lanes: dict[str, Lane]) -> Iterator[Json]:
    """Each time that `allocate_slots` said no, on the lane of the request."""
    for event in engine.segment.events:
        if type(event) is SlotsRefused:
            lane = lanes.get(engine.segment.request_id(event.request))
            if lane is not None:
                facts = {"required": event.required, "available": event.available}
                known = {name: value for name, value in facts.items() if value is not None}
                yield lane.instant("refused blocks", event.t, known)


__all__ = ["RequestLanes"]
