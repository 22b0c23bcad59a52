"""Attention metadata -> event: what a backend is told of a batch.

Everything is read from host memory. Where lengths live on a device, their copy on the host is read,
and no tensor is ever looked into but those.
"""

from __future__ import annotations

import sys
from typing import Any

from pagewalk.probes.backends import PLAIN, places
from pagewalk.probes.memory import executing
from pagewalk.probes.spec import Probe, Reading, argument, optional_argument
from pagewalk.trace.events import AttentionPrepared

GROUP = "vllm.v1.worker.utils:AttentionGroup"
Args = tuple[Any, ...]
Kwargs = dict[str, Any]

_SIZED = (list, tuple, dict)
_COUNTS = ("num_reqs", "num_actual_tokens", "max_query_len", "max_seq_len")


class _Memory:
    """What the last events said."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Start anew."""
        places.clear()
        self.seq_lens: dict[int, Any] = {}  # rank -> those of its last event
        self.by_group: bool | None = None
        self.starts: bytes = b""  # where rows begin, of the last event
        self.query_lens: list[int] | int = []  # and what follows from that
        # Rank, group and part -> class and fields of the backend's metadata.
        self.kinds: dict[tuple[int, int, int], str] = {}
        self.fields: dict[tuple[int, int, int], dict[str, Any]] = {}


_memory = _Memory()


def attention_prepared(group: Any, args: Args, kwargs: Kwargs, result: Any) -> Reading | None:
    """Lengths of a batch as the runner hands them to a backend, and the backend's own metadata."""
    if executing.step < 0:
        return None
    told = argument(args, kwargs, 0, "common_attn_metadata")
    number = int(group.kv_cache_group_id)
    known, part = places.get(group.layer_names[0], (number, 0))
    ubatch = optional_argument(args, kwargs, 1, "ubatch_idx", 0)
    return prepared(number, part if known == number else 0, ubatch, told, result)


def attention_built(builder: Any, args: Args, kwargs: Kwargs, result: Any) -> Reading | None:
    """The same where the runner asks the builder itself, as it did up to 0.31."""
    if executing.step < 0 or _by_group():
        return None
    told = argument(args, kwargs, 1, "common_attn_metadata")
    return prepared(*places.get(builder.layer_names[0], (0, 0)), 0, told, result)


def _by_group() -> bool:
    """Whether this release asks an `AttentionGroup`, which tells more."""
    if _memory.by_group is None:
        group = getattr(sys.modules.get("vllm.v1.worker.utils"), "AttentionGroup", None)
        _memory.by_group = hasattr(group, "build_metadata")
    return _memory.by_group


def prepared(number: int, part: int, ubatch: int, told: Any, result: Any) -> Reading:
    """The event of group `number`, from the runner's metadata `told` and the backend's."""
    count, rank = told.num_reqs, executing.rank
    lengths, source = told.seq_lens, "seq_lens"
    if not lengths.is_cpu:
        lengths, source = told.seq_lens_cpu_upper_bound, "seq_lens_cpu_upper_bound"
    place = (rank, number, part)
    kind = type(result).__name__
    if _memory.kinds.get(place) == kind:
        kind = ""
    else:
        _memory.kinds[place], _memory.fields[place] = kind, {}
    return (
        AttentionPrepared,
        executing.step,
        rank,
        number,
        int(count),
        int(told.num_actual_tokens),
        int(told.max_query_len),
        int(told.max_seq_len),
        _query_lens(told.query_start_loc_cpu.numpy()[: count + 1]),
        _grown(rank, lengths.numpy()[:count].copy()) if lengths is not None else [],
        _changed(place, result, told),
        kind,
        part,
        ubatch,
        source if lengths is not None else "",
    )


def _query_lens(starts: Any) -> list[int] | int:
    """How long each row is; while all of them decode, rows begin where they began before."""
    raw = starts.tobytes()
    if raw != _memory.starts:
        _memory.query_lens = _alike((starts[1:] - starts[:-1]).tolist())
        _memory.starts = raw
    return _memory.query_lens


def _alike(values: list[int]) -> list[int] | int:
    """One number where all rows have it, as they do while all of them decode."""
    if values and values.count(values[0]) == len(values):
        return values[0]
    return values


def _grown(rank: int, seq_lens: Any) -> list[int] | int:
    """By how much each row grew since the event before, where that is one number."""
    before = _memory.seq_lens.get(rank)
    _memory.seq_lens[rank] = seq_lens
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
        if value.__class__ in PLAIN:
            what = "=" if name in _COUNTS and value == getattr(told, name) else value
        else:
            # Nearly always a tensor as it was: then nothing is made of it.
            shape, old = getattr(value, "shape", None), known.get(name)
            if shape is not None and old.__class__ is tuple and len(old) == 3:
                dtype, size, device = old
                if size == shape and value.dtype is dtype and value.device == device:
                    continue
            what = _described(value)
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
        f"{GROUP}.build_metadata",
        "after",
        attention_prepared,
        ("common_attn_metadata",),
        level="full",
        forget=_memory.forget,
        optional=True,
        note="older releases ask the builders themselves",
    ),
    *(
        Probe(
            "attention",
            f"vllm.v1.attention.backends.{builder}MetadataBuilder.build",
            "after",
            attention_built,
            ("common_attn_metadata",),
            level="full",
            optional=True,
            note="read up to 0.31 alone; later releases ask an `AttentionGroup`",
        )
        for builder in (
            "cpu_attn:CPUAttention",
            "flash_attn:FlashAttention",
            "triton_attn:TritonAttention",
            "flashinfer:FlashInfer",
            "flex_attention:FlexAttention",
        )
    ),
)
