"""Trace directories -> one, with every segment in it, and a list of what could not be had."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from pagewalk import __version__
from pagewalk.collect.numbers import Group, group, settle
from pagewalk.collect.places import HEADER, is_url, local, push, refuse_used, shown
from pagewalk.errors import PagewalkError, plain
from pagewalk.trace.clocks import Clocks, clocks
from pagewalk.trace.codec import decode, encode
from pagewalk.trace.events import SCHEMA_VERSION, ClocksCompared, SegmentStarted
from pagewalk.trace.read import HeaderFile, trace_folder

_FIRST_LINE = 1 << 20
_COMPARED = b'{"e":"ClocksCompared",'


@dataclass(frozen=True, slots=True)
class Collected:
    """What became of the sources: the segments by host, how their clocks lie, and what is lost.

    `renumbered` are hosts whose processes got other numbers, because another host had them. `why`
    says for whoever collects what was wrong with each source that could not be read.
    """

    segments: int
    bytes: int
    runs: tuple[str, ...]
    hosts: dict[str, int]
    renumbered: tuple[str, ...]
    clocks: Clocks
    lost: tuple[str, ...]
    why: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Segment:
    """One file of a source. `start` is its first line, None where that cannot be read.

    `body` is where the second line begins.
    """

    path: Path
    start: SegmentStarted | None
    body: int


def collect(sources: Sequence[str], out: str) -> Collected:
    """Put the segments of all sources into the directory or URL `out`, which must be new.

    Raises:
        PagewalkError: `out` is in use or cannot be written, or no source has a segment.
    """
    with _target(out) as folder, ExitStack() as held:
        lost: list[str] = []
        why: list[str] = []
        found: list[list[_Segment]] = []
        headers: list[HeaderFile] = []
        for source in sources:
            name = shown(source).rstrip("/").rsplit("/", 1)[-1]
            try:
                place, missing = held.enter_context(local(source))
                place = trace_folder(place)
                found.append([_read(path) for path in _files(place)])
            except PagewalkError as error:
                # The header travels, and the whole sentence may hold a path of this machine.
                lost.append(f"nothing came from {name} ({error.slug})")
                why.append(str(error))
                continue
            headers.append(_header(place))
            lost += [f"from {name}: {one}" for one in (*missing, *headers[-1].lost)]
        if not any(found):
            raise PagewalkError("nothing-collected", f"There is nothing to collect: {why[0]}")
        return replace(_write(folder, found, headers, lost), why=tuple(why))


def _write(
    folder: Path, found: list[list[_Segment]], headers: list[HeaderFile], lost: list[str]
) -> Collected:
    groups: list[Group] = []
    # By the first line as it was found: another source may have the very same segment.
    kept: dict[SegmentStarted, tuple[Path, SegmentStarted]] = {}
    for segments in found:
        fresh = [one for one in segments if not _repeats(one, kept, lost)]
        starts = [(one.path.name, one.start) for one in fresh if one.start is not None]
        mine = {host: settle(one, groups) for host, one in group(starts).items()}
        groups += mine.values()
        for one in fresh:
            start = mine[one.start.host].start(one.start) if one.start is not None else None
            target = _free(folder, one.path.name, start)
            _copy(one, target, start, lost)
            if one.start is None or start is None:
                lost.append(f"{plain(one.path.name)} does not say who wrote it")
            else:
                kept[one.start] = target, start
    told = [(start, list(_comparisons(path))) for path, start in kept.values()]
    known = [run for one in headers for run in (one.run, *one.also) if run]
    runs = tuple(dict.fromkeys([*known, *(start.run for start, _ in told)]))
    (folder / HEADER).write_text(_joined(headers, runs, lost))
    files = list(folder.glob("*.jsonl"))
    return Collected(
        len(files),
        sum(one.stat().st_size for one in files),
        runs,
        dict(Counter(start.host for start, _ in told)),
        tuple(dict.fromkeys(one.name for one in groups if one.number)),
        clocks(told),
        tuple(lost),
    )


def _files(folder: Path) -> list[Path]:
    """The segments of a directory. Opening a pipe would wait for ever for a writer."""
    return [one for one in sorted(folder.glob("*.jsonl")) if one.is_file()]


def _read(path: Path) -> _Segment:
    with path.open("rb") as file:
        line = file.readline(_FIRST_LINE)
    start = None
    if line.endswith(b"\n"):
        with suppress(PagewalkError):
            start = decode(line)
    return _Segment(path, start if isinstance(start, SegmentStarted) else None, len(line))


def _repeats(
    one: _Segment, kept: dict[SegmentStarted, tuple[Path, SegmentStarted]], lost: list[str]
) -> bool:
    """Whether another source had this very segment. The longer copy of the two is kept."""
    known = kept.get(one.start) if one.start is not None else None
    if known is None:
        return False
    path, start = known
    if one.path.stat().st_size - one.body > path.stat().st_size - _read(path).body:
        path.unlink()
        _copy(one, path, start, lost)
    return True


def _free(folder: Path, name: str, start: SegmentStarted | None) -> Path:
    """A name for the segment among those collected, by the number that its process now has."""
    stem, _, number = name.removesuffix(".jsonl").rpartition("-")
    if start is not None and stem.isdecimal():
        stem = str(start.pid)
    place, count = folder / f"{stem or 'segment'}-{number}.jsonl", 0
    while place.exists():
        count += 1
        place = folder / f"{stem or 'segment'}-{count}.jsonl"
    return place


def _copy(one: _Segment, target: Path, start: SegmentStarted | None, lost: list[str]) -> None:
    """Copy the segment, `start` being its first line from now on. What cannot be read is said."""
    try:
        with one.path.open("rb") as source, target.open("xb") as file:
            if start is not None and start != one.start:
                source.seek(one.body)
                file.write(encode(start))
            shutil.copyfileobj(source, file)
    except OSError as error:
        lost.append(f"{plain(one.path.name)} was not copied in whole: {error.strerror}")


def _comparisons(path: Path) -> Iterator[ClocksCompared]:
    with path.open("rb") as file:
        for line in file:
            if line.startswith(_COMPARED):
                with suppress(PagewalkError):
                    event = decode(line)
                    if isinstance(event, ClocksCompared):
                        yield event


def _header(folder: Path) -> HeaderFile:
    try:
        return msgspec.json.decode((folder / HEADER).read_bytes(), type=HeaderFile)
    except (OSError, msgspec.MsgspecError, ValueError):
        return HeaderFile()


def _joined(headers: Iterable[HeaderFile], runs: tuple[str, ...], lost: Sequence[str]) -> str:
    """The header of all: what holds for every source, and every run in it."""
    known = [one for one in headers if one.run]
    first = known[0] if known else HeaderFile()
    levels, digests = {one.level for one in known}, {one.digest for one in known}
    content = {
        "schema": SCHEMA_VERSION,
        "run": runs[0] if runs else "",
        "pagewalk": __version__,
        "wall_ns": min((one.wall_ns for one in known), default=0),
        "command": first.command,
        "level": first.level if len(levels) == 1 else "lean",
        "digest": first.digest if len(digests) == 1 else "off",
        "also": list(runs[1:]),
        "lost": list(lost),
    }
    return json.dumps(content) + "\n"


@contextmanager
def _target(out: str) -> Iterator[Path]:
    """A new directory to collect into; for a URL one that is copied there at the end."""
    if is_url(out):
        refuse_used(out)
        folder = Path(tempfile.mkdtemp(prefix="pagewalk-collected-"))
        try:
            yield folder
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        push(folder, out)
        shutil.rmtree(folder, ignore_errors=True)
        return
    folder = Path(out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        used = any(folder.iterdir())
    except OSError as error:
        raise PagewalkError(
            "directory-not-writable",
            f"{plain(folder, 300)} cannot be used ({error.strerror}): name another one with --out.",
        ) from error
    if used:
        raise PagewalkError(
            "directory-not-empty",
            f"{plain(folder, 300)} is not empty: name a new directory with --out.",
        )
    yield folder


__all__ = ["Collected", "collect"]
