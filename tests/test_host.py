"""What a trace says of the machine: its name or one that stands for it, and no directory of it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from pagewalk.capture import marks, tracing
from pagewalk.capture.launch import run_command
from pagewalk.capture.recorder import Recorder
from pagewalk.capture.settings import Settings
from pagewalk.trace.read import open_trace

# A process of a run, and one that it starts: each wakes its recorder, as engines do.
FAMILY = """
import os, subprocess, sys
from pagewalk.capture.recorder import Recorder
from pagewalk.capture.settings import from_environment
recorder = Recorder(from_environment())
recorder.wake()
recorder.close()
if len(sys.argv) < 2:
    subprocess.run([sys.executable, "-c", os.environ["FAMILY"], "child"], check=True)
"""


def hosts(trace: Path) -> list[str]:
    """What each process of a trace calls its machine."""
    starts = [segment.started for segment in open_trace(trace).segments]
    return [start.host for start in starts if start is not None]


def record(out: Path, monkeypatch: pytest.MonkeyPatch, **options: str) -> list[str]:
    """Record two processes of one run."""
    monkeypatch.setenv("FAMILY", FAMILY)
    assert run_command([sys.executable, "-c", FAMILY], out, **options) == 0
    return hosts(out)


def test_the_real_name_unless_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PAGEWALK_HOST", raising=False)
    assert record(tmp_path / "trace", monkeypatch) == [socket.gethostname()] * 2


def test_every_process_of_the_run_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert record(tmp_path / "trace", monkeypatch, host="docs") == ["docs"] * 2


def test_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As of a server that is started with PAGEWALK alone; what the call says comes first."""
    monkeypatch.setenv("PAGEWALK_HOST", "docs")
    assert record(tmp_path / "trace", monkeypatch) == ["docs"] * 2
    assert record(tmp_path / "other", monkeypatch, host="rack-7") == ["rack-7"] * 2
    server = {**os.environ, "PAGEWALK": str(tmp_path / "server")}
    subprocess.run([sys.executable, "-c", FAMILY], check=True, env=server)
    assert hosts(tmp_path / "server") == ["docs"] * 2


def test_of_a_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`tracing` tells this process and those that it starts; afterwards all is as before."""
    monkeypatch.delenv("PAGEWALK_HOST", raising=False)
    monkeypatch.setenv("FAMILY", FAMILY)
    with tracing(tmp_path / "trace", host="docs"):
        subprocess.run([sys.executable, "-c", FAMILY, "child"], check=True)
    assert hosts(tmp_path / "trace") == ["docs"]
    assert "PAGEWALK_HOST" not in os.environ


def test_the_recorder_asks_its_settings(tmp_path: Path) -> None:
    recorder = Recorder(Settings(tmp_path / "trace", host="docs"))
    assert recorder.wake()
    recorder.close()
    assert hosts(tmp_path / "trace") == ["docs"]


@pytest.mark.parametrize("order", [1, -1])
def test_files_are_told_from_site_packages_on(order: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the program's own directory holds the environment, as a checkout does."""
    roots = ["", "/here", "/here/env/site-packages"]
    monkeypatch.setattr(sys, "path", roots[::order])
    assert marks._shown("/here/env/site-packages/vllm/v1/x.py") == "vllm/v1/x.py"
    assert marks._shown("/here/own.py") == "own.py"
    assert marks._shown("/elsewhere/own.py") == "own.py"
