"""Whatever happens to the trace, the engine goes on; whatever happens to it, the trace opens."""

from __future__ import annotations

import itertools
import json
import os
import random
import resource
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from engines.child import Child
from lines import kinds, lines_of, only, segments_of

from pagewalk.capture import tracing
from pagewalk.capture.install import Installation
from pagewalk.capture.recorder import Recorder
from pagewalk.capture.session import flush_all
from pagewalk.capture.settings import RUN, Settings
from pagewalk.probes import PROBES
from pagewalk.replay.compare import Comparison, compare
from pagewalk.trace.events import Dropped, StepScheduled
from pagewalk.trace.read import Trace, open_trace

pytestmark = pytest.mark.engine
Fork = Callable[..., Child]

SCHEDULER = "vllm.v1.core.sched.scheduler:Scheduler"
POOL = "vllm.v1.core.block_pool:BlockPool"
MANAGER = "vllm.v1.core.single_type_kv_cache_manager:SingleTypeKVCacheManager"
HOSTILE = (
    "two\nlines\r\n",
    'quo"te\\',
    "\0",
    "\ud800 half a pair",
    "\u202e right to left \u2066",
    "\u2028\x85",
    "x" * 10_000,
    "\x1b[2J\x07",
    "",
)


@pytest.fixture(scope="session")
def warm(vllm_imported: None) -> None:
    """One scheduler built here: what takes seconds is cached for every forked child."""
    from pagewalk.bed.scheduler import SchedulerBed

    SchedulerBed()


def new_bed(**shape: Any) -> Any:
    from pagewalk.bed.scheduler import SchedulerBed

    return SchedulerBed(**{"num_blocks": 14, "block_size": 16, **shape})


