"""A trace directory -> its header and segments, as far as they can be read.

Nothing in a trace is trusted: what is missing or damaged is said in `Header.problems` or stands
as a `Gap` among the events, and only a trace that cannot be read at all is an error.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import msgspec

from pagewalk.errors import PagewalkError, plain
from pagewalk.trace.clocks import Clocks, clocks
from pagewalk.trace.codec import check_schema
from pagewalk.trace.events import (
    SCHEMA_VERSION,
    ClocksCompared,
    EngineConfigured,
    Event,
    ExitsDeclared,
    ProbeFailed,
    ProbesInstalled,
)
from pagewalk.trace.segment import MAX_LINE, Gap, Report, Segment, read_segment

_MAX_HEADER = 1024 * 1024
_NUMBERS = re.compile(r"\d{1,18}")


class HeaderFile(msgspec.Struct, frozen=True):
    """`header.json` as it is written when a run starts.

    What `pagewalk collect` joined has more: `also` are further runs, `lost` says what is missing.
    `device` is the name of the GPU, where whoever recorded the trace has added it.
    """

    schema: int = SCHEMA_VERSION
    run: str = ""
    pagewalk: str = ""
    wall_ns: int = 0
    command: list[str] | None = None
    level: str = ""
    digest: str = ""
    also: list[str] = []
    lost: list[str] = []
    device: str = ""


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """One engine of the trace: the segment it lived in, and how it was configured."""

    segment: str
    pid: int
    engine: int
    configured: EngineConfigured


@dataclass(frozen=True, slots=True)
class Header:
    """What is known about a run before any step: `header.json` and what the segments declare."""

    schema: int
    run: str
    pagewalk: str
    wall_ns: int
    command: tuple[str, ...] | None
    level: str
    digest: str
    record_tokens: bool
    releases: tuple[str, ...]
    engines: tuple[EngineFacts, ...]
    present: tuple[str, ...]
    absent: dict[str, str]
    failed: dict[str, str]
    exits: dict[str, tuple[ExitsDeclared, ...]]
    problems: tuple[str, ...]
    device: str = ""


class Placed(NamedTuple):
    """An event and the segment that gives meaning to its numbers."""

    segment: Segment
    event: Event | Gap


@dataclass(frozen=True, eq=False)
class Trace:
    """A recorded run."""

    path: Path
    header: Header
    segments: tuple[Segment, ...]

    def merged(self) -> list[Placed]:
        """All events of all processes by time; within a process, events of one time by `seq`."""
        placed = [Placed(segment, event) for segment in self.segments for event in segment.events]
        clock = {id(one): self.clocks.of(one.started).wall for one in self.segments}
        if len(self.clocks.hosts) > 1:
            placed.sort(key=lambda one: (clock[id(one.segment)](one.event.t), *_within(one)))
        else:
            placed.sort(key=lambda one: (one.event.t, *_within(one)))
        return placed

    @cached_property
    def clocks(self) -> Clocks:
        """How the clocks of its hosts lie to each other, and how sure that is."""
        told = ((one.started, one.facts_of(ClocksCompared)) for one in self.segments)
        return clocks((start, facts) for start, facts in told if start is not None)

    def engine_segments(self) -> list[tuple[Segment, int]]:
        """Every engine of the trace: its segment and its number there."""
        return [(segment, engine) for segment in self.segments for engine in segment.engines]


def _within(one: Placed) -> tuple[int, int]:
    return one.segment.pid, one.event.seq


def open_trace(path: Path | str, report: Report | None = None, max_line: int = MAX_LINE) -> Trace:
    """Read the trace in directory `path`; `report(bytes done, bytes in all)` follows it."""
    folder = trace_folder(Path(path))
    header, problems = _read_header(folder)
    files, strange = _segment_files(folder)
    problems += strange
    sizes = [file.stat().st_size for file in files]
    segments = []
    for index, file in enumerate(files):
        inner = None if report is None else _shifted(report, sum(sizes[:index]), sum(sizes))
        segments.append(read_segment(file, inner, max_line))
    problems += [*map(plain, header.lost)]
    problems += _segment_problems(segments, (header.run, *header.also))
    return Trace(folder, _merge(header, segments, problems), tuple(segments))


def trace_folder(path: Path) -> Path:
    """The directory that holds the segments, or one sentence on what to pass instead."""
    shown = _shown(path)
    try:
        if path.is_file():
            raise PagewalkError(
                "not-a-trace",
                f"{shown} is a file, and a trace is a directory: pass {_shown(path.parent)}",
            )
        if not path.is_dir():
            raise PagewalkError(
                "no-trace",
                f"there is no trace at {shown}: record one with "
                f"`pagewalk run --out {shown} -- <command>`",
            )
        if _is_trace(path):
            return path
        runs = [child for child in sorted(path.iterdir(), key=_natural) if _is_trace(child)]
    except (OSError, ValueError) as error:
        raise PagewalkError("unreadable", f"cannot read {shown}: {_cause(error)}") from None
    if len(runs) == 1:
        return runs[0]
    if runs:
        names = ", ".join(plain(run.name) for run in runs[:8]) + (", ..." if runs[8:] else "")
        raise PagewalkError(
            "several-traces",
            f"{shown} holds {len(runs)} traces ({names}): pass one of them, "
            f"for example {_shown(runs[-1])}",
        )
    raise PagewalkError(
        "empty-trace",
        f"{shown} holds no segment (<pid>-<n>.jsonl): no vLLM process wrote there; "
        "`pagewalk doctor` says whether the plugin is active",
    )


def _is_trace(path: Path) -> bool:
    return path.is_dir() and any(child.is_file() for child in path.glob("*.jsonl"))


def _natural(path: Path) -> tuple[list[int], str]:
    """`run-2` before `run-10`."""
    return [int(number) for number in _NUMBERS.findall(path.name)], path.name


def _segment_files(folder: Path) -> tuple[list[Path], list[str]]:
    try:
        found = sorted(folder.glob("*.jsonl"), key=_natural)
        # Opening a pipe would wait for ever for somebody to write into it.
        strange = [f"{plain(one.name)} is not a file" for one in found if not one.is_file()]
        return [one for one in found if one.is_file()], strange
    except OSError as error:
        raise PagewalkError(
            "unreadable", f"cannot read {_shown(folder)}: {_cause(error)}"
        ) from None


def _read_header(folder: Path) -> tuple[HeaderFile, list[str]]:
    path = folder / "header.json"
    if not path.is_file():
        return HeaderFile(), ["header.json is missing: the facts of the run are from the segments"]
    try:
        with path.open("rb") as file:
            text = file.read(_MAX_HEADER)
        loose = msgspec.json.decode(text)
        if isinstance(loose, dict) and isinstance(loose.get("schema"), int):
            check_schema(loose["schema"], path.name)
        return msgspec.convert(loose, HeaderFile), []
    except (OSError, msgspec.MsgspecError, ValueError, RecursionError):
        return HeaderFile(), ["header.json is damaged: the facts of the run are from the segments"]


def _segment_problems(segments: list[Segment], runs: tuple[str, ...]) -> list[str]:
    problems = []
    for segment in segments:
        name = plain(segment.name)
        if segment.started is None:
            problems.append(f"{name} does not begin with SegmentStarted")
        elif runs[0] and segment.started.run not in runs:
            problems.append(f"{name} belongs to another run, {plain(segment.started.run)}")
        if segment.gaps:
            problems.append(f"{name} has {len(segment.gaps)} gap(s): {segment.gaps[0].reason}")
        if segment.unknown_events:
            names = ", ".join(plain(one) for one in list(segment.unknown_events)[:8])
            count = sum(segment.unknown_events.values())
            problems.append(f"{name} has {count} event(s) of a newer pagewalk, skipped: {names}")
    return problems


def _merge(file: HeaderFile, segments: list[Segment], problems: list[str]) -> Header:
    """What `header.json` says, and where it says nothing, what the first segment says."""
    starts = [segment.started for segment in segments if segment.started is not None]
    first = starts[0] if starts else None
    engines = tuple(
        EngineFacts(segment.name, segment.pid, event.engine, event)
        for segment in segments
        for event in segment.facts_of(EngineConfigured)
    )
    installed = [event for one in segments for event in one.facts_of(ProbesInstalled)]
    failed = [event for one in segments for event in one.facts_of(ProbeFailed)]
    releases = [engine.configured.release for engine in engines] + [one.release for one in starts]
    return Header(
        schema=file.schema,
        run=file.run or (first.run if first else ""),
        pagewalk=file.pagewalk or (first.pagewalk if first else ""),
        wall_ns=file.wall_ns or (first.wall_ns if first else 0),
        command=None if file.command is None else tuple(file.command),
        level=file.level or (first.level if first else ""),
        digest=file.digest or (first.digest if first else ""),
        record_tokens=any(one.record_tokens for one in starts),
        releases=tuple(dict.fromkeys(release for release in releases if release)),
        engines=engines,
        present=tuple(dict.fromkeys(one for event in installed for one in event.present)),
        absent={target: why for event in installed for target, why in event.absent.items()},
        failed={event.target: event.error for event in failed},
        exits={
            segment.name: declared
            for segment in segments
            if (declared := tuple(segment.facts_of(ExitsDeclared)))
        },
        problems=tuple(problems),
        device=file.device,
    )


def _shifted(report: Report, before: int, size: int) -> Report:
    return lambda done, _: report(before + done, size)


def _shown(path: Path) -> str:
    """A path the user gave, whole, so that it can be copied; escaped if it is hostile."""
    text = str(path)
    return text if text.isprintable() else ascii(text)[1:-1]


def _cause(error: Exception) -> str:
    return plain(getattr(error, "strerror", None) or error)


__all__ = [
    "EngineFacts",
    "Gap",
    "Header",
    "Placed",
    "Segment",
    "Trace",
    "open_trace",
    "trace_folder",
]
