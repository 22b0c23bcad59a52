"""A place that takes no trace: the engine goes on, and what is missing is said."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from engines.child import Child
from hardship import add_crowd, compared, exact, new_bed, plain_outputs, probes_in_place
from lines import kinds, lines_of, only, segments_of

from pagewalk.capture import tracing
from pagewalk.capture.recorder import Recorder
from pagewalk.capture.session import flush_all
from pagewalk.capture.settings import RUN, Settings
from pagewalk.replay.compare import compare
from pagewalk.trace.events import Dropped
from pagewalk.trace.read import open_trace

pytestmark = pytest.mark.engine
Fork = Callable[..., Child]


def with_file_limit(size: int) -> None:
    """No file may grow beyond `size`; the kernel's signal for it is ignored, as Python does."""
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))


def without_file_limit() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))


class TestDisk:
    """A disk that takes no more: the engine does not notice, and the trace says what it lacks."""

    def test_room_again_in_time(self, fork: Fork, warm: None, tmp_path: Path) -> None:
        """Everything was kept: nothing is lost at all."""

        def run() -> Any:
            with tracing(tmp_path / "trace", digest="hash"):
                with_file_limit(9_000)
                bed = new_bed()
                add_crowd(bed)
                bed.run()
                flush_all()
                size = max(path.stat().st_size for path in (tmp_path / "trace").iterdir())
                without_file_limit()
            return [size, bed.outputs]

        size, outputs = fork("disk-full-for-a-while", run).result()
        assert size == 9_000, "the disk was full in the middle of a line"
        assert outputs == plain_outputs()
        assert exact(compared(tmp_path / "trace"))
        assert open_trace(tmp_path / "trace").segments[0].ended

    def test_room_again_too_late(self, fork: Fork, warm: None, tmp_path: Path) -> None:
        """More than the buffer holds: the count is there, and replay is exact after the dump."""

        def run() -> Any:
            recorder = Recorder(Settings(tmp_path / "trace", digest="hash"), limit=300)
            with probes_in_place(recorder):
                bed = new_bed()
                bed.add("first", range(20), max_tokens=4)
                bed.run()
                recorder.flush()
                with_file_limit(max(p.stat().st_size for p in (tmp_path / "trace").iterdir()) + 99)
                add_crowd(bed, 6)
                for _ in range(40):
                    bed.step()
                recorder.flush()
                without_file_limit()
                recorder.flush()
                recorder.flush()
                bed.run()
            return None

        fork("disk-full-for-long", run).result()
        (segment,) = open_trace(tmp_path / "trace").segments
        dropped = [one for one in segment.events if isinstance(one, Dropped)]
        assert [one.reason for one in dropped] == ["buffer_full"]
        assert dropped[0].count > 0
        assert segment.gaps == ()
        found = compare(segment)
        assert found.divergences == 0
        assert found.resynced == 1
        assert found.unknown >= 1
        after = [one for one in segment.events if one.seq > dropped[0].seq]
        assert kinds([{"e": type(one).__name__} for one in after]).count("StepScheduled") > 20

    def test_full_to_the_end(self, fork: Fork, warm: None, tmp_path: Path) -> None:
        def run() -> Any:
            with tracing(tmp_path / "trace"):
                with_file_limit(9_000)
                bed = new_bed()
                add_crowd(bed)
                bed.run()
            return bed.outputs

        assert fork("disk-full-to-the-end", run).result() == plain_outputs()
        (segment,) = open_trace(tmp_path / "trace").segments
        assert not segment.ended
        assert [gap.tail for gap in segment.gaps] == [True]

    @pytest.mark.parametrize("place", ["file", "below a file", "no file system"])
    def test_nowhere_to_write(self, place: str, fork: Fork, warm: None, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("mine")
        directory = {
            "file": tmp_path / "file",
            "below a file": tmp_path / "file" / "trace",
            "no file system": Path("/proc/no/such"),
        }[place]

        def run() -> Any:
            with probes_in_place(Recorder(Settings(directory))):
                bed = new_bed()
                add_crowd(bed)
                bed.run()
            return bed.outputs

        assert fork(f"nowhere-{place.replace(' ', '-')}", run).result() == plain_outputs()
        assert (tmp_path / "file").read_text() == "mine"

    def test_directory_removed_in_the_middle(self, fork: Fork, warm: None, tmp_path: Path) -> None:
        """A new segment with the state in it: exact again from there."""

        def run() -> Any:
            with tracing(tmp_path / "trace", digest="hash"):
                bed = new_bed()
                add_crowd(bed)
                for _ in range(20):
                    bed.step()
                flush_all()
                shutil.rmtree(tmp_path / "trace")
                bed.step()
                flush_all()
                bed.run()
            return bed.outputs

        assert fork("removed", run).result() == plain_outputs()
        (segment,) = segments_of(tmp_path / "trace")
        assert only(lines_of(segment), "Dropped")[0]["reason"] == "segment_removed"
        found = compared(tmp_path / "trace")
        assert found.divergences == 0
        assert found.resynced == 1
        assert found.snapshots > 50


IN_A_SMALL_WORLD = """
import contextlib, sys
from pathlib import Path
from pagewalk.capture.recorder import Recorder
from pagewalk.capture.settings import Settings
from pagewalk.trace import events as ev
place = Path(sys.argv[1])
recorder = Recorder(Settings(place / "trace"))
print("awake", recorder.wake())
for number in range(1200):
    recorder.emit((ev.BlocksTaken, 0, [number]))
recorder.flush()
with contextlib.suppress(OSError):
    (place / "ballast").unlink()
recorder.close()
print(Path(sys.argv[1], "trace").exists() and next((place / "trace").glob("*.jsonl")).read_text())
"""


def in_a_small_world(options: str, tmp_path: Path) -> str:
    """Run the script above with a little file system of its own, gone when it ends."""
    place = tmp_path / "world"
    place.mkdir()
    script = (
        f"mount -t tmpfs -o {options} none {place} && "
        f'{{ head -c 60000 /dev/zero > {place}/ballast; exec {sys.executable} -c "$0" {place}; }}'
    )
    if shutil.which("unshare") is None:
        pytest.skip("no unshare here: the same is tested with a limit on file sizes")
    done = subprocess.run(
        ["unshare", "--map-root-user", "--mount", "sh", "-c", script, IN_A_SMALL_WORLD],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), RUN: ""},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    if not done.stdout.startswith("awake"):
        pytest.skip("no mounting here: the same is tested with a limit on file sizes")
    return done.stdout + done.stderr


class TestSmallWorld:
    """A real file system that is full, or read-only, where this user may mount one."""

    def test_full(self, tmp_path: Path) -> None:
        said = in_a_small_world("size=128k", tmp_path)
        assert "No space left on device" in said
        lines = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
        assert [line["blocks"][0] for line in only(lines, "BlocksTaken")] == list(range(1200))
        assert lines[-1]["e"] == "SegmentEnded"

    def test_read_only(self, tmp_path: Path) -> None:
        said = in_a_small_world("ro,size=128k", tmp_path)
        assert said.startswith("awake False\nFalse\n")
        assert "the engine goes on untraced" in said
