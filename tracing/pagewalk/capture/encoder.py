"""Readings -> trace lines: number the request ids, salt the block hashes, count the events."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from pagewalk.trace import events as ev

Timed = tuple[int, tuple[Any, ...]]  # (monotonic ns, reading)

# Readings of finished requests may still come (delivery, execution), so their numbers are kept
# for this many further finishes. A request that is named again later just gets a new number.
KEPT_AFTER_FINISH = 4096
SALTED = 65536  # hashes whose salted form is remembered


class Encoder:
    """Turns readings into lines. One per segment; not thread safe."""

    def __init__(self, salt: bytes) -> None:
        self.seq = 0
        self._salt = salt
        self._numbers: dict[str, int] = {}
        self._next = 1
        self._done: OrderedDict[str, None] = OrderedDict()
        self._salted: OrderedDict[bytes, str] = OrderedDict()
        self._encode_lines = msgspec.json.Encoder().encode_lines
        self._events: list[ev.Event] = []
        self.refusals: dict[int, tuple[str, ...]] = {}

    def lines(self, readings: Iterable[Timed]) -> bytes:
        """The readings as newline-ended JSON lines, in order."""
        events = self._events = []
        for t, reading in readings:
            kind = reading[0]
            shape = SHAPES.get(kind)
            if shape is not None:
                # The shape may itself put a name in front: the sequence number comes after.
                reading = shape(self, t, *reading)
            events.append(reading[0](self.seq, t, *reading[1:]))
            self.seq += 1
        return self._encode_lines(events)

    def salt(self, block_hash: bytes) -> str:
        """64 bits that stand for a block hash in this run and say nothing about the tokens."""
        known = self._salted.get(block_hash)
        if known is None:
            known = hashlib.blake2b(block_hash, digest_size=8, key=self._salt).hexdigest()
            self._salted[block_hash] = known
            if len(self._salted) > SALTED:
                self._salted.popitem(last=False)
        return known

    def number(self, t: int, request_id: str) -> int:
        """The integer that stands for a request id, named in the trace at first use."""
        known = self._numbers.get(request_id)
        if known is None:
            known = self._numbers[request_id] = self._next
            self._next += 1
            self._events.append(ev.RequestNamed(self.seq, t, known, request_id))
            self.seq += 1
        return known

    def numbers(self, t: int, request_ids: Iterable[str]) -> list[int]:
        """`number` for each."""
        known = self._numbers
        try:
            return [known[request_id] for request_id in request_ids]
        except KeyError:
            return [self.number(t, request_id) for request_id in request_ids]

    def finished(self, request_id: str) -> None:
        """Let go of the ids of requests that finished long ago."""
        self._done[request_id] = None
        while len(self._done) > KEPT_AFTER_FINISH:
            old, _ = self._done.popitem(last=False)
            self._numbers.pop(old, None)


def _first(encoder: Encoder, t: int, kind: Any, request: str, *rest: Any) -> tuple[Any, ...]:
    return (kind, encoder.number(t, request), *rest)


def _second(
    encoder: Encoder, t: int, kind: Any, scope: int, request: str, *rest: Any
) -> tuple[Any, ...]:
    return (kind, scope, encoder.number(t, request), *rest)


def _many(encoder: Encoder, t: int, kind: Any, requests: list[str], *rest: Any) -> tuple[Any, ...]:
    return (kind, encoder.numbers(t, requests), *rest)


def _many_second(
    encoder: Encoder, t: int, kind: Any, scope: int, requests: list[str], *rest: Any
) -> tuple[Any, ...]:
    return (kind, scope, encoder.numbers(t, requests), *rest)


def _finished(
    encoder: Encoder, t: int, kind: Any, engine: int, request: str, *rest: Any
) -> tuple[Any, ...]:
    encoder.finished(request)
    return (kind, engine, encoder.number(t, request), *rest)


def _delivered(
    encoder: Encoder, t: int, kind: Any, request: str, finished: bool, *rest: Any
) -> tuple[Any, ...]:
    if finished:
        encoder.finished(request)
    return (kind, encoder.number(t, request), finished, *rest)


def _hash(
    encoder: Encoder, t: int, kind: Any, pool: int, key: bytes, block: int
) -> tuple[Any, ...]:
    group = int.from_bytes(key[-4:], "big")
    return (kind, pool, group, encoder.salt(bytes(key[:-4])), block)


def _lookup(
    encoder: Encoder, t: int, kind: Any, request: str, hit: int, tokens: int, missed: Any, why: str
) -> tuple[Any, ...]:
    salted = encoder.salt(bytes(missed)) if missed is not None else None
    return (kind, encoder.number(t, request), hit, tokens, salted, why)


def _same(values: list[int]) -> list[int] | int:
    """One number where all are equal, which they are on every steady decode step."""
    if values and values.count(values[0]) == len(values):
        return values[0]
    return values


def _scheduled(
    encoder: Encoder,
    t: int,
    kind: Any,
    engine: int,
    step: int,
    requests: list[str],
    tokens: list[int],
    budget: int,
    new: dict[str, int],
    resumed: dict[str, int],
    spec: dict[str, int],
    input_budget: int,
) -> tuple[Any, ...]:
    maps = tuple(
        {encoder.number(t, request): value for request, value in one.items()} if one else {}
        for one in (new, resumed, spec)
    )
    ids = encoder.numbers(t, requests)
    return (kind, engine, step, ids, _same(tokens), budget, *maps, input_budget)


def _updated(
    encoder: Encoder,
    t: int,
    kind: Any,
    engine: int,
    step: int,
    requests: list[str],
    tokens: list[int],
    computed: dict[str, int],
    *rest: Any,
) -> tuple[Any, ...]:
    ids = encoder.numbers(t, requests)
    absolute = {encoder.number(t, request): value for request, value in computed.items()}
    return (kind, engine, step, ids, _same(tokens), absolute, *rest)


def _exit(
    encoder: Encoder, t: int, kind: Any, site: int, request: str | None, values: list[Any]
) -> tuple[Any, ...]:
    number = None if request is None else encoder.number(t, request)
    names = encoder.refusals.get(site)
    if names is None or number is None:
        return (kind, site, number, values)
    known = dict(zip(names, values, strict=False))
    required, available = known.get("required_blocks"), known.get("available_blocks")
    if required is None:
        required = known.get("num_blocks_to_allocate")
    return (
        ev.SlotsRefused,
        number,
        known.get("num_new_tokens") or 0,
        required,
        available,
        known.get("watermark_blocks"),
        available is None,
    )


def _detokenized(
    encoder: Encoder, t: int, kind: Any, requests: list[str], begun: int, stopped: list[str]
) -> tuple[Any, ...]:
    return (kind, encoder.numbers(t, requests), begun, encoder.numbers(t, stopped))


Shape = Callable[..., tuple[Any, ...]]
SHAPES: dict[type[ev.Event], Shape] = {
    ev.HashAdded: _hash,
    ev.HashRemoved: _hash,
    ev.TableExtended: _second,
    ev.TableEntrySet: _second,
    ev.TableReplaced: _second,
    ev.TableDropped: _second,
    ev.RequestEnqueued: _second,
    ev.QueueAdded: _second,
    ev.QueuePopped: _second,
    ev.QueuePrepended: _many_second,
    ev.QueueRemoved: _many_second,
    ev.RequestSet: _first,
    ev.RequestPreempted: _second,
    ev.RequestFinished: _finished,
    ev.StepScheduled: _scheduled,
    ev.StepUpdated: _updated,
    ev.ExitTaken: _exit,
    ev.PrefixLookedUp: _lookup,
    ev.SlotsRefused: _first,
    ev.RequestArrived: _first,
    ev.InputProcessed: _first,
    ev.RequestSent: _first,
    ev.AbortSent: _many,
    ev.RequestReceived: _first,
    ev.RequestDequeued: _first,
    ev.AbortReceived: _many,
    ev.OutputReceived: _many,
    ev.Detokenized: _detokenized,
    ev.Delivered: _delivered,
    ev.RequestAborted: _many,
}
