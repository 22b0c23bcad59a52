"""How a batch is run: the CUDA graph that was chosen for it, and the layers that were called."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from engines.cases import CASES
from engines.run import Runs

from pagewalk.capture.encoder import Encoder
from pagewalk.probes import graphs, worker
from pagewalk.probes.memory import Memory, executing
from pagewalk.trace.codec import decode
from pagewalk.trace.events import Event, ExecutionEnded, GraphChosen, GraphsCaptured, LayersRan
from pagewalk.views.evidence import replayed
from pagewalk.views.execution import executions
from pagewalk.views.graphs import runs_of

RANK = 1


def events(readings: Any) -> list[Event]:
    """What comes of readings, through the encoder and back."""
    readings = readings if isinstance(readings, list) else [readings]
    lines = Encoder(b"salt" * 4).lines([(0, one) for one in readings]).splitlines()
    found = [decode(line) for line in lines]
    assert all(isinstance(one, Event) for one in found)
    return [one for one in found if isinstance(one, Event)]


@pytest.fixture
def step() -> Iterator[None]:
    """Step 7 is being executed."""
    executing.forget()
    graphs._runners.clear()
    executing.step, executing.rank = 7, RANK
    yield
    executing.forget()


class TestMemory:
    """What is kept of an engine object goes with it."""

    def test_by_identity(self) -> None:
        class Equal:
            """All of them are equal, and cannot be hashed."""

            __hash__ = None  # type: ignore[assignment]

            def __eq__(self, other: object) -> bool:
                return True

        memory: Memory[list[int]] = Memory(list)
        first, second = Equal(), Equal()
        memory.of(first).append(1)
        assert (memory.of(first), memory.of(second)) == ([1], [])
        del first
        memory.of(Equal())
        assert len(memory._kept) == 2
        memory.clear()
        assert memory.of(second) == []


@pytest.mark.engine
@pytest.mark.usefixtures("step", "vllm_imported")
class TestV1:
    """V1's own dispatcher, as it would be on a GPU."""

    @pytest.fixture
    def dispatcher(self) -> Any:
        from vllm.config.compilation import CUDAGraphMode
        from vllm.v1.cudagraph_dispatcher import CudagraphDispatcher

        dispatcher = object.__new__(CudagraphDispatcher)
        vars(dispatcher).update(
            vllm_config=SimpleNamespace(
                lora_config=None, scheduler_config=SimpleNamespace(max_num_seqs=8)
            ),
            compilation_config=SimpleNamespace(
                cudagraph_capture_sizes=[1, 2, 4, 8],
                max_cudagraph_capture_size=8,
                compile_sizes=None,
            ),
            uniform_decode_query_len=1,
            specialize_lora_count=False,
            cudagraph_keys={CUDAGraphMode.PIECEWISE: set(), CUDAGraphMode.FULL: set()},
        )
        dispatcher.initialize_cudagraph_keys(CUDAGraphMode.FULL_AND_PIECEWISE, 1)
        return dispatcher

    def chosen(self, dispatcher: Any, *batches: tuple[int, bool]) -> list[Event]:
        runner = SimpleNamespace(cudagraph_dispatcher=dispatcher, uniform_decode_query_len=1)
        found = []
        # A plain namespace is not weakly referable in older Pythons; a runner always is.
        holder = type("Runner", (), vars(runner))()
        for tokens, uniform in batches:
            result = (*dispatcher.dispatch(tokens, uniform_decode=uniform), False, None, None)
            found += events(graphs.graph_chosen(holder, (), {"num_tokens": tokens}, result))
        return found

    def test_each_mode(self, dispatcher: Any) -> None:
        captured, *rest = self.chosen(dispatcher, (3, True), (3, False), (99, False))
        assert isinstance(captured, GraphsCaptured)
        assert (captured.rank, captured.setting) == (RANK, "FULL_AND_PIECEWISE")
        assert captured.sizes == {"PIECEWISE": [1, 2, 4, 8], "FULL": [1, 2, 4, 8]}
        assert all(isinstance(one, GraphChosen) and one.step == 7 for one in rest)
        assert [run.why for run in runs_of([captured, *rest])] == [
            "one graph, captured for 4 tokens in 4 rows of 1 each; 1 of them padding",
            "graphs of what lies between the attention layers, captured for 4 tokens; "
            "1 of them padding",
            "99 tokens, and the largest graph was captured for 8",
        ]

    def test_outside_a_step_nothing_is_told(self, dispatcher: Any) -> None:
        executing.step = -1
        result = (*dispatcher.dispatch(3), False, None, None)
        assert graphs.graph_chosen(object(), (), {"num_tokens": 3}, result) is None


