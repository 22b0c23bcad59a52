"""Model runner V2 without a GPU: its own host code, its batches, and a fault in one of its rows."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from engines import workload
from engines.runner_v2 import CAPTURED, BedV2, by_hand
from engines.verify import examine, must_hold
from releases_at_hand import release_params
from test_exact_bed import PLAIN, VARIANTS

from pagewalk.cli_read import check
from pagewalk.probes import batches_v2, graphs
from pagewalk.replay.batches import batches
from pagewalk.source.package import open_package
from pagewalk.source.releases import find
from pagewalk.trace.events import BatchPrepared, Dropped, GraphsCaptured
from pagewalk.trace.read import open_trace
from pagewalk.views.evidence import replayed

GPU = "vllm.v1.worker.gpu"
# What the readers look at and no probe's target names, by the class that has it.
READ = {
    f"{GPU}.buffer_utils:StagedWriteTensor": {
        "_staged_write_indices", "_staged_write_starts", "_staged_write_contents",
        "_staged_write_cu_lens",
    },
    f"{GPU}.block_table:BlockTables": {"block_tables", "num_kv_cache_groups", "block_sizes"},
    f"{GPU}.states:RequestState": {"req_id_to_index"},
    f"{GPU}.input_batch:InputBatch": {
        "num_reqs", "req_ids", "num_tokens", "num_computed_tokens_np", "query_start_loc_np",
        "idx_mapping_np",
    },
    f"{GPU}.cudagraph_utils:BatchExecutionDescriptor": {
        "cg_mode", "num_tokens", "num_reqs", "uniform_token_count", "num_active_loras",
    },
    f"{GPU}.cudagraph_utils:CudaGraphManager": {"cudagraph_mode", "_capture_descs"},
    f"{GPU}.model_runner:GPUModelRunner": {
        "block_tables", "req_states", "parallel_config", "cudagraph_manager", "pcp_manager",
        "attn_groups", "kernel_block_sizes",
    },
}  # fmt: skip

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("vllm_imported")]


def random_run(seed: int, trace: Path, patch: pytest.MonkeyPatch, **shape: Any) -> BedV2:
    """A random workload on a scheduler and V2's host code, traced as a user would."""
    from pagewalk.capture import tracing

    patch.setattr(workload, "SchedulerBed", BedV2)
    plan = replace(
        workload.random_plan(seed, 70), shape=workload.settled({**PLAIN, "groups": "full", **shape})
    )
    with by_hand(), tracing(trace, digest="hash", strict=True):
        bed = workload.play(plan)
    assert isinstance(bed, BedV2)
    return bed


