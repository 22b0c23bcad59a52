"""Readers that raise and targets that are gone, in a real engine, which must not notice."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from engines.child import Child
from hardship import add_crowd, new_bed, plain_outputs, probes_in_place
from lines import lines_of, only, segments_of

from pagewalk.capture import tracing
from pagewalk.capture.recorder import Recorder
from pagewalk.capture.settings import Settings
from pagewalk.probes import PROBES
from pagewalk.replay.compare import compare
from pagewalk.trace.read import open_trace

pytestmark = pytest.mark.engine
Fork = Callable[..., Child]

SCHEDULER = "vllm.v1.core.sched.scheduler:Scheduler"
POOL = "vllm.v1.core.block_pool:BlockPool"
MANAGER = "vllm.v1.core.single_type_kv_cache_manager:SingleTypeKVCacheManager"


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
        target, _, part = which

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

        outputs = fork(f"reader-{target.rpartition('.')[2]}-{part}", run).result()
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
