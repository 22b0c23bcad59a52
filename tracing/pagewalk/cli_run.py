"""`pagewalk run`: a command -> the same command, traced, and where its trace lies."""

from __future__ import annotations

import shlex
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer

from pagewalk.capture.handshake import parse_address
from pagewalk.capture.launch import run_command
from pagewalk.capture.settings import DIGESTS, LEVELS
from pagewalk.collect.places import is_url, push, refuse_used, shown
from pagewalk.errors import PagewalkError, plain
from pagewalk.term.safe import escape
from pagewalk.term.words import count, size


def run(
    command: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="-- COMMAND...",
            show_default=False,
            help="Any program that uses vLLM, with its arguments.",
        ),
    ] = None,
    out: Annotated[
        str | None,
        typer.Option(
            metavar="DIR|URL",
            show_default=False,
            help="Where to, default pagewalk-trace-<time>. To a URL it is copied at the end.",
        ),
    ] = None,
    events: Annotated[
        str,
        typer.Option(
            metavar="lean|full",
            help="lean: what exact replay and `why` need. full: front end and workers too.",
        ),
    ] = "full",
    record_tokens: Annotated[
        bool, typer.Option("--record-tokens", help="Write token ids, which are private, as well.")
    ] = False,
    digest: Annotated[
        str,
        typer.Option(
            metavar="off|hash|full",
            help="Write the live engine's own state for `check` to compare: hashes of it, or all.",
        ),
    ] = "off",
    host: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Stands in the trace for this machine's name, else $PAGEWALK_HOST does.",
            show_default=False,
        ),
    ] = "",
    clock: Annotated[
        str,
        typer.Option(
            metavar="HOST:PORT",
            help="Compare this machine's clock with the one that `pagewalk clock serve` serves.",
            show_default=False,
        ),
    ] = "",
) -> int:
    """Run any command with tracing on, and return its exit code."""
    if not command:
        raise PagewalkError(
            "no-command",
            "Say what to run, after two dashes: `pagewalk run -- python my.py`.",
        )
    _one_of("--events", events, LEVELS)
    _one_of("--digest", digest, DIGESTS)
    if clock:
        parse_address(clock)
    place = out if out is not None else time.strftime("pagewalk-trace-%Y%m%d-%H%M%S")
    if is_url(place):
        return _run_to_url(command, place, events, record_tokens, digest, host, clock)
    _refuse_used(Path(place))
    code = run_command(command, Path(place), events, record_tokens, digest, host, clock)
    sys.stderr.write(f"pagewalk: {_ending(Path(place))}\n")
    return code


def _run_to_url(command: list[str], url: str, *settings: str | bool) -> int:
    """Record on this machine, which nothing can stop, and copy the whole when it is over."""
    refuse_used(url)
    folder = Path(tempfile.mkdtemp(prefix="pagewalk-run-"))
    place = folder / "trace"
    code = run_command(command, place, *settings)  # type: ignore[arg-type]
    if not any(place.glob("*.jsonl")):
        sys.stderr.write(f"pagewalk: {_ending(place)}\n")
        return code
    written = push(place, url)
    shutil.rmtree(folder, ignore_errors=True)
    where = escape(shlex.quote(shown(url)))
    sys.stderr.write(f"pagewalk: the trace is at {where} ({size(written)}); ")
    sys.stderr.write(f"next: pagewalk show {where}\n")
    return code


def _one_of(option: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise PagewalkError(
            "bad-option", f"{plain(value)} is no value of {option}: write {' or '.join(known)}."
        )


def _refuse_used(place: Path) -> None:
    """A trace is written once: never into something that is there already."""
    try:
        used = place.exists() and (not place.is_dir() or any(place.iterdir()))
    except (OSError, ValueError) as error:
        cause = getattr(error, "strerror", None) or error
        raise PagewalkError(
            "directory-not-writable",
            f"{plain(place)} cannot be used ({plain(cause)}): name another one with --out.",
        ) from error
    if used:
        raise PagewalkError(
            "directory-not-empty",
            f"{plain(place)} is there already and not an empty directory: name a new one with "
            "--out.",
        )


def _ending(place: Path) -> str:
    segments = list(place.glob("*.jsonl"))
    if not segments:
        return (
            f"no vLLM process wrote a trace to {escape(str(place))}: `pagewalk doctor` says "
            "whether the plugin is visible to this vLLM"
        )
    total = sum(one.stat().st_size for one in segments)
    written = f"{count(len(segments), 'process', 'processes')}, {size(total)}"
    shown = escape(shlex.quote(str(place)))
    return f"the trace is in {shown} ({written}); next: pagewalk show {shown}"


__all__ = ["run"]
