"""Harmless: the engine does the same traced or not, and gets back what was its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from engines.cases import CASES, Case, crowd
from engines.child import Child
from engines.drive import Drive
from engines.patched import changed, left_on, probed_functions
from engines.run import Runs
from engines.verify import examine

pytestmark = pytest.mark.engine
Fork = Callable[..., Child]
Models = Callable[[str], Path]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_same_tokens_traced_or_not(case: Case, runs: Runs) -> None:
    """Tokens, texts, finish reasons and, where the case alone sets the pace, the steps."""
    traced, plain = runs.traced(case)["outcome"], runs.plain(case)["outcome"]
    assert traced["requests"] == plain["requests"]
    assert all(seen != ["nothing"] for seen in plain["requests"].values()) or case.aborts
    if case.paced:
        assert traced["steps"] == plain["steps"]


class TestRestore:
    """After tracing, every function and container is the engine's own object again."""

    def test_by_identity(self, fork: Fork, models: Models, tmp_path: Path) -> None:
        model = models("gemma3")
        found = fork("restore", lambda: _restored(model, tmp_path / "trace")).result()
        assert found["watched"] > 60
        assert found["patched"] > 55, "while tracing is on, the probes are in place"
        assert found["changed"] == []
        assert found["left"] == []
        assert found["same_tables"] is True

    def test_in_the_middle_of_a_run(self, fork: Fork, models: Models, tmp_path: Path) -> None:
        """Tracing ends while requests wait, run and hold blocks: they go on as if it never was."""
        model = models("llama")
        traced = fork("half", lambda: _half_traced(model, tmp_path / "trace"))
        plain = fork("whole", lambda: _untraced(model))
        assert traced.result() == {**plain.result(), "left": []}

    def test_adopted_in_the_middle(self, fork: Fork, models: Models, tmp_path: Path) -> None:
        """An engine that runs already is taken on where it is, exactly, and let go again."""
        model = models("llama")
        adopted = fork("adopted", lambda: _late_traced(model, tmp_path / "trace", adopt=True))
        plain = fork("untouched", lambda: _untraced(model))
        assert adopted.result() == {**plain.result(), "left": []}
        (engine,) = examine(tmp_path / "trace")["engines"]
        assert engine["snapshots"] >= 80
        assert engine["divergences"] == 0, engine["located"]
        assert engine["broken"] == []

    def test_begun_in_the_middle(self, fork: Fork, models: Models, tmp_path: Path) -> None:
        """An engine that was built before tracing began is left alone, and nothing fails."""
        model = models("llama")
        late = fork("late", lambda: _late_traced(model, tmp_path / "trace"))
        plain = fork("never", lambda: _untraced(model))
        assert late.result() == {**plain.result(), "left": []}


class TestNotEnabled:
    """Without PAGEWALK the plugin does nothing at all."""

    def test_nothing_is_patched(self, fork: Fork) -> None:
        assert fork("idle", _idle).result() == {"changed": [], "imported": []}

    def test_the_plugin_imports_nothing_heavy(self) -> None:
        """A fresh interpreter: `register()` brings in neither vLLM nor the probes."""
        script = (
            "import sys; from pagewalk.capture.plugin import register; register();"
            "print([name for name in sys.modules if name.startswith(('vllm', 'torch', 'msgspec',"
            " 'wrapt', 'pagewalk.probes', 'pagewalk.trace', 'pagewalk.capture.'))])"
        )
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        environment.pop("PAGEWALK", None)
        done = subprocess.run(
            [sys.executable, "-c", script],
            env=environment,
            capture_output=True,
            text=True,
            timeout=600,
            check=True,
        )
        assert done.stdout.strip() == "['pagewalk.capture.plugin']"


def _engine(model: Path) -> Drive:
    os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
    os.environ.pop("PAGEWALK", None)
    from pagewalk.bed.settings import engine_args

    return Drive(engine_args("llama", model))


def _restored(model: Path, trace: Path) -> dict[str, Any]:
    from pagewalk.bed.settings import engine_args
    from pagewalk.capture import tracing

    os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
    before = probed_functions()
    with tracing(trace, strict=True):
        drive = Drive(engine_args("gemma3", model))
        crowd(drive, model)
        patched = changed(before, probed_functions())
        managers = drive.scheduler.kv_cache_manager.coordinator.single_type_managers
        originals = [manager.req_to_blocks.original for manager in managers]
    return {
        "watched": len(before),
        "patched": len(patched),
        "changed": changed(before, probed_functions()),
        "left": left_on(drive.scheduler),
        "same_tables": all(
            manager.req_to_blocks is original
            for manager, original in zip(managers, originals, strict=True)
        ),
    }


def _half_traced(model: Path, trace: Path) -> dict[str, Any]:
    from pagewalk.capture import tracing

    os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
    with tracing(trace, strict=True):
        drive = _engine(model)
        _fill(drive)
        for _ in range(40):
            drive.step()
        assert drive.scheduler.running
        assert drive.scheduler.waiting
    left = left_on(drive.scheduler)
    drive.run()
    return {**drive.outcome(), "left": left}


def _late_traced(model: Path, trace: Path, adopt: bool = False) -> dict[str, Any]:
    from pagewalk.capture import tracing

    drive = _engine(model)
    _fill(drive)
    for _ in range(40):
        drive.step()
    with tracing(trace, digest="hash", adopt=[drive.scheduler] if adopt else ()):
        for _ in range(40):
            drive.step()
    left = left_on(drive.scheduler)
    drive.run()
    return {**drive.outcome(), "left": left}


def _untraced(model: Path) -> dict[str, Any]:
    drive = _engine(model)
    _fill(drive)
    drive.run()
    return drive.outcome()


def _fill(drive: Drive) -> None:
    from engines.cases import prompt

    for i in range(10):
        drive.add(f"r{i}", prompt(i, 40 + 9 * i, shared=33 * (i % 2)), 40)


def _idle() -> dict[str, Any]:
    os.environ.pop("PAGEWALK", None)
    before = probed_functions()
    known = {name for name in sys.modules if name.startswith("pagewalk.capture")}
    from pagewalk.capture.plugin import register

    register()
    new = {name for name in sys.modules if name.startswith("pagewalk.capture")} - known
    return {
        "changed": changed(before, probed_functions()),
        "imported": sorted(new - {"pagewalk.capture", "pagewalk.capture.plugin"}),
    }