@pytest.mark.usefixtures("step")
class TestWords:
    """Why there is no graph, as far as a trace knows."""

    def said(self, *told: Event) -> str:
        (run,) = runs_of([*told, GraphChosen(9, 0, 1, 0, "NONE", 3, 3)])
        return run.why

    def test_each(self) -> None:
        sizes = {"FULL": [1, 2, 4]}
        assert self.said() == "no graph was used"
        assert self.said(GraphsCaptured(1, 0, 0, "NONE")).endswith("cudagraph_mode is NONE")
        assert self.said(GraphsCaptured(1, 0, 0, "FULL_DECODE_ONLY", sizes)) == (
            "none of the graphs that were captured (FULL) fits this batch"
        )


@pytest.mark.usefixtures("step")
class TestLayers:
    """Which layers Python called in a step."""

    def ended(self, *names: str) -> list[Event]:
        executing.step, executing.layers = 7, []
        for name in names:
            graphs.layer_called((None, SimpleNamespace(layer_name=name)), {})
        one = SimpleNamespace(rpc_rank=0, worker=SimpleNamespace(rank=0))
        return events(worker.execution_ended(one, (), {}, None, True))

    def test_names_come_when_they_are_others(self) -> None:
        first, ended = self.ended("a", "b")
        assert isinstance(first, LayersRan)
        assert isinstance(ended, ExecutionEnded)
        assert (first.step, first.rank, first.calls, first.layers) == (7, RANK, 2, ["a", "b"])
        again, _ = self.ended("a", "b")
        assert isinstance(again, LayersRan)
        assert (again.calls, again.layers) == (2, [])
        other, _ = self.ended("b")
        assert isinstance(other, LayersRan)
        assert (other.calls, other.layers) == (1, ["b"])

    def test_a_replayed_graph_calls_none(self) -> None:
        (ended,) = self.ended()
        assert isinstance(ended, ExecutionEnded)

    def test_warming_up_is_no_step(self) -> None:
        executing.step = -1
        graphs.layer_called((None,), {"layer": SimpleNamespace(layer_name="a")})
        graphs.mla_layer_called((SimpleNamespace(layer_name="a"),), {})
        assert executing.layers == []


@pytest.mark.engine
class TestEngine:
    """On the real engine, in cases of the matrix: no graphs on a CPU, and all layers called."""

    @pytest.mark.parametrize("name", ["crowd", "hybrid", "mla"])
    def test_each_step(self, name: str, runs: Runs) -> None:
        run = replayed(runs.trace(next(case for case in CASES if case.name == name)))
        found, batches = run.graphs(), run.batches()
        assert [*found] == [*batches]
        for step, batch in batches.items():
            tokens = sum(row.tokens for row in batch.rows)
            assert (found[step].mode, found[step].padded) == ("NONE", tokens)
            assert found[step].why == "there are no graphs: the engine's cudagraph_mode is NONE"
        layers = list(run.events(LayersRan))
        assert [one.step for one in layers] == [*batches]
        assert {one.calls for one in layers} == {sum(one.num_layers for one in run.attention())}
        known = [name for one in run.attention() for name in one.layers]
        assert sorted(layers[0].layers) == sorted(known)
        assert all(not one.layers for one in layers[1:])

    def test_times_within_a_step(self, runs: Runs) -> None:
        run = replayed(runs.trace(next(case for case in CASES if case.name == "crowd")))
        for one in executions(run.trace, run.engine).values():
            if one.step in run.batches():
                assert one.began < one.prepared < one.executed < one.sampling < one.ended
                assert 0 < one.forward + one.sampled < one.took

    def test_who_came_and_went(self, runs: Runs) -> None:
        """The worker's rows change as the scheduler admits, preempts and finishes."""
        run = replayed(runs.trace(next(case for case in CASES if case.name == "crowd")))
        batches = run.batches()
        kinds: dict[str, set[str]] = {"new": set(), "resumed": set()}
        for step, batch in batches.items():
            shares = {share.request: share.admission for share in run.step(step).scheduled}
            for kind, told in (("new", batch.new), ("resumed", batch.resumed)):
                assert {name for name, how in shares.items() if how == kind} == {*told}
                kinds[kind] |= {*told}
        assert kinds["new"] == {*run.requests}
        assert kinds["resumed"] == {one.request for one in run.preemptions} & kinds["resumed"]
        assert kinds["resumed"]
        rows: set[str] = set()
        for batch in batches.values():
            here = {row.request for row in batch.rows}
            assert rows - here == {*batch.removed}
            rows = here
