"""A `with` block -> a trace of the vLLM engines used in it."""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pagewalk.capture import plugin
from pagewalk.capture.adopt import adopt as adopt_scheduler
from pagewalk.capture.install import Installation
from pagewalk.capture.launch import prepare
from pagewalk.capture.recorder import Recorder
from pagewalk.errors import PagewalkError
from pagewalk.variables import in_environment

_open: weakref.WeakSet[Recorder] = weakref.WeakSet()


@contextlib.contextmanager
def tracing(
    directory: str | Path,
    *,
    events: str = "full",
    record_tokens: bool = False,
    digest: str = "off",
    host: str = "",
    clock: str = "",
    adopt: Iterable[Any] = (),
    strict: bool = False,
) -> Iterator[Path]:
    """Trace the engines built inside the block, in this process and in those they start.

    Yields the trace directory, which must be new or empty. On exit this process's segment is
    closed and every patched attribute is the engine's own again. Processes of an engine that
    outlives the block go on recording until they end. `adopt` names schedulers of engines that
    run in this process already; `host` stands for this machine's name, `clock` is the address of
    the clock to compare this machine's with. With `strict`, a reader that raises raises here.

    Raises:
        PagewalkError: the directory cannot be used, or this process is traced already.
    """
    with _occupied(str(directory)):
        settings = prepare(Path(directory), events, record_tokens, digest, None, host, clock)
        recorder = Recorder(settings)
        _open.add(recorder)
        recorder.follow_forks()
        installation = Installation(recorder, strict=strict)
        with in_environment(settings.environment()):
            try:
                installation.install()
                for scheduler in adopt:
                    adopt_scheduler(installation, scheduler)
                yield settings.directory
            finally:
                installation.restore()
                recorder.close()


@contextlib.contextmanager
def _occupied(directory: str) -> Iterator[None]:
    """Keep the plugin out of this process: an engine built inside loads it like any other.

    Raises:
        PagewalkError: this process is traced already.
    """
    if plugin.recording:
        raise PagewalkError(
            "traced-already",
            f"This process is traced already, into {plugin.recording[0]}: end that `tracing` block "
            "first, or start the program without PAGEWALK.",
        )
    plugin.recording.append(directory)
    try:
        yield
    finally:
        plugin.recording.remove(directory)


def flush_all() -> None:
    """Write out what the recorders of this process have buffered."""
    for recorder in list(_open):
        recorder.flush()
