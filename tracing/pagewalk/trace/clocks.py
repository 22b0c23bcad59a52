"""Segments of several machines -> one time for all their events, and how wrong it may be.

The processes of one host share a monotonic clock. Hosts that compared theirs with the same
reference (`ClocksCompared`) are placed by what was measured; a host that did not is placed by its
own wall clock, and how wrong that is nobody can say.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from pagewalk.trace.clock_events import ClocksCompared
from pagewalk.trace.process_events import SegmentStarted


@dataclass(frozen=True, slots=True)
class HostClock:
    """How times of one host become times of all: `points` are (time, nanoseconds to add).

    `error` is the most that a time may be off from the reference's, None where nobody measured.
    `comparisons` counts the handshakes; the reference itself has none and no error.
    """

    host: str
    points: tuple[tuple[int, int], ...]
    error: int | None
    comparisons: int

    def wall(self, t: int) -> int:
        """Nanoseconds since 1970 of a monotonic time of this host."""
        points = self.points
        if len(points) == 1:
            return t + points[0][1]
        # Clocks drift apart evenly between two comparisons; outside them nothing is known of it.
        at = bisect_right(points, t, key=lambda one: one[0])
        if at in (0, len(points)):
            return t + points[min(at, len(points) - 1)][1]
        (t0, add0), (t1, add1) = points[at - 1], points[at]
        return t + add0 + (add1 - add0) * (t - t0) // (t1 - t0)


@dataclass(frozen=True, slots=True)
class Clocks:
    """The clocks of a trace. `reference` is "" where no host compared its clock with another's."""

    reference: str
    hosts: dict[str, HostClock]
    fallback: HostClock

    def of(self, start: SegmentStarted | None) -> HostClock:
        """The clock of the host that wrote a segment, by the segment's first line."""
        return self.fallback if start is None else self.hosts.get(start.host, self.fallback)

    @property
    def error(self) -> int | None:
        """The most that two times of different hosts may be off from each other, if it is known.

        Nanoseconds; 0 where there is one host only.
        """
        if len(self.hosts) <= 1:
            return 0
        errors = [one.error for one in self.hosts.values()]
        known = [one for one in errors if one is not None]
        return sum(sorted(known)[-2:]) if len(known) == len(errors) else None


def clocks(segments: Iterable[tuple[SegmentStarted, Sequence[ClocksCompared]]]) -> Clocks:
    """The clocks of all hosts, by the first lines and the comparisons of their segments."""
    anchors: dict[str, int] = {}
    compared: dict[str, list[ClocksCompared]] = {}
    for start, told in sorted(segments, key=lambda one: (one[0].t, one[0].pid)):
        anchors.setdefault(start.host, start.wall_ns - start.t)
        compared.setdefault(start.host, []).extend(told)
    names = Counter(one.reference for told in compared.values() for one in told)
    reference = names.most_common(1)[0][0] if names else ""
    mine = {
        host: [one for one in told if one.reference == reference] for host, told in compared.items()
    }
    # The reference's own wall clock may be set while it is asked: one reading of it serves all.
    wall = next((one.wall_ns for told in mine.values() for one in told), 0)
    hosts = {host: _clock(host, anchors[host], reference, mine[host], wall) for host in anchors}
    # A segment that lost its first line is placed like the first process of the run.
    fallback = next(iter(hosts.values()), HostClock("", ((0, 0),), None, 0))
    return Clocks(reference, hosts, fallback)


def _clock(
    host: str, anchor: int, reference: str, told: list[ClocksCompared], wall: int
) -> HostClock:
    if reference and host == reference:
        return HostClock(host, ((0, wall),), 0, 0)
    if not told:
        return HostClock(host, ((0, anchor),), None, 0)
    best = _best(told)
    # That a clock drifts evenly from one comparison to the next is believed, and not known.
    drift = max((abs(b.offset - a.offset) for a, b in pairwise(best)), default=0)
    points = tuple((one.t, one.offset + wall) for one in best)
    return HostClock(host, points, max(one.error for one in best) + drift, len(told))


def _best(told: list[ClocksCompared]) -> list[ClocksCompared]:
    """One comparison for each minute, the surest: several processes of a host may have asked."""
    minutes: dict[int, ClocksCompared] = {}
    for one in told:
        minute = one.t // 60_000_000_000
        if minute not in minutes or one.error < minutes[minute].error:
            minutes[minute] = one
    return sorted(minutes.values(), key=lambda one: one.t)


__all__ = ["Clocks", "HostClock", "clocks"]
