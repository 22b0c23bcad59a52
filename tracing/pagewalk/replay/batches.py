"""A worker's events -> what each batch looked like in the worker: rows, block tables, slots."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from pagewalk.trace.events import BatchPrepared, Dropped, Event
from pagewalk.trace.segment import Gap


@dataclass(frozen=True, slots=True)
class Row:
    """One request of a batch: `computed` tokens had KV, the next `tokens` are in the batch.

    `tables` has the worker's block ids for each KV-cache group, None where they are not known.
    `slots` has, for each group, the slot of each of the `tokens`; None where only the device knows.
    """

    row: int
    request: str
    computed: int
    tokens: int
    tables: tuple[tuple[int, ...] | None, ...]
    slots: tuple[tuple[int, ...] | None, ...]


@dataclass(frozen=True, slots=True)
class Batch:
    """The batch of one step on one rank; `block_sizes` are the worker's, one for each group."""

    step: int
    rank: int
    seq: int
    block_sizes: tuple[int, ...]
    rows: tuple[Row, ...]


def batches(events: Iterable[Event | Gap], names: Mapping[int, str]) -> Iterator[Batch]:
    """The batches of a segment, in order; `names` are the segment's.

    After a loss it is not known what the worker's tables hold, until a row is told anew.
    """
    known: dict[tuple[int, int, int], tuple[int, ...]] = {}
    sizes: dict[int, tuple[int, ...]] = {}
    for event in events:
        if isinstance(event, Gap | Dropped):
            known.clear()
        elif type(event) is BatchPrepared:
            if event.block_sizes:
                sizes[event.rank] = tuple(event.block_sizes)
            for group, rows in enumerate(event.rows):
                for row, blocks in rows:
                    known[event.rank, group, row] = tuple(blocks)
            yield _batch(event, names, known, sizes.get(event.rank, ()))


def _batch(
    event: BatchPrepared,
    names: Mapping[int, str],
    known: dict[tuple[int, int, int], tuple[int, ...]],
    sizes: tuple[int, ...],
) -> Batch:
    groups = range(len(event.rows))
    slots = [_spread(runs) if runs else None for runs in event.slots]
    rows: list[Row] = []
    begin = 0
    members = zip(event.requests, event.computed, event.tokens, strict=True)
    for row, (request, computed, tokens) in enumerate(members):
        end = begin + tokens
        rows.append(
            Row(
                row=row,
                request=names.get(request, f"?{request}"),
                computed=computed,
                tokens=tokens,
                tables=tuple(known.get((event.rank, group, row)) for group in groups),
                slots=tuple(None if one is None else tuple(one[begin:end]) for one in slots),
            )
        )
        begin = end
    return Batch(event.step, event.rank, event.seq, sizes, tuple(rows))


def _spread(runs: list[int]) -> list[int]:
    """First, length, first, length -> every slot."""
    pairs = zip(runs[::2], runs[1::2], strict=True)
    return [slot for first, length in pairs for slot in range(first, first + length)]


__all__ = ["Batch", "Row", "batches"]
