"""Trace -> one clock for all its processes: monotonic nanoseconds -> wall time, or time since 0.

The processes of one host share the monotonic clock, so that one anchor serves them all: their
times keep the very distances that the views show. Another host is placed by its own anchor.
"""

from __future__ import annotations

from pagewalk.trace.read import Segment, Trace


class Clock:
    """Places times of any segment. `zero` is the wall time of the first event, Unix nanoseconds."""

    def __init__(self, trace: Trace) -> None:
        offsets: dict[str, int] = {}
        starts = [one.started for one in trace.segments if one.started is not None]
        for start in sorted(starts, key=lambda one: (one.t, one.pid)):
            offsets.setdefault(start.host, start.wall_ns - start.t)
        self._offsets = offsets
        # A segment that lost its first line is placed like the first process of the run.
        self._fallback = next(iter(offsets.values()), 0)
        edges = [
            (self.wall(segment, segment.events[0].t), self.wall(segment, segment.events[-1].t))
            for segment in trace.segments
            if segment.events
        ]
        self.zero = min((first for first, _ in edges), default=0)
        self.end = max((last for _, last in edges), default=0)

    def wall(self, segment: Segment, t: int) -> int:
        """Nanoseconds since 1970 of a time in this segment."""
        host = segment.started.host if segment.started is not None else ""
        return t + self._offsets.get(host, self._fallback)

    def since(self, segment: Segment, t: int) -> int:
        """Nanoseconds since the first event of the trace; negative for an arrival before it."""
        return self.wall(segment, t) - self.zero


__all__ = ["Clock"]
