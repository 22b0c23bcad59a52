"""Attention as it is recorded: the backend of each layer set, why not another, what it is told."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from engines.cases import CASES
from engines.child import Child
from engines.run import Runs

from pagewalk.capture.encoder import Encoder
from pagewalk.probes import attention
from pagewalk.probes.memory import executing
from pagewalk.probes.spec import Redundant
from pagewalk.trace.codec import decode
from pagewalk.trace.events import AttentionPrepared, BackendChosen, BackendsJudged, BatchPrepared
from pagewalk.trace.read import open_trace
from pagewalk.views.evidence import replayed

np = pytest.importorskip("numpy")
Fork = Callable[..., Child]
UTILS = "vllm.v1.worker.utils"
Tell = Callable[..., AttentionPrepared]


class Tensor:
    """What a probe may touch of a tensor; one on a device gives nothing of what it holds."""

    def __init__(self, values: list[int], device: str = "cpu") -> None:
        self._values = np.array(values, dtype=np.int32)
        self.device, self.is_cpu = SimpleNamespace(type=device), device == "cpu"
        self.shape, self.dtype = self._values.shape, "torch.int32"

    def numpy(self) -> Any:
        assert self.is_cpu, "a copy from the device"
        return self._values


def group(number: int = 0, layer: str = "layers.0") -> Any:
    return SimpleNamespace(kv_cache_group_id=number, layer_names=[layer])


def told(query: list[int], seq: Any, upper: Any = None) -> Any:
    """A runner's metadata of a batch."""
    starts = np.cumsum([0, *query]).tolist()
    return SimpleNamespace(
        num_reqs=len(query),
        num_actual_tokens=sum(query),
        max_query_len=max(query),
        max_seq_len=99,
        query_start_loc_cpu=Tensor(starts),
        seq_lens=seq,
        seq_lens_cpu_upper_bound=upper,
    )


@pytest.fixture
def step() -> Iterator[None]:
    """A step is being executed, and nothing was told before."""
    attention._forget()
    executing.step, executing.rank = 7, 1
    yield
    attention._forget()
    executing.forget()


@pytest.fixture
def event(step: None) -> Tell:
    """Metadata -> the event that building it leaves, through one encoder and back."""
    encoder = Encoder(b"salt" * 4)

    def tell(common: Any, metadata: Any = None, of: Any = None, **more: Any) -> AttentionPrepared:
        metadata = metadata or SimpleNamespace()
        reading = attention.attention_prepared(of or group(), (common,), more, metadata)
        (line,) = encoder.lines([(0, reading)]).splitlines()
        found = decode(line)
        assert isinstance(found, AttentionPrepared)
        return found

    return tell


