"""Trace -> one clock for all its processes: monotonic nanoseconds -> wall time, or time since 0.

The processes of one host share the monotonic clock, so that one anchor serves them all: their
times keep the very distances that the views show. Another host is placed by what it measured of
the reference's clock (`trace.clocks`), or else by its own anchor.
"""

from __future__ import annotations

from pagewalk.trace.read import Segment, Trace


class Clock:
    """Places times of any segment. `zero` is the wall time of the first event, Unix nanoseconds."""

    def __init__(self, trace: Trace) -> None:
        self._clocks = trace.clocks
        edges = [
            (self.wall(segment, segment.events[0].t), self.wall(segment, segment.events[-1].t))
            for segment in trace.segments
            if segment.events
        ]
        self.zero = min((first for first, _ in edges), default=0)
        self.end = max((last for _, last in edges), default=0)

    def wall(self, segment: Segment, t: int) -> int:
        """Nanoseconds since 1970 of a time in this segment."""
        return self._clocks.of(segment.started).wall(t)

    def since(self, segment: Segment, t: int) -> int:
        """Nanoseconds since the first event of the trace; negative for an arrival before it."""
        return self.wall(segment, t) - self.zero


__all__ = ["Clock"]
