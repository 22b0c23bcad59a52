"""`pagewalk collect` and `pagewalk clock`: what several hosts recorded -> one trace, one clock.

Exit codes of `collect`: 0 all is there; 2 a mistake in the call; 3 something is missing, which
the trace says from then on.
"""

from __future__ import annotations

import socket
import sys
from typing import Annotated

import typer

from pagewalk.capture.handshake import PORT, ROUNDS, ask, parse_address, serve
from pagewalk.cli_common import OK, UNKNOWN, AsJson, number, print_json
from pagewalk.collect.merge import Collected
from pagewalk.collect.merge import collect as join
from pagewalk.errors import PagewalkError
from pagewalk.term import collect as term
from pagewalk.term.console import make_console
from pagewalk.term.words import duration

clock_app = typer.Typer(rich_markup_mode=None)


def collect(
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SOURCE...",
            show_default=False,
            help="Trace directories, or URLs of them: one of each host, say.",
        ),
    ] = None,
    out: Annotated[
        str, typer.Option(metavar="TRACE", help="A new directory for the whole, or its URL.")
    ] = "",
    as_json: AsJson = False,
) -> int:
    """Join the segments of several hosts into one trace, and say what is missing."""
    if not sources:
        raise PagewalkError(
            "no-source", "Say what to collect: `pagewalk collect DIR_OR_URL... --out TRACE`."
        )
    if not out:
        raise PagewalkError("no-target", "Say where to: `pagewalk collect ... --out TRACE`.")
    collected = join(sources, out)
    if as_json:
        print_json(_plain(collected))
    else:
        term.show(make_console(), collected, out)
    return UNKNOWN if collected.lost else OK


@clock_app.command("serve")
def serve_clock(
    bind: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Where to listen.")
    ] = f"127.0.0.1:{PORT}",
    host: Annotated[
        str, typer.Option(metavar="NAME", help="This machine's name in the traces.")
    ] = "",
) -> int:
    """Tell other machines what time it is, until interrupted; they then share one clock."""

    def ready(address: tuple[str, int]) -> None:
        sys.stdout.write(f"the clock is served at {address[0]}:{address[1]}\n")
        sys.stdout.flush()

    serve(host or socket.gethostname(), parse_address(bind), ready)
    return OK


@clock_app.command("ask")
def ask_clock(
    address: Annotated[str, typer.Argument(metavar="HOST:PORT", help="Where a clock is served.")],
    rounds: Annotated[
        str, typer.Option("--rounds", metavar="N", help="Round trips; the quickest counts.")
    ] = str(ROUNDS),
    as_json: AsJson = False,
) -> int:
    """How far this machine's clock is from the one served there, and how sure that is."""
    found = ask(parse_address(address), max(1, number(rounds, "--rounds", ROUNDS)))
    if as_json:
        print_json(found)
        return OK
    sys.stdout.write(
        f"the monotonic clock of {found.reference} is {found.offset:+,} ns from this one, "
        f"at most {duration(found.error)} off ({found.rounds} round trips)\n"
    )
    return OK


def _plain(one: Collected) -> dict[str, object]:
    return {
        "segments": one.segments,
        "bytes": one.bytes,
        "runs": one.runs,
        "hosts": {
            name: {
                "segments": count,
                "clock_error_ns": one.clocks.hosts[name].error,
                "comparisons": one.clocks.hosts[name].comparisons,
            }
            for name, count in one.hosts.items()
        },
        "reference": one.clocks.reference,
        "clock_error_ns": one.clocks.error,
        "renumbered": one.renumbered,
        "lost": one.lost,
    }


__all__ = ["ask_clock", "clock_app", "collect", "serve_clock"]
