"""A command -> the same command, traced: its environment says where, the plugin does the rest."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

from pagewalk.capture.header import HEADER, header_of, new_run
from pagewalk.capture.settings import CLOCK, HOST, Settings
from pagewalk.errors import PagewalkError


def run_command(
    command: list[str],
    out: Path,
    level: str = "full",
    record_tokens: bool = False,
    digest: str = "off",
    host: str = "",
    clock: str = "",
) -> int:
    """Run `command` under tracing and return its exit code (128 + n if signal n ended it).

    Raises:
        PagewalkError: the trace directory cannot be made, or there is no such command.
    """
    settings = prepare(out, level, record_tokens, digest, command, host, clock)
    try:
        child = subprocess.Popen(command, env={**os.environ, **settings.environment()})
    except FileNotFoundError as error:
        _take_back(out)
        raise PagewalkError(
            "no-such-command",
            f"There is no command {command[0]!r}: give a program after `--`, as in "
            "`pagewalk run -- python my.py`.",
        ) from error
    except OSError as error:
        _take_back(out)
        raise PagewalkError(
            "command-failed", f"{command[0]!r} could not be started: {error.strerror}."
        ) from error
    return _wait(child)


def prepare(
    out: Path,
    level: str,
    record_tokens: bool,
    digest: str,
    command: list[str] | None,
    host: str = "",
    clock: str = "",
) -> Settings:
    """Make the trace directory and its header for a run whose processes are still to start.

    Without a `host` or a `clock` that of the environment holds, as in a process that the plugin
    traces.
    """
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
    host = host or os.environ.get(HOST, "")
    clock = clock or os.environ.get(CLOCK, "")
    settings = Settings(out, level, record_tokens, digest, new_run(), host, clock)
    header = header_of(settings.run, command, level, digest)
    try:
        (out / HEADER).write_text(header)
    except OSError as error:
        raise PagewalkError(
            "directory-not-writable",
            f"The trace directory {out} cannot be written ({error.strerror}): "
            "name another one with --out.",
        ) from error
    return settings


def _take_back(out: Path) -> None:
    """Remove the trace that will not be, so that the next attempt finds the directory empty."""
    with contextlib.suppress(OSError):
        (out / HEADER).unlink()


def _wait(child: subprocess.Popen[bytes]) -> int:
    """Wait for the command. Ctrl-C at a terminal reaches it too; it decides how to end."""
    with _passing_on(child):
        while True:
            try:
                code = child.wait()
                return code if code >= 0 else 128 - code
            except KeyboardInterrupt:
                # A terminal interrupts the whole group; a second signal would cut short the
                # orderly end of a server. Anybody else interrupts this process alone.
                if child.poll() is None and not os.isatty(0):
                    child.send_signal(signal.SIGINT)


@contextlib.contextmanager
def _passing_on(child: subprocess.Popen[bytes]) -> Iterator[None]:
    """What ends this process from outside must end the traced server: nobody else knows of it."""

    def pass_on(number: int, frame: object) -> None:
        child.send_signal(number)

    before = {}
    for number in (signal.SIGTERM, signal.SIGHUP):
        with contextlib.suppress(ValueError):  # not the main thread: nothing to pass on there
            before[number] = signal.signal(number, pass_on)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
