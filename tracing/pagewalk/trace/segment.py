"""One segment file -> its events in order, with a `Gap` wherever something is missing.

A segment may be torn, damaged or cut: it is read as far as it goes, and what is lost is said in
place. `seq` counts the lines of a segment without gaps, so a loss shows even where no trace of
the line is left.
"""

from __future__ import annotations

import gc
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import BinaryIO, TypeVar

from pagewalk.errors import PagewalkError, plain
from pagewalk.trace.codec import UnknownEventError, check_schema, decode
from pagewalk.trace.events import (
    ClocksCompared,
    EngineConfigured,
    Event,
    ExitsDeclared,
    ProbeFailed,
    ProbesInstalled,
    RequestNamed,
    RoleTaken,
    SegmentEnded,
    SegmentStarted,
)

# A whole state dump of a pool of a million blocks is about 60 MB; longer lines are damage.
MAX_LINE = 256 * 1024 * 1024
_FILE_NAME = re.compile(r"(\d{1,10})-\d{1,10}\.jsonl")

# Events that describe the process: few, and asked for by readers that want no walk over all.
_FACTS = frozenset(
    (
        ClocksCompared,
        EngineConfigured,
        ExitsDeclared,
        ProbeFailed,
        ProbesInstalled,
        RequestNamed,
        RoleTaken,
    )
)
Kind = TypeVar("Kind", bound=Event)

Report = Callable[[int, int], None]
"""Called with (bytes done, bytes in all)."""


@dataclass(frozen=True, slots=True)
class Gap:
    """`count` lines from `seq` on are not in the segment (0: nobody knows how many), and why.

    Made by the reader, never written. Replay knows nothing from here to the next `StateDumped`.
    """

    segment: str
    seq: int
    reason: str
    count: int = 0
    t: int = 0
    tail: bool = False


@dataclass(frozen=True, eq=False)
class Segment:
    """What one process wrote: `events` in `seq` order with `Gap`s in place."""

    name: str
    pid: int
    started: SegmentStarted | None
    ended: bool
    events: list[Event | Gap]
    names: dict[int, str]
    roles: tuple[str, ...]
    engines: tuple[int, ...]
    gaps: tuple[Gap, ...]
    facts: tuple[Event, ...]
    unknown_events: dict[str, int]
    damaged_lines: int

    def request_id(self, request: int) -> str:
        """The engine's internal id of a request number; `?7` where its name was lost."""
        return self.names.get(request, f"?{request}")

    def facts_of(self, kind: type[Kind]) -> list[Kind]:
        """Events of one of the types that describe the process, in order."""
        return [fact for fact in self.facts if type(fact) is kind]


@dataclass(slots=True)
class _Reading:
    """What has been read of a segment so far."""

    events: list[Event]
    skipped: set[int]
    damage: list[tuple[int, str]]
    unknown: Counter[str]
    last: int = -1
    ordered: bool = True


def read_segment(path: Path, report: Report | None = None, max_line: int = MAX_LINE) -> Segment:
    """Read a segment file, whatever is in it; raises only where it cannot be opened at all."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            return read_stream(path.name, file, size, report, max_line)
    except OSError as error:
        raise PagewalkError(
            "unreadable",
            f"cannot read {plain(path, 300)}: {error.strerror}; check its permissions",
        ) from None


def read_stream(
    name: str, file: BinaryIO, size: int, report: Report | None = None, max_line: int = MAX_LINE
) -> Segment:
    """Read a segment from an open file of `size` bytes."""
    with _no_collection():
        return _segment(name, _read(file, size, report, max_line))


@contextmanager
def _no_collection() -> Iterator[None]:
    """Every event that is read is kept, so looking for garbage meanwhile only doubles the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _read(file: BinaryIO, size: int, report: Report | None, max_line: int) -> _Reading:
    reading = _Reading([], set(), [], Counter())
    done = 0
    for number, line in enumerate(_lines(file, max_line), 1):
        _take(reading, number, line)
        done += len(line)
        if report is not None and number % 4096 == 0:
            report(done, size)
    return reading


def _lines(file: BinaryIO, max_line: int) -> Iterator[bytes]:
    """The lines of a file; of one that is longer than `max_line`, only an empty shell."""
    while line := file.readline(max_line):
        if len(line) < max_line or line.endswith(b"\n"):
            yield line
            continue
        # No real line is that long: drop it piece by piece, never holding all of it.
        while (line := file.readline(max_line)) and not line.endswith(b"\n"):
            pass
        yield b""


