"""`pagewalk traces`: the scenarios of the pages -> their traces, recorded anew or listed.

Exit codes of `record`: 0 all recorded; 1 one was not (its scenario failed, a law or a claim does
not hold), and its old trace is in place; 2 a mistake in the call; 3 one could not be checked.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from pagewalk.capture.play import play
from pagewalk.cli_common import BROKEN, OK, UNKNOWN, AsJson, print_json
from pagewalk.errors import PagewalkError, plain
from pagewalk.pages.claims import book
from pagewalk.pages.record import Scenario, orphans, pick, scenarios
from pagewalk.pages.record_judge import HOST, Judged, UnknownError, judge_new
from pagewalk.pages.runs import provenance, run_of
from pagewalk.term import traces as term
from pagewalk.term.console import make_console

_MOST = 2  # scenarios at a time: an engine is busy with more than one thread
_TAIL = 2000  # characters of what a scenario printed that may hold its error

Docs = Annotated[Path, typer.Option(metavar="DIR", help="The folder of the pages.")]

app = typer.Typer(rich_markup_mode=None)


@dataclass(frozen=True, slots=True)
class Recorded:
    """One scenario and what became of it: recorded (`judged`), or why not."""

    stem: str
    seconds: float
    judged: Judged | None = None
    slug: str = ""
    why: str = ""
    unknown: bool = False


@app.command("record")
def record(
    stems: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[STEM...]", show_default=False, help="Which scenarios, default all."
        ),
    ] = None,
    docs: Docs = Path("walkthroughs"),
    models: Annotated[
        Path, typer.Option(metavar="DIR", help="Where tiny models are, or are made.")
    ] = Path("build/models"),
    limit: Annotated[
        int, typer.Option(metavar="SECONDS", min=1, help="What one scenario may take.")
    ] = 600,
    jobs: Annotated[
        int, typer.Option(metavar="1|2", min=1, max=_MOST, help="How many at a time.")
    ] = _MOST,
    as_json: AsJson = False,
) -> int:
    """Run scenarios, judge their traces and claims, and replace the traces of the pages."""
    wanted = pick(scenarios(docs), stems or ())
    _make_models(wanted, models)
    done: list[Recorded] = []
    with term.telling(len(wanted), make_console(sys.stderr)) as tell:
        for one in _each(wanted, jobs, lambda two, stop: _record(two, models, limit, stop)):
            done.append(one)
            tell(*_line(one))
    done.sort(key=lambda one: one.stem)
    if as_json:
        print_json({"traces": done})
    else:
        term.show_recorded(make_console(), [_line(one) for one in done])
    failed = [one for one in done if one.judged is None]
    if any(not one.unknown for one in failed):
        return BROKEN
    return UNKNOWN if failed else OK


@app.command("list")
def list_traces(docs: Docs = Path("walkthroughs"), as_json: AsJson = False) -> int:
    """List every scenario with its trace and its claims; 1 where something is missing."""
    found = scenarios(docs)
    rows = [_listed(one) for one in found]
    strays = orphans(docs, found)
    if as_json:
        print_json({"traces": rows, "without_scenario": strays})
    else:
        term.show_listed(make_console(), rows, strays)
    return BROKEN if strays or any(row.missing for row in rows) else OK


def _each(
    wanted: tuple[Scenario, ...],
    jobs: int,
    do: Callable[[Scenario, threading.Event], Recorded],
) -> Iterator[Recorded]:
    """The results as they come; an interrupt ends what is running, and leaves nothing behind."""
    stop = threading.Event()
    pool = ThreadPoolExecutor(jobs, "record")
    try:
        futures: list[Future[Recorded]] = [pool.submit(do, one, stop) for one in wanted]
        for future in as_completed(futures):
            yield future.result()
    finally:
        # A second interrupt, of one who is in a hurry, must not stop the tidying up.
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        stop.set()
        pool.shutdown(wait=True, cancel_futures=True)
        signal.signal(signal.SIGINT, before)


def _record(scenario: Scenario, models: Path, limit: float, stop: threading.Event) -> Recorded:
    """Record one scenario beside its old trace, and let it take the old one's place."""
    began = time.monotonic()

    def took() -> float:
        return round(time.monotonic() - began, 1)

    try:
        with _room(scenario) as room:
            new, log = room / "new", room / "log"
            command = scenario.command(sys.executable, models)
            code = play(command, new, log, host=HOST, limit=limit, stop=stop)
            if code:
                raise PagewalkError("scenario-failed", _failure(code, log))
            with _judging:
                judged = judge_new(scenario, new)
            _replace(new, scenario.trace, room / "old")
        return Recorded(scenario.stem, took(), judged)
    except PagewalkError as error:
        unknown = isinstance(error, UnknownError)
        return Recorded(scenario.stem, took(), None, error.slug, str(error), unknown)