def add_crowd(bed: Any, count: int = 10, name: Callable[[int], str] = "r{}".format) -> None:
    """Requests in pairs of equal beginnings, more than fit: queueing, hits and preemption."""
    for i in range(count):
        bed.add(name(i), [(7 * (i // 2) + j) % 90 for j in range(40 + 7 * i)], max_tokens=30)


def plain_outputs() -> dict[str, list[int]]:
    """What the crowd gets from an engine that nobody watches."""
    bed = new_bed()
    add_crowd(bed)
    bed.run()
    return dict(bed.outputs)


@contextmanager
def probes_in_place(recorder: Recorder, rows: Any = PROBES) -> Iterator[Installation]:
    """As the plugin does it, with a recorder and rows of the test's own."""
    os.environ[RUN] = ""
    recorder.follow_forks()
    installation = Installation(recorder, rows)
    installation.install()
    try:
        yield installation
    finally:
        installation.restore()
        recorder.close()


def compared(trace: Path, which: int = 0) -> Comparison:
    """Replay against what the engine said of itself, for the segments in order of their start."""
    segments = sorted(open_trace(trace).segments, key=lambda one: one.started.wall_ns)  # type: ignore[union-attr]
    return compare(segments[which])


def exact(comparison: Comparison) -> bool:
    return comparison.snapshots > 0 and comparison.divergences == 0 and comparison.unknown == 0


# ------------------------------------------------------------------------------- kill -9


def endless(trace: Path, pipe: int) -> None:
    """Drive an engine for ever; a dot for each request, the step at each flush."""
    with tracing(trace, digest="hash"):
        bed = new_bed()
        for number in itertools.count():
            bed.add(f"r{number}", range(30 + number % 40), max_tokens=20)
            for _ in range(5):
                bed.step()
            if number % 11 == 10:
                flush_all()
                os.write(pipe, b"\n%d\n" % bed.scheduler.current_step)
            else:
                os.write(pipe, b".")


def killed_after(signs: int, trace: Path) -> int:
    """Kill an endless process -9 when it has given so many signs; the last step it flushed."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reader)
            endless(trace, writer)
        finally:
            os._exit(1)
    os.close(writer)
    said = b""
    while len(said) < signs and (part := os.read(reader, 1)):
        said += part
    os.kill(child, signal.SIGKILL)
    while part := os.read(reader, 65536):
        said += part
    os.close(reader)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL
    # The last line may be cut short; a number is only one with both its line ends.
    return max((int(line) for line in said.split(b"\n")[1:-1] if line.isdigit()), default=0)


class TestKilled:
    """kill -9 at any moment costs what was not flushed, and nothing before it."""

    @pytest.mark.parametrize("seed", range(6))
    def test_scheduler(self, seed: int, warm: None, tmp_path: Path) -> None:
        trace = tmp_path / "trace"
        flushed = killed_after(random.Random(seed).randint(20, 400), trace)
        (segment,) = open_trace(trace).segments
        steps = [one.step for one in segment.events if isinstance(one, StepScheduled)]
        assert steps == list(range(1, len(steps) + 1)), "no step is missing before the end"
        assert len(steps) >= flushed
        assert not segment.ended, "it must be seen that this is not an orderly end"
        assert all(gap.tail for gap in segment.gaps)
        assert exact(compare(segment))

    def test_before_its_first_step(self, warm: None, tmp_path: Path) -> None:
        killed_after(1, tmp_path / "trace")
        trace = open_trace(tmp_path / "trace")
        assert len(trace.segments) == 1
        assert not trace.segments[0].ended


# --------------------------------------------------------------------------------- disk


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
    def test_nowhere_to_write(
        self, place: str, fork: Fork, warm: None, tmp_path: Path
    ) -> None:
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

    def test_directory_removed_in_the_middle(
        self, fork: Fork, warm: None, tmp_path: Path
    ) -> None:
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
        f"{{ head -c 60000 /dev/zero > {place}/ballast; exec {sys.executable} -c \"$0\" {place}; }}"
    )
    if shutil.which("unshare") is None:
        pytest.skip("no unshare here: the same is tested with a limit on file sizes")
    done = subprocess.run(
        ["unshare", "--map-root-user", "--mount", "sh", "-c", script, IN_A_SMALL_WORLD],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), RUN: ""},
        capture_output=True,
        text=True,
        timeout=60,
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


# ------------------------------------------------------------------------------- readers


def raises(*_: Any) -> Any:
    raise ZeroDivisionError("a reader's own fault")


class TestReaders:
    """A reader that raises is removed, and says so; the engine gets what it always gets."""

    def test_all_of_them(self, fork: Fork, warm: None, tmp_path: Path) -> None:
        """No reader works at all: everything is removed, one by one, while the engine runs."""

        def run() -> Any:
            rows = tuple(replace(row, read=raises) for row in PROBES)
            with probes_in_place(Recorder(Settings(tmp_path / "trace")), rows):
                bed = new_bed()
                add_crowd(bed)
                bed.run()
            return bed.outputs

        assert fork("readers", run).result() == plain_outputs()
        failed = only(lines_of(segments_of(tmp_path / "trace")[0]), "ProbeFailed")
        targets = [one["target"] for one in failed]
        assert {one["error"] for one in failed} == {"ZeroDivisionError"}
        assert len(targets) >= 15
        for method in ("__init__", "schedule", "update_from_output", "add_request"):
            assert f"{SCHEDULER}.{method}" in targets
        assert len(targets) == len(set(targets)), "each said so once"

    @pytest.mark.parametrize(
        "which",
        [
            (f"{SCHEDULER}.schedule", "around", "read"),
            (f"{SCHEDULER}.schedule", "around", "begin"),
            (f"{SCHEDULER}.update_from_output", "around", "begin"),
            (f"{SCHEDULER}.__init__", "construct", "read"),
            (f"{POOL}.__init__", "construct", "read"),
            (f"{POOL}.free_blocks", "after", "read"),
            (f"{SCHEDULER}.add_request", "before", "read"),
            (f"{MANAGER}.__init__", "track", "read"),
        ],
        ids=lambda which: "-".join(which).rpartition(".")[2],
    )
    def test_one_of_them(
        self, which: tuple[str, str, str], fork: Fork, warm: None, tmp_path: Path
    ) -> None:
        """The others stay, and the engine gets what it always gets."""
        target, moment, part = which

        def run() -> Any:
            rows = tuple(
                replace(row, **{part: raises}) if (row.target, row.moment) == which[:2] else row
                for row in PROBES
            )
            assert rows != PROBES
            with probes_in_place(Recorder(Settings(tmp_path / "trace")), rows):
                bed = new_bed()
                add_crowd(bed)
                bed.run()
            return bed.outputs

        outputs = fork(f"reader-{abs(hash(which))}", run).result()
        assert outputs == plain_outputs()
        lines = lines_of(segments_of(tmp_path / "trace")[0])
        assert [one["target"] for one in only(lines, "ProbeFailed")] == [target]
        assert len(lines) > 200

    def test_a_failed_probe_of_state_makes_replay_blind_and_says_so(
        self, fork: Fork, warm: None, tmp_path: Path
    ) -> None:
        def run() -> Any:
            rows = tuple(
                replace(row, read=raises) if row.target.endswith(".free_blocks") else row
                for row in PROBES
            )
            with probes_in_place(Recorder(Settings(tmp_path / "t", digest="hash")), rows):
                bed = new_bed()
                add_crowd(bed)
                bed.run()

        fork("blind", run).result()
        trace = open_trace(tmp_path / "t")
        assert trace.header.failed == {f"{POOL}.free_blocks": "ZeroDivisionError"}
        found = compare(trace.segments[0])
        assert found.divergences == 0
        assert found.unknown > 0

    def test_the_look_at_the_state_may_fail_too(
        self, fork: Fork, warm: None, tmp_path: Path
    ) -> None:
        """A free queue that is built differently some day."""

        def run() -> Any:
            with tracing(tmp_path / "trace", digest="hash"):
                bed = new_bed()
                bed.scheduler.kv_cache_manager.block_pool.free_block_queue.__class__ = type(
                    "Other", (type(bed.scheduler.kv_cache_manager.block_pool.free_block_queue),), {}
                )
                queue = bed.scheduler.kv_cache_manager.block_pool.free_block_queue
                head = queue.fake_free_list_head
                type(queue).fake_free_list_head = property(raises, lambda *_: None)
                del vars(queue)["fake_free_list_head"]
                bed.scheduler.has_requests()
                type(queue).fake_free_list_head = Once(head)
                add_crowd(bed)
                bed.run()
            return bed.outputs

        assert fork("look", run).result() == plain_outputs()
        failed = only(lines_of(segments_of(tmp_path / "trace")[0]), "ProbeFailed")
        assert [one["target"] for one in failed] == ["pagewalk.capture.live:live_state"]

    def test_targets_that_do_not_exist(self, fork: Fork, warm: None, tmp_path: Path) -> None:
        """Another release: the component is left out as a whole, the others are there."""

        def run() -> Any:
            rows = tuple(
                replace(row, target=row.target + "_of_old")
                if row.target.endswith("BlockPool.touch")
                else row
                for row in PROBES
            )
            with probes_in_place(Recorder(Settings(tmp_path / "trace")), rows):
                bed = new_bed()
                add_crowd(bed)
                bed.run()
            return bed.outputs

        assert fork("absent", run).result() == plain_outputs()
        trace = open_trace(tmp_path / "trace")
        assert trace.header.absent[f"{POOL}.touch_of_old"] == "does not exist"
        assert trace.header.absent[f"{POOL}.get_new_blocks"].startswith("left out because")
        names = {type(event).__name__ for event in trace.segments[0].events}
        assert "StepScheduled" in names
        assert not {"BlocksTaken", "BlocksFreed", "PoolCreated"} & names


class Once:
    """An attribute that can be read by the engine, and not by a frame of pagewalk."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __get__(self, thing: Any, owner: Any = None) -> Any:
        if "pagewalk/capture" in sys._getframe(1).f_code.co_filename:
            raise RuntimeError("built differently")
        return self.value

    def __set__(self, thing: Any, value: Any) -> None:
        self.value = value


# ------------------------------------------------------------------- loss, forks, hostility


class TestLoss:
    """A buffer that overflows: the count in its place, then the state, then exact again."""

    @pytest.mark.parametrize("shape", [{}, {"policy": "priority"}, {"groups": "hybrid"}])
    def test_overflow(
        self, shape: dict[str, Any], fork: Fork, warm: None, tmp_path: Path
    ) -> None:
        def run() -> Any:
            recorder = Recorder(Settings(tmp_path / "trace", digest="hash"), limit=150)
            with probes_in_place(recorder):
                bed = new_bed(num_blocks=30, **shape)
                for turn in range(3):
                    for i in range(10):
                        prompt = [(7 * (i // 2) + j) % 90 for j in range(40 + 7 * i)]
                        bed.add(f"{turn}-{i}", prompt, max_tokens=30, priority=i % 3)
                    recorder._lock.acquire()  # the writer cannot keep up
                    for _ in range(25):
                        bed.step()
                    recorder._lock.release()
                    for _ in range(100):
                        recorder.flush()
                        bed.step()

        fork(f"overflow-{len(str(shape))}", run).result()
        (segment,) = open_trace(tmp_path / "trace").segments
        dropped = [one for one in segment.events if isinstance(one, Dropped)]
        assert len(dropped) >= 3
        assert all(one.count > 0 and one.reason == "buffer_full" for one in dropped)
        assert segment.gaps == ()
        found = compare(segment)
        assert found.divergences == 0
        assert found.resynced >= 3
        assert found.snapshots > 250

    def test_two_engines_in_one_process(self, fork: Fork, warm: None, tmp_path: Path) -> None:
        """Each has to tell its own state after a loss."""

        def run() -> Any:
            with tracing(tmp_path / "trace", digest="hash"):
                beds = [new_bed(), new_bed(policy="priority")]
                for bed in beds:
                    add_crowd(bed, 6)
                    for _ in range(5):
                        bed.step()
                flush_all()
                shutil.rmtree(tmp_path / "trace")
                flush_all()
                for bed in beds:
                    bed.run()

        fork("two-engines", run).result()
        found = compared(tmp_path / "trace")
        assert found.divergences == 0
        assert found.resynced == 2
        assert found.snapshots > 60


class TestForked:
    """A fork in the middle of a run: two processes, two segments, each with its own truth."""

    def test_both_go_on(self, fork: Fork, warm: None, tmp_path: Path) -> None:
        def run() -> Any:
            with tracing(tmp_path / "trace", digest="hash"):
                bed = new_bed()
                add_crowd(bed)
                for _ in range(20):
                    bed.step()
                child = os.fork()
                if child == 0:
                    add_crowd(bed, 4, "child-{}".format)
                bed.run()
            if child == 0:
                os._exit(0)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
            return bed.outputs

        assert fork("forked", run).result() == plain_outputs()
        trace = open_trace(tmp_path / "trace")
        assert len(trace.segments) == 2
        assert all(one.ended and not one.gaps for one in trace.segments)
        assert exact(compared(tmp_path / "trace", 0))
        childs = compared(tmp_path / "trace", 1)
        assert childs.divergences == 0
        assert childs.resynced == 1
        assert childs.snapshots > 20
        parent, child = map(lines_of, segments_of(tmp_path / "trace"))
        assert [one["reason"] for one in only(child, "Dropped")] == ["forked"]
        assert only(parent, "Dropped") == []
        names = {one["id"] for one in only(parent, "RequestNamed")}
        assert not any(name.startswith("child-") for name in names)


class TestHostile:
    """Request ids are what a client says they are."""

    def test_ids(self, fork: Fork, warm: None, tmp_path: Path) -> None:
        def run() -> Any:
            with tracing(tmp_path / "trace", digest="full", strict=True):
                bed = new_bed(sampler=lambda *_: 5)
                bed._accepted = lambda *_: 0  # the bed's own crc cannot take half a pair
                add_crowd(bed, len(HOSTILE), HOSTILE.__getitem__)
                bed.run()
            return [len(bed.outputs[name]) for name in HOSTILE]

        assert fork("hostile", run).result() == [30] * len(HOSTILE)
        lines = lines_of(segments_of(tmp_path / "trace")[0])
        named = [line["id"] for line in only(lines, "RequestNamed")]
        assert named == [one.encode("utf-8", "backslashreplace").decode() for one in HOSTILE]
        assert only(lines, "Dropped") == only(lines, "ProbeFailed") == []
        assert exact(compared(tmp_path / "trace"))
        assert open_trace(tmp_path / "trace").header.problems == ()


# --------------------------------------------------------- engines of several processes


def serve(model: Path, pipe: int) -> Any:
    """A front end with an engine core and a worker of its own; a dot for each step."""
    os.environ.update(VLLM_ENABLE_V1_MULTIPROCESSING="1", VLLM_WORKER_MULTIPROC_METHOD="fork")
    from vllm import LLM, SamplingParams, TokensPrompt

    from pagewalk.bed.settings import engine_args

    llm = LLM(**engine_args("llama", model), distributed_executor_backend="mp")
    params = SamplingParams(max_tokens=200, temperature=0, ignore_eos=True)
    try:
        for number in itertools.count():
            prompt = TokensPrompt(prompt_token_ids=[97 + number % 20] * 20)
            llm.llm_engine.add_request(str(number), prompt, params)
            llm.llm_engine.step()
            os.write(pipe, b".")
    except Exception as error:
        return type(error).__name__


PATIENCE = 60  # seconds


class Served:
    """A live engine of three processes, traced; `kill` ends one and waits for all."""

    def __init__(self, fork: Fork, name: str, model: Path, trace: Path) -> None:
        self.trace = trace
        self.reader, writer = os.pipe()

        def run() -> Any:
            os.close(self.reader)
            with tracing(trace, digest="hash"):
                return serve(model, writer)

        self.child = fork(name, run)
        os.close(writer)

    def kill(self, role: str, signs: int) -> None:
        """Wait for so many steps, then kill the process in that role."""
        for _ in range(signs):
            assert self._read(1), f"the engine ended early: {self.child._said()}"
        pids = {one: seg.pid for seg in open_trace(self.trace).segments for one in seg.roles}
        assert set(pids) == {"front_end", "engine_core", "worker"}
        assert len(set(pids.values())) == 3
        os.kill(pids[role], signal.SIGKILL)
        # Every process of the engine holds the other end: it closes with the last of them.
        while self._read(65536):
            pass
        os.close(self.reader)

    def _read(self, most: int) -> bytes:
        if not select.select([self.reader], [], [], PATIENCE)[0]:
            os.kill(self.child.pid, signal.SIGKILL)
            pytest.fail(f"nothing happened for {PATIENCE} s: {self.child._said()}")
        return os.read(self.reader, most)

    def segments(self) -> dict[str, Any]:
        """The segments by role."""
        trace: Trace = open_trace(self.trace)
        return {role: one for one in trace.segments for role in one.roles}


@pytest.mark.processes
class TestProcesses:
    """kill -9 of one process of a live engine: all segments open, the others end in order."""

    @pytest.mark.parametrize("role", ["worker", "engine_core", "front_end"])
    def test_kill_one(
        self, role: str, fork: Fork, models: Callable[[str], Path], tmp_path: Path
    ) -> None:
        served = Served(fork, f"kill-{role}", models("llama"), tmp_path / "trace")
        served.kill(role, 30 + len(role))
        if role == "front_end":
            os.waitpid(served.child.pid, 0)
            os.close(served.child.pipe)
        else:
            assert served.child.result() == "EngineDeadError", "the engine's own exception"
        segments = served.segments()
        assert set(segments) == {"front_end", "engine_core", "worker"}
        assert not segments[role].ended
        core = segments["engine_core"]
        assert exact(compare(core))
        if role != "engine_core":
            assert core.ended
        for segment in segments.values():
            assert all(gap.tail for gap in segment.gaps)
