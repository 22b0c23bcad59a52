"""Readings -> trace lines: number the request ids, salt the block hashes, count the events."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterable
from operator import index
from typing import Any

import msgspec

from pagewalk.capture.buffer import Timed
from pagewalk.capture.shapes import SHAPES
from pagewalk.capture.text import mended
from pagewalk.trace import events as ev

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
        self._arrived: dict[str, list[str]] = {}
        self._ids: list[str] = []
        self._ids_numbers: list[int] = []
        # Of the last attention metadata: where rows began and what follows from that, and how much
        # of each row has KV, by rank. Later events tell what changed.
        self.query_lens: tuple[list[int], list[int] | int] = ([], [])
        self.seq_lens: dict[int, list[int]] = {}
        self._salted: OrderedDict[bytes, str] = OrderedDict()
        self._encode_lines = msgspec.json.Encoder(enc_hook=_foreign).encode_lines
        self._events: list[ev.Event] = []
        self._failures = 0
        self.refusals: dict[int, tuple[str, ...]] = {}

    def lines(self, readings: Iterable[Timed]) -> bytes:
        """The readings as newline-ended JSON lines, in order."""
        events = self._events = []
        for t, reading in readings:
            try:
                shape = SHAPES.get(reading[0])
                if shape is not None:
                    # The shape may itself put a name in front: the sequence number comes after.
                    reading = shape(self, t, *reading)
                events.append(reading[0](self.seq, t, *reading[1:]))
            except Exception:
                events.append(self._failed(self.seq, t))
            self.seq += 1
        try:
            return self._encode_lines(events)
        except Exception:
            # One by one then: what no encoder understands must not cost its neighbours.
            return b"".join(map(self._line, events))

    def take_failures(self) -> int:
        """How many readings were no events, since the last answer; each left a `Dropped`."""
        failures, self._failures = self._failures, 0
        return failures

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

    def numbers(self, t: int, request_ids: list[str]) -> list[int]:
        """`number` for each."""
        if request_ids == self._ids:
            return self._ids_numbers
        if not request_ids:
            return []
        known = self._numbers
        try:
            numbers = [known[request_id] for request_id in request_ids]
        except KeyError:
            numbers = [self.number(t, request_id) for request_id in request_ids]
        # While the same requests decode, every step names the same ones, twice.
        self._ids, self._ids_numbers = request_ids, numbers
        return numbers

    def arrived(self, request_id: str, external: str) -> None:
        """A front end gave a user's request its internal id (one for each sample)."""
        self._done.pop(request_id, None)
        self._arrived.setdefault(external, []).append(request_id)

    def enqueued(self, request_id: str) -> None:
        """The id is in use, perhaps again: its number must last until it finishes."""
        self._done.pop(request_id, None)

    def finished(self, request_id: str) -> None:
        """Let go of the ids of requests that finished long ago."""
        self._done[request_id] = None
        self._done.move_to_end(request_id)
        while len(self._done) > KEPT_AFTER_FINISH:
            old, _ = self._done.popitem(last=False)
            self._numbers.pop(old, None)
            self._ids = self._ids_numbers = []

    def delivered(self, request_id: str, external: str) -> None:
        """The user has all of it: a front end sees no other finish."""
        for one in (*self._arrived.pop(external, ()), external, request_id):
            if one in self._numbers:
                self.finished(one)

    def _line(self, event: ev.Event) -> bytes:
        for attempt in (lambda: event, lambda: mended(event)):
            try:
                return self._encode_lines([attempt()])
            except Exception:
                continue
        return self._encode_lines([self._failed(event.seq, event.t)])

    def _failed(self, seq: int, t: int) -> ev.Dropped:
        self._failures += 1
        return ev.Dropped(seq, t, 1, "not_encodable")


def _foreign(value: Any) -> int:
    """An integer of another library (NumPy's) as ours; anything else is no part of an event."""
    return index(value)


__all__ = ["KEPT_AFTER_FINISH", "Encoder"]
