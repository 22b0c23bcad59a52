"""Processes and lanes -> the process and thread numbers that a Chrome trace file knows them by."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from typing import Any

from pagewalk.trace.events import RoleTaken
from pagewalk.trace.read import Segment, Trace
from pagewalk.views.clock import Clock
from pagewalk.views.engines import Engine, engines

Json = dict[str, Any]
OWN_LANES = 500
"""More requests than this in one process share lanes, as many as were there at one time."""
SHOWN = 80
_ROLES = {"front_end": "front end", "engine_core": "engine core", "worker": "worker"}
# Where the same process number is used on two hosts, the second is moved up by this much.
_NEXT_HOST = 100_000_000


class Lane:
    """One line of slices in a process. Times are monotonic nanoseconds of its segment."""

    def __init__(self, clock: Clock, segment: Segment, pid: int, tid: int) -> None:
        self._clock = clock
        self._segment = segment
        self._place = {"pid": pid, "tid": tid}

    def slice(self, name: str, began: int, ended: int, args: Json | None = None) -> Json:
        """A slice; one that ends before it begins has no length."""
        since = self._since(began)
        took = max(0, self._since(ended) - since)
        event = {"ph": "X", "name": shown(name), **self._place, "ts": since / 1000}
        return event | {"dur": took / 1000, "args": args or {}}

    def instant(self, name: str, t: int, args: Json | None = None) -> Json:
        """A mark at one moment."""
        event = {"ph": "i", "s": "t", "name": name, **self._place, "ts": self._since(t) / 1000}
        return event | {"args": args or {}}

    def counter(self, name: str, unit: str, t: int, value: int) -> Json:
        """A counter's new value; it belongs to the process."""
        at = self._since(t) / 1000
        return {"ph": "C", "name": name, "pid": self._place["pid"], "ts": at, "args": {unit: value}}

    def flow(self, phase: str, number: int, t: int) -> Json:
        """A point of an arrow: it binds to the innermost slice here at `t`."""
        event = {"ph": phase, "id": number, "name": "request", "cat": "request", "bp": "e"}
        return event | self._place | {"ts": self._since(t) / 1000}

    def since(self, t: int) -> int:
        """Nanoseconds since the first event of the trace."""
        return self._since(t)

    def _since(self, t: int) -> int:
        return max(0, self._clock.since(self._segment, t))


class Tracks:
    """Numbers for the processes and lanes of a trace, handed out as they are asked for."""

    def __init__(self, trace: Trace) -> None:
        self.clock = Clock(trace)
        self._trace = trace
        self._pids: dict[tuple[str, int], int] = {}
        self._next = 0
        hosts = dict.fromkeys(_host(one) for one in trace.segments)
        self._several = len(hosts) > 1
        taken: set[int] = set()
        for segment in trace.segments:
            key = (_host(segment), segment.pid)
            if key in self._pids:
                continue
            pid = segment.pid
            while pid in taken:
                pid += _NEXT_HOST
            taken.add(pid)
            self._pids[key] = pid

    def processes(self, segments: Iterable[Segment]) -> Iterator[Json]:
        """Name the processes by what they did, front ends first."""
        of: dict[int, list[Segment]] = {}
        for segment in segments:
            of.setdefault(self._pid(segment), []).append(segment)
        for pid, own in of.items():
            roles, rank = self._roles(own)
            host = f" on {shown(_host(own[0]))}" if self._several else ""
            yield _metadata("process_name", pid, 0, name=(" + ".join(roles) or "process") + host)
            yield _metadata("process_sort_index", pid, 0, sort_index=rank)

    def lane(self, segment: Segment, name: str) -> tuple[Lane, list[Json]]:
        """A new lane of a process, and what introduces it; lanes stand in the order of asking."""
        self._next += 1
        pid, tid = self._pid(segment), self._next
        introduction = [
            _metadata("thread_name", pid, tid, name=shown(name)),
            _metadata("thread_sort_index", pid, tid, sort_index=tid),
        ]
        return Lane(self.clock, segment, pid, tid), introduction

    def _pid(self, segment: Segment) -> int:
        return self._pids[_host(segment), segment.pid]

    def _roles(self, segments: list[Segment]) -> tuple[list[str], int]:
        names = {one.name for one in segments}
        cores = [one.index for one in engines(self._trace) if one.segment.name in names]
        taken = [fact for one in segments for fact in one.facts_of(RoleTaken)]
        roles = {fact.role for fact in taken} | ({"engine_core"} if cores else set())
        found = []
        for role, words in _ROLES.items():
            if role not in roles:
                continue
            ranks = sorted({fact.rank for fact in taken if fact.role == role})
            numbers = {"engine_core": cores, "worker": ranks}.get(role, [])
            found.append(" ".join([words, ", ".join(map(str, numbers))]).rstrip())
        order = list(_ROLES)
        return found, min((order.index(one) for one in roles if one in order), default=9)


def lanes_for(intervals: list[tuple[int, int]], own: int = OWN_LANES) -> list[int]:
    """A lane number for each interval: its own, or for many, the first that is free by then."""
    if len(intervals) <= own:
        return list(range(len(intervals)))
    numbers = [0] * len(intervals)
    busy: list[tuple[int, int]] = []
    free: list[int] = []
    for at in sorted(range(len(intervals)), key=lambda one: intervals[one]):
        began, ended = intervals[at]
        while busy and busy[0][0] < began:
            heapq.heappush(free, heapq.heappop(busy)[1])
        numbers[at] = heapq.heappop(free) if free else len(busy)
        heapq.heappush(busy, (ended, numbers[at]))
    return numbers


def belongs(segment: Segment, chosen: tuple[Engine, ...], every: tuple[Engine, ...]) -> bool:
    """Whether a process has to do with the chosen engines: a front end has to do with all."""
    wanted = {one.segment.name for one in chosen}
    if segment.engines:
        return segment.name in wanted
    parent = segment.started.parent_pid if segment.started is not None else None
    cores = [one for one in every if one.segment.pid in (parent, segment.pid)]
    return not cores or any(one.segment.name in wanted for one in cores)


def shown(text: str) -> str:
    """An id or name of any length, as a label can hold it; every character is kept that fits."""
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"


def _host(segment: Segment) -> str:
    return segment.started.host if segment.started is not None else ""


def _metadata(kind: str, pid: int, tid: int, **args: Any) -> Json:
    return {"ph": "M", "name": kind, "pid": pid, "tid": tid, "args": args}


__all__ = ["OWN_LANES", "Json", "Lane", "Tracks", "belongs", "lanes_for", "shown"]
