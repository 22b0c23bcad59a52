"""A command -> the same command, traced: its environment says where, the plugin does the rest."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

from pagewalk import __version__
from pagewalk.capture.header import HEADER, new_run
from pagewalk.capture.settings import Settings
from pagewalk.errors import PagewalkError
from pagewalk.trace.events import SCHEMA_VERSION


def run_command(
    command: list[str],
    out: Path,
    level: str = "full",
    record_tokens: bool = False,
    digest: str = "off",
) -> int:
    """Run `command` under tracing and return its exit code (128 + n if signal n ended it).

    Raises:
        PagewalkError: the trace directory cannot be made, or there is no such command.
    """
    settings = prepare(out, level, record_tokens, digest, command)
    try:
        child = subprocess.Popen(command, env={**os.environ, **settings.environment()})
    except FileNotFoundError as error:
        raise PagewalkError(
            "no-such-command",
            f"There is no command {command[0]!r}: give a program after `--`, as in "
            "`pagewalk run -- python my.py`.",
        ) from error
    except OSError as error:
        raise PagewalkError(
            "command-failed", f"{command[0]!r} could not be started: {error.strerror}."
        ) from error
    return _wait(child)


def prepare(
    out: Path, level: str, record_tokens: bool, digest: str, command: list[str] | None
) -> Settings:
    """Make the trace directory and its header for a run whose processes are still to start."""
    out = out.absolute()
    try:
        out.mkdir(parents=True, exist_ok=True)
        taken = any(out.iterdir())
    except OSError as error:
        raise PagewalkError(
            "directory-not-writable",
            f"The trace directory {out} cannot be made ({error.strerror}): "
            "name another one with --out.",
        ) from error
    if taken:
        raise PagewalkError(
            "directory-not-empty",
            f"The trace directory {out} is not empty: name a new one with --out.",
        )
    settings = Settings(out, level, record_tokens, digest, new_run())
    header = {
        "schema": SCHEMA_VERSION,
        "run": settings.run,
        "pagewalk": __version__,
        "wall_ns": time.time_ns(),
        # Arguments may hold keys and prompts: the program's name is all that is kept.
        "command": [Path(command[0]).name] if command else None,
        "level": level,
        "digest": digest,
    }
    try:
        (out / HEADER).write_text(json.dumps(header) + "\n")
    except OSError as error:
        raise PagewalkError(
            "directory-not-writable",
            f"The trace directory {out} cannot be written ({error.strerror}): "
            "name another one with --out.",
        ) from error
    return settings


def _wait(child: subprocess.Popen[bytes]) -> int:
    """Wait for the command. Ctrl-C reaches it too; it decides how to end."""
    while True:
        try:
            code = child.wait()
            return code if code >= 0 else 128 - code
        except KeyboardInterrupt:
            if child.poll() is None:
                child.send_signal(signal.SIGINT)
