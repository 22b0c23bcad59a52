"""A trace directory -> its replayed run and what is known of it, read once in a process."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from weakref import WeakKeyDictionary

from pagewalk.errors import PagewalkError, plain
from pagewalk.pages.once import once
from pagewalk.trace.events import ExecutionStarted, RoleTaken
from pagewalk.views.evidence import Run, replayed

_MOST = 256  # traces kept: the list of claims asks for all of them, then each page for its own
_runs: dict[Path, tuple[object, Run]] = {}
_known: WeakKeyDictionary[Run, Provenance] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a trace comes from. `live`: a model ran; else a scheduler was fed by hand."""

    release: str
    device: str
    date: str
    live: bool

    @property
    def place(self) -> str:
        """On which device a model ran, or that none did."""
        return self.device or "?" if self.live else "scheduler alone"


def run_of(path: Path) -> Run:
    """The run of a trace; the same object until a file of the trace changes."""
    key = stamp(path)
    kept = _runs.get(path)
    if kept is not None and kept[0] == key:
        return kept[1]
    run = replayed(path)
    _runs.pop(path, None)
    while len(_runs) >= _MOST:
        del _runs[next(iter(_runs))]
    _runs[path] = (key, run)
    return run


def stamp(path: Path) -> tuple[tuple[str, int, int], ...]:
    """The files of a trace with their sizes and times: another stamp, another trace."""
    return once(("stamp", path), lambda: _stamp(path))


def _stamp(path: Path) -> tuple[tuple[str, int, int], ...]:
    try:
        files = [(one.name, one.stat()) for one in sorted(path.iterdir()) if one.is_file()]
    except OSError as error:
        raise PagewalkError(
            "no-trace", f"{plain(path, 120)} cannot be read ({type(error).__name__}): check it."
        ) from error
    return tuple((name, one.st_size, one.st_mtime_ns) for name, one in files)


def provenance(run: Run) -> Provenance:
    """Release, device and date of a run."""
    known = _known.get(run)
    if known is None:
        known = _known[run] = _provenance(run)
    return known


def _provenance(run: Run) -> Provenance:
    configured = run.engine.configured
    live = any(
        isinstance(event, ExecutionStarted)
        or (isinstance(event, RoleTaken) and event.role == "worker")
        for segment in run.trace.segments
        for event in segment.events
    )
    return Provenance(
        plain(configured.release or "?"),
        plain(configured.device),
        _date(run.trace.header.wall_ns),
        live,
    )


def _date(wall_ns: int) -> str:
    try:
        return datetime.fromtimestamp(wall_ns / 1e9, UTC).strftime("%Y-%m-%d")
    except (OverflowError, OSError, ValueError):
        return "?"


__all__ = ["Provenance", "provenance", "run_of", "stamp"]
