"""The recorder: every reading is in the segment once and in order, or its loss is said there."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from lines import kinds, lines_of, only, segments_of

from pagewalk.capture.buffer import Buffer
from pagewalk.capture.header import begin_run, claim_directory
from pagewalk.capture.recorder import Recorder
from pagewalk.capture.settings import RUN, Settings
from pagewalk.trace import events as ev
from pagewalk.trace.read import open_trace

Make = Callable[..., Recorder]
ENGINE = (ev.EngineConfigured, 0, "Scheduler", "m", "cpu", "0", {}, 0)


def taken(number: int) -> tuple[Any, ...]:
    """A reading that can be recognised."""
    return (ev.BlocksTaken, 0, [number])


def numbers(lines: list[dict[str, Any]]) -> list[int]:
    """The readings made by `taken`, in order."""
    return [line["blocks"][0] for line in only(lines, "BlocksTaken")]


@pytest.fixture(autouse=True)
def _own_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """A recorder tells its children of its run through the environment: not the next test's."""
    monkeypatch.setenv(RUN, "")


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Recorders that are closed at the end, come what may."""
    made: list[Recorder] = []

    def recorder(directory: Path | None = None, **options: Any) -> Recorder:
        made.append(Recorder(Settings(directory or tmp_path / "trace"), **options))
        return made[-1]

    yield recorder
    for one in made:
        one.close()


def forked(do: Callable[[], Any]) -> int:
    """Run `do` in a forked child that ends without exit handlers; its exit code."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            do()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


class TestBuffer:
    """Bounded, and what it refuses is missing in one place."""

    def test_takes_in_order(self) -> None:
        buffer = Buffer(lambda: 7)
        for number in range(5):
            buffer.emit(taken(number))
        assert [reading[2][0] for _, reading in buffer.take(3)] == [0, 1, 2]
        assert [t for t, _ in buffer.take(9)] == [7, 7]
        assert buffer.refused() == 0

    def test_takes_nothing_more_until_it_was_emptied(self) -> None:
        """Else a hole would lie among readings, and nobody could say where."""
        buffer = Buffer(lambda: 0, limit=3)
        for number in range(5):
            buffer.emit(taken(number))
        assert len(buffer.take(2)) == 2
        buffer.emit(taken(5))
        assert buffer.refused() == 0, "an older reading is still in there"
        assert [reading[2][0] for _, reading in buffer.take(9)] == [2]
        assert buffer.refused() == 3
        buffer.emit(taken(6))
        assert [reading[2][0] for _, reading in buffer.take(9)] == [6]
        assert buffer.refused() == 0

    def test_shut_and_restarted(self) -> None:
        buffer = Buffer(lambda: 0, limit=3)
        buffer.emit(taken(0))
        buffer.shut()
        buffer.emit(taken(1))
        assert len(buffer) == 0
        buffer.restart()
        buffer.emit(taken(2))
        assert len(buffer) == 1
        assert buffer.refused() == 0