@pytest.mark.usefixtures("step")
class TestPrepared:
    """The reader alone."""

    def test_lengths(self, event: Tell) -> None:
        first = event(told([5, 1], Tensor([5, 30])))
        assert (first.step, first.rank, first.num_tokens) == (7, 1, 6)
        assert (first.query_lens, first.seq_lens, first.source) == ([5, 1], [5, 30], "seq_lens")
        second = event(told([1, 1], Tensor([6, 31])))
        assert (second.query_lens, second.seq_lens) == (1, 1)
        third = event(told([1, 1], Tensor([7, 31])))
        assert (third.query_lens, third.seq_lens) == (1, [7, 31])

    def test_nothing_is_copied_from_a_device(self, event: Tell) -> None:
        device = Tensor([6, 31], "cuda")
        found = event(told([1, 1], device, Tensor([6, 31])), SimpleNamespace(seq_lens=device))
        assert (found.seq_lens, found.source) == ([6, 31], "seq_lens_cpu_upper_bound")
        assert found.fields["seq_lens"].startswith("int32[2] ")
        found = event(told([1, 1], device))
        assert (found.seq_lens, found.source) == ([], "")

    def test_fields_are_told_when_they_change(self, event: Tell) -> None:
        def metadata(rows: int, extra: Any = (1, 2), **more: Any) -> Any:
            table = Tensor([0] * rows)
            return SimpleNamespace(block_table=table, max_seq_len=99, extra=[*extra], **more)

        common = told([1, 1], Tensor([6, 31]))
        first = event(common, metadata(2, causal=True))
        assert first.kind == "SimpleNamespace"
        assert first.fields["max_seq_len"] == "="
        assert first.fields["extra"] == "list of 2"
        assert first.fields["causal"] is True
        again = event(common, metadata(2, causal=True))
        assert (again.kind, again.fields.keys() - {"block_table"}) == ("", set())
        longer = event(common, metadata(2, extra=range(3), causal=True))
        assert longer.fields.keys() - {"block_table"} == {"extra"}
        assert longer.fields["extra"] == "list of 3"
        # One is no longer a flag but a count, and equal to it all the same.
        assert event(common, metadata(2, extra=range(3), causal=1)).fields["causal"] == 1
        # Of what is neither a value nor a container the class is told, and no more.
        other = event(common, metadata(2, extra=range(3), causal=object()))
        assert other.fields["causal"] == "object"
        again = event(common, metadata(2, extra=range(3), causal=object()))
        assert again.fields.keys() - {"block_table"} == set()

        class Other:
            """Another class of metadata: all of its fields are new."""

            def __init__(self) -> None:
                self.causal = 1

        other = event(common, Other())
        assert (other.kind, other.fields) == ("Other", {"causal": 1})

    def test_groups_go_on_from_each_other(self, event: Tell) -> None:
        common = told([5, 1], Tensor([5, 30]))
        assert event(common).seq_lens == [5, 30]
        found = event(common, of=group(1, "layers.1"), ubatch_idx=1)
        assert (found.group, found.seq_lens, found.kind, found.ubatch) == (
            1, 0, "SimpleNamespace", 1,
        )  # fmt: skip

    def test_where_the_builder_is_asked(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Up to 0.31: the group is found by its first layer. Later the group itself is asked."""
        attention.places["layers.1"] = (1, 2)
        builder = SimpleNamespace(layer_names=["layers.1"])
        common = told([5, 1], Tensor([5, 30]))
        call = (builder, (0, common), {}, SimpleNamespace(causal=True))
        group = SimpleNamespace(build_metadata=None)
        monkeypatch.setitem(sys.modules, UTILS, SimpleNamespace(AttentionGroup=group))
        with pytest.raises(Redundant):
            attention.attention_built(*call)
        monkeypatch.setitem(sys.modules, UTILS, SimpleNamespace(AttentionGroup=object))
        (line,) = Encoder(b"salt" * 4).lines([(0, attention.attention_built(*call))]).splitlines()
        found = decode(line)
        assert isinstance(found, AttentionPrepared)
        assert (found.group, found.part, found.query_lens) == (1, 2, [5, 1])
        assert found.fields == {"causal": True}

    def test_outside_a_step_nothing_is_told(self) -> None:
        executing.step = -1
        assert attention.attention_prepared(group(), (told([1], Tensor([1])),), {}, None) is None


@pytest.mark.engine
class TestEngine:
    """On the real engine, in cases of the matrix."""

    @pytest.mark.parametrize(
        ("name", "sets"),
        [
            ("crowd", [("CPU_ATTN", "FullAttentionSpec", 2)]),
            (
                "hybrid",
                [("CPU_ATTN", "SlidingWindowSpec", 2), ("CPU_ATTN", "FullAttentionSpec", 2)],
            ),
            ("mla", [("CPU_MLA", "MLAAttentionSpec", 2)]),
        ],
    )
    def test_each_layer_set_and_each_batch(self, name: str, sets: list[Any], runs: Runs) -> None:
        trace = runs.trace(next(case for case in CASES if case.name == name))
        run = replayed(trace)
        found = run.attention()
        assert [(one.backend, one.spec, one.num_layers) for one in found] == sets
        assert {one.cudagraph for one in found} == {"NEVER"}
        assert [one.block_size for one in found] == [*run.engine.block_sizes]
        told_of, batches = run.prepared(), run.batches()
        assert told_of.keys() == batches.keys()
        for step, batch in batches.items():
            assert [one.group for one in told_of[step]] == [one.group for one in found]
            for one in told_of[step]:
                assert one.source == "seq_lens"
                assert one.seq_lens == tuple(row.computed + row.tokens for row in batch.rows)
                assert one.fields is not None
                assert one.fields["num_actual_tokens"] == sum(row.tokens for row in batch.rows)
        (segment,) = open_trace(trace).segments
        kinds = [type(one) for one in segment.events]
        assert kinds.count(AttentionPrepared) == kinds.count(BatchPrepared) * len(sets)

    def test_the_cpu_takes_its_own(self, fork: Fork, tmp_path: Path) -> None:
        """Whatever was asked; it keeps no list of others."""
        fork("cpu", lambda: _cpu(tmp_path / "trace")).result()
        (segment,) = open_trace(tmp_path / "trace").segments
        (one,) = [event for event in segment.events if isinstance(event, BackendChosen)]
        assert (one.asked, one.backend) == ("FLASH_ATTN", "CPUAttentionBackend")
        assert one.layer == {
            "head_size": 40, "dtype": "float16", "kv_cache_dtype": "auto", "block_size": 16,
            "attn_type": "decoder", "has_sliding_window": True,
        }  # fmt: skip

    def test_cuda_says_why_not(self, fork: Fork, tmp_path: Path) -> None:
        """The platform's own function, on a device that is made up: no kernel is needed to ask."""
        chosen = fork("cuda", lambda: _cuda(tmp_path / "trace")).result()
        (segment,) = open_trace(tmp_path / "trace").segments
        (judged,) = [event for event in segment.events if isinstance(event, BackendsJudged)]
        why = dict(judged.candidates)
        assert [name for name, _ in judged.candidates][:3] == [
            "FLASH_ATTN", "FLASHINFER", "TRITON_ATTN",
        ]  # fmt: skip
        assert why["FLASH_ATTN"] == ["dtype not supported"]
        assert why["TRITON_ATTN"] == []
        assert judged.layer["dtype"] == "float32"
        (one,) = [event for event in segment.events if isinstance(event, BackendChosen)]
        assert (one.asked, one.backend, one.platform) == ("", "TritonAttentionBackend", "made up")
        assert chosen.endswith(one.backend)


def _layer(**more: Any) -> Any:
    import torch
    from vllm.v1.attention.selector import AttentionSelectorConfig

    more["dtype"] = getattr(torch, more["dtype"])
    return AttentionSelectorConfig(kv_cache_dtype="auto", **more)


def _cpu(trace: Path) -> str:
    from vllm.platforms import current_platform
    from vllm.v1.attention.backends.registry import AttentionBackendEnum

    from pagewalk.capture import tracing

    layer = _layer(head_size=40, dtype="float16", block_size=16, has_sliding_window=True)
    with tracing(trace, strict=True):
        backend = AttentionBackendEnum.FLASH_ATTN
        return str(current_platform.get_attn_backend_cls(backend, attn_selector_config=layer))


def _cuda(trace: Path) -> str:
    from vllm.config import VllmConfig, set_current_vllm_config
    from vllm.platforms.interface import DeviceCapability

    from pagewalk.capture import tracing

    # CUDA kernels, which are not there and are not called.
    kernels = "vllm._C_stable_libtorch"
    sys.modules.setdefault(kernels, ModuleType(kernels))
    with tracing(trace, strict=True), set_current_vllm_config(VllmConfig()):
        from vllm.platforms.cuda import CudaPlatformBase

        class MadeUp(CudaPlatformBase):
            """A Hopper device by its numbers alone."""

            device_name = "made up"

            @classmethod
            def get_device_capability(cls, device_id: int = 0) -> DeviceCapability:
                return DeviceCapability(9, 0)

        layer = _layer(head_size=64, dtype="float32", block_size=16)
        return str(MadeUp.get_attn_backend_cls(None, layer))
