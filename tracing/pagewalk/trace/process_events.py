"""Events about a process and its segment: who speaks, and what it cannot know."""

from __future__ import annotations

import msgspec

from pagewalk.trace.event import Event


class SegmentStarted(Event, frozen=True):
    """First line of a segment: which process this is, and how its clock maps to wall time."""

    schema: int
    run: str
    pid: int
    parent_pid: int
    host: str
    wall_ns: int
    pagewalk: str
    python: str
    release: str = ""
    level: str = "full"
    digest: str = "off"
    record_tokens: bool = False


class RoleTaken(Event, frozen=True):
    """The process started to act as `front_end`, `engine_core` or `worker` (`rank`).

    `dp_rank`: the data parallel engine that a worker belongs to.
    """

    role: str
    rank: int = 0
    detail: str = ""
    dp_rank: int | None = None


class ProbesInstalled(Event, frozen=True):
    """Which probe targets of one component are patched, and which are absent and why.

    `lines` (target -> first line of its `def`) are those of the engine's source that ran.
    """

    component: str
    present: list[str]
    absent: dict[str, str] = {}
    lines: dict[str, int] = {}


class ProbeFailed(Event, frozen=True):
    """A probe's reader raised; the probe was removed and its facts are missing from here on."""

    target: str
    error: str


class ExitSite(msgspec.Struct, frozen=True, omit_defaults=True):
    """One way out of a loop of an engine function: where, under which guard, of which class."""

    site: int
    function: str
    line: int
    guard: str
    kind: str
    loop: str = ""
    names: list[str] = []


class ExitsDeclared(Event, frozen=True):
    """The exits that the recompiled function marks; `ExitTaken.site` points in here."""

    file: str
    sites: list[ExitSite]


class RequestNamed(Event, frozen=True):
    """From here on `request` (an integer) stands for the engine's internal request id `id`."""

    request: int
    id: str


class Dropped(Event, frozen=True):
    """`count` events were lost before this one. Replay is unknown until the next `StateDumped`."""

    count: int
    reason: str


class SegmentEnded(Event, frozen=True):
    """The process closed its segment in order."""

    reason: str = ""