class TestSegment:
    """One file per process, from `SegmentStarted` to `SegmentEnded`."""

    def test_from_start_to_end(self, make: Make, tmp_path: Path) -> None:
        recorder = make()
        recorder.declare((ev.ProbesInstalled, "blocks", ["x"], {}))
        assert recorder.wake()
        assert recorder.wake()
        for number in range(100):
            recorder.emit(taken(number))
        recorder.close("done")
        recorder.close("twice")
        (segment,) = segments_of(tmp_path / "trace")
        lines = lines_of(segment)
        assert segment.name == f"{os.getpid()}-0.jsonl"
        assert kinds(lines)[:2] == ["SegmentStarted", "ProbesInstalled"]
        assert (lines[-1]["e"], lines[-1]["reason"]) == ("SegmentEnded", "done")
        assert numbers(lines) == list(range(100))
        assert lines[0]["pid"] == os.getpid()
        assert open_trace(tmp_path / "trace").segments[0].ended

    def test_flush_writes_what_was_emitted(self, make: Make, tmp_path: Path) -> None:
        recorder = make()
        recorder.wake()
        recorder.emit(taken(1))
        recorder.flush()
        assert numbers(lines_of(segments_of(tmp_path / "trace")[0])) == [1]

    def test_a_process_without_a_role_leaves_no_file(self, make: Make, tmp_path: Path) -> None:
        recorder = make()
        recorder.declare((ev.ProbesInstalled, "blocks", [], {}))
        recorder.flush()
        recorder.close()
        assert not (tmp_path / "trace").exists()

    def test_nothing_comes_after_the_end(self, make: Make, tmp_path: Path) -> None:
        recorder = make()
        recorder.wake()
        recorder.close()
        recorder.emit(taken(1))
        recorder.flush()
        assert not recorder.wake()
        assert len(recorder._buffer) == 0
        (segment,) = segments_of(tmp_path / "trace")
        assert kinds(lines_of(segment)) == ["SegmentStarted", "SegmentEnded"]

    def test_large_batches_stay_in_order(self, make: Make, tmp_path: Path) -> None:
        recorder = make()
        for number in range(50_001):
            recorder.emit(taken(number))
        recorder.wake()
        recorder.close()
        assert numbers(lines_of(segments_of(tmp_path / "trace")[0])) == list(range(50_001))

    def test_threads_emit_at_once(self, make: Make, tmp_path: Path) -> None:
        """Each thread's readings in its order, none twice, none missing."""
        recorder = make()
        recorder.wake()
        together = threading.Barrier(5)

        def emit(thread: int) -> None:
            together.wait()
            for number in range(3_000):
                recorder.emit((ev.TableEntrySet, thread, f"r{thread}", number, 0))

        threads = [threading.Thread(target=emit, args=(one,)) for one in range(4)]
        for one in threads:
            one.start()
        together.wait()
        for _ in range(50):
            recorder.flush()
        for one in threads:
            one.join()
        recorder.close()
        lines = only(lines_of(segments_of(tmp_path / "trace")[0]), "TableEntrySet")
        for thread in range(4):
            mine = [line["index"] for line in lines if line["table"] == thread]
            assert mine == list(range(3_000))

    def test_threads_wake_at_once(self, make: Make, tmp_path: Path) -> None:
        recorder = make()
        together = threading.Barrier(8)

        def wake() -> None:
            together.wait()
            recorder.wake()

        threads = [threading.Thread(target=wake) for _ in range(8)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        recorder.close()
        assert len(segments_of(tmp_path / "trace")) == 1


class TestLoss:
    """A full buffer and a reading that is no event: said in place, with the count."""

    def test_overflow_is_said_where_it_happened(self, make: Make, tmp_path: Path) -> None:
        recorder = make(limit=10)
        for number in range(25):
            recorder.emit(taken(number))
        recorder.wake()
        recorder.flush()
        assert recorder.lost == 15
        recorder.emit(taken(25))
        recorder.close()
        lines = lines_of(segments_of(tmp_path / "trace")[0])
        assert kinds(lines) == [
            "SegmentStarted",
            *["BlocksTaken"] * 10,
            "Dropped",
            "BlocksTaken",
            "SegmentEnded",
        ]
        assert numbers(lines) == [*range(10), 25]
        (dropped,) = only(lines, "Dropped")
        assert (dropped["count"], dropped["reason"]) == (15, "buffer_full")

    def test_not_encodable(self, make: Make, tmp_path: Path) -> None:
        recorder = make()
        recorder.wake()
        for reading in (taken(1), taken(object()), taken(2)):  # type: ignore[arg-type]
            recorder.emit(reading)
        recorder.close()
        assert recorder.lost == 1
        lines = lines_of(segments_of(tmp_path / "trace")[0])
        assert kinds(lines)[1:-1] == ["BlocksTaken", "Dropped", "BlocksTaken"]

    def test_a_writer_that_fails_says_so_and_stops(
        self, make: Make, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What nobody foresaw: the engine pays nothing for it from then on."""
        recorder = make()
        recorder.wake()
        writer = recorder._thread
        assert writer is not None

        def unforeseen(*_: Any) -> int:
            raise RuntimeError("unforeseen")

        with caplog.at_level(logging.WARNING, "pagewalk"):
            monkeypatch.setattr(os, "fstat", unforeseen)
            recorder.emit(taken(1))
            writer.join()
            monkeypatch.undo()
        assert recorder.broken == "RuntimeError: unforeseen"
        assert "the engine goes on untraced" in caplog.text
        recorder.emit(taken(2))
        assert len(recorder._buffer) == 0


class TestDirectory:
    """Where the trace goes, and what happens when it cannot go there."""

    @pytest.mark.parametrize("kind", ["file", "below a file", "too long"])
    def test_a_place_that_cannot_be(
        self, kind: str, make: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        (tmp_path / "file").write_text("mine")
        place = {
            "file": tmp_path / "file",
            "below a file": tmp_path / "file" / "trace",
            "too long": tmp_path / ("x" * 300),
        }[kind]
        recorder = make(place)
        with caplog.at_level(logging.WARNING, "pagewalk"):
            assert not recorder.wake()
            assert not recorder.wake()
        assert len(caplog.records) == 1
        assert "the engine goes on untraced" in caplog.text
        recorder.emit(taken(1))
        assert len(recorder._buffer) == 0, "nobody will ever write it"
        recorder.flush()
        recorder.close()
        assert (tmp_path / "file").read_text() == "mine"

    def test_read_only(self, make: Make, tmp_path: Path) -> None:
        (tmp_path / "trace").mkdir(mode=0o500)
        if os.access(tmp_path / "trace", os.W_OK):
            pytest.skip("this user may write everywhere")
        assert not make().wake()

    def test_removed_while_running(self, make: Make, tmp_path: Path) -> None:
        """A new segment in a new directory; it says that something is missing."""
        recorder = make()
        recorder.declare((ev.ProbesInstalled, "blocks", ["x"], {}))
        recorder.wake()
        recorder.emit(taken(1))
        recorder.flush()
        for path in (tmp_path / "trace").iterdir():
            path.unlink()
        (tmp_path / "trace").rmdir()
        recorder.emit((ev.RequestDequeued, "a"))
        recorder.emit(taken(2))
        recorder.flush()
        recorder.close()
        (segment,) = segments_of(tmp_path / "trace")
        assert segment.name == f"{os.getpid()}-1.jsonl"
        assert kinds(lines_of(segment)) == [
            "SegmentStarted",
            "ProbesInstalled",
            "Dropped",
            "RequestNamed",
            "RequestDequeued",
            "BlocksTaken",
            "SegmentEnded",
        ]
        assert recorder.lost == 1
        trace = open_trace(tmp_path / "trace")
        assert trace.header.run

    def test_removed_for_good(
        self, make: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Its place is taken by a file: the recorder goes on trying, and says it once."""
        recorder = make()
        recorder.wake()
        recorder.flush()
        for path in (tmp_path / "trace").iterdir():
            path.unlink()
        (tmp_path / "trace").rmdir()
        (tmp_path / "trace").write_text("in the way")
        with caplog.at_level(logging.WARNING, "pagewalk"):
            for number in range(3):
                recorder.emit(taken(number))
                recorder.flush()
        assert caplog.text.count("cannot write") == 1
        (tmp_path / "trace").unlink()
        recorder.emit(taken(3))
        recorder.close()
        lines = lines_of(segments_of(tmp_path / "trace")[0])
        assert kinds(lines)[1] == "Dropped"
        assert numbers(lines) == [0, 1, 2, 3], "kept while there was no place for them"


class TestRun:
    """The processes of a run share a directory; another run gets its own."""

    def test_two_runs_into_one_directory(
        self, make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for _ in range(3):
            monkeypatch.setenv(RUN, "")
            recorder = make()
            recorder.wake()
            recorder.close()
        traces = [tmp_path / "trace", *(tmp_path / "trace" / f"run-{n}" for n in (2, 3))]
        assert len({open_trace(one).header.run for one in traces}) == 3
        assert all(len(segments_of(one)) == 1 for one in traces)

    def test_children_join_by_the_environment(self, make: Make, tmp_path: Path) -> None:
        recorder = make()
        recorder.wake()
        run, _, place = os.environ[RUN].partition(":")
        assert place == str(tmp_path / "trace")
        directory, joined = claim_directory(Settings(tmp_path / "elsewhere"))
        assert (directory, joined) == (tmp_path / "trace", run)

    def test_processes_that_wake_before_their_parent_are_of_one_run(
        self, make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Two engine cores of a front end that records nothing itself (level `lean`)."""
        begin_run(Settings(tmp_path / "trace"))
        told = os.environ[RUN]
        for _ in range(2):
            monkeypatch.setenv(RUN, told)
            recorder = make()
            recorder.wake()
            recorder.close()
        trace = open_trace(tmp_path / "trace")
        assert len(trace.segments) == 2
        assert {one.started.run for one in trace.segments if one.started} == {trace.header.run}

    def test_a_header_appears_whole_or_not_at_all(self, make: Make, tmp_path: Path) -> None:
        make().wake()
        assert not list((tmp_path / "trace").glob(".header*"))
        assert open_trace(tmp_path / "trace").header.problems == ()

    def test_a_damaged_header_is_another_run(self, make: Make, tmp_path: Path) -> None:
        (tmp_path / "trace").mkdir()
        (tmp_path / "trace" / "header.json").write_text("{")
        make().wake()
        assert len(segments_of(tmp_path / "trace" / "run-2")) == 1


class TestFork:
    """A child writes its own segment; the parent's is its own."""

    def test_child_and_parent(self, make: Make, tmp_path: Path) -> None:
        recorder = make()
        recorder.follow_forks()
        recorder.declare((ev.ProbesInstalled, "blocks", ["x"], {}))
        recorder.wake()
        recorder.emit(taken(1))

        def child() -> None:
            recorder.emit(taken(2))
            recorder.wake()
            recorder.emit(taken(3))
            recorder.close("child")

        assert forked(child) == 0
        recorder.emit(taken(4))
        recorder.close()
        parents, childs = map(lines_of, segments_of(tmp_path / "trace"))
        assert numbers(parents) == [1, 4]
        assert numbers(childs) == [3], "what happens before it has a role is nobody's"
        assert kinds(childs)[:2] == ["SegmentStarted", "ProbesInstalled"]
        assert childs[0]["parent_pid"] == parents[0]["pid"] == os.getpid()
        assert childs[0]["run"] == parents[0]["run"]

    def test_a_child_that_takes_no_role_leaves_nothing(self, make: Make, tmp_path: Path) -> None:
        recorder = make()
        recorder.follow_forks()
        recorder.wake()

        def child() -> None:
            recorder.emit(taken(1))
            assert len(recorder._buffer) == 0

        assert forked(child) == 0
        recorder.close()
        (segment,) = segments_of(tmp_path / "trace")
        assert numbers(lines_of(segment)) == []

    def test_while_the_writer_holds_the_lock(
        self, make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The child must neither wait for a thread that it does not have, nor write its line."""
        recorder = make()
        recorder.follow_forks()
        recorder.wake()
        recorder.flush()
        writing, go_on = threading.Event(), threading.Event()
        write, me = os.write, threading.get_ident()

        def slow(fd: int, data: bytes) -> int:
            if threading.get_ident() != me and data:
                writing.set()
                go_on.wait()
            return write(fd, data)

        monkeypatch.setattr(os, "write", slow)
        recorder.emit(taken(1))
        writing.wait()
        assert recorder._lock.locked()

        def child() -> None:
            monkeypatch.setattr(os, "write", write)
            recorder.wake()
            recorder.emit(taken(2))
            recorder.flush()
            recorder.close()

        code = forked(child)
        go_on.set()
        recorder.close()
        assert code == 0
        parents, childs = map(lines_of, segments_of(tmp_path / "trace"))
        assert (numbers(parents), numbers(childs)) == ([1], [2])

    def test_a_child_of_a_process_with_an_engine_knows_nothing_at_first(
        self, make: Make, tmp_path: Path
    ) -> None:
        recorder = make()
        recorder.follow_forks()
        recorder.wake()
        recorder.declare(ENGINE)

        def child() -> None:
            assert recorder.lost == 1
            recorder.emit(taken(1))
            recorder.inherit()
            recorder.inherit()
            recorder.emit(taken(2))
            recorder.close()

        assert forked(child) == 0
        recorder.close()
        _, childs = map(lines_of, segments_of(tmp_path / "trace"))
        assert kinds(childs) == [
            "SegmentStarted",
            "EngineConfigured",
            "Dropped",
            "BlocksTaken",
            "SegmentEnded",
        ]
        assert (only(childs, "Dropped")[0]["reason"], numbers(childs)) == ("forked", [2])
        assert recorder.lost == 0

    def test_a_worker_does_not_pass_for_an_engine(self, make: Make, tmp_path: Path) -> None:
        """Forked by a process with an engine, it takes a role of its own."""
        recorder = make()
        recorder.follow_forks()
        recorder.wake()
        recorder.declare(ENGINE)

        def child() -> None:
            recorder.wake()
            recorder.close()

        assert forked(child) == 0
        recorder.close()
        _, childs = map(lines_of, segments_of(tmp_path / "trace"))
        assert kinds(childs) == ["SegmentStarted", "SegmentEnded"]

    def test_a_dead_recorder_is_not_kept_alive_by_its_handler(self) -> None:
        import weakref

        recorder = Recorder(Settings(Path("nowhere")))
        recorder.follow_forks()
        reference = weakref.ref(recorder)
        del recorder
        import gc

        gc.collect()
        assert reference() is None
        assert forked(lambda: None) == 0


PRELUDE = """
import multiprocessing, os, sys
from pathlib import Path
from pagewalk.capture.recorder import Recorder
from pagewalk.capture.settings import Settings
from pagewalk.trace import events as ev

def work(number):
    recorder = Recorder(Settings(Path(sys.argv[1])))
    recorder.follow_forks()
    assert recorder.wake()
    recorder.emit((ev.BlocksTaken, 0, [number]))
    return recorder
"""
ENDINGS = {
    "end of the program": "work(1)",
    "sys.exit": "work(1); sys.exit(3)",
    "uncaught exception": "work(1); raise SystemError",
    "multiprocessing, spawn": (
        "if __name__ == '__main__':\n"
        "    p = multiprocessing.get_context('spawn').Process(target=work, args=(1,))\n"
        "    p.start(); p.join()\n"
    ),
    "multiprocessing, fork": (
        "p = multiprocessing.get_context('fork').Process(target=work, args=(1,))\n"
        "p.start(); p.join()"
    ),
    "multiprocessing, fork of an awake process": (
        "r = work(1)\n"
        "def child():\n"
        "    r.wake(); r.emit((ev.BlocksTaken, 0, [2]))\n"
        "p = multiprocessing.get_context('fork').Process(target=child)\n"
        "p.start(); p.join()"
    ),
}


class TestExit:
    """A process that ends without closing anything still ends its segment."""

    @pytest.mark.parametrize("how", ENDINGS)
    def test_exit_without_close(self, how: str, tmp_path: Path) -> None:
        script = tmp_path / "script.py"
        script.write_text(PRELUDE + ENDINGS[how])
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        done = subprocess.run(
            [sys.executable, str(script), str(tmp_path / "trace")],
            env=environment,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        segments = segments_of(tmp_path / "trace")
        assert len(segments) == (2 if "awake" in how else 1), done.stderr
        for number, segment in enumerate(segments, 1):
            lines = lines_of(segment)
            assert numbers(lines) == [number]
            assert kinds(lines)[-1] == "SegmentEnded"
