"""What a worker ran, held against what the scheduler meant: a planted fault is found and named."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from builder import NAME, busy_toy
from engines.child import Child
from engines.drive import Drive
from engines.verify import examine
from toy_workers import with_workers

from pagewalk.cli_read import check
from pagewalk.replay.batches import Batch, Row, batches
from pagewalk.replay.prepared import Prepared, prepared
from pagewalk.trace.events import AttentionPrepared, BatchPrepared, Dropped
from pagewalk.trace.read import open_trace
from pagewalk.views.lengths import compare_lengths
from pagewalk.views.verdict import check as verdict

Fork = Callable[..., Child]
Models = Callable[[str], Path]
SIZE = 32


def rows_of(seq: int, step: int, rows: Any, *, fresh: bool = False, **more: Any) -> BatchPrepared:
    """A batch of two requests on rank 0, one token each."""
    sizes = [SIZE] if fresh else []
    return BatchPrepared(seq, 0, step, 0, [1, 2], [40, 3], [1, 1], rows, block_sizes=sizes, **more)


class TestBatches:
    """A worker's rows from what changed in them."""

    def test_rows_stay_until_they_change(self) -> None:
        events = [
            rows_of(0, 1, [[(0, [5, 6]), (1, [7])]], fresh=True),
            rows_of(1, 2, [[(1, [8])]], slots=[[200, 1, 259, 1]]),
        ]
        first, second = batches(events, {1: "a", 2: "b"})
        assert [row.tables for row in first.rows] == [((5, 6),), ((7,),)]
        assert [row.tables for row in second.rows] == [((5, 6),), ((8,),)]
        assert [row.slots for row in second.rows] == [((200,),), ((259,),)]
        assert [row.slots for row in first.rows] == [(), ()]
        assert second.block_sizes == (SIZE,)

    def test_after_a_loss_nothing_is_known(self) -> None:
        events = [
            rows_of(0, 1, [[(0, [5, 6]), (1, [7])]], fresh=True),
            Dropped(1, 0, 1, "buffer_full"),
            rows_of(2, 2, [[(1, [8])]]),
        ]
        *_, last = batches(events, {1: "a", 2: "b"})
        assert [row.tables for row in last.rows] == [(None,), ((8,),)]


def told(seq: int, query: Any, lens: Any, fields: Any = None, **more: Any) -> AttentionPrepared:
    """What a backend is told of a batch of two rows on rank 0."""
    counts = {"num_reqs": 2, "num_tokens": 41, "max_query_len": 40, "max_seq_len": 48}
    rest = {name: more.pop(name, value) for name, value in counts.items()}
    return AttentionPrepared(
        seq,
        0,
        1,
        0,
        more.pop("group", 0),
        **rest,
        query_lens=query,
        seq_lens=lens,
        fields=fields or {},
        **more,
    )


class TestPrepared:
    """What a backend is told, from what changed in it."""

    def test_lengths_grow_by_one_number(self) -> None:
        events = [
            told(0, [40, 1], [40, 8], {"block_table": "int32[2, 8]", "num_reqs": "="}, kind="Some"),
            told(1, [40, 1], 0, {"max_seq_len": 17}, kind="Other", group=1),
            told(2, 1, 1, {"block_table": None}, num_reqs=2),
        ]
        first, second, third = prepared(events)
        assert (first.query_lens, first.seq_lens) == ((40, 1), (40, 8))
        assert (second.seq_lens, second.kind, second.fields) == (
            (40, 8),
            "Other",
            {"max_seq_len": 17},
        )
        assert (third.query_lens, third.seq_lens) == ((1, 1), (41, 9))
        assert (first.kind, first.fields) == ("Some", {"block_table": "int32[2, 8]", "num_reqs": 2})
        assert (third.kind, third.fields) == ("Some", {"block_table": None, "num_reqs": 2})

    def test_after_a_loss_nothing_is_known(self) -> None:
        events = [
            told(0, 1, [40, 8], {"causal": True}, kind="Some"),
            Dropped(1, 0, 1, "buffer_full"),
            told(2, 1, 1),
            told(3, 1, [42, 10]),
            told(4, 1, 1),
        ]
        _, second, third, fourth = prepared(events)
        assert (second.seq_lens, second.fields) == (None, None)
        assert (third.seq_lens, fourth.seq_lens) == ((42, 10), (43, 11))

    def test_where_only_the_device_has_them(self) -> None:
        events = [told(0, 1, [40, 8]), told(1, 1, [], source=""), told(2, 1, 1)]
        assert [one.seq_lens for one in prepared(events)] == [(40, 8), None, None]


