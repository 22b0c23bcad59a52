"""Segments of several hosts, here or at URLs, become one trace: nothing is lost unsaid."""

from __future__ import annotations

import functools
import http.server
import json
import shutil
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from far_files import FarFiles, far_files

from pagewalk.cli import main
from pagewalk.collect.merge import collect
from pagewalk.collect.numbers import RAISE
from pagewalk.errors import PagewalkError
from pagewalk.trace.codec import encode
from pagewalk.trace.events import (
    SCHEMA_VERSION,
    EngineConfigured,
    Event,
    ExecutionStarted,
    RoleTaken,
    SegmentEnded,
    SegmentStarted,
)
from pagewalk.trace.read import open_trace
from pagewalk.views.engines import engines
from pagewalk.views.execution import workers

SECOND = 10**9


def started(
    pid: int, host: str, *, parent: int = 1, t: int = 5, boot: int = 100, run: str = "r"
) -> SegmentStarted:
    """A first line; `boot` is when the host's monotonic clock began, in seconds of wall time."""
    return SegmentStarted(
        0, t, SCHEMA_VERSION, run, pid, parent, host, boot * SECOND + t, "0", "3.11"
    )


def segment(folder: Path, start: SegmentStarted, *events: Event, number: int = 0) -> Path:
    """Write a segment as its process would."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{start.pid}-{number}.jsonl"
    lines = [start, *events]
    lines.append(SegmentEnded(len(lines), start.t + 100))
    path.write_bytes(b"".join(map(encode, lines)))
    return path


def header(folder: Path, run: str = "r", level: str = "full", digest: str = "hash") -> None:
    """Write a header beside the segments."""
    content = {"schema": SCHEMA_VERSION, "run": run, "level": level, "digest": digest}
    (folder / "header.json").write_text(json.dumps(content))


def engine_and_worker(folder: Path, host: str, boot: int, dp_rank: int = 0) -> None:
    """A host on which process 7 holds the engine and its child 8 runs the model."""
    core = EngineConfigured(1, 6, 0, "Scheduler", "m", "cpu", "0.32.0", {}, dp_rank)
    segment(folder, started(7, host, boot=boot), core)
    role, step = RoleTaken(1, 6, "worker", dp_rank), ExecutionStarted(2, 7, 1, dp_rank, 1, 1)
    segment(folder, started(8, host, parent=7, boot=boot), role, step)
    header(folder)


class TestTwoHosts:
    """Process numbers mean something on their own machine alone."""

    def test_same_numbers(self, tmp_path: Path) -> None:
        engine_and_worker(tmp_path / "a", "node-a", boot=100)
        engine_and_worker(tmp_path / "b", "node-b", boot=900, dp_rank=1)
        found = collect([str(tmp_path / "a"), str(tmp_path / "b")], str(tmp_path / "all"))
        assert (found.segments, found.hosts) == (4, {"node-a": 2, "node-b": 2})
        assert found.renumbered == ("node-b",)
        assert found.lost == ()

        trace = open_trace(tmp_path / "all")
        assert trace.header.problems == ()
        assert trace.header.digest == "hash"
        assert {(one.pid, one.started.host) for one in trace.segments if one.started} == {
            (7, "node-a"), (8, "node-a"), (7 + RAISE, "node-b"), (8 + RAISE, "node-b"),
        }  # fmt: skip
        # Each engine keeps its own worker, and gets no other's.
        for engine in engines(trace):
            ranks = [one.rank for seg in workers(trace, engine) for one in seg.facts_of(RoleTaken)]
            assert ranks == [engine.configured.dp_rank]

    @pytest.mark.parametrize(
        ("cores", "told", "found"),
        [
            ((0, 1), (1, 0), ([9], [8])),
            # Before they told it, nobody knew.
            ((0, 1), (None, None), ([], [])),
            # Two runs of their own, not two engines of one.
            ((0, 0), (0, 0), ([], [])),
        ],
    )
    def test_workers_that_are_nobodys_children(
        self, tmp_path: Path, cores: Any, told: Any, found: Any
    ) -> None:
        """Ray starts them: they say which data parallel engine they belong to."""
        for pid, rank in zip((6, 7), cores, strict=True):
            core = EngineConfigured(1, 6, 0, "Scheduler", "m", "cpu", "0.32.0", {}, rank)
            segment(tmp_path, started(pid, "node-a"), core)
        for pid, rank in zip((8, 9), told, strict=True):
            role = RoleTaken(1, 6, "worker", dp_rank=rank)
            segment(tmp_path, started(pid, "node-b", parent=1), role)
        header(tmp_path)
        trace = open_trace(tmp_path)
        theirs = [
            [one.pid for one in workers(trace, engine) if not one.engines]
            for engine in engines(trace)
        ]
        assert theirs == [*found]

    def test_numbers_that_do_not_clash_stay(self, tmp_path: Path) -> None:
        segment(tmp_path / "a", started(7, "node-a"))
        segment(tmp_path / "b", started(9, "node-b", boot=900))
        found = collect([str(tmp_path / "a"), str(tmp_path / "b")], str(tmp_path / "all"))
        assert found.renumbered == ()
        for folder, name in (("a", "7-0.jsonl"), ("b", "9-0.jsonl")):
            same = (tmp_path / folder / name).read_bytes()
            assert (tmp_path / "all" / name).read_bytes() == same

    def test_one_name_for_two_machines(self, tmp_path: Path) -> None:
        """As `localhost` may be: two clocks, so two names."""
        segment(tmp_path / "a", started(7, "box"))
        segment(tmp_path / "b", started(9, "box", boot=900))
        found = collect([str(tmp_path / "a"), str(tmp_path / "b")], str(tmp_path / "all"))
        assert found.hosts == {"box": 1, "box (2)": 1}
        assert {one.wall(0) for one in found.clocks.hosts.values()} == {100 * SECOND, 900 * SECOND}
        assert found.clocks.error is None

    def test_two_directories_of_one_machine(self, tmp_path: Path) -> None:
        """A worker that wrote elsewhere is still the child of its engine."""
        engine_and_worker(tmp_path / "a", "box", boot=100)
        (tmp_path / "b").mkdir()
        shutil.move(tmp_path / "a" / "8-0.jsonl", tmp_path / "b")
        collect([str(tmp_path / "a"), str(tmp_path / "b")], str(tmp_path / "all"))
        assert sorted(one.pid for one in open_trace(tmp_path / "all").segments) == [7, 8]

    def test_two_containers_of_one_machine(self, tmp_path: Path) -> None:
        """They share the clock and the name, and count their processes apart."""
        engine_and_worker(tmp_path / "a", "box", boot=100)
        segment(tmp_path / "b", started(7, "box", t=60))
        collect([str(tmp_path / "a"), str(tmp_path / "b")], str(tmp_path / "all"))
        trace = open_trace(tmp_path / "all")
        assert sorted(one.pid for one in trace.segments) == [7, 8, 7 + RAISE]
        assert len(trace.clocks.hosts) == 1

    def test_two_runs(self, tmp_path: Path) -> None:
        """Each host may have been started by itself; what only one recorded is not promised."""
        for name, run, digest in (("a", "r1", "hash"), ("b", "r2", "full")):
            segment(tmp_path / name, started(7, f"node-{name}", run=run))
            header(tmp_path / name, run, digest=digest)
        found = collect([str(tmp_path / "a"), str(tmp_path / "b")], str(tmp_path / "all"))
        assert found.runs == ("r1", "r2")
        trace = open_trace(tmp_path / "all")
        assert trace.header.problems == ()
        assert (trace.header.level, trace.header.digest) == ("full", "off")


class TestTwice:
    """Sources may overlap: a segment is there once, as long as the longest copy of it."""

    def test_same_source(self, tmp_path: Path) -> None:
        engine_and_worker(tmp_path / "a", "node-a", boot=100)
        found = collect([str(tmp_path / "a")] * 2, str(tmp_path / "all"))
        assert (found.segments, found.hosts) == (2, {"node-a": 2})

    @pytest.mark.parametrize("order", ["ab", "ba"])
    def test_a_copy_from_before(self, tmp_path: Path, order: str) -> None:
        whole = segment(tmp_path / "a", started(7, "node-a"), RoleTaken(1, 6, "worker"))
        first = whole.read_bytes().splitlines(keepends=True)[0]
        (tmp_path / "b").mkdir()
        (tmp_path / "b" / whole.name).write_bytes(first)
        found = collect([str(tmp_path / one) for one in order], str(tmp_path / "all"))
        assert found.segments == 1
        assert (tmp_path / "all" / whole.name).read_bytes() == whole.read_bytes()


class TestLost:
    """What could not be had is said, at once and in the trace."""

    def test_a_source_that_is_not_there(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        engine_and_worker(tmp_path / "a", "node-a", boot=100)
        sources = [str(tmp_path / "a"), str(tmp_path / "node-b")]
        assert main(["collect", *sources, "--out", str(tmp_path / "all")]) == 3
        assert "missing nothing came from node-b" in capsys.readouterr().out
        problems = open_trace(tmp_path / "all").header.problems
        assert any("nothing came from node-b" in one for one in problems)
        # And it stays said when what was collected is collected again.
        assert collect([str(tmp_path / "all")], str(tmp_path / "again")).lost != ()

    def test_a_segment_without_its_first_line(self, tmp_path: Path) -> None:
        whole = segment(tmp_path / "a", started(7, "node-a"), RoleTaken(1, 6, "worker"))
        lines = whole.read_bytes().splitlines(keepends=True)
        (tmp_path / "a" / "9-0.jsonl").write_bytes(b"{torn\n" + lines[1])
        found = collect([str(tmp_path / "a")], str(tmp_path / "all"))
        assert found.lost == ("9-0.jsonl does not say who wrote it",)
        assert (tmp_path / "all" / "9-0.jsonl").read_bytes() == b"{torn\n" + lines[1]

    def test_nothing_at_all(self, tmp_path: Path) -> None:
        with pytest.raises(PagewalkError, match="nothing to collect"):
            collect([str(tmp_path / "no")], str(tmp_path / "all"))

    def test_a_target_in_use(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        engine_and_worker(tmp_path / "a", "node-a", boot=100)
        for out in (str(tmp_path / "a"), f"file://{tmp_path / 'a'}"):
            assert main(["collect", str(tmp_path / "a"), "--out", out]) == 2
            assert "not" in capsys.readouterr().err
        assert len(list((tmp_path / "a").iterdir())) == 3


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """A directory of this machine over HTTP, as a browser would list it."""
    quiet = type("Quiet", (http.server.SimpleHTTPRequestHandler,), {"log_message": lambda *_: None})
    handler = functools.partial(quiet, directory=tmp_path / "web")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


class TestURLs:
    """Sources, targets and traces to read may be anywhere that fsspec reaches."""

    def test_there_and_back(self, tmp_path: Path) -> None:
        """Two sources at two URLs, collected to a third that another process serves."""
        (tmp_path / "far" / "runs").mkdir(parents=True)
        engine_and_worker(tmp_path / "far" / "runs" / "a", "node-a", boot=100)
        engine_and_worker(tmp_path / "b", "node-b", boot=900, dp_rank=1)
        with far_files(tmp_path / "far"):
            found = collect(["far://runs/a", f"file://{tmp_path / 'b'}"], "far://joined/all")
        assert (found.segments, found.lost) == (4, ())
        trace = open_trace(tmp_path / "far" / "joined" / "all")
        assert len(trace.segments) == 4
        assert trace.header.problems == ()

    def test_half_a_file(self, tmp_path: Path) -> None:
        """A connection that ends early: how much came is said."""
        engine_and_worker(tmp_path / "far", "node-a", boot=100)
        with far_files(tmp_path):
            FarFiles.cut = 40
            found = collect(["far://far"], str(tmp_path / "all"))
        assert [one for one in found.lost if "7-0.jsonl was not copied in whole" in one]
        problems = open_trace(tmp_path / "all").header.problems
        assert any("not copied in whole" in one for one in problems)

    def test_reading_commands(
        self,
        tmp_path: Path,
        served: str,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        pytest.importorskip("aiohttp", reason="fsspec reads http with it")
        demo = Path(__file__).parents[1] / "walkthroughs" / "traces" / "demo"
        shutil.copytree(demo, tmp_path / "web" / "demo")
        said = []
        for place in (str(demo), f"{served}/demo", f"file://{demo}"):
            assert main(["show", place, "--step", "3", "--json"]) == 0
            said.append(capsys.readouterr().out)
        assert said[0] == said[1] == said[2]
        assert main(["diff", str(demo), f"{served}/demo"]) == 0
        assert main(["check", f"{served}/demo"]) == 0
        # What is written beside a fetched trace would be gone: it comes to where we are.
        monkeypatch.chdir(tmp_path)
        assert main(["open", f"{served}/demo", "--no-browser"]) == 0
        assert (tmp_path / "demo.html").stat().st_size > 10_000

    @pytest.mark.parametrize(
        ("url", "said"),
        [
            ("memory://trace", "memory of one process"),
            ("nosuch://key:secret@bucket/trace", "cannot be read"),
            ("file:///no/such/trace", "cannot be read"),
        ],
    )
    def test_refused(self, url: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["show", url]) == 2
        error = capsys.readouterr().err
        assert said in error
        assert "secret" not in error

    def test_without_fsspec(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setitem(sys.modules, "fsspec.core", None)
        assert main(["show", "s3://bucket/trace"]) == 2
        assert "pip install 'pagewalk[remote]'" in capsys.readouterr().err
