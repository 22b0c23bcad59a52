"""Attention backends -> event: the candidates, the one that layers get, and the sets of layers."""

from __future__ import annotations

from typing import Any

from pagewalk.probes.spec import Probe, Reading, argument
from pagewalk.trace.events import AttentionSelected, BackendChosen, BackendsJudged

Args = tuple[Any, ...]
Kwargs = dict[str, Any]

LAYERS = 4  # names of layers that an event carries; their number is always told
PLAIN = frozenset((bool, int, float, type(None)))

# First layer of a set -> its KV-cache group, and which part of that group it is.
places: dict[str, tuple[int, int]] = {}


def backends_judged(platform: Any, args: Args, kwargs: Kwargs, result: Any) -> Reading:
    """The candidates in the platform's order, each with the reasons for which it was refused."""
    valid, refused = result
    ranked = [(one.priority, one.backend.name, []) for one in valid]
    ranked += [(place, one.name, list(map(str, why))) for one, (place, why) in refused.items()]
    layer = _asked(argument(args, kwargs, 1, "attn_selector_config"))
    return (BackendsJudged, layer, [(name, why) for _, name, why in sorted(ranked)])


def backend_chosen(platform: Any, args: Args, kwargs: Kwargs, result: Any) -> Reading:
    """The backend that layers of one kind get, and the one that the user asked for."""
    asked = argument(args, kwargs, 0, "selected_backend")
    return (
        BackendChosen,
        _asked(argument(args, kwargs, 1, "attn_selector_config")),
        asked.name if asked is not None else "",
        str(result).rpartition(".")[2],
        str(platform.device_name),
    )


def _asked(config: Any) -> dict[str, Any]:
    """What a layer asks for, but for what it does not."""
    return {
        name: value
        if value.__class__ in PLAIN
        else str(getattr(value, "value", value)).removeprefix("torch.")
        for name, value in config._asdict().items()
        if value is not None and value is not False
    }


def attention_selected(runner: Any, args: Args, kwargs: Kwargs, result: Any) -> list[Reading]:
    """Each set of layers with its backend, its KV-cache spec and its block sizes."""
    return _selected(runner, argument(args, kwargs, 1, "kernel_block_sizes"))


def attention_selected_v2(runner: Any, args: Args, kwargs: Kwargs, result: Any) -> list[Reading]:
    """The same in model runner V2, which keeps the block sizes of the kernels."""
    return _selected(runner, runner.kernel_block_sizes)


def _selected(runner: Any, sizes: Any) -> list[Reading]:
    rank = int(runner.vllm_config.parallel_config.rank)
    readings: list[Reading] = []
    for group, parts in enumerate(runner.attn_groups):
        for part, one in enumerate(parts):
            places[one.layer_names[0]] = (group, part)
            spec, builder = one.kv_cache_spec, one.backend.get_builder_cls()
            size = getattr(one, "kernel_block_size", None)
            if size is None:
                size = sizes[group] if group < len(sizes) else 0
            readings.append(
                (
                    AttentionSelected,
                    rank,
                    group,
                    part,
                    one.backend.get_name(),
                    builder.__name__,
                    type(spec).__name__,
                    int(spec.block_size),
                    int(size),
                    builder.get_cudagraph_support(runner.vllm_config, spec).name,
                    len(one.layer_names),
                    [str(name) for name in one.layer_names[:LAYERS]],
                )
            )
    return readings


PROBES = (
    Probe(
        "attention",
        "vllm.platforms.cuda:CudaPlatformBase.get_valid_backends",
        "after",
        backends_judged,
        ("attn_selector_config",),
        level="full",
    ),
    *(
        Probe(
            "attention",
            f"{platform}.get_attn_backend_cls",
            "after",
            backend_chosen,
            ("selected_backend", "attn_selector_config"),
            level="full",
            wakes=True,
        )
        for platform in (
            "vllm.platforms.cuda:CudaPlatformBase",
            "vllm.platforms.cpu:CpuPlatform",
        )
    ),
    Probe(
        "attention",
        "vllm.v1.worker.gpu_model_runner:GPUModelRunner.initialize_metadata_builders",
        "after",
        attention_selected,
        ("kernel_block_sizes",),
        level="full",
    ),
    Probe(
        "attention",
        "vllm.v1.worker.gpu.model_runner:GPUModelRunner.initialize_kv_cache",
        "after",
        attention_selected_v2,
        level="full",
    ),
)
