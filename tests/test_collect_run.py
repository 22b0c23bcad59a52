"""Runs that end at a URL: written here first, copied at the end, and not lost by a kill -9."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from far_files import far_files

from pagewalk.capture.settings import from_environment, spool
from pagewalk.cli import main
from pagewalk.trace.read import open_trace
from pagewalk.views.verdict import check

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(
        not any(one.name == "pagewalk" for one in entry_points(group="vllm.general_plugins")),
        reason="pagewalk is not installed, so the program cannot load it: `make install`",
    ),
]
# A program that knows nothing of tracing: it loads vLLM's plugins, as each vLLM process does.
PROGRAM = """
import os, signal, sys
from pathlib import Path
from vllm.plugins import load_general_plugins
load_general_plugins()
from pagewalk.bed.scheduler import SchedulerBed
bed = SchedulerBed()
bed.add("a", range(40), max_tokens=20)
bed.run()
if sys.argv[1:]:
    # Killed as soon as something is on the disk.
    while not any(b"StepUpdated" in one.read_bytes() for one in Path(sys.argv[1]).glob("*.jsonl")):
        pass
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def program(tmp_path: Path) -> str:
    """The program as a file."""
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)
    return str(path)


def play(program: str, url: str, place: Path, *more: str) -> int:
    """Run it with PAGEWALK in its environment, and a temporary directory of its own."""
    place.mkdir(exist_ok=True)
    more_environment = {"PAGEWALK": url, "PAGEWALK_DIGEST": "hash", "TMPDIR": str(place)}
    done = subprocess.run(
        [sys.executable, program, *more],
        env={**os.environ, **more_environment},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert "pagewalk could not" not in done.stderr, done.stderr[-2000:]
    return done.returncode


def test_run_to_another_process(
    tmp_path: Path, program: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """`pagewalk run --out URL`, and the reading commands on what is there."""
    (tmp_path / "far").mkdir()
    with far_files(tmp_path / "far"):
        command = ["run", "--digest", "hash", "--out", "far://runs/one"]
        assert main([*command, "--", sys.executable, program]) == 0
        assert "the trace is at far://runs/one" in capsys.readouterr().err
        assert main(["check", "far://runs/one"]) == 0
        # A place that holds a run is refused before the next one is started.
        assert main([*command, "--", sys.executable, "-c", "raise SystemExit(7)"]) == 2
    verdict = check(open_trace(tmp_path / "far" / "runs" / "one"))
    assert (verdict.outcome, verdict.diverging) == ("holds", 0)
    assert verdict.snapshots > 20


@pytest.mark.parametrize(
    ("meanwhile", "said"),
    [("directory", "not an empty directory"), ("file", "cannot be written")],
)
def test_a_place_that_is_lost_while_the_program_runs(
    tmp_path: Path,
    program: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    meanwhile: str,
    said: str,
) -> None:
    """What was recorded stays here, the sentence says where, and it can be collected from there."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    far = tmp_path / "far"
    # Somebody else puts a directory with a file, or a file, where the trace was to go.
    taken = far / "one" / "theirs" if meanwhile == "directory" else far
    theirs = f"mkdir -p '{taken.parent}' && touch '{taken}' && exec {sys.executable} '{program}'"
    command = ["run", "--digest", "hash", "--out", f"file://{far}/one", "--", "sh", "-c", theirs]
    assert main(command) == 2
    told = " ".join(capsys.readouterr().err.split())
    assert said in told
    (folder,) = tmp_path.glob("pagewalk-run-*")
    assert f"The trace stays in {folder / 'trace'}; `pagewalk collect` takes it" in told
    assert main(["collect", str(folder / "trace"), "--out", f"file://{tmp_path}/kept"]) == 0
    assert check(open_trace(tmp_path / "kept")).outcome == "holds"


def test_environment_alone(tmp_path: Path, program: str) -> None:
    """`PAGEWALK=URL`: the first process of the run copies it; a second run gets its own place."""
    url = f"file://{tmp_path / 'there'}"
    assert play(program, url, tmp_path / "temporary") == 0
    assert check(open_trace(tmp_path / "there")).outcome == "holds"
    assert play(program, url, tmp_path / "temporary") == 0
    (second,) = [one for one in (tmp_path / "there").iterdir() if one.is_dir()]
    assert check(open_trace(second)).outcome == "holds"
    assert open_trace(second).header.run != open_trace(tmp_path / "there").header.run


def test_killed(tmp_path: Path, program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is copied then, but all that was written is here, and can be collected."""
    url, temporary = f"file://{tmp_path / 'there'}", tmp_path / "temporary"
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    assert play(program, url, temporary, str(spool(url))) == -9
    assert not (tmp_path / "there").exists()
    assert main(["collect", str(spool(url)), "--out", url]) == 0
    verdict = check(open_trace(tmp_path / "there"))
    assert (verdict.outcome, verdict.diverging) == ("holds", 0)
    assert verdict.snapshots > 0


def test_settings_travel(tmp_path: Path) -> None:
    """A child process of the run gets the URL and the directory that its parent writes to."""
    first = from_environment({"PAGEWALK": "s3://bucket/run", "PAGEWALK_RUN": "r:"})
    assert first is not None
    assert (first.url, first.directory) == ("s3://bucket/run", spool("s3://bucket/run"))
    child = from_environment(first.environment({}))
    assert child == first
