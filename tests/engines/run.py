"""A case -> what its engine's user saw, and what its trace says: the work of one forked child."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engines.cases import Case
from engines.child import Child
from engines.drive import Drive
from engines.verify import examine

Fork = Callable[..., Child]
Models = Callable[[str], Path]


def play(case: Case, model: Path, trace: Path | None) -> dict[str, Any]:
    """Run the case, traced into `trace` or not at all."""
    from pagewalk.bed.settings import engine_args

    os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
    began = time.monotonic()
    with _traced(trace):
        drive = Drive(engine_args(case.kind, model, **case.args))
        case.script(drive, model)
        seconds = time.monotonic() - began
    found = examine(trace) if trace is not None else {}
    return {"outcome": drive.outcome(), "seconds": seconds, "trace": found}


def _traced(trace: Path | None) -> contextlib.AbstractContextManager[Any]:
    if trace is None:
        os.environ.pop("PAGEWALK", None)
        return contextlib.nullcontext()
    from pagewalk.capture import tracing

    return tracing(trace, digest="full", strict=True)


class Runs:
    """Each case run at most once with tracing and once without, both at the same time."""

    def __init__(self, fork: Fork, models: Models, traces: Path) -> None:
        self._fork, self._models, self._traces = fork, models, traces
        self._children: dict[str, tuple[Child, Child]] = {}
        self._results: dict[tuple[str, bool], Any] = {}

    def traced(self, case: Case) -> dict[str, Any]:
        """The run whose trace was examined."""
        return self._result(case, 0)

    def plain(self, case: Case) -> dict[str, Any]:
        """The run that nothing watched."""
        return self._result(case, 1)

    def trace(self, case: Case) -> Path:
        """Where the trace of a case lies."""
        self.traced(case)
        return self._traces / case.name

    def _result(self, case: Case, which: int) -> dict[str, Any]:
        if case.name not in self._children:
            self._start(case)
        key = (case.name, bool(which))
        if key not in self._results:
            try:
                self._results[key] = self._children[case.name][which].result()
            except Exception as error:
                self._results[key] = error
        result = self._results[key]
        if isinstance(result, Exception):
            raise result
        return dict(result)

    def _start(self, case: Case) -> None:
        model = self._models(case.kind)
        trace = self._traces / case.name
        self._children[case.name] = (
            self._fork(f"{case.name}-traced", lambda: play(case, model, trace)),
            self._fork(f"{case.name}-plain", lambda: play(case, model, None)),
        )
