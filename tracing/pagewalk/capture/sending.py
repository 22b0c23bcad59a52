"""The end of a run that goes to a URL -> one copy of its segments there.

The first process of the run outlives the others, so it alone sends, and last of all. Whatever
becomes of it, the segments are on this machine: a process that is killed sends nothing.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

from pagewalk.capture.header import run_of
from pagewalk.capture.settings import RUN, Settings

logger = logging.getLogger("pagewalk")

SECONDS = 120  # that sending may hold up the end of the program
_LAST = -1000  # below zero: after multiprocessing has waited for the children


def send_at_exit(settings: Settings) -> None:
    """Send the run's segments when this process and its children have ended."""
    from multiprocessing.util import Finalize

    run = os.environ[RUN].partition(":")[0]
    Finalize(None, send, (settings.directory, run, settings.url, os.getpid()), exitpriority=_LAST)


def send(spool: Path, run: str, url: str, owner: int) -> bool:
    """Send what lies in the spool of that run; whether all went well. Raises nothing.

    A program of its own does it: at the end of this one, nothing may be started in it any more.
    """
    if os.getpid() != owner:
        return False
    folders = [spool, *sorted(spool.glob("run-*"))]
    mine = [one for one in folders if run_of(one) == run and any(one.glob("*.jsonl"))]
    if not mine:
        return False
    said = ""
    # A place that holds a run already keeps it, as a directory does.
    for target in (url, f"{url.rstrip('/')}/run-{run}"):
        command = [sys.executable, "-m", "pagewalk.cli", "collect", str(mine[0]), "--out", target]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=SECONDS, check=False
            )
        except (OSError, subprocess.SubprocessError) as error:
            said = str(error)
            break
        if done.returncode in (0, 3):
            return True
        said = done.stderr.strip()
        if "not an empty directory" not in said:
            break
    logger.warning("pagewalk could not send the trace (%s); it is in %s", said, mine[0])
    return False


__all__ = ["SECONDS", "send", "send_at_exit"]
