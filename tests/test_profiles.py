"""Profiles: functions and samples lie where pagewalk's tracks say, and no path of ours is told."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from story import error_of

from pagewalk.profile.functions import Call, opened, read_profile
from pagewalk.profile.paths import scrub
from pagewalk.profile.samples import pagewalk_anchor, read_samples, speedscope
from pagewalk.trace.read import open_trace
from pagewalk.views.clock import Clock
from pagewalk.views.engines import Engine, pick_engine
from pagewalk.views.execution import executions
from pagewalk.views.walk import Walk

SCRIPTS = Path(__file__).parents[1] / "scripts"
PY_SPY = Path(sys.executable).with_name("py-spy")
# viztracer converts its time stamp counter by a factor that it measures: a part in a million off
# is 1 µs in each second of the process's life.
TOLERANCE_US = 20.0
Json = dict[str, Any]


def run(script: str, out: Path) -> str:
    """Run a script as a user does, and return what it printed."""
    done = subprocess.run(
        [sys.executable, SCRIPTS / script, "--out", out],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
    return done.stdout


def text_of(file: Path) -> str:
    """What is in a file, compressed or not."""
    data = file.read_bytes()
    return (gzip.decompress(data) if file.suffix == ".gz" else data).decode()


def assert_no_paths(out: Path, said: str) -> None:
    """Nothing written tells where this machine keeps its files."""
    places = {str(Path.home()), str(Path.cwd()), tempfile.gettempdir(), sys.prefix, str(out)}
    for file in out.rglob("*"):
        text = text_of(file) if file.is_file() else ""
        assert not [one for one in places if f"{one}/" in text], file
    # Where the results are is said, as the user called it.
    told = said.replace(str(out), "")
    assert not [one for one in places if f"{one}/" in told]


class Merged:
    """A Chrome trace file: slices by name of their lane."""

    def __init__(self, path: Path) -> None:
        self.events: list[Json] = json.loads(text_of(path))["traceEvents"]
        names = {
            (one["pid"], one["tid"]): one["args"]["name"]
            for one in self.events
            if one["name"] == "thread_name"
        }
        self.slices: list[tuple[str, Json]] = [
            (names[one["pid"], one["tid"]], one) for one in self.events if one["ph"] == "X"
        ]

    def of(self, lane: str, pid: int, name: str = "") -> list[Json]:
        """The slices in lanes of this name, in order of time."""
        found = [
            one
            for where, one in self.slices
            if where.startswith(lane) and one["pid"] == pid and one["name"].startswith(name)
        ]
        return sorted(found, key=lambda one: one["ts"])


def lone(out: Path) -> tuple[Engine, Any]:
    """The engine of the trace that a script recorded, and the trace."""
    trace = open_trace(out / "trace")
    return pick_engine(trace, None), trace


@pytest.mark.engine
@pytest.mark.processes
class TestViztracer:
    """The script, run once."""

    @pytest.fixture(scope="class")
    def done(self, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
        out = tmp_path_factory.mktemp("viztracer")
        return out, run("profile_viztracer.py", out)

    def test_functions_lie_in_their_step(self, done: tuple[Path, str]) -> None:
        """Each step's slice has exactly one call of schedule() in it, beginning and end."""
        out, _ = done
        engine, _ = lone(out)
        merged = Merged(out / "profile.json.gz")
        pid = engine.segment.pid
        calls = merged.of("functions", pid, "Scheduler.schedule (vllm/v1/core/sched/scheduler.py:")
        steps = merged.of("steps", pid, "schedule")
        steps = [one for one in steps if one["ts"] + one["dur"] > calls[0]["ts"]]
        assert len(steps) == len(calls) > 40
        outside = []
        for step, call in zip(steps, calls, strict=True):
            outside.append(step["ts"] - call["ts"])
            outside.append(call["ts"] + call["dur"] - step["ts"] - step["dur"])
        assert max(outside) < TOLERANCE_US

    def test_functions_of_the_scheduler_are_there(self, done: tuple[Path, str]) -> None:
        """Down to the block pool, within the step that allocates."""
        out, _ = done
        engine, _ = lone(out)
        merged = Merged(out / "profile.json.gz")
        names = Counter(
            one["name"].partition(" ")[0] for one in merged.of("functions", engine.segment.pid)
        )
        for name in ("Scheduler.schedule", "KVCacheManager.allocate_slots", "EngineCoreProc"):
            assert any(one.startswith(name) for one in names), name

    def test_the_worker_runs_inside_its_slice(self, done: tuple[Path, str]) -> None:
        """The model's functions lie in what pagewalk saw of the same step."""
        out, _ = done
        engine, trace = lone(out)
        merged, clock = Merged(out / "profile.json.gz"), Clock(trace)
        runs = executions(trace, engine)
        pid = next(iter(runs.values())).pid
        assert pid != engine.segment.pid
        segment = next(one for one in trace.segments if one.pid == pid)
        calls = merged.of("functions", pid, "WorkerWrapperBase.execute_model (")
        inside = 0
        for call in calls:
            inside += any(
                clock.since(segment, one.began) / 1000 - TOLERANCE_US <= call["ts"]
                and call["ts"] + call["dur"]
                <= clock.since(segment, one.ended) / 1000 + TOLERANCE_US
                for one in runs.values()
            )
        assert inside == len(calls) > 40

    def test_three_processes_and_both_tracks(self, done: tuple[Path, str]) -> None:
        """Front end, engine core, worker: each has functions beside pagewalk's lanes."""
        out, _ = done
        merged = Merged(out / "profile.json.gz")
        lanes: dict[int, set[str]] = {}
        for lane, one in merged.slices:
            lanes.setdefault(one["pid"], set()).add(lane)
        assert len(lanes) == 3
        assert all("functions" in own for own in lanes.values())
        assert any("steps" in own for own in lanes.values())

    def test_no_path_is_told(self, done: tuple[Path, str]) -> None:
        """In no file, and not on the screen."""
        assert_no_paths(*done)

    def test_opens_the_slowest_step(self, done: tuple[Path, str]) -> None:
        """On the screen too."""
        _, said = done
        assert "has the slowest schedule()" in said
        assert "Scheduler.schedule (vllm/v1/core/sched/scheduler.py:" in said