class TestAgrees:
    """Replay from what was staged is what the device's tables held, and what was scheduled."""

    @pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
    @pytest.mark.parametrize("groups", workload.GROUPS)
    def test_every_kind_of_group(
        self, groups: str, asynchronous: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shape = {"groups": groups, "async_scheduling": asynchronous}
        bed = random_run(workload.GROUPS.index(groups), tmp_path / "trace", monkeypatch, **shape)
        self.holds(bed, tmp_path / "trace")

    @pytest.mark.parametrize("variant", ["priority", "uncached", "drafts", "crowded"])
    def test_some_settings(
        self, variant: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bed = random_run(7, tmp_path / "trace", monkeypatch, **VARIANTS[variant])
        self.holds(bed, tmp_path / "trace")

    def holds(self, bed: BedV2, trace: Path) -> None:
        found = examine(trace)
        assert must_hold(found) > 60
        assert check(trace) == 0
        (rank,) = found["ranks"]
        assert rank["steps"] == len(bed.truth) > 30
        (segment,) = open_trace(trace).segments
        seen = list(batches(segment.events, segment.names))
        assert {batch.runner for batch in seen} == {"V2"}
        for batch in seen:
            told = {row.request: [list(table or ()) for table in row.tables] for row in batch.rows}
            assert told == bed.truth[batch.step]
            states = [row.state for row in batch.rows]
            assert len(set(states)) == len(states)


class TestReleases:
    """What the readers look at is there, by the source of each release at hand."""

    @pytest.mark.parametrize("path", release_params())
    def test_attributes(self, path: str | None) -> None:
        with open_package(path) as package:
            for target, names in READ.items():
                node = find(package, target).node
                assert isinstance(node, ast.ClassDef), target
                assert names - _set_in(node) == set(), target
            tables = find(package, f"{GPU}.block_table:BlockTables").node
        assert isinstance(tables, ast.ClassDef)
        # Where a manager's block is several of the kernel's, the tables name those.
        parts = {"blocks_per_kv_block", "kernel_block_sizes"} & _set_in(tables)
        assert len(parts) in (0, 2)


def _set_in(node: ast.ClassDef) -> set[str]:
    """Attributes that the class declares, or sets in its methods."""
    declared = {
        one.target.id
        for one in node.body
        if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name)
    }
    return declared | {
        one.attr
        for one in ast.walk(node)
        if isinstance(one, ast.Attribute) and isinstance(one.ctx, ast.Store)
    }


class TestMembers:
    """Who is new, who keeps a state, who lost it."""

    def test_states_are_kept_and_given_back(self, tmp_path: Path) -> None:
        from pagewalk.capture import tracing

        with by_hand(), tracing(tmp_path / "trace", digest="hash", strict=True):
            bed = BedV2(num_blocks=20, block_size=8)
            bed.add("a", range(20), max_tokens=3)
            bed.add("b", range(12), max_tokens=9)
            for _ in range(4):
                bed.step()
            bed.add("c", range(5), max_tokens=3)
            bed.run()
        seen = [*replayed(tmp_path / "trace").batches().values()]
        assert [batch.new for batch in seen if batch.new] == [("a", "b"), ("c",)]
        assert [batch.removed for batch in seen if batch.removed] == [("a",), ("c",)]
        state = {
            name: {row.state for batch in seen for row in batch.rows if row.request == name}
            for name in "abc"
        }
        assert all(len(one) == 1 for one in state.values())
        # `c` got the state that `a` gave back.
        assert state["c"] == state["a"] != state["b"]
        # V2 puts decodes before prefills: the newcomer is in the last row, whatever its state.
        (joined,) = [batch for batch in seen if batch.new == ("c",)]
        assert [row.request for row in joined.rows] == ["b", "c"]

    def test_a_resumed_one_is_new_to_the_worker(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        random_run(3, tmp_path / "trace", monkeypatch, num_blocks=14, reserve_full_sequence=False)
        run = replayed(tmp_path / "trace")
        back = {
            share.request
            for step in run.steps
            for share in step.scheduled
            if share.admission == "resumed"
        }
        assert back
        told = [name for batch in run.batches().values() for name in batch.new]
        assert all(told.count(name) > 1 for name in back)
        assert not any(batch.resumed for batch in run.batches().values())


class TestFaults:
    """A wrong entry is named by row, request, state and place."""

    def test_a_corrupted_write(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        from pagewalk.capture import tracing

        with by_hand(), tracing(tmp_path / "trace", digest="hash", strict=True):
            bed = BedV2(num_blocks=20, block_size=8)
            tables = bed.host.runner.block_tables
            own = tables.block_tables[0].stage_write

            def faulty(state: int, start: int, blocks: list[int]) -> None:
                # The second block that a running request gets.
                own(state, start, [one + 1 for one in blocks] if start == 3 else blocks)

            tables.block_tables[0].stage_write = faulty
            bed.add("a", range(20), max_tokens=9)
            bed.run()
        (rank,) = examine(tmp_path / "trace")["ranks"]
        first = rank["first"]
        # 20 tokens of the prompt and 5 more fill three blocks of 8; the next needs a fourth.
        assert first["step"] == 6
        assert first["message"] == (
            f"step 6, rank 0: row 0 (a, state {self.state(tmp_path)}), group 0, entry 3 of its "
            "block table: the scheduler has block 4, the worker 5"
        )
        assert rank["differing"] == rank["steps"] - 5
        assert check(tmp_path / "trace") == 1
        assert "A worker ran something else" in capsys.readouterr().out

    def state(self, trace: Path) -> int | None:
        return replayed(trace / "trace").batches()[1].rows[0].state

    def test_a_request_in_the_wrong_batch(self, tmp_path: Path) -> None:
        from pagewalk.capture import tracing

        with by_hand(), tracing(tmp_path / "trace", digest="hash", strict=True):
            bed = BedV2(num_blocks=20, block_size=8)
            own = bed.host.runner.prepare_inputs

            def faulty(output: Any, batch: Any, *rest: Any) -> Any:
                batch.num_scheduled_tokens[0] += 1
                return own(output, batch, *rest)

            bed.host.runner.prepare_inputs = faulty
            bed.add("a", range(5), max_tokens=2)
            bed.run()
        (rank,) = examine(tmp_path / "trace")["ranks"]
        assert rank["first"]["message"].endswith("a was given 5 tokens, the worker has 6")


class TestReplay:
    """Writes are pieces: what came before them must be known."""

    def event(self, seq: int, writes: Any, **more: Any) -> BatchPrepared:
        return BatchPrepared(
            seq, 0, seq, 0, [1], [0], [1], [[]], [[]], [16], "V2", [3], writes, **more
        )

    def rows(self, *events: Any) -> list[Any]:
        return [batch.rows[0].tables[0] for batch in batches(events, {1: "a"})]

    def test_pieces(self) -> None:
        assert self.rows(
            self.event(0, [[(3, 0, [5, 6])]], new=[1]),
            self.event(1, []),
            self.event(2, [[(3, 2, [9]), (3, 3, [8])]]),
            self.event(3, [[(3, 0, [7])]]),
            self.event(4, [], new=[1]),
        ) == [(5, 6), (5, 6), (5, 6, 9, 8), (7,), ()]

    def test_after_a_loss_nothing_is_known(self) -> None:
        assert self.rows(
            self.event(0, [[(3, 0, [5, 6])]], new=[1]),
            Dropped(1, 0, 1, "buffer_full"),
            self.event(2, [[(3, 2, [9])]]),
            self.event(3, [[(3, 0, [4])]]),
        ) == [(5, 6), None, (4,)]


class TestGraphs:
    """The choice that V2's own manager makes, in words."""

    def test_each_batch(self, tmp_path: Path) -> None:
        from pagewalk.capture import tracing

        with by_hand(), tracing(tmp_path / "trace", digest="hash", strict=True):
            bed = BedV2(num_blocks=40, block_size=8, max_num_batched_tokens=32)
            for number in range(3):
                bed.add(f"r{number}", range(2 + number), max_tokens=3 + number)
            bed.add("long", range(20), max_tokens=2)
            bed.run()
        run = replayed(tmp_path / "trace")
        (segment,) = run.trace.segments
        (captured,) = [one for one in segment.events if isinstance(one, GraphsCaptured)]
        assert captured.setting == "FULL_AND_PIECEWISE"
        assert captured.sizes == {"FULL": CAPTURED, "PIECEWISE": CAPTURED}
        found = run.graphs()
        assert [*found] == [*run.batches()]
        first, second = found[1], found[2]
        assert (first.mode, first.num_tokens, first.padded) == ("NONE", 29, 29)
        assert first.why == "29 tokens, and the largest graph was captured for 8"
        assert (second.mode, second.num_tokens, second.padded) == ("FULL", 4, 4)
        assert second.why == "one graph, captured for 4 tokens in 4 rows of 1 each"
        padded = next(one for one in found.values() if one.padded > one.num_tokens)
        assert padded.why.endswith("4 tokens in 4 rows of 1 each; 1 of them padding")

    def test_without_graphs(self, tmp_path: Path) -> None:
        from pagewalk.capture import tracing

        with by_hand(), tracing(tmp_path / "trace", digest="hash", strict=True):
            bed = BedV2(num_blocks=40, block_size=8, graphs=False)
            bed.add("a", range(5), max_tokens=2)
            bed.run()
        assert {one.why for one in replayed(tmp_path / "trace").graphs().values()} == {
            "there are no graphs: the engine's cudagraph_mode is NONE"
        }

    def test_a_prefill_among_decodes_runs_in_pieces(self, tmp_path: Path) -> None:
        from pagewalk.capture import tracing

        with by_hand(), tracing(tmp_path / "trace", digest="hash", strict=True):
            bed = BedV2(num_blocks=40, block_size=8)
            bed.add("a", range(3), max_tokens=4)
            bed.step()
            bed.add("b", range(4), max_tokens=2)
            bed.run()
        found = replayed(tmp_path / "trace").graphs()
        assert found[2].mode == "PIECEWISE"
        assert found[2].why == (
            "graphs of what lies between the attention layers, captured for 8 tokens; "
            "3 of them padding"
        )


class TestHarmless:
    """What is made up to warm up is no step, and the readers keep nothing alive."""

    def test_a_batch_without_a_step(self) -> None:
        with by_hand():
            bed = BedV2(num_blocks=20, block_size=8)
            bed.add("a", range(5), max_tokens=2)
            output = bed.scheduler.schedule()
            runner = bed.host.runner
            batches_v2.writes_staged(runner.block_tables, (), {})
            batch = bed.host.execute(output)
            assert batches_v2.batch_prepared_v2(runner, (output,), {}, batch) is None
            assert graphs.graph_chosen_v2(runner, (output,), {}, batch) is None

    def test_same_tokens(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        traced = random_run(11, tmp_path / "trace", monkeypatch, groups="hybrid")
        plan = replace(
            workload.random_plan(11, 70), shape=workload.settled({**PLAIN, "groups": "hybrid"})
        )
        with by_hand():
            plain = workload.play(plan)
        assert isinstance(plain, BedV2)
        assert plain.outputs == traced.outputs
        assert plain.truth == traced.truth