def _take(reading: _Reading, number: int, line: bytes) -> None:
    if line.isspace():
        return
    try:
        event = decode(line)
    except UnknownEventError as error:
        reading.unknown[error.name] += 1
        reading.skipped.add(error.seq)
        seq = error.seq
    except PagewalkError as error:
        if error.slug == "unknown-schema":
            raise
        why = "it is too long" if not line else str(error)
        torn = "the last line is torn" if line and not line.endswith(b"\n") else ""
        reading.damage.append((reading.last, torn or f"line {number} is damaged: {why}"))
        return
    else:
        reading.events.append(event)
        seq = event.seq
    if seq != reading.last + 1:
        reading.ordered = False
    reading.last = seq


def _segment(name: str, reading: _Reading) -> Segment:
    conflicts: list[int] = []
    if not reading.ordered:
        conflicts = _put_in_order(reading)
    events: list[Event | Gap] = list(reading.events)
    if not reading.ordered or reading.damage:
        events = _with_gaps(name, reading, conflicts)
    first = reading.events[0] if reading.events else None
    started = first if isinstance(first, SegmentStarted) else None
    if started is not None:
        check_schema(started.schema, name)
    matched = _FILE_NAME.fullmatch(name)
    facts = [event for event in reading.events if type(event) in _FACTS]
    return Segment(
        name=name,
        pid=started.pid if started else int(matched[1]) if matched else 0,
        started=started,
        ended=any(isinstance(event, SegmentEnded) for event in reading.events[-1:]),
        events=events,
        names={fact.request: fact.id for fact in facts if type(fact) is RequestNamed},
        roles=tuple(dict.fromkeys(fact.role for fact in facts if type(fact) is RoleTaken)),
        engines=tuple(
            dict.fromkeys(fact.engine for fact in facts if type(fact) is EngineConfigured)
        ),
        gaps=tuple(event for event in events if type(event) is Gap),
        facts=tuple(fact for fact in facts if type(fact) is not RequestNamed),
        unknown_events=dict(reading.unknown),
        damaged_lines=len(reading.damage),
    )


def _put_in_order(reading: _Reading) -> list[int]:
    """Sort by `seq`, keep one of equal lines, and name each `seq` that two lines disagree on."""
    kept: list[Event] = []
    conflicts: list[int] = []
    for event in sorted(reading.events, key=attrgetter("seq")):
        if not kept or event.seq != kept[-1].seq:
            kept.append(event)
        elif event != kept[-1]:
            conflicts.append(event.seq)
    reading.events[:] = kept
    return conflicts


def _with_gaps(name: str, reading: _Reading, conflicts: list[int]) -> list[Event | Gap]:
    """Put a `Gap` wherever a `seq` is missing, doubted, or the end of the file is damaged."""
    placed: list[Event | Gap] = []
    doubted = set(conflicts)
    skipped = sorted(reading.skipped)
    expected, t = 0, 0
    for event in reading.events:
        missing = _missing(expected, event.seq, skipped)
        if missing:
            first = missing[0]
            placed.append(Gap(name, first, _why(reading, first, event.seq), missing[1], t))
        if event.seq in doubted:
            placed.append(Gap(name, event.seq, f"two different lines say seq {event.seq}", 0, t))
        placed.append(event)
        expected, t = event.seq + 1, event.t
    last = max(reading.last, expected - 1)
    tail = [why for after, why in reading.damage if after >= last]
    if tail:
        placed.append(Gap(name, last + 1, tail[0], 0, t, tail=True))
    return placed


def _missing(expected: int, found: int, skipped: list[int]) -> tuple[int, int] | None:
    """The first missing `seq` and how many are, not counting lines of unknown events."""
    if expected == found:
        return None
    known = {seq for seq in skipped if expected <= seq < found}
    count = found - expected - len(known)
    if count <= 0:
        return None
    first = expected
    while first in known:
        first += 1
    return first, count


def _why(reading: _Reading, first: int, found: int) -> str:
    """The reason for a hole: the damage that was met there, or that lines are just not there."""
    reasons = [why for after, why in reading.damage if first - 1 <= after < found]
    if reasons:
        return reasons[0]
    if found - first == 1:
        return f"the line with seq {first} is missing"
    return f"the lines from seq {first} to {found - 1} are missing"


__all__ = ["MAX_LINE", "Gap", "Report", "Segment", "read_segment", "read_stream"]
