"""Samples of py-spy, whose clock has a zero of its own -> calls in monotonic time.

py-spy's `chrometrace` counts microseconds from a zero that it does not tell. So the sampled
program calls a function at moments that it writes down. A sample shows a change after it has
happened, never before: of all changes, the one that was seen soonest tells the zero best.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pagewalk.errors import PagewalkError, plain
from pagewalk.profile.functions import Call
from pagewalk.profile.paths import scrub

ANCHORS = 6


@dataclass(frozen=True, slots=True)
class Samples:
    """Calls as far as samples show them: from the first sample that has them to the first without.

    `zero`: monotonic nanoseconds of py-spy's zero, too early by as much as the anchor that was
    seen soonest was late. `late`: by how many nanoseconds the anchors were seen later than that
    one, in rising order; the first is 0.
    """

    calls: tuple[Call, ...]
    zero: int
    late: tuple[int, ...]


def anchor(length: float = 0.1) -> list[int]:
    """Be seen by the sampler a few times: the moments of each beginning and end, in turn.

    No two pauses are alike, so that an anchor cannot be taken for another one, and all meet the
    sampler's period in different places.
    """
    moments: list[int] = []
    for number in range(ANCHORS):
        moments.append(time.monotonic_ns())
        pagewalk_anchor(length)
        moments.append(time.monotonic_ns())
        time.sleep(length * (0.61 + 0.17 * number))
    return moments


def pagewalk_anchor(length: float) -> None:
    """Work in one place for `length` seconds, for samples to find."""
    end = time.monotonic() + length
    while time.monotonic() < end:
        pass


def read_samples(path: Path, pid: int, moments: Sequence[int]) -> Samples:
    """Read what `py-spy record --format chrometrace` wrote. `pid` is the process that anchored.

    Raises:
        PagewalkError: not a file of py-spy, or too few of the anchors are in it.
    """
    try:
        events = json.loads(path.read_bytes())
        zeros = _zeros([one * 1000 for one in _seen(events, pid)], moments)
        zero = max(zeros)
        calls = tuple(_calls(events, zero))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise PagewalkError(
            "bad-profile", f"{plain(path.name)} is not what py-spy writes ({plain(error)})."
        ) from None
    return Samples(calls, zero, tuple(sorted(zero - one for one in zeros)))


def speedscope(calls: Iterable[Call], steps: Iterable[Call], zero: int) -> dict[str, Any]:
    """A speedscope file: a profile for each thread, and one of steps, all on one time axis.

    The axis is microseconds since `zero`, the first moment of the trace.
    """
    frames: dict[str, int] = {}
    profiles = []
    lanes: dict[tuple[str, int, int], list[Call]] = {}
    for name, group in (("pagewalk: steps of", steps), ("py-spy: thread of", calls)):
        for one in group:
            lanes.setdefault((name, one.pid, one.thread), []).append(one)
    last = max((one.ended for lane in lanes.values() for one in lane), default=zero)
    for at, ((name, pid, _), lane) in enumerate(lanes.items()):
        profiles.append(
            {
                "type": "evented",
                "name": f"{at + 1}. {name} process {pid}",
                "unit": "microseconds",
                "startValue": 0,
                "endValue": (last - zero) / 1000,
                "events": _events(lane, frames, zero),
            }
        )
    return {
        "$schema": "https://www.speedscope.app/file-format-schema.json",
        "name": "pagewalk",
        "exporter": "pagewalk",
        "shared": {"frames": [{"name": name} for name in frames]},
        "profiles": profiles,
    }


def _events(lane: list[Call], frames: dict[str, int], zero: int) -> list[dict[str, Any]]:
    """Opened and closed in turn, as speedscope wants them: what is open last closes first."""
    found: list[dict[str, Any]] = []
    around: list[Call] = []

    def close() -> None:
        one = around.pop()
        found.append({"type": "C", "frame": frames[one.name], "at": (one.ended - zero) / 1000})

    for one in sorted(lane, key=lambda call: (call.began, -call.ended)):
        if one.began < zero:
            continue
        while around and around[-1].ended <= one.began:
            close()
        number = frames.setdefault(one.name, len(frames))
        found.append({"type": "O", "frame": number, "at": (one.began - zero) / 1000})
        around.append(one)
    while around:
        close()
    return found


def _seen(events: list[dict[str, Any]], pid: int) -> list[int]:
    """When samples first show an anchor's beginning, and its end; line numbers do not count."""
    edges: list[int] = []
    for one in events:
        if one["pid"] == pid and one["name"] == pagewalk_anchor.__name__:
            # Another line of the same function closes and opens it at one and the same time.
            if edges and edges[-1] == one["ts"]:
                edges.pop()
            else:
                edges.append(one["ts"])
    return edges


def _zeros(seen: Sequence[int], moments: Sequence[int]) -> list[int]:
    """The zero by each edge that was seen: py-spy may be late, or miss an anchor or a pause.

    The edges are those of the anchors to which they fit best, whichever was seen first.
    """
    if len(seen) < max(2, len(moments) // 2):
        raise PagewalkError(
            "anchors-not-seen",
            f"{len(seen)} of {len(moments)} anchors were sampled, so py-spy's clock cannot be "
            "placed: try again on a machine that has less to do.",
        )
    fits = []
    for first in moments[::2]:
        guess = first - seen[0]
        zeros = [
            min((one - edge for one in moments[at % 2 :: 2]), key=lambda zero: abs(zero - guess))
            for at, edge in enumerate(seen)
        ]
        fits.append((sum(abs(zero - guess) for zero in zeros), zeros))
    return min(fits)[1]


def _calls(events: list[dict[str, Any]], zero: int) -> list[Call]:
    """Begin and end paired, stack by stack; the process's own name is on the tracks already."""
    stacks: dict[tuple[int, int], list[tuple[str, int]]] = {}
    found: list[Call] = []
    for one in events:
        if one["name"].startswith("process "):
            continue
        at = zero + one["ts"] * 1000
        stack = stacks.setdefault((one["pid"], one["tid"]), [])
        if one["ph"] == "B":
            file, line = one["args"]["filename"], one["args"]["line"]
            stack.append((f"{scrub(one['name'])} ({scrub(file)}:{line})", at))
        elif one["ph"] == "E":
            name, began = stack.pop()
            found.append(Call(name, one["pid"], one["tid"], began, at))
    # Of calls that began and ended together, the one that was closed last is around the others.
    found.reverse()
    return sorted(found, key=lambda one: (one.pid, one.thread, one.began, -one.ended))


__all__ = ["Samples", "anchor", "pagewalk_anchor", "read_samples", "speedscope"]
