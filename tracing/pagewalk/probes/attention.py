"""Attention selection and metadata -> event: which backend, why, and what it is told of a batch.

Everything is read from host memory. Where lengths live on a device, their copy on the host is read,
and no tensor is ever looked into but those.
"""

from __future__ import annotations

from typing import Any

from pagewalk.probes.spec import STEP, Probe, Reading, argument, optional_argument
from pagewalk.trace.events import (
    AttentionPrepared,
    AttentionSelected,
    BackendChosen,
    BackendsJudged,
)

GROUP = "vllm.v1.worker.utils:AttentionGroup"
WORKER = "vllm.v1.worker.worker_base:WorkerWrapperBase"
Args = tuple[Any, ...]
Kwargs = dict[str, Any]

LAYERS = 4  # names of layers that an event carries; their number is always told
_PLAIN = (bool, int, float, type(None))
_SIZED = (list, tuple, dict)
_COUNTS = ("num_reqs", "num_actual_tokens", "max_query_len", "max_seq_len")


class _Memory:
    """What this process is executing, and what the last events said."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Start anew."""
        self.step, self.rank = -1, 0
        self.seq_lens: dict[int, Any] = {}  # rank -> those of its last event
        self.parts: dict[tuple[int, str], int] = {}  # group and first layer -> part
        # Rank, group and part -> class and fields of the backend's metadata.
        self.kinds: dict[tuple[int, int, int], str] = {}
        self.fields: dict[tuple[int, int, int], dict[str, Any]] = {}


_memory = _Memory()


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
        if value.__class__ in _PLAIN
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
            _memory.parts[group, one.layer_names[0]] = part
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


def entered(worker: Any, args: Args, kwargs: Kwargs) -> bool:
    """Which step is being executed: metadata built outside one is for warming up."""
    output = argument(args, kwargs, 0, "scheduler_output")
    _memory.step, _memory.rank = getattr(output, STEP, -1), int(worker.worker.rank)
    return True


def left(worker: Any, args: Args, kwargs: Kwargs, result: Any, begun: Any) -> None:
    """Nothing is told: it only keeps what comes after apart from the step."""
    _memory.step = -1


def attention_prepared(group: Any, args: Args, kwargs: Kwargs, result: Any) -> Reading | None:
    """Lengths of a batch as the runner hands them to a backend, and the backend's own metadata."""
    if _memory.step < 0:
        return None
    told = argument(args, kwargs, 0, "common_attn_metadata")
    count = told.num_reqs
    starts = told.query_start_loc_cpu.numpy()
    lengths, source = told.seq_lens, "seq_lens"
    if lengths.device.type != "cpu":
        lengths, source = told.seq_lens_cpu_upper_bound, "seq_lens_cpu_upper_bound"
    number = int(group.kv_cache_group_id)
    part = _memory.parts.get((number, group.layer_names[0]), 0)
    place = (_memory.rank, number, part)
    kind = type(result).__name__
    if _memory.kinds.get(place) == kind:
        kind = ""
    else:
        _memory.kinds[place], _memory.fields[place] = kind, {}
    return (
        AttentionPrepared,
        _memory.step,
        _memory.rank,
        number,
        int(count),
        int(told.num_actual_tokens),
        int(told.max_query_len),
        int(told.max_seq_len),
        _alike((starts[1 : count + 1] - starts[:count]).tolist()),
        _grown(lengths.numpy()[:count].copy()) if lengths is not None else [],
        _changed(place, result, told),
        kind,
        part,
        optional_argument(args, kwargs, 1, "ubatch_idx", 0),
        source if lengths is not None else "",
    )


def _alike(values: list[int]) -> list[int] | int:
    """One number where all rows have it, as they do while all of them decode."""
    if values and values.count(values[0]) == len(values):
        return values[0]
    return values


def _grown(seq_lens: Any) -> list[int] | int:
    """By how much each row grew since the event before, where that is one number."""
    before = _memory.seq_lens.get(_memory.rank)
    _memory.seq_lens[_memory.rank] = seq_lens
    if before is not None and len(before) == len(seq_lens) > 0:
        grown = _alike((seq_lens - before).tolist())
        if grown.__class__ is int:
            return grown
    return list(seq_lens.tolist())


def _changed(place: tuple[int, int, int], metadata: Any, told: Any) -> dict[str, Any]:
    """The fields of the backend's metadata that are not as they were, described."""
    known = _memory.fields[place]
    changed = {}
    for name, value in getattr(metadata, "__dict__", {}).items():
        what: Any
        if value.__class__ not in _PLAIN:
            what = _described(value)
        elif name in _COUNTS and value == getattr(told, name):
            what = "="
        else:
            what = value
        if name not in known or known[name] != what or known[name].__class__ is not what.__class__:
            known[name] = changed[name] = what
    return changed


def _described(value: Any) -> Any:
    """Type, shape and device of a tensor; the type, and the length, of what is no small value.

    No words are made here: the encoder does that, off the engine's path.
    """
    shape = getattr(value, "shape", None)
    if shape is not None:
        return (value.dtype, shape, getattr(value, "device", "cpu"))
    if isinstance(value, _SIZED):
        return (value.__class__, len(value))
    return (value.__class__,)


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
    Probe(
        "attention",
        f"{WORKER}.execute_model",
        "around",
        left,
        ("scheduler_output",),
        level="full",
        begin=entered,
    ),
    Probe(
        "attention",
        f"{GROUP}.build_metadata",
        "after",
        attention_prepared,
        ("common_attn_metadata",),
        level="full",
        forget=_memory.forget,
        optional=True,
        note="older releases call the builders without it",
    ),
)