_judging = threading.Lock()  # what is replayed and loaded is kept for the process, unguarded


@contextmanager
def _room(scenario: Scenario) -> Iterator[Path]:
    """A directory on the traces' own disk, so that the new trace can be moved there."""
    try:
        scenario.trace.parent.mkdir(parents=True, exist_ok=True)
        room = tempfile.TemporaryDirectory(prefix=".record-", dir=scenario.trace.parent)
    except OSError as error:
        raise PagewalkError(
            "directory-not-writable",
            f"{plain(scenario.trace.parent, 120)} cannot be written ({error.strerror}).",
        ) from error
    with room as path:
        yield Path(path)


def _replace(new: Path, place: Path, aside: Path) -> None:
    """Move the old trace aside and the new one there; if that fails the old one is back."""
    had = place.exists()
    if had:
        os.rename(place, aside)
    try:
        os.rename(new, place)
    except OSError as error:
        if had:
            os.rename(aside, place)
        raise PagewalkError(
            "cannot-write", f"{plain(place, 120)} cannot be replaced ({error.strerror})."
        ) from error


def _make_models(wanted: tuple[Scenario, ...], models: Path) -> None:
    from pagewalk.bed.models import CONFIGS, make

    for kind in dict.fromkeys(one.engine for one in wanted if one.engine and one.wants_model):
        if kind not in CONFIGS:
            raise PagewalkError(
                "no-such-model",
                f"There is no model {plain(kind)}: ENGINE is one of {', '.join(sorted(CONFIGS))}.",
            )
        make(kind, models / kind)


def _failure(code: int, log: Path) -> str:
    """The last thing that a scenario said before it ended with an error."""
    lines = log.read_text("utf-8", "replace")[-_TAIL:].strip().splitlines()
    said = f": {plain(lines[-1].strip(), 200)}" if lines else ", saying nothing"
    return f"The scenario ended with exit code {code}{said}"


def _line(one: Recorded) -> tuple[str, str, str]:
    """How one is told: what it is, a word with its style, and the rest of the sentence."""
    time = f"{one.seconds:.0f} s"
    if one.judged is None:
        return one.stem, "unsure" if one.unknown else "failed", one.why
    facts = [plain(fact, 100) for fact in one.judged.facts[:3]]
    more = len(one.judged.facts) - len(facts)
    rest = [f"{more} more"] if more else []
    steps, claims = one.judged.steps, one.judged.claims
    told = "; ".join([one.judged.told, ", ".join([*facts, *rest])] if facts else [one.judged.told])
    return one.stem, one.judged.outcome, f"{told} ({steps} steps, {claims} claims, {time})"


def _listed(scenario: Scenario) -> term.Listed:
    """One scenario as it is now."""
    missing = []
    try:
        claims = len(book(scenario.docs, scenario.stem).predicates)
    except PagewalkError as error:
        claims = 0
        missing.append("claims" if error.slug == "no-claims" else f"claims ({error.slug})")
    facts = ("", "", "", 0)
    try:
        run = run_of(scenario.trace)
        known = provenance(run)
        steps = sum(len(engine.steps) for engine in run.engines)
        facts = (known.date, known.release, known.place, steps)
    except PagewalkError as error:
        missing.append(f"trace ({error.slug})" if scenario.trace.is_dir() else "trace")
    return term.Listed(scenario.stem, *facts, claims, tuple(missing))


__all__ = ["app", "list_traces", "record"]
