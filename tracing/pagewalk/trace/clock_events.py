"""Events about clocks: how far the monotonic clock of this machine is from another one's."""

from __future__ import annotations

from pagewalk.trace.event import Event


class ClocksCompared(Event, frozen=True):
    """This process asked the clock of `reference`, another machine, what time it is.

    `offset` added to a time of this segment is the reference's monotonic time, at most `error`
    off: half of the quickest of `rounds` round trips. `wall_ns` is the reference's wall time
    minus its monotonic time. All but `rounds` are nanoseconds.
    """

    reference: str
    offset: int
    error: int
    wall_ns: int
    rounds: int
