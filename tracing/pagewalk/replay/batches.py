"""A worker's events -> what each batch looked like in the worker: rows, block tables, slots."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from pagewalk.trace.events import BatchPrepared, Dropped, Event
from pagewalk.trace.segment import Gap

# Rank, KV-cache group and row of the worker's block table -> the block ids in it.
Known = dict[tuple[int, int, int], tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Row:
    """One request of a batch: `computed` tokens had KV, the next `tokens` are in the batch.

    `tables` has the worker's block ids for each KV-cache group, None where they are not known.
    `slots` has, for each group, the slot of each of the `tokens`; None where only the device knows.
    `state` is the row of the block tables that the request keeps in model runner V2; V1 has none.
    """

    row: int
    request: str
    computed: int
    tokens: int
    tables: tuple[tuple[int, ...] | None, ...]
    slots: tuple[tuple[int, ...] | None, ...]
    state: int | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """The batch of one step on one rank; `block_sizes` are the worker's, one for each group.

    `runner` is V1 or V2. `new` and `resumed` are requests as the worker was told of them, `removed`
    those that it let go since the batch before.
    """

    step: int
    rank: int
    seq: int
    block_sizes: tuple[int, ...]
    rows: tuple[Row, ...]
    runner: str = "V1"
    new: tuple[str, ...] = ()
    resumed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


def batches(events: Iterable[Event | Gap], names: Mapping[int, str]) -> Iterator[Batch]:
    """The batches of a segment, in order; `names` are the segment's.

    After a loss it is not known what the worker's tables hold, until a row is told anew.
    """
    known: Known = {}
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
            if event.states:
                _written(event, known)
            yield _batch(event, names, known, sizes.get(event.rank, ()))


def _written(event: BatchPrepared, known: Known) -> None:
    """What was written to the rows of states; a request that is new to one finds it empty."""
    states = dict(zip(event.requests, event.states, strict=True))
    for group in range(len(event.rows)):
        for request in event.new:
            if request in states:
                known[event.rank, group, states[request]] = ()
        for state, start, blocks in event.writes[group] if group < len(event.writes) else ():
            place = (event.rank, group, state)
            row = known.get(place, ())
            if len(row) < start:
                known.pop(place, None)
            else:
                known[place] = (*row[:start], *blocks)


def _batch(
    event: BatchPrepared,
    names: Mapping[int, str],
    known: Known,
    sizes: tuple[int, ...],
) -> Batch:
    groups = range(len(event.rows))
    slots = [_spread(runs) if runs else None for runs in event.slots]
    rows: list[Row] = []
    begin = 0
    members = zip(event.requests, event.computed, event.tokens, strict=True)
    for row, (request, computed, tokens) in enumerate(members):
        end = begin + tokens
        state = event.states[row] if event.states else None
        place = row if state is None else state
        rows.append(
            Row(
                row=row,
                request=_name(names, request),
                computed=computed,
                tokens=tokens,
                tables=tuple(known.get((event.rank, group, place)) for group in groups),
                slots=tuple(None if one is None else tuple(one[begin:end]) for one in slots),
                state=state,
            )
        )
        begin = end
    told = (event.new, event.resumed, event.removed)
    new, resumed, removed = (tuple(_name(names, one) for one in some) for some in told)
    return Batch(
        event.step, event.rank, event.seq, sizes, tuple(rows), event.runner, new, resumed, removed
    )


def _name(names: Mapping[int, str], request: int) -> str:
    return names.get(request, f"?{request}")


def _spread(runs: list[int]) -> list[int]:
    """First, length, first, length -> every slot."""
    pairs = zip(runs[::2], runs[1::2], strict=True)
    return [slot for first, length in pairs for slot in range(first, first + length)]


__all__ = ["Batch", "Row", "batches"]
