"""A scenario's command -> its trace: run under tracing, what it printed kept in a file."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from pathlib import Path

from pagewalk.capture.launch import prepare
from pagewalk.errors import PagewalkError, plain

_LOOK = 0.1  # seconds between two looks at a running scenario
_GRACE = 5.0  # that it gets to end in order


def play(
    command: list[str],
    out: Path,
    log: Path,
    *,
    host: str,
    limit: float,
    stop: threading.Event | None = None,
) -> int:
    """Run `command` with digests into `out` and return its exit code; nothing of it stays behind.

    The trace names neither this machine nor the interpreter's place. `stop` ends it early.

    Raises:
        PagewalkError: it cannot be started, or it was still running after `limit` seconds.
    """
    settings = prepare(out, "full", False, "hash", ["python"], host)
    environment = {**os.environ, **settings.environment()}
    with log.open("wb") as file:
        try:
            child = subprocess.Popen(
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                # A group of its own: an engine's processes end with it, whatever happens.
                start_new_session=True,
            )
        except OSError as error:
            raise PagewalkError(
                "command-failed", f"{plain(command[0])} could not be started: {error.strerror}."
            ) from error
        try:
            return _wait(child, limit, stop)
        finally:
            _end(child)


def _wait(child: subprocess.Popen[bytes], limit: float, stop: threading.Event | None) -> int:
    late = time.monotonic() + limit
    while time.monotonic() < late:
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = child.wait(_LOOK)
            return code if code >= 0 else 128 - code
        if stop is not None and stop.is_set():
            raise KeyboardInterrupt
    raise PagewalkError(
        "scenario-late",
        f"It was still running after {limit:.0f} seconds: make the scenario smaller, or give it "
        "more time with --limit.",
    )


def _end(child: subprocess.Popen[bytes]) -> None:
    """End what is left of the group, first in order, then at once."""
    if _signal(child, signal.SIGTERM):
        late = time.monotonic() + _GRACE
        while _signal(child, 0) and time.monotonic() < late:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(_LOOK)
            time.sleep(_LOOK)
        _signal(child, signal.SIGKILL)
    child.wait()


def _signal(child: subprocess.Popen[bytes], number: int) -> bool:
    """Whether any process of the group was there to be told."""
    try:
        os.killpg(child.pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


__all__ = ["play"]