@pytest.mark.engine
@pytest.mark.processes
@pytest.mark.skipif(os.geteuid() != 0, reason="py-spy may read other processes only as root")
@pytest.mark.skipif(not PY_SPY.exists(), reason="py-spy is not installed")
class TestPySpy:
    """The script, run once."""

    @pytest.fixture(scope="class")
    def done(self, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
        out = tmp_path_factory.mktemp("pyspy")
        return out, run("flamegraph_pyspy.py", out)

    def test_samples_lie_where_the_model_ran(self, done: tuple[Path, str]) -> None:
        """Nearly all that samples show of the model overlaps with what pagewalk saw of it, give
        or take what the known moments were late by."""
        out, _ = done
        engine, trace = lone(out)
        late = json.loads(text_of(out / "samples.json.gz"))["otherData"]["samples_late_ns"]
        merged, clock = Merged(out / "samples.json.gz"), Clock(trace)
        runs = executions(trace, engine)
        pid = next(iter(runs.values())).pid
        segment = next(one for one in trace.segments if one.pid == pid)
        calls = merged.of("samples", pid, "WorkerWrapperBase.execute_model (")
        assert len(calls) > 20
        slack = late[-1] / 1000 + 10_000
        spans = [
            (clock.since(segment, one.began) / 1000, clock.since(segment, one.ended) / 1000)
            for one in runs.values()
        ]
        near = [
            any(began - slack <= one["ts"] <= ended + slack for began, ended in spans)
            for one in calls
        ]
        assert sum(near) > 0.95 * len(near)

    def test_functions_of_the_engine_were_seen(self, done: tuple[Path, str]) -> None:
        """In the engine core and in the worker."""
        out, _ = done
        engine, _ = lone(out)
        merged = Merged(out / "samples.json.gz")
        assert merged.of("samples", engine.segment.pid, "EngineCore.step (vllm/v1/engine/core.py")
        assert merged.of("steps", engine.segment.pid, "schedule")

    def test_speedscope_is_well_formed(self, done: tuple[Path, str]) -> None:
        """Opened and closed in turn, time never runs back, and the steps are on the same axis."""
        out, _ = done
        graph = json.loads((out / "speedscope.json").read_text())
        frames = graph["shared"]["frames"]
        for profile in graph["profiles"]:
            stack, now = [], 0.0
            for event in profile["events"]:
                assert event["at"] >= now
                now = event["at"]
                if event["type"] == "O":
                    stack.append(event["frame"])
                else:
                    assert stack.pop() == event["frame"]
            assert not stack
            assert now <= profile["endValue"]
        steps = next(one for one in graph["profiles"] if "steps" in one["name"])
        first = next(one for one in steps["events"])
        assert frames[first["frame"]]["name"] == "step 1"
        engine, trace = lone(out)
        began = next(iter(Walk(engine))).began
        assert first["at"] == pytest.approx(Clock(trace).since(engine.segment, began) / 1000)

    def test_no_path_is_told(self, done: tuple[Path, str]) -> None:
        """In no file, and not on the screen."""
        assert_no_paths(*done)


class TestPaths:
    """What is left of a path."""

    @pytest.mark.parametrize(
        ("text", "left"),
        [
            ("f (/home/me/.venv/lib/python3.11/site-packages/vllm/x.py:3)", "f (vllm/x.py:3)"),
            (f"f ({os.__file__}:1)", "f (os.py:1)"),
            (f"f ({Path.home()}/secret/x.py:1)", "f (x.py:1)"),
            (f"f ({tempfile.gettempdir()}/abc/kernel.py:1)", "f (kernel.py:1)"),
            (f"{Path.cwd()}/a/b.py", "b.py"),
            ("f (/srv/private/x.py:1)", "f (x.py:1)"),
            ("f (~/x.py:1)", "f (x.py:1)"),
            ("f (vllm/v1/x.py:1)", "f (vllm/v1/x.py:1)"),
            ("<frozen importlib._bootstrap>", "<frozen importlib._bootstrap>"),
            ("a / b", "a / b"),
        ],
    )
    def test_is_package_and_file(self, text: str, left: str) -> None:
        """Nobody's directories."""
        assert scrub(text) == left

    def test_a_home_with_spaces(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """No pattern would take it."""
        from pagewalk.profile import paths

        paths._roots.cache_clear()
        monkeypatch.setenv("HOME", "/home/Jane Doe")
        try:
            assert scrub("f (/home/Jane Doe/x.py:1)") == "f (x.py:1)"
        finally:
            paths._roots.cache_clear()


class TestReading:
    """What the profilers write, and what they do not."""

    def test_what_took_long_keeps_its_place(self) -> None:
        """Small calls are left out, and the rest stands as it stood."""
        calls = [
            Call("outside", 1, 1, 0, 50),
            Call("step", 1, 1, 100, 200),
            Call("small", 1, 1, 101, 102),
            Call("big", 1, 1, 110, 160),
            Call("inner", 1, 1, 110, 160),
            Call("next", 1, 1, 160, 190),
        ]
        told = [(depth, one.name) for depth, one in opened(calls, 100, 200)]
        assert told == [(0, "step"), (1, "big"), (2, "inner"), (1, "next")]

    @pytest.mark.parametrize("text", ["", "{}", "[]", '{"traceEvents": [{"ph": "X"}]}'])
    def test_damaged_profiles(self, tmp_path: Path, text: str) -> None:
        """One sentence."""
        path = tmp_path / "7.functions.json"
        path.write_text(text)
        (tmp_path / "7.clock.json").write_text("{}")
        assert error_of(lambda: read_profile(path)).slug == "bad-profile"
        assert error_of(lambda: read_profile(tmp_path / "8.functions.json")).slug == "bad-profile"

    @staticmethod
    def sampled(path: Path) -> Path:
        """Samples of an anchor and a function in it, whose line changes once."""
        name = pagewalk_anchor.__name__

        def event(phase: str, what: str, ts: int, line: int = 1) -> Json:
            args = {"filename": "/home/me/x.py", "line": line}
            return {"ph": phase, "name": what, "pid": 7, "tid": 9, "ts": ts, "args": args}

        events = [
            event("B", "process 7:/home/me/x", 10),
            event("B", name, 100),
            event("E", name, 120),
            event("B", name, 120, 2),
            event("B", "inner", 120),
            event("E", "inner", 205),
            event("E", name, 205),
        ]
        path.write_text(json.dumps(events))
        return path

    def test_the_zero_is_that_of_the_soonest_anchor(self, tmp_path: Path) -> None:
        """A change is never seen before it happens."""
        told = read_samples(self.sampled(tmp_path / "s.json"), 7, [1_099_000, 1_202_000])
        assert told.zero == 1_099_000 - 100_000
        assert told.late == (0, 2_000)
        assert told.zero + 205_000 - 1_202_000 == told.late[-1]

    def test_too_few_anchors(self, tmp_path: Path) -> None:
        """Without them nobody knows when it was."""
        path = self.sampled(tmp_path / "s.json")
        assert error_of(lambda: read_samples(path, 7, [1] * 6)).slug == "anchors-not-seen"
        path.write_text("[1]")
        assert error_of(lambda: read_samples(path, 7, [])).slug == "bad-profile"

    def test_a_missed_anchor_shifts_nothing(self, tmp_path: Path) -> None:
        """The anchors that were seen are told by the distances between them."""
        moments = [5_000_000 + one * 1000 for one in (0, 100, 161, 261, 339, 439, 1339, 1439)]
        seen = [161, 263, 340, 445, 1343, 1440]  # without the first of the four
        args = {"filename": "x.py", "line": 1}
        events = [
            {"name": pagewalk_anchor.__name__, "pid": 7, "tid": 9, "ts": ts, "args": args}
            | {"ph": "E" if at % 2 else "B"}
            for at, ts in enumerate(seen)
        ]
        (tmp_path / "s.json").write_text(json.dumps(events))
        told = read_samples(tmp_path / "s.json", 7, moments)
        assert told.zero == 5_000_000
        assert told.late == (0, 1000, 1000, 2000, 4000, 6000)

    def test_equal_calls_keep_their_order(self, tmp_path: Path) -> None:
        """What was seen for one sample only is still inside of what called it."""
        told = read_samples(self.sampled(tmp_path / "s.json"), 7, [1_099_000, 1_202_000])
        assert [one.name.partition(" ")[0] for one in told.calls][-2:] == [
            "pagewalk_anchor",
            "inner",
        ]
        (profile,) = speedscope(told.calls, [], 0)["profiles"]
        assert [one["type"] for one in profile["events"]] == list("OCOOCC")


def test_scripts_are_short() -> None:
    """Short enough to be read first."""
    for name in ("profile_viztracer.py", "flamegraph_pyspy.py"):
        assert len((SCRIPTS / name).read_text().splitlines()) < 140
