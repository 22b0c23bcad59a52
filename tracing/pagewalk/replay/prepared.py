"""A worker's events -> what its attention backends were told of each batch, in full."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from pagewalk.trace.attention_events import Described
from pagewalk.trace.events import AttentionPrepared, Dropped, Event
from pagewalk.trace.segment import Gap

# A count in a backend's metadata -> the same one beside it.
_BESIDE = {
    "num_reqs": "num_reqs",
    "num_actual_tokens": "num_tokens",
    "max_query_len": "max_query_len",
    "max_seq_len": "max_seq_len",
}


@dataclass(frozen=True, slots=True)
class Prepared:
    """What the backend of one set of layers was told of a batch; the fields as in the event.

    `seq_lens` and `fields` are None where the event they go on from was lost.
    """

    step: int
    rank: int
    group: int
    part: int
    ubatch: int
    num_reqs: int
    num_tokens: int
    max_query_len: int
    max_seq_len: int
    query_lens: tuple[int, ...]
    seq_lens: tuple[int, ...] | None
    source: str
    kind: str
    fields: Mapping[str, Described] | None


def prepared(events: Iterable[Event | Gap]) -> Iterator[Prepared]:
    """The metadata of a segment's batches, in order, with what is told as a change worked out."""
    lengths: dict[int, tuple[int, ...]] = {}
    fields: dict[tuple[int, int, int], dict[str, Described]] = {}
    kinds: dict[tuple[int, int, int], str] = {}
    for event in events:
        if isinstance(event, Gap | Dropped):
            lengths.clear()
            fields.clear()
        elif type(event) is AttentionPrepared:
            place = (event.rank, event.group, event.part)
            if event.kind:
                kinds[place], fields[place] = event.kind, {}
            if place in fields:
                fields[place] = {**fields[place], **event.fields}
            seq_lens = _lengths(event, lengths.get(event.rank))
            if seq_lens is None:
                lengths.pop(event.rank, None)
            elif event.source:
                lengths[event.rank] = seq_lens
            yield _prepared(event, seq_lens, kinds.get(place, ""), fields.get(place))


def _lengths(event: AttentionPrepared, before: tuple[int, ...] | None) -> tuple[int, ...] | None:
    if not event.source:
        return None
    if isinstance(event.seq_lens, list):
        return tuple(event.seq_lens)
    if before is None:
        return None
    return tuple(one + event.seq_lens for one in before)


def _prepared(
    event: AttentionPrepared,
    seq_lens: tuple[int, ...] | None,
    kind: str,
    fields: Mapping[str, Described] | None,
) -> Prepared:
    lens = event.query_lens
    return Prepared(
        step=event.step,
        rank=event.rank,
        group=event.group,
        part=event.part,
        ubatch=event.ubatch,
        num_reqs=event.num_reqs,
        num_tokens=event.num_tokens,
        max_query_len=event.max_query_len,
        max_seq_len=event.max_seq_len,
        query_lens=tuple(lens) if isinstance(lens, list) else (lens,) * event.num_reqs,
        seq_lens=seq_lens,
        source=event.source,
        kind=kind,
        fields=None
        if fields is None
        else {
            name: getattr(event, _BESIDE[name]) if what == "=" and name in _BESIDE else what
            for name, what in fields.items()
        },
    )


__all__ = ["Prepared", "prepared"]
