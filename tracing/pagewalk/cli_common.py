"""What every command shares: opening a trace, picking requests and engines, printing JSON."""

from __future__ import annotations

import atexit
import json
import re
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from pagewalk.collect.places import is_url, local
from pagewalk.errors import PagewalkError, plain
from pagewalk.term.console import make_console
from pagewalk.term.wait import waiting
from pagewalk.trace.read import Trace, open_trace
from pagewalk.views.engines import Engine, engines
from pagewalk.views.identity import Identities, identities, resolve

OK, BROKEN, MISTAKE, UNKNOWN = 0, 1, 2, 3


def trace_place(text: str) -> Path:
    """The trace directory that a user names; one at a URL is fetched, and is gone at the end."""
    if not is_url(text):
        return Path(text)
    folder, lost = _held.enter_context(local(text))
    _fetched.add(folder)
    for one in lost:
        sys.stderr.write(f"pagewalk: {one}\n")
    return folder


def is_fetched(place: Path) -> bool:
    """Whether the trace came from a URL: what is written into it is gone at the end."""
    return place in _fetched


_fetched: set[Path] = set()
_held = ExitStack()
atexit.register(_held.close)

TracePath = Annotated[
    Path,
    typer.Argument(metavar="TRACE", parser=trace_place, help="The trace directory, or its URL."),
]
RequestId = Annotated[
    str,
    typer.Argument(
        metavar="ID", help="A request: the user's id, the engine's id, or a unique beginning."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]
EngineIndex = Annotated[
    str | None,
    typer.Option("--engine", metavar="N", help="Which engine, where data parallelism has several."),
]
_RANGE = re.compile(r"(\d{1,18})?(?:(\.\.|-|:)(\d{1,18})?)?")


def open_with_bar(path: Path) -> Trace:
    """Read the trace, with a progress bar on stderr if that takes long."""
    with waiting("reading the trace", make_console(sys.stderr)) as report:
        return open_trace(path, report)


def engine_of(trace: Trace, known: Identities, request: str) -> Engine | None:
    """The engine that took the request, None if it never reached one."""
    place = known.requests[request].engine
    return next((one for one in engines(trace) if (one.segment.name, one.number) == place), None)


def find(trace: Trace, wanted: str) -> tuple[Identities, tuple[str, ...]]:
    """The requests that a user means."""
    known = identities(trace)
    return known, resolve(known, wanted)


def print_json(value: Any) -> None:
    """One object on one line, in ASCII: no request id can play tricks on a terminal."""
    text = json.dumps(msgspec.to_builtins(value, str_keys=True), allow_nan=False)
    sys.stdout.write(text.replace("\x7f", "\\u007f") + "\n")


def step_range(text: str | None) -> tuple[int | None, int | None]:
    """`41`, `10-40`, `10..40`, `10-` or `-40` as first and last step."""
    if text is None:
        return None, None
    matched = _RANGE.fullmatch(text.strip())
    if matched is None or not any(matched.group(1, 3)):
        raise PagewalkError(
            "bad-range",
            f"{plain(text)} is no range of steps: write --step 41, --step 10-40 or --step 10-.",
        )
    first, dash, last = matched.groups()
    low = int(first) if first else None
    high = int(last) if last else (None if dash else low)
    if low is not None and high is not None and low > high:
        raise PagewalkError(
            "bad-range", f"{plain(text)} goes backwards: write --step {high}-{low}."
        )
    return low, high


def number(text: str, option: str, example: int) -> int:
    """A whole number from 0 on."""
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise PagewalkError("bad-number", f"{plain(text)} is no number: write {option} {example}.")
    return int(text)


def write_page(path: Path, text: str) -> Path:
    """Write beside the place, then move there: a report that is there is a whole one."""
    beside = path.with_name(f".{path.name}.part")
    try:
        if path.is_dir():
            raise IsADirectoryError
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)
    except IsADirectoryError:
        raise PagewalkError(
            "is-directory", f"{plain(path)} is a directory: name a file, as in --out report.html."
        ) from None
    except OSError as error:
        why = (error.strerror or type(error).__name__).lower()
        raise PagewalkError(
            "cannot-write",
            f"{plain(path)} cannot be written ({why}): say where else with --out FILE.",
        ) from error
    return path


__all__ = [
    "BROKEN",
    "MISTAKE",
    "OK",
    "UNKNOWN",
    "AsJson",
    "EngineIndex",
    "RequestId",
    "TracePath",
    "engine_of",
    "find",
    "is_fetched",
    "number",
    "open_with_bar",
    "print_json",
    "step_range",
    "trace_place",
    "write_page",
]
