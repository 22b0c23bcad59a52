"""A worker's reading -> the fields of its event: slots as runs, lengths by how they changed.

A probe copies what it sees, and what follows from that is worked out here, on the writer thread:
done in one go for many steps, it takes a fraction of its time between two passes of a model.
"""

from __future__ import annotations

from itertools import chain, repeat
from operator import sub
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pagewalk.capture.encoder import Encoder


def same(values: list[int]) -> list[int] | int:
    """One number where all are equal, which they are on every steady decode step."""
    if values and values.count(values[0]) == len(values):
        return values[0]
    return values


def batch(
    encoder: Encoder,
    t: int,
    kind: Any,
    step: int,
    rank: int,
    requests: list[str],
    computed: list[int],
    tokens: list[int],
    rows: list[Any],
    slots: list[Any],
    sizes: list[int],
    runner: str,
    states: list[int],
    staged: Any,
    *members: list[str],
) -> tuple[Any, ...]:
    """`BatchPrepared`: slots as runs, staged writes sorted by group."""
    ids = encoder.numbers(t, requests)
    runs = [_runs(one) if one.__class__ is tuple else one for one in slots]
    told = [encoder.numbers(t, some) for some in members]
    writes = _writes(*staged) if staged else ()
    before = (kind, step, rank, ids, computed, tokens, rows)
    return (*before, runs, sizes, runner, states, writes, *told)


def _runs(slots: tuple[int, ...]) -> list[int]:
    """Slots of which each stands alone -> first slot, length, first slot, length."""
    return list(chain.from_iterable(zip(slots, repeat(1))))


def _writes(groups: int, staged: list[Any]) -> list[Any]:
    """What was staged for a device's block tables -> (state, first entry, block ids) by group."""
    writes: list[Any] = [[] for _ in range(groups)]
    for group, states, starts, contents, ends in staged:
        begins = [0, *ends]
        for state, start, begin, end in zip(states, starts, begins, ends, strict=False):
            writes[group].append((state, start, contents[begin:end]))
    return writes if any(writes) else []


def prepared(
    encoder: Encoder,
    t: int,
    kind: Any,
    step: int,
    rank: int,
    group: int,
    count: int,
    tokens: int,
    max_query: int,
    max_seq: int,
    starts: list[int],
    lengths: list[int] | None,
    fields: dict[str, Any],
    *rest: Any,
) -> tuple[Any, ...]:
    """`AttentionPrepared`: where rows start -> how long they are; lengths -> how they grew."""
    before = (kind, step, rank, group, count, tokens, max_query, max_seq)
    words = {name: _described(what) for name, what in fields.items()} if fields else fields
    seq_lens = [] if lengths is None else _grown(encoder, rank, lengths)
    return (*before, _query_lens(encoder, starts), seq_lens, words, *rest)


def _query_lens(encoder: Encoder, starts: list[int]) -> list[int] | int:
    """How long each row is; while all of them decode, rows begin where they began before."""
    known, lens = encoder.query_lens
    if starts != known:
        lens = same(list(map(sub, starts[1:], starts)))
        encoder.query_lens = (starts, lens)
    return lens


def _grown(encoder: Encoder, rank: int, seq_lens: list[int]) -> list[int] | int:
    """By how much each row grew since the event before, where that is one number."""
    before = encoder.seq_lens.get(rank)
    encoder.seq_lens[rank] = seq_lens
    if before is not None and len(before) == len(seq_lens) > 0:
        grown = same(list(map(sub, seq_lens, before)))
        if grown.__class__ is int:
            return grown
    return seq_lens


def _described(what: Any) -> Any:
    """A field of a backend's metadata in words, unless it is a small value."""
    if what.__class__ is not tuple:
        return what
    if len(what) == 3:
        dtype, shape, device = what
        where = str(device)
        sizes = ", ".join(map(str, shape))
        told = f"{str(dtype).removeprefix('torch.')}[{sizes}]"
        return told if where == "cpu" else f"{told} {where}"
    name: str = what[0].__name__
    return name if len(what) == 1 else f"{name} of {what[1]}"


__all__ = ["batch", "prepared", "same"]
