"""vLLM's plugin entry point -> probes in every process of the engine, if tracing is on."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pagewalk.capture.install import Installation

_installed: list[Installation] = []


def register() -> None:
    """Called by vLLM in each of its processes. Without `PAGEWALK=DIR` it does nothing at all."""
    if not os.environ.get("PAGEWALK") or _installed:
        return
    try:
        _start()
    except Exception as error:
        # The user's server must start, whatever is wrong with the tracer.
        import logging

        logging.getLogger("pagewalk").warning(
            "pagewalk could not start (%s: %s); the engine goes on untraced",
            type(error).__name__,
            error,
        )


def _start() -> None:
    from pagewalk.capture.install import Installation
    from pagewalk.capture.recorder import Recorder
    from pagewalk.capture.settings import from_environment

    settings = from_environment()
    if settings is None:
        return
    recorder = Recorder(settings)
    recorder.follow_forks()
    installation = Installation(recorder)
    _installed.append(installation)
    installation.install()
