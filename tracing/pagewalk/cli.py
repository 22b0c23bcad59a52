"""The command line: parses, calls a view, prints it.

Exit codes: 0 all is well; 1 a law is broken or replay differs from the live engine (`check`), two
traces differ (`diff`), a claim does not hold (`claims`), an excerpt has changed (`excerpts`), or
tracing will not work in full here (`doctor`); 2 a mistake in the call, said in one sentence; 3 the
trace could not be checked or collected in full, because something was lost (`check`, `collect`);
130 interrupted; 141 whoever read the output has closed it. `run` returns the exit code of the
command it ran.
"""

from __future__ import annotations

import os
import sys
import traceback
from functools import cache
from typing import Annotated, Any

import typer

from pagewalk import (
    __version__,
    cli_claims,
    cli_collect,
    cli_diff,
    cli_doctor,
    cli_excerpt,
    cli_export,
    cli_open,
    cli_read,
    cli_run,
    cli_traces,
)
from pagewalk.cli_common import MISTAKE, OK
from pagewalk.errors import PagewalkError

INTERRUPTED, UNREAD = 130, 141
_EPILOG = (
    "Exit codes: 0 all is well; 1 a law is broken, replay or two traces differ, a claim fails, "
    "an excerpt has changed, or a probe does not fit; "
    "2 a mistake in the call; 3 not all could be checked. `run` returns its command's own."
)

app = typer.Typer(
    name="pagewalk",
    epilog=_EPILOG,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command(
    "run",
    # Everything from the first word on belongs to the command, its options too.
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)(cli_run.run)
for _name in ("show", "requests", "request", "blocks", "why", "check"):
    app.command(_name)(getattr(cli_read, _name))
app.command("diff")(cli_diff.diff)
app.command("collect")(cli_collect.collect)
app.add_typer(cli_collect.clock_app, name="clock", help="Compare the clocks of machines.")
app.command("open")(cli_open.open_report)
app.command("export")(cli_export.export)
app.command("excerpt")(cli_excerpt.excerpt)
app.add_typer(cli_excerpt.app, name="excerpts", help="Hold the excerpts of the pages to a release.")
app.add_typer(cli_traces.app, name="traces", help="Record the traces of the pages, or list them.")
app.command("claims")(cli_claims.claims)
app.command("doctor")(cli_doctor.doctor)


def _version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"pagewalk {__version__}\n")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Watch a live vLLM engine: record it exactly, replay it, ask it why."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code; no traceback ever reaches the user."""
    try:
        return _main(sys.argv[1:] if arguments is None else arguments)
    except PagewalkError as error:
        return _say(str(error), MISTAKE)
    except KeyboardInterrupt:
        return INTERRUPTED
    except (BrokenPipeError, SystemExit):
        # The parser and rich exit where the reader of our output has gone, and only there.
        return _unread()
    except Exception as error:
        if os.environ.get("PAGEWALK_DEBUG"):
            traceback.print_exc()
        return _say(
            f"internal: something in pagewalk itself went wrong ({type(error).__name__}). Please "
            "report it to the project, with what the same command says under PAGEWALK_DEBUG=1.",
            MISTAKE,
        )


def _main(arguments: list[str]) -> int:
    try:
        code = _command().main(arguments or ["--help"], prog_name="pagewalk", standalone_mode=False)
    except typer.Abort:
        return INTERRUPTED
    except Exception as error:
        # The parser's own errors; where they live differs between releases of typer.
        message = getattr(error, "format_message", None)
        if message is None:
            raise
        return _say(f"{message().rstrip('.')}: `{_path(error)} --help` shows how.", MISTAKE)
    sys.stdout.flush()
    return code if isinstance(code, int) else OK


@cache
def _command() -> Any:
    # Made of every command's annotations: whoever calls `main` often need not wait for that.
    return typer.main.get_command(app)


def _unread() -> int:
    """Write what is left to nobody: Python would complain of it while it exits."""
    nobody = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nobody, sys.__stdout__.fileno() if sys.__stdout__ else 1)
    return UNREAD


def _path(error: Exception) -> str:
    context = getattr(error, "ctx", None)
    return context.command_path if context is not None else "pagewalk"


def _say(message: str, code: int) -> int:
    """One sentence on stderr, as the second half of a line that begins with our name."""
    sentence = " ".join(message.split())
    if not sentence.endswith((".", "!", "?")):
        sentence += "."
    if sentence[1:2].islower():
        sentence = sentence[0].lower() + sentence[1:]
    try:
        sys.stderr.write(f"pagewalk: {sentence}\n")
    except UnicodeEncodeError:
        sys.stderr.write(f"pagewalk: {ascii(sentence)[1:-1]}\n")
    return code


__all__ = ["app", "main"]

if __name__ == "__main__":
    sys.exit(main())
