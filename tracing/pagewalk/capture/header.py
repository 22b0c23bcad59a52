"""Settings -> the directory of this run: made once, joined by every process of the run."""

from __future__ import annotations

import json
import os
import secrets
import time
from pathlib import Path

from pagewalk import __version__
from pagewalk.capture.settings import RUN, Settings
from pagewalk.trace.events import SCHEMA_VERSION

HEADER = "header.json"


def new_run() -> str:
    """An id that joins the processes of one run."""
    return secrets.token_hex(8)


def claim_directory(settings: Settings) -> tuple[Path, str]:
    """The directory to write to and the run's id. Raises OSError if it cannot be written.

    The first process of a run writes the header and tells its children through the
    environment. A directory that holds another run already gets a `run-N` folder in it.
    """
    run, _, place = os.environ.get(RUN, "").partition(":")
    if settings.run or (run and place):
        directory = Path(place) if place else settings.directory
        directory.mkdir(parents=True, exist_ok=True)
        _write_header(directory, settings.run or run, settings)
        return directory, settings.run or run
    run = new_run()
    directory = settings.directory
    for attempt in range(2, 10_000):
        directory.mkdir(parents=True, exist_ok=True)
        if _write_header(directory, run, settings):
            break
        directory = settings.directory / f"run-{attempt}"
    os.environ[RUN] = f"{run}:{directory}"
    return directory, run


def _write_header(directory: Path, run: str, settings: Settings) -> bool:
    """Write the header unless there is one; whether this call wrote it."""
    text = json.dumps(
        {
            "schema": SCHEMA_VERSION,
            "run": run,
            "pagewalk": __version__,
            "wall_ns": time.time_ns(),
            "command": None,
            "level": settings.level,
            "digest": settings.digest,
        }
    )
    try:
        fd = os.open(directory / HEADER, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    except FileExistsError:
        return False
    with os.fdopen(fd, "w") as file:
        file.write(text + "\n")
    return True
