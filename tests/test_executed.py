"""What a worker ran, held against what the scheduler meant: a planted fault is found and named."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from engines.child import Child
from engines.drive import Drive
from engines.verify import examine

from pagewalk.cli_read import check
from pagewalk.replay.batches import batches
from pagewalk.trace.events import BatchPrepared, Dropped

Fork = Callable[..., Child]
Models = Callable[[str], Path]
SIZE = 32


def prepared(seq: int, step: int, rows: Any, *, fresh: bool = False, **more: Any) -> BatchPrepared:
    """A batch of two requests on rank 0, one token each."""
    sizes = [SIZE] if fresh else []
    return BatchPrepared(seq, 0, step, 0, [1, 2], [40, 3], [1, 1], rows, block_sizes=sizes, **more)


class TestBatches:
    """A worker's rows from what changed in them."""

    def test_rows_stay_until_they_change(self) -> None:
        events = [
            prepared(0, 1, [[(0, [5, 6]), (1, [7])]], fresh=True),
            prepared(1, 2, [[(1, [8])]], slots=[[200, 1, 259, 1]]),
        ]
        first, second = batches(events, {1: "a", 2: "b"})
        assert [row.tables for row in first.rows] == [((5, 6),), ((7,),)]
        assert [row.tables for row in second.rows] == [((5, 6),), ((8,),)]
        assert [row.slots for row in second.rows] == [((200,),), ((259,),)]
        assert [row.slots for row in first.rows] == [(), ()]
        assert second.block_sizes == (SIZE,)

    def test_after_a_loss_nothing_is_known(self) -> None:
        events = [
            prepared(0, 1, [[(0, [5, 6]), (1, [7])]], fresh=True),
            Dropped(1, 0, 1, "buffer_full"),
            prepared(2, 2, [[(1, [8])]]),
        ]
        *_, last = batches(events, {1: "a", 2: "b"})
        assert [row.tables for row in last.rows] == [(None,), ((8,),)]


def _row_fault(runner: Any) -> None:
    """From its third batch on, one request's second block is another one."""
    table = runner.input_batch.block_table.block_tables[0]
    table.block_table.np[0, 1] += 1


def _slot_fault(runner: Any) -> None:
    """The table is right, and one token goes elsewhere all the same."""
    table = runner.input_batch.block_table.block_tables[0]
    table.slot_mapping.gpu[0] += 1


def run(model: Path, trace: Path, fault: Callable[[Any], None], *, after: bool) -> dict[str, Any]:
    """An engine whose worker goes wrong from its third batch on, traced."""
    os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
    from vllm.v1.worker.gpu_model_runner import GPUModelRunner

    from pagewalk.bed.settings import engine_args
    from pagewalk.capture import tracing

    own, calls = GPUModelRunner._prepare_inputs, 0

    @functools.wraps(own)
    def faulty(runner: Any, *args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls >= 3 and not after:
            fault(runner)
        result = own(runner, *args, **kwargs)
        if calls >= 3 and after:
            fault(runner)
        return result

    # Below the probe, which must see what the engine does.
    GPUModelRunner._prepare_inputs = faulty
    with tracing(trace, digest="hash"):
        drive = Drive(engine_args("llama", model))
        drive.add("a", list(range(40)), max_tokens=6)
        drive.run()
    return examine(trace)


@pytest.mark.engine
class TestFaults:
    """Caught, and named at the first place."""

    def test_a_corrupted_row(
        self, fork: Fork, models: Models, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        model, trace = models("llama"), tmp_path / "trace"
        found = fork("row", lambda: run(model, trace, _row_fault, after=False)).result()
        (rank,) = found["ranks"]
        assert rank["differing"] == rank["steps"] - 2
        assert rank["first"]["step"] == 3
        assert "row 0 (a" in rank["first"]["message"]
        assert "entry 1 of its block table: the scheduler has block 2" in rank["first"]["message"]
        # The scheduler's own books are in order: only the worker is wrong.
        assert all(engine["divergences"] == 0 for engine in found["engines"])
        assert check(trace, as_json=True) == 1
        assert json.loads(capsys.readouterr().out)["outcome"] == "broken"
        assert check(trace) == 1
        assert "A worker ran something else than the scheduler meant" in capsys.readouterr().out

    def test_a_corrupted_slot(self, fork: Fork, models: Models, tmp_path: Path) -> None:
        model, trace = models("llama"), tmp_path / "trace"
        found = fork("slot", lambda: run(model, trace, _slot_fault, after=True)).result()
        (rank,) = found["ranks"]
        assert rank["first"]["step"] == 3
        assert (
            "token 41: its slot is 73 by the scheduler's table (2 x 32 + 9)"
            in rank["first"]["message"]
        )

    def test_two_engines_in_one_process(self, fork: Fork, models: Models, tmp_path: Path) -> None:
        """Whose batch it is cannot be told, so nothing is said of it."""
        model, trace = models("llama"), tmp_path / "trace"
        found = fork("two", lambda: twice(model, trace)).result()
        assert found["events"]["EngineConfigured"] == 2
        assert found["events"]["BatchPrepared"] > 4
        assert found["ranks"] == []


def twice(model: Path, trace: Path) -> dict[str, Any]:
    """Two engines side by side, with different requests."""
    os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
    from pagewalk.bed.settings import engine_args
    from pagewalk.capture import tracing

    with tracing(trace, digest="hash"):
        # The first must stay: with it would go what both share.
        drives = [Drive(engine_args("llama", model)) for _ in range(2)]
        for drive, name, length in zip(drives, "ab", (40, 5), strict=True):
            drive.add(name, list(range(length)), max_tokens=4)
            drive.run()
    return examine(trace)
