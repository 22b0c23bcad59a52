"""The environment -> what to record, and where: the switches that every process inherits."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

DIRECTORY = "PAGEWALK"
EVENTS = "PAGEWALK_EVENTS"
RECORD_TOKENS = "PAGEWALK_RECORD_TOKENS"
DIGEST = "PAGEWALK_DIGEST"
HOST = "PAGEWALK_HOST"
CLOCK = "PAGEWALK_CLOCK"
RUN = "PAGEWALK_RUN"  # set by the first process of a run: "<run id>:<directory>"

# Ray starts workers with the variables that vLLM copies: its own, and those it is told of here.
RAY_PREFIXES = "VLLM_RAY_EXTRA_ENV_VAR_PREFIXES_TO_COPY"

LEVELS = ("lean", "full")
DIGESTS = ("off", "hash", "full")


@dataclass(frozen=True, slots=True)
class Settings:
    """What one process records. `run` joins the processes of one run.

    `host` stands in a trace for the name of the machine; "" is the real one. One name is taken
    to mean one clock, so two machines must not share it. `clock` is the address of the clock
    that this machine compares its own with (`pagewalk clock serve`), "" for none. `url` is where
    the directory goes when all is over, "" where it stays.
    """

    directory: Path
    level: str = "full"
    record_tokens: bool = False
    digest: str = "off"
    run: str = ""
    host: str = ""
    clock: str = ""
    url: str = ""

    def environment(self, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
        """The variables that make a child process record into the same trace."""
        return {
            DIRECTORY: self.url or str(self.directory),
            EVENTS: self.level,
            RECORD_TOKENS: "1" if self.record_tokens else "0",
            DIGEST: self.digest,
            RUN: f"{self.run}:{self.directory}",
            HOST: self.host,
            CLOCK: self.clock,
            **for_ray(environ),
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
    url = directory if "://" in directory else ""
    return Settings(
        directory=Path(place if run and place else spool(url) if url else directory).absolute(),
        level=level if level in LEVELS else "full",
        record_tokens=environ.get(RECORD_TOKENS, "0") not in ("", "0"),
        digest=mode if mode in DIGESTS else "off",
        run=run,
        host=environ.get(HOST, ""),
        clock=environ.get(CLOCK, ""),
        url=url,
    )


def spool(url: str) -> Path:
    """Where the processes of this machine write what is to go to a URL: the same place for all."""
    key = hashlib.sha256(url.encode("utf-8", "replace")).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"pagewalk-spool-{os.getuid()}" / key


def for_ray(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What makes vLLM give our variables to its Ray workers, beside what it gives them already."""
    known = [one.strip() for one in environ.get(RAY_PREFIXES, "").split(",") if one.strip()]
    return {RAY_PREFIXES: ",".join(dict.fromkeys([*known, DIRECTORY]))}
