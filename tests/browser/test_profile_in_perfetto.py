"""A profile of a real engine in Perfetto's own UI: functions stand beside the steps they made."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from perfetto_ui import Opened, opened

ROOT = Path(__file__).parents[2]
SLICES = """
select thread.name as lane, slice.name as name, slice.ts as ts, slice.dur as dur, process.pid as pid
from slice join thread_track on slice.track_id = thread_track.id
join thread using (utid) join process using (upid)
where thread.name = 'steps' or slice.name like 'Scheduler.schedule %'
"""
TOLERANCE = 20_000  # ns by which two readings of one clock may lie apart


@pytest.fixture(scope="module")
def ui(tmp_path_factory: pytest.TempPathFactory, chromium: Any) -> Iterator[Opened]:
    """The file that the script leaves, open."""
    pytest.importorskip("vllm")
    pytest.importorskip("viztracer")
    out = tmp_path_factory.mktemp("profile") / "out"
    script = ROOT / "scripts" / "profile_viztracer.py"
    done = subprocess.run(
        [sys.executable, str(script), "--out", str(out)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    with opened(out / "profile.json.gz", chromium) as ui:
        yield ui


@pytest.mark.engine
def test_the_import_is_clean(ui: Opened) -> None:
    assert ui.import_errors() == []
    assert ui.errors == []
    assert ui.outside == []


@pytest.mark.engine
def test_the_function_lies_in_the_step_that_called_it(ui: Opened) -> None:
    """Each call of schedule() that viztracer saw is inside a slice of pagewalk's lane of steps."""
    rows = ui.ask(SLICES)
    steps = [one for one in rows if one["lane"] == "steps" and one["name"].startswith("schedule")]
    calls = [one for one in rows if one["name"].startswith("Scheduler.schedule ")]
    assert len(calls) > 10
    for call in calls:
        begun, ended = call["ts"], call["ts"] + call["dur"]
        assert any(
            one["pid"] == call["pid"]
            and one["ts"] - TOLERANCE <= begun
            and ended <= one["ts"] + one["dur"] + TOLERANCE
            for one in steps
        ), call