BATCH = Batch(1, 0, 0, (SIZE,), (Row(0, "a", 0, 40, (), ()), Row(1, "b", 7, 1, (), ())))


class TestCutOff:
    """A core that was killed has not written its last steps, and its workers have theirs."""

    def test_says_whose_end_is_missing(self, tmp_path: Path) -> None:
        trace = with_workers(tmp_path / "trace", busy_toy(0, steps=20), ranks=1, troubles=())
        assert verdict(open_trace(trace)).losses == ()
        core = trace / NAME
        lines = core.read_bytes().splitlines(keepends=True)
        steps = [at for at, line in enumerate(lines) if b'"e":"StepStarted"' in line]
        core.write_bytes(b"".join(lines[: steps[-3]]))
        found = verdict(open_trace(trace))
        assert (found.outcome, found.ranks[0].unknown, found.ranks[0].unmet) == ("unknown", 3, 3)
        (said,) = found.losses
        assert said.startswith("5000-0.jsonl: 3 batches of rank 0 are of steps that no engine core")
        assert f"{NAME} was cut off" in said
        assert "let the last answers come before that" in said


class TestLengths:
    """Metadata held against its batch."""

    @pytest.mark.parametrize(
        ("more", "said"),
        [
            ({}, None),
            ({"query_lens": [40, 1, 0], "seq_lens": [40, 8, 0], "num_reqs": 3}, None),
            ({"max_query_len": 99, "max_seq_len": 99, "num_tokens": 64}, None),
            ({"query_lens": [39, 1]}, "row 0 (a), group 0: the attention backend computes 39 "),
            ({"seq_lens": [40, 9]}, "sees 9 tokens of it; 7 were computed and 1 are in the batch"),
            ({"query_lens": [40], "seq_lens": [40]}, "is told of 1 rows, the batch has 2"),
            ({"query_lens": [40, 1, 2], "seq_lens": [40, 8, 2]}, "2 tokens of row 2, which is pad"),
            ({"max_query_len": 39}, "has max_query_len 39, and 40 are there"),
            ({"max_seq_len": 39}, "has max_seq_len 39, and 40 are there"),
            ({"num_tokens": 40}, "has num_actual_tokens 40, and 41 are there"),
        ],
    )
    def test_each_row(self, more: dict[str, Any], said: str | None) -> None:
        event = told(0, more.pop("query_lens", [40, 1]), more.pop("seq_lens", [40, 8]), **more)
        found = compare_lengths(BATCH, prepared([event]))
        assert (found.rows, found.complete) == (2, True)
        assert (found.first is None) if said is None else (found.first and said in found.first[1])

    def test_what_is_not_known_is_said(self) -> None:
        (lost,) = prepared([told(0, [40, 1], 1)])
        assert not compare_lengths(BATCH, [lost]).complete
        (none,) = prepared([told(0, [40, 1], [], source="")])
        assert compare_lengths(BATCH, [none]).complete

    def test_a_split_batch_has_other_rows(self) -> None:
        halves: list[Prepared] = list(
            prepared([told(0, [40], [40], num_reqs=1), told(1, 1, [8], num_reqs=1, ubatch=1)])
        )
        assert compare_lengths(BATCH, halves).rows == 0


def _row_fault(runner: Any) -> None:
    """From its third batch on, one request's second block is another one."""
    table = runner.input_batch.block_table.block_tables[0]
    table.block_table.np[0, 1] += 1


def _slot_fault(runner: Any) -> None:
    """The table is right, and one token goes elsewhere all the same."""
    table = runner.input_batch.block_table.block_tables[0]
    table.slot_mapping.gpu[0] += 1


def _length_fault(runner: Any) -> None:
    """The batch is right, and attention is told that its first request is longer."""
    runner.seq_lens[0] += 1


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

    def test_a_corrupted_length(self, fork: Fork, models: Models, tmp_path: Path) -> None:
        model, trace = models("llama"), tmp_path / "trace"
        found = fork("length", lambda: run(model, trace, _length_fault, after=True)).result()
        (rank,) = found["ranks"]
        assert rank["differing"] == rank["steps"] - 2
        assert rank["first"]["step"] == 3
        assert (
            "the attention backend sees 43 tokens of it; 41 were computed and 1 are in the batch"
            in rank["first"]["message"]
        )
        assert check(trace) == 1

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
