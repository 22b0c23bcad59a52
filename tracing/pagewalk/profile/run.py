"""A `with` block -> every function call of the vLLM processes in it, a file for each process."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pagewalk.errors import PagewalkError
from pagewalk.profile import hook
from pagewalk.profile.hook import DIRECTORY, ENTRIES, FUNCTIONS, READY, START, STOP
from pagewalk.variables import in_environment

PATIENCE = 120.0
_NAME = "pagewalk-profile"
_GROUP = f"[vllm.general_plugins]\n{_NAME} = pagewalk.profile.hook:register\n"


@dataclass(frozen=True)
class Profiling:
    """The processes that listen, and where they write to."""

    directory: Path

    def start(self) -> None:
        """Start in all processes of the engine; this one last, so that it sees no waiting."""
        self._tell(START)
        os.kill(os.getpid(), START)

    def stop(self) -> tuple[Path, ...]:
        """Stop everywhere; the files of calls, once all are written."""
        os.kill(os.getpid(), STOP)
        told = self._tell(STOP)
        deadline = time.monotonic() + PATIENCE
        wanted = [self.directory / f"{pid}{FUNCTIONS}" for pid in (os.getpid(), *told)]
        while not all(one.exists() for one in wanted):
            if time.monotonic() > deadline:
                late = next(one.name for one in wanted if not one.exists())
                raise PagewalkError(
                    "profile-late",
                    f"{late} was not written within {PATIENCE:.0f} s: let the processes keep "
                    "fewer entries.",
                )
            time.sleep(0.02)
        return tuple(wanted)

    def _tell(self, number: signal.Signals) -> list[int]:
        listening = [
            pid
            for one in sorted(self.directory.glob(f"*{READY}"))
            if (pid := int(one.name.removesuffix(READY))) != os.getpid() and _listens(pid, number)
        ]
        for pid in listening:
            os.kill(pid, number)
        return listening


@contextmanager
def profiling(directory: Path, entries: int = 1_000_000) -> Iterator[Profiling]:
    """Let the engine's processes, built inside the block, be profiled into `directory`.

    `entries`: how many calls each process keeps, the last ones. One takes about 100 bytes.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="pagewalk-profile-") as path:
        _write_plugin(Path(path))
        paths = [path, *filter(None, [os.environ.get("PYTHONPATH")])]
        changes = {
            DIRECTORY: str(directory.resolve()),
            ENTRIES: str(entries),
            "PYTHONPATH": os.pathsep.join(paths),
        }
        if "VLLM_PLUGINS" in os.environ:
            changes["VLLM_PLUGINS"] = ",".join(filter(None, [os.environ["VLLM_PLUGINS"], _NAME]))
        # A spawned child gets this process's `sys.path`, any other one what PYTHONPATH says.
        sys.path.append(path)
        try:
            with in_environment(changes):
                hook.register()
                yield Profiling(directory.resolve())
        finally:
            sys.path.remove(path)


def _write_plugin(path: Path) -> None:
    """What vLLM looks for when it asks which plugins are installed."""
    folder = path / f"{_NAME.replace('-', '_')}-0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {_NAME}\nVersion: 0\n")
    (folder / "entry_points.txt").write_text(_GROUP)


def _listens(pid: int, number: signal.Signals) -> bool:
    """Whether the process is alive and has a handler: without one the signal would end it."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught.split()[1], 16) >> (number - 1) & 1)


__all__ = ["Profiling", "profiling"]
