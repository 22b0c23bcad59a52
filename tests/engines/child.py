"""A function -> its result from a forked child, so that one import of vLLM serves many engines.

vLLM allows one engine per process and takes half a minute to import and start; a fork of a
process that has imported it takes seconds. The result comes back as JSON through a pipe, what
the child printed through a file, and a child that is late is killed by its process id.
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import os
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

TAIL = 6_000  # characters of a failed child's output that a test shows
# A child may be asked for its result long after its time limit, by when it has long been done.
# Then it still gets this long to hand it over: a pipe holds 64 KiB of it at a time.
GRACE = 60.0  # seconds


class ChildFailedError(AssertionError):
    """The child raised, died or was late; the message holds what it said."""


@dataclass(frozen=True)
class Child:
    """A running child: `result` waits for it."""

    name: str
    pid: int
    pipe: int
    log: Path
    deadline: float

    def result(self) -> Any:
        """What the function returned."""
        answer = self._read()
        if answer is None:
            os.kill(self.pid, signal.SIGKILL)
        os.close(self.pipe)
        _, status = os.waitpid(self.pid, 0)
        if answer is None:
            raise ChildFailedError(
                f"{self.name} was still running at its time limit\n{self._said()}"
            )
        try:
            outcome = json.loads(answer)
        except ValueError:
            code = os.waitstatus_to_exitcode(status)
            raise ChildFailedError(f"{self.name} died with {code}\n{self._said()}") from None
        if "traceback" in outcome:
            raise ChildFailedError(f"{self.name} raised\n{self._said()}\n{outcome['traceback']}")
        return outcome["result"]

    def _read(self) -> bytes | None:
        """All that the child wrote until it closed its end, None if time was up before."""
        parts = []
        deadline = max(self.deadline, time.monotonic() + GRACE)
        while (left := deadline - time.monotonic()) > 0:
            if not select.select([self.pipe], [], [], left)[0]:
                break
            part = os.read(self.pipe, 65536)
            if not part:
                return b"".join(parts)
            parts.append(part)
        return None

    def _said(self) -> str:
        with contextlib.suppress(OSError):
            return self.log.read_text(errors="replace")[-TAIL:]
        return ""


def start(name: str, log: Path, run: Callable[[], Any], timeout: float = 900.0) -> Child:
    """Fork a child that calls `run`; its result must be JSON."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        _in_child(writer, log, run)
    os.close(writer)
    return Child(name, pid, reader, log, time.monotonic() + timeout)


def _in_child(pipe: int, log: Path, run: Callable[[], Any]) -> NoReturn:
    """Never comes back into the test run, whatever happens."""
    try:
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.dup2(output, 1)
        os.dup2(output, 2)
        sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)  # noqa: SIM115
        faulthandler.enable(sys.stderr)
        try:
            outcome = {"result": run()}
            text = json.dumps(outcome)
        except BaseException:
            text = json.dumps({"traceback": traceback.format_exc()})
        with open(pipe, "w", closefd=False) as file:
            file.write(text)
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        # No exit handlers: they are those of the parent, and of an engine that is done with.
        os._exit(0)
