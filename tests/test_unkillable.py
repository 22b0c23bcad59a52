"""kill -9, lost events, forks and hostile ids: the trace opens, and what is lost is said."""

from __future__ import annotations

import itertools
import os
import random
import select
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
from engines.child import Child
from hardship import add_crowd, compared, exact, new_bed, plain_outputs, probes_in_place
from lines import lines_of, only, segments_of

from pagewalk.capture import tracing
from pagewalk.capture.recorder import Recorder
from pagewalk.capture.session import flush_all
from pagewalk.capture.settings import Settings
from pagewalk.replay.compare import compare
from pagewalk.trace.events import Dropped, StepScheduled
from pagewalk.trace.read import Trace, open_trace

pytestmark = pytest.mark.engine
Fork = Callable[..., Child]

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


class TestLoss:
    """A buffer that overflows: the count in its place, then the state, then exact again."""

    @pytest.mark.parametrize("shape", [{}, {"policy": "priority"}, {"groups": "hybrid"}])
    def test_overflow(self, shape: dict[str, Any], fork: Fork, warm: None, tmp_path: Path) -> None:
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


PATIENCE = 90  # seconds in which an engine starts, steps or ends


def serve(model: Path, pipe: int) -> Any:
    """A front end with an engine core and a worker of its own; a dot for each step."""
    os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "1"
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


class Served:
    """A live engine of three processes, traced by the plugin in two of them."""

    def __init__(self, fork: Fork, name: str, model: Path, trace: Path) -> None:
        self.trace = trace
        self._watched: dict[str, int] = {}
        self._pids: dict[str, int] = {}
        self._reader, writer = os.pipe()

        def run() -> Any:
            os.close(self._reader)
            with tracing(trace, digest="hash"):
                return serve(model, writer)

        self.child = fork(name, run)
        os.close(writer)

    def step(self, signs: int) -> None:
        """Wait until the front end has stepped so often, and look who is there."""
        for _ in range(signs):
            ready = select.select([self._reader], [], [], PATIENCE)[0]
            assert ready, self.child._said()
            assert os.read(self._reader, 1), self.child._said()
        for role, segment in self.segments().items():
            self._pids[role] = segment.pid
            self._watched.setdefault(role, os.pidfd_open(segment.pid))
        assert set(self._pids) == {"front_end", "engine_core", "worker"}
        assert len(set(self._pids.values())) == 3

    def kill(self, role: str) -> None:
        """Kill -9 the process in that role."""
        os.kill(self._pids[role], signal.SIGKILL)
        self.ends(role)

    def ends(self, role: str) -> None:
        """Wait until the process in that role is no more."""
        ready = select.select([self._watched[role]], [], [], PATIENCE)[0]
        assert ready, f"{role} goes on: {self.child._said()}"

    def segments(self) -> dict[str, Any]:
        """The segments by role, read at whatever moment this is."""
        trace: Trace = open_trace(self.trace)
        return {role: one for one in trace.segments for role in one.roles}

    def close(self) -> None:
        """Leave no process behind, whatever the test came to."""
        for role, watched in self._watched.items():
            if not select.select([watched], [], [], 0)[0]:
                os.kill(self._pids[role], signal.SIGKILL)
            os.close(watched)
        with suppress(ProcessLookupError, ChildProcessError):
            os.kill(self.child.pid, signal.SIGKILL)
            os.waitpid(self.child.pid, 0)
        os.close(self._reader)


@pytest.fixture(scope="module")
def served(
    fork: Fork, models: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[int], Served]]:
    """Two engines, started at the same time: one for each test."""
    if not any(one.name == "pagewalk" for one in entry_points(group="vllm.general_plugins")):
        pytest.skip("the package is not installed: spawned processes would not find the plugin")
    folder = tmp_path_factory.mktemp("served")
    both = [Served(fork, f"served-{n}", models("llama"), folder / str(n)) for n in range(2)]
    yield both.__getitem__
    for one in both:
        one.close()


@pytest.mark.processes
class TestProcesses:
    """kill -9 of each process of a live engine: its segment opens, and so do the others'."""

    def test_a_worker(self, served: Callable[[int], Served]) -> None:
        """The core dies of it in order, and the user gets the engine's own exception."""
        engine = served(0)
        engine.step(30)
        engine.kill("worker")
        engine.ends("engine_core")
        assert engine.child.result() == "EngineDeadError"
        segments = engine.segments()
        # How long the dying core is left to end in order is up to vLLM and the machine.
        assert segments["front_end"].ended
        assert not segments["worker"].ended
        assert exact(compare(segments["engine_core"]))
        core = {type(event).__name__ for event in segments["engine_core"].events}
        assert "EngineFailed" in core

    def test_a_front_end_then_its_core(self, served: Callable[[int], Served]) -> None:
        """The engine outlives its front end and goes on recording; the worker ends with it."""
        engine = served(1)
        engine.step(40)
        engine.kill("front_end")
        before = engine.segments()
        assert not any(segment.ended for segment in before.values())
        engine.kill("engine_core")
        engine.ends("worker")
        after = engine.segments()
        assert set(after) == {"front_end", "engine_core", "worker"}
        assert not after["engine_core"].ended
        assert len(after["engine_core"].events) >= len(before["engine_core"].events)
        assert exact(compare(after["engine_core"]))
        for segment in after.values():
            assert all(gap.tail for gap in segment.gaps)
