"""A worker's batch and what its attention backends were told of it -> what does not agree.

Row by row: a backend computes as many tokens as the batch has, and then sees the KV of those and of
all computed before. Rows beyond the batch, which a CUDA graph needs, have no tokens. The longest
may be given too long, as an upper bound, but never too short.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pagewalk.replay.batches import Batch
from pagewalk.replay.prepared import Prepared


@dataclass(frozen=True, slots=True)
class Lengths:
    """How many rows were compared, whether all could be, and the first (request, what differs)."""

    rows: int
    complete: bool
    first: tuple[str, str] | None


def compare_lengths(batch: Batch, told: Iterable[Prepared]) -> Lengths:
    """Hold what each backend was told of a batch against the batch."""
    rows, complete, first = 0, True, None
    told = list(told)
    if any(one.ubatch for one in told):
        # The batch was split, and each half has rows of its own.
        return Lengths(0, True, None)
    for one in told:
        rows += len(batch.rows)
        # Without a source no lengths were on the host: they are not lost, there are none.
        complete = complete and (one.seq_lens is not None or not one.source)
        first = first or _differs(batch, one)
    return Lengths(rows, complete, first)


def _differs(batch: Batch, one: Prepared) -> tuple[str, str] | None:
    where = f"group {one.group}: the attention backend"
    if len(one.query_lens) < len(batch.rows):
        return batch.rows[-1].request, (
            f"{where} is told of {len(one.query_lens)} rows, the batch has {len(batch.rows)}"
        )
    for row, query in zip(batch.rows, one.query_lens, strict=False):
        place = f"row {row.row} ({row.request}), {where}"
        if query != row.tokens:
            return row.request, f"{place} computes {query} tokens of it, the batch has {row.tokens}"
        if one.seq_lens is None:
            continue
        seq = one.seq_lens[row.row] if row.row < len(one.seq_lens) else 0
        if seq != row.computed + row.tokens:
            return row.request, (
                f"{place} sees {seq} tokens of it; {row.computed} were computed and {row.tokens} "
                f"are in the batch, {row.computed + row.tokens} in all"
            )
    return _bounds(batch, one, where)


def _bounds(batch: Batch, one: Prepared, where: str) -> tuple[str, str] | None:
    """Padding is empty, and no limit is below what it limits."""
    last = batch.rows[-1].request if batch.rows else ""
    for row, query in enumerate(one.query_lens[len(batch.rows) :], len(batch.rows)):
        if query:
            return last, f"{where} computes {query} tokens of row {row}, which is padding"
    for name, limit, values in (
        ("max_query_len", one.max_query_len, one.query_lens),
        ("max_seq_len", one.max_seq_len, one.seq_lens or ()),
        ("num_actual_tokens", one.num_tokens, (sum(one.query_lens),)),
    ):
        if limit < max(values, default=0):
            return last, f"{where} has {name} {limit}, and {max(values)} are there"
    return None


__all__ = ["Lengths", "compare_lengths"]
