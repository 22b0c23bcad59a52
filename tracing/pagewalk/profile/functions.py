"""Function calls of an engine's processes + its trace -> one Chrome trace file on one clock.

Pagewalk writes `time.monotonic_ns()`, which on Linux is CLOCK_MONOTONIC. Calls come with times of
the same clock: viztracer 1.1 converts its time stamp counter to it, and for samples of py-spy
`samples` finds the moment of their zero. So calls are placed as events are, by `Clock`.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pagewalk.errors import PagewalkError, plain
from pagewalk.profile.hook import CLOCK, FUNCTIONS
from pagewalk.profile.paths import scrub
from pagewalk.trace.read import Trace
from pagewalk.views.clock import Clock
from pagewalk.views.perfetto import perfetto
from pagewalk.views.perfetto_tracks import Json


@dataclass(frozen=True, slots=True)
class Call:
    """A function that ran in a thread; times are monotonic nanoseconds."""

    name: str
    pid: int
    thread: int
    began: int
    ended: int

    @property
    def took(self) -> int:
        """Nanoseconds."""
        return self.ended - self.began


@dataclass(frozen=True, slots=True)
class Profile:
    """The calls of one process. `overflow`: there were more than were kept, the oldest are gone.

    `clock_error`: nanoseconds by which viztracer's clock, read between two readings of ours, lay
    outside of them; 0 is as good as can be known. `clock_reading` is how far those two lie apart.
    """

    pid: int
    calls: tuple[Call, ...]
    overflow: bool
    clock_error: int
    clock_reading: int


def read_profile(path: Path) -> Profile:
    """What viztracer wrote in one process, with paths scrubbed.

    Raises:
        PagewalkError: the file is not there, or is not what viztracer writes.
    """
    try:
        pid = int(path.name.removesuffix(FUNCTIONS))
        found = json.loads(path.read_bytes())
        clock = json.loads(path.with_name(f"{pid}{CLOCK}").read_bytes())
        # A call is written when it ends: of two that began together, the later one is around.
        calls = [_call(one) for one in reversed(found["traceEvents"]) if one.get("ph") == "X"]
        read = round(clock["viztracer_us"] * 1000)
        before, after = clock["before_ns"], clock["after_ns"]
        return Profile(
            pid=pid,
            calls=tuple(sorted(calls, key=lambda one: (one.thread, one.began, -one.ended))),
            overflow=bool(found["viztracer_metadata"].get("overflow")),
            clock_error=max(0, before - read, read - after),
            clock_reading=after - before,
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise PagewalkError(
            "bad-profile", f"{plain(path.name)} is no profile ({plain(error)}): record it again."
        ) from None


def opened(
    calls: Iterable[Call], began: int, ended: int, share: float = 0.05, slack: int = 0
) -> list[tuple[int, Call]]:
    """What ran in this time, in order: the calls that took at least `share` of it, each with the
    number of such calls around it. They may begin and end `slack` nanoseconds outside."""
    least = (ended - began) * share
    found: list[tuple[int, Call]] = []
    around: list[Call] = []
    for one in calls:
        if one.took < least or one.began < began - slack or one.ended > ended + slack:
            continue
        while around and (around[-1].ended <= one.began or around[-1].thread != one.thread):
            around.pop()
        found.append((len(around), one))
        around.append(one)
    return found


def merged(trace: Trace, calls: Iterable[Call], what: str) -> Iterator[Json]:
    """The events of `perfetto`, and in the same processes a lane of functions for each thread.

    `what` names the lanes. Calls of processes that are not in the trace are left out.
    """
    last = 0
    for event in perfetto(trace):
        last = max(last, event.get("tid", 0))
        yield event
    clock = Clock(trace)
    segments = {one.pid: one for one in trace.segments}
    lanes: dict[tuple[int, int], int] = {}
    for call in calls:
        segment = segments.get(call.pid)
        if segment is None:
            continue
        lane = lanes.get((call.pid, call.thread))
        if lane is None:
            lane = lanes[call.pid, call.thread] = last + len(lanes) + 1
            number = sum(pid == call.pid for pid, _ in lanes)
            name = what if number == 1 else f"{what}, thread {number}"
            for kind, args in (
                ("thread_name", {"name": name}),
                ("thread_sort_index", {"sort_index": lane}),
            ):
                yield {"ph": "M", "name": kind, "pid": call.pid, "tid": lane, "args": args}
        since = max(0, clock.since(segment, call.began))
        yield {
            "ph": "X",
            "name": call.name,
            "cat": what,
            "pid": call.pid,
            "tid": lane,
            "ts": since / 1000,
            "dur": call.took / 1000,
        }


def write(path: Path, events: Iterable[Json], told: Json) -> int:
    """Write a compressed Chrome trace file, an event a line; `told` are facts about it.

    Returns how many events were written.
    """
    number = 0
    with gzip.open(path, "wt", compresslevel=3, encoding="ascii") as file:
        file.write('{"displayTimeUnit":"ns","otherData":' + json.dumps(told))
        file.write(',"traceEvents":[\n')
        for number, event in enumerate(events, 1):
            file.write(("" if number == 1 else ",\n") + json.dumps(event, separators=(",", ":")))
        file.write("\n]}\n")
    return number


def _call(event: Json) -> Call:
    began = round(event["ts"] * 1000)
    ended = began + round(event["dur"] * 1000)
    return Call(scrub(event["name"]), event["pid"], event["tid"], began, ended)


__all__ = ["Call", "Profile", "merged", "opened", "read_profile", "write"]
