"""`pagewalk export`: a trace -> a file for Perfetto, Parquet tables, or OTLP/JSON spans."""

from __future__ import annotations

import gzip
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated, Any

import typer

from pagewalk.cli_common import OK, EngineIndex, TracePath, number, open_with_bar
from pagewalk.errors import PagewalkError, plain
from pagewalk.term.console import make_console
from pagewalk.term.wait import Report, waiting
from pagewalk.trace.read import Trace
from pagewalk.views.clock import Clock
from pagewalk.views.engines import Engine, pick_engine
from pagewalk.views.perfetto import perfetto
from pagewalk.views.rows_engine import rows
from pagewalk.views.rows_parquet import need_pyarrow, write_tables
from pagewalk.views.spans_otlp import otlp

Format = Annotated[
    str, typer.Option("--to", metavar="perfetto|parquet|otlp-json", help="The format to write.")
]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out", metavar="PATH", help="File (.gz compresses it), or directory for parquet."
    ),
]
Chosen = tuple[Engine, ...] | None
_DEFAULT = {"perfetto": "perfetto.json.gz", "parquet": "parquet", "otlp-json": "otlp.jsonl"}


def export(trace: TracePath, to: Format, out: Out = None, engine: EngineIndex = None) -> int:
    """Write a trace for Perfetto's UI, for DuckDB and pandas, or for an OpenTelemetry collector."""
    if to not in _DEFAULT:
        known = ", ".join(_DEFAULT)
        raise PagewalkError("unknown-format", f"{plain(to)} is no format: write --to {known}.")
    if to == "parquet":
        need_pyarrow()
    index = None if engine is None else number(engine, "--engine", 0)
    opened = open_with_bar(trace)
    # Without an engine there is nothing to export but processes; `pick_engine` says so.
    pick_engine(opened, index if index is not None else 0)
    chosen = None if index is None else (pick_engine(opened, index),)
    path = out if out is not None else Path(f"{opened.path.name or 'trace'}.{_DEFAULT[to]}")
    if opened.path.resolve() in (path.resolve(), *path.resolve().parents):
        raise PagewalkError(
            "into-the-trace", f"{_shown(path)} is in the trace itself: pass another --out."
        )
    with waiting(f"writing {to}", make_console(sys.stderr)) as report:
        told = _WRITERS[to](opened, chosen, path, report)
    sys.stdout.write(f"{_shown(path)}: {told}\n")
    for problem in opened.header.problems:
        sys.stderr.write(f"pagewalk: the trace is not whole: {problem}\n")
    return OK


def _perfetto(trace: Trace, chosen: Chosen, path: Path, report: Report) -> str:
    with _file(path) as file:
        file.write('{"displayTimeUnit":"ns","otherData":')
        file.write(_json(_facts(trace)))
        file.write(',"traceEvents":[\n')
        count = _lines(file, perfetto(trace, chosen, report), ",\n")
        file.write("\n]}\n")
    return f"{count} events for Perfetto"


def _otlp(trace: Trace, chosen: Chosen, path: Path, report: Report) -> str:
    with _file(path) as file:
        count = _lines(file, otlp(trace, chosen, report), "\n")
        file.write("\n" if count else "")
    return f"{count} requests as OTLP/JSON, one ExportTraceServiceRequest a line"


def _parquet(trace: Trace, chosen: Chosen, path: Path, report: Report) -> str:
    with _writing(path):
        path.mkdir(parents=True, exist_ok=True)
        counts = write_tables(path, rows(trace, chosen, report), _facts(trace))
    return ", ".join(f"{name} {count}" for name, count in counts.items())


_WRITERS: dict[str, Callable[[Trace, Chosen, Path, Report], str]] = {
    "perfetto": _perfetto,
    "parquet": _parquet,
    "otlp-json": _otlp,
}


def _facts(trace: Trace) -> dict[str, str]:
    """What a file says of itself; `zero_wall_ns` is the wall time of its time 0."""
    return {
        "pagewalk": trace.header.pagewalk,
        "run": trace.header.run,
        "vllm": ", ".join(trace.header.releases),
        "models": ", ".join(dict.fromkeys(one.configured.model for one in trace.header.engines)),
        "devices": ", ".join(dict.fromkeys(one.configured.device for one in trace.header.engines)),
        "zero_wall_ns": str(Clock(trace).zero),
        "problems": "; ".join(trace.header.problems),
    }


def _lines(file: IO[str], values: Iterable[Any], between: str) -> int:
    """Write values one by one as they are made; how many there were."""
    count = 0
    for value in values:
        file.write(between if count else "")
        file.write(_json(value))
        count += 1
    return count


def _json(value: Any) -> str:
    """In ASCII: no request id can play tricks on who looks at the file."""
    return json.dumps(value, allow_nan=False, separators=(",", ":"))


@contextmanager
def _file(path: Path) -> Iterator[IO[str]]:
    """A file that gets its name only once it is whole."""
    if path.is_dir():
        raise PagewalkError("is-a-directory", f"{_shown(path)} is a directory: --out names a file.")
    half = path.with_name(f"{path.name}.{os.getpid()}.part")
    with _writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with _opened(half, path.name.endswith(".gz")) as file:
                yield file
            half.replace(path)
        finally:
            half.unlink(missing_ok=True)


def _opened(path: Path, compressed: bool) -> IO[str]:
    if compressed:
        return gzip.open(path, "wt", encoding="ascii", compresslevel=6)
    return path.open("w", encoding="ascii")


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        why = plain(error.strerror or error)
        raise PagewalkError(
            "unwritable", f"Cannot write {_shown(path)}: {why}; pass another --out."
        ) from None


def _shown(path: Path) -> str:
    """A path the user gave, whole, so that it can be copied; escaped if it is hostile."""
    text = str(path)
    return text if text.isprintable() else ascii(text)[1:-1]


__all__ = ["export"]
