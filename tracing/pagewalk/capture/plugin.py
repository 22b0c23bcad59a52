"""vLLM's plugin entry point -> probes in every process of the engine, if tracing is on."""

from __future__ import annotations

import os

# Where this process records to: one place at most, two would record everything twice.
recording: list[str] = []


def register() -> None:
    """Called by vLLM in each of its processes. Without `PAGEWALK=DIR` it does nothing at all."""
    if not os.environ.get("PAGEWALK") or recording:
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
    from pagewalk.capture.header import begin_run
    from pagewalk.capture.install import Installation
    from pagewalk.capture.recorder import Recorder
    from pagewalk.capture.sending import send_at_exit
    from pagewalk.capture.settings import RUN, from_environment

    settings = from_environment()
    if settings is None:
        return
    first = not os.environ.get(RUN)
    begin_run(settings)
    if first and settings.url:
        send_at_exit(settings)
    recorder = Recorder(settings)
    recorder.follow_forks()
    recording.append(str(settings.directory))
    Installation(recorder).install()
