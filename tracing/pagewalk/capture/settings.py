"""The environment -> what to record, and where: the switches that every process inherits."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

DIRECTORY = "PAGEWALK"
EVENTS = "PAGEWALK_EVENTS"
RECORD_TOKENS = "PAGEWALK_RECORD_TOKENS"
DIGEST = "PAGEWALK_DIGEST"
HOST = "PAGEWALK_HOST"
RUN = "PAGEWALK_RUN"  # set by the first process of a run: "<run id>:<directory>"

LEVELS = ("lean", "full")
DIGESTS = ("off", "hash", "full")


@dataclass(frozen=True, slots=True)
class Settings:
    """What one process records. `run` joins the processes of one run.

    `host` stands in a trace for the name of the machine; "" is the real one. One name is taken
    to mean one clock, so two machines must not share it.
    """

    directory: Path
    level: str = "full"
    record_tokens: bool = False
    digest: str = "off"
    run: str = ""
    host: str = ""

    def environment(self) -> dict[str, str]:
        """The variables that make a child process record into the same trace."""
        return {
            DIRECTORY: str(self.directory),
            EVENTS: self.level,
            RECORD_TOKENS: "1" if self.record_tokens else "0",
            DIGEST: self.digest,
            RUN: f"{self.run}:{self.directory}",
            HOST: self.host,
        }


def from_environment(environ: Mapping[str, str] = os.environ) -> Settings | None:
    """The settings of this process, None where tracing is off.

    An unknown level or digest mode falls back to the default: a traced server must start.
    """
    directory = environ.get(DIRECTORY, "")
    if not directory:
        return None
    run, _, place = environ.get(RUN, "").partition(":")
    level = environ.get(EVENTS, "full")
    mode = environ.get(DIGEST, "off")
    return Settings(
        directory=Path(place if run and place else directory).absolute(),
        level=level if level in LEVELS else "full",
        record_tokens=environ.get(RECORD_TOKENS, "0") not in ("", "0"),
        digest=mode if mode in DIGESTS else "off",
        run=run,
        host=environ.get(HOST, ""),
    )
