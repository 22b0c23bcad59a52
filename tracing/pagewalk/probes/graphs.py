"""CUDA graphs and layers -> event: how each batch is run, and which layers Python called for it.

Both runners choose a graph in one place, with what all ranks agreed on: V1 asks its
`CudagraphDispatcher` there, once or twice, V2 its `CudaGraphManager`. On a CPU there are no graphs,
and the mode is NONE.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pagewalk.probes.memory import Memory, executing
from pagewalk.probes.spec import STEP, Probe, Reading, argument
from pagewalk.trace.events import GraphChosen, GraphsCaptured

V1 = "vllm.v1.worker.gpu_model_runner:GPUModelRunner"
V2 = "vllm.v1.worker.gpu.model_runner:GPUModelRunner"
BACKENDS = "vllm.v1.attention.backends"
Args = tuple[Any, ...]
Kwargs = dict[str, Any]


class _Runner:
    """Whether its graphs were told."""

    __slots__ = ("told",)

    def __init__(self) -> None:
        self.told = False


_runners = Memory(_Runner)


def graph_chosen(
    runner: Any, args: Args, kwargs: Kwargs, result: Any
) -> Reading | list[Reading] | None:
    """The mode of the batch, and what its `BatchDescriptor` promises."""
    if executing.step < 0:
        return None
    mode, promised, split = result[:3]
    tokens = args[0] if args else kwargs["num_tokens"]
    reading = (
        GraphChosen,
        executing.step,
        executing.rank,
        mode._name_,  # what `name` gives, by way of Python code
        int(tokens),
        promised.num_tokens,
        promised.num_reqs,
        int(runner.uniform_decode_query_len) if promised.uniform else 0,
        0,
        promised.num_active_loras,
        2 if split else 1,
    )
    held = _runners.of(runner)
    if held.told:
        return reading
    held.told = True
    has = runner.cudagraph_dispatcher
    return [_captured(executing.rank, has.cudagraph_mode, has.cudagraph_keys), reading]


def graph_chosen_v2(
    runner: Any, args: Args, kwargs: Kwargs, result: Any
) -> Reading | list[Reading] | None:
    """The same of model runner V2, by the `BatchExecutionDescriptor` of the batch."""
    output = argument(args, kwargs, 0, "scheduler_output")
    step = getattr(output, STEP, None)
    if step is None:
        return None
    promised = kwargs.get("batch_desc")
    if promised is None:
        # Later releases put one more argument before it.
        promised = next(one for one in args if hasattr(one, "cg_mode"))
    rank = int(runner.parallel_config.rank)
    reading = (
        GraphChosen,
        step,
        rank,
        promised.cg_mode.name,
        int(result.num_tokens),
        promised.num_tokens,
        promised.num_reqs if promised.cg_mode.name != "NONE" else None,
        promised.uniform_token_count or 0,
        getattr(promised, "max_query_len", None) or 0,
        promised.num_active_loras,
        getattr(promised, "num_ubatches", 1),
    )
    held = _runners.of(runner)
    if held.told:
        return reading
    held.told = True
    manager = runner.cudagraph_manager
    if manager is None:
        return [(GraphsCaptured, rank, "NONE", {}), reading]
    return [_captured(rank, manager.cudagraph_mode, manager._capture_descs), reading]


def _captured(rank: int, setting: Any, promised: dict[Any, Iterable[Any]]) -> Reading:
    sizes = {
        mode.name: sorted({int(one.num_tokens) for one in those})
        for mode, those in promised.items()
        if those
    }
    return (GraphsCaptured, rank, setting.name, sizes)


def layer_called(args: Args, kwargs: Kwargs) -> None:
    """Keep the layer's name for the event of the step."""
    if executing.step >= 0:
        layer = args[1] if len(args) > 1 else kwargs["layer"]
        executing.layers.append(layer.layer_name)


def mla_layer_called(args: Args, kwargs: Kwargs) -> None:
    """The same of a layer of multi-head latent attention, which calls its backend in parts."""
    if executing.step >= 0:
        executing.layers.append(args[0].layer_name)


PROBES = (
    Probe(
        "graphs",
        f"{V1}._determine_batch_execution_and_padding",
        "after",
        graph_chosen,
        ("num_tokens",),
        level="full",
        forget=_runners.clear,
    ),
    Probe(
        "graphs",
        f"{V2}.prepare_inputs",
        "after",
        graph_chosen_v2,
        ("scheduler_output", "batch_desc"),
        level="full",
    ),
    # Called from inside an operator that a compiler does not look into: a layer's own `forward`
    # may be compiled, and must be left alone.
    *(
        Probe(
            "layers",
            f"{BACKENDS}.{backend}.forward",
            "before",
            layer_called,
            ("layer",),
            level="full",
            notes=True,
            optional=True,
        )
        for backend in (
            "cpu_attn:CPUAttentionBackendImpl",
            "flash_attn:FlashAttentionImpl",
            "triton_attn:TritonAttentionImpl",
            "flashinfer:FlashInferImpl",
            "flex_attention:FlexAttentionImpl",
        )
    ),
    Probe(
        "layers",
        "vllm.model_executor.layers.attention.mla_attention:MLAAttention.forward_impl",
        "before",
        mla_layer_called,
        level="full",
        notes=True,
        optional=True,
    ),
)
