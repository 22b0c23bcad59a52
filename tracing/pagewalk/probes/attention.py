"""Attention metadata -> event: what a backend is told of a batch.

Everything is read from host memory. Where lengths live on a device, their copy on the host is read,
and no tensor is ever looked into but those.
"""

from __future__ import annotations

import sys
from typing import Any

from pagewalk.probes.backends import PLAIN, places
from pagewalk.probes.memory import executing
from pagewalk.probes.spec import Probe, Reading, Redundant, argument, optional_argument
from pagewalk.trace.events import AttentionPrepared

GROUP = "vllm.v1.worker.utils:AttentionGroup"
Args = tuple[Any, ...]
Kwargs = dict[str, Any]

_SIZED = (list, tuple, dict)
_COUNTS = frozenset(("num_reqs", "num_actual_tokens", "max_query_len", "max_seq_len"))
_NO_FIELDS: dict[str, Any] = {}


class _Fields:
    """What a backend's metadata held when it was last looked at, and where in it that was."""

    __slots__ = (
        "counts", "facts", "kind", "known", "layout",
        "plain", "sized", "sizes", "tensors", "values",
    )  # fmt: skip

    def __init__(self, kind: str) -> None:
        self.kind = kind  # the class of the metadata
        self.known: dict[str, Any] = {}  # name -> as it was told
        self.layout: list[Any] = []  # the fields, and the class of each
        # Which of the fields are counts of the batch, other small values, containers and tensors.
        self.counts: list[tuple[int, str]] = []
        self.plain: list[int] = []
        self.sized: list[int] = []
        self.tensors: list[int] = []
        self.values: list[Any] = []  # of the small values
        self.sizes: list[int] = []  # of the containers
        self.facts: list[Any] = []  # of the tensors


# Rank, group and part -> the backend's metadata.
_fields: dict[tuple[int, int, int], _Fields] = {}


def _forget() -> None:
    places.clear()
    _fields.clear()


def attention_prepared(group: Any, args: Args, kwargs: Kwargs, result: Any) -> Reading | None:
    """Lengths of a batch as the runner hands them to a backend, and the backend's own metadata."""
    if executing.step < 0:
        return None
    told = args[0] if args else kwargs["common_attn_metadata"]
    number = int(group.kv_cache_group_id)
    known, part = places.get(group.layer_names[0], (number, 0))
    ubatch = optional_argument(args, kwargs, 1, "ubatch_idx", 0)
    return prepared(number, part if known == number else 0, ubatch, told, result)


def attention_built(builder: Any, args: Args, kwargs: Kwargs, result: Any) -> Reading | None:
    """The same where the runner asks the builder itself, as it did up to 0.31."""
    group = getattr(sys.modules.get("vllm.v1.worker.utils"), "AttentionGroup", None)
    if hasattr(group, "build_metadata"):
        raise Redundant
    if executing.step < 0:
        return None
    told = argument(args, kwargs, 1, "common_attn_metadata")
    return prepared(*places.get(builder.layer_names[0], (0, 0)), 0, told, result)


def prepared(number: int, part: int, ubatch: int, told: Any, result: Any) -> Reading:
    """The event of group `number`, from the runner's metadata `told` and the backend's."""
    count, rank = told.num_reqs, executing.rank
    lengths, source = told.seq_lens, "seq_lens"
    if not lengths.is_cpu:
        lengths, source = told.seq_lens_cpu_upper_bound, "seq_lens_cpu_upper_bound"
    place, kind = (rank, number, part), type(result).__name__
    held = _fields.get(place)
    if held is None or held.kind != kind:
        held = _fields[place] = _Fields(kind)
    else:
        kind = ""
    return (
        AttentionPrepared,
        executing.step,
        rank,
        number,
        int(count),
        int(told.num_actual_tokens),
        int(told.max_query_len),
        int(told.max_seq_len),
        # As they are: what changed since the batch before is worked out by the encoder.
        told.query_start_loc_cpu.numpy()[: count + 1].tolist(),
        lengths.numpy()[:count].tolist() if lengths is not None else None,
        _changed(held, result, told),
        kind,
        part,
        ubatch,
        source if lengths is not None else "",
    )


def _changed(held: _Fields, metadata: Any, told: Any) -> dict[str, Any]:
    """The fields of the backend's metadata that are not as they were, described.

    Nearly always all are: small values that are equal, counts that are the batch's, and tensors
    of the same type, shape and device.
    """
    fields = getattr(metadata, "__dict__", _NO_FIELDS)
    if _as_before(held, fields, told):
        return {}
    described = {name: _described(name, value, told) for name, value in fields.items()}
    known, held.known = held.known, described
    _look(held, fields)
    return {
        name: what
        for name, what in described.items()
        if name not in known or known[name].__class__ is not what.__class__ or known[name] != what
    }


def _as_before(held: _Fields, fields: dict[str, Any], told: Any) -> bool:
    values = list(fields.values())
    if [*fields, *map(type, values)] != held.layout:
        return False
    for place, name in held.counts:
        if values[place] != getattr(told, name):
            return False
    if [values[place] for place in held.plain] != held.values:
        return False
    if held.sized and [len(values[place]) for place in held.sized] != held.sizes:
        return False
    return [_facts(values[place]) for place in held.tensors] == held.facts


def _look(held: _Fields, fields: dict[str, Any]) -> None:
    """Note what the next metadata is to be compared with. Of other objects only the class is told,
    and that is in the layout."""
    values = list(fields.values())
    held.layout = [*fields, *map(type, values)]
    held.counts, held.plain, held.sized, held.tensors = [], [], [], []
    for place, (name, what) in enumerate(held.known.items()):
        if what == "=":
            held.counts.append((place, name))
        elif values[place].__class__ in PLAIN:
            held.plain.append(place)
        elif len(what) == 3:
            held.tensors.append(place)
        elif len(what) == 2:
            held.sized.append(place)
    held.sizes = [len(values[place]) for place in held.sized]
    held.values = [values[place] for place in held.plain]
    held.facts = [_facts(values[place]) for place in held.tensors]


def _facts(tensor: Any) -> tuple[Any, ...]:
    return (tensor.dtype, tensor.shape, getattr(tensor, "device", "cpu"))


def _described(name: str, value: Any, told: Any) -> Any:
    """A small value as it is, "=" where it is the batch's count of that name; type, shape and
    device of a tensor; the type, and the length, of what is neither.

    No words are made here: the encoder does that, off the engine's path.
    """
    if value.__class__ in PLAIN:
        return "=" if name in _COUNTS and value == getattr(told, name) else value
    if getattr(value, "shape", None) is not None:
        return _facts(value)
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
        forget=_forget,
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
