"""Readings -> events -> machine at once: a recorder without a file, for tests that look each step.

It stands in for `capture.recorder.Recorder`: what a probe emits is encoded and decoded as in a
trace and moves the replay on before the engine goes on. At each dump of the live state the
replayed one must be the same, so the first wrong event is the last one.
"""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec

from pagewalk.capture.encoder import Encoder
from pagewalk.capture.settings import Settings
from pagewalk.replay.machine import Machine
from pagewalk.replay.snapshot import FIELDS, canonical
from pagewalk.trace.codec import decode
from pagewalk.trace.digest import digest_fields
from pagewalk.trace.events import Event, ExitsDeclared, RequestNamed, StateDigested, StateDumped
from pagewalk.trace.segment import Segment

SALT = b"salt of a test"


class Wire:
    """Has what `Installation` asks of a recorder."""

    def __init__(self, digest: str = "full") -> None:
        self.settings = Settings(Path("/nowhere"), digest=digest)
        self.salt = SALT
        self.lost = 0
        self._encoder = Encoder(SALT)
        self.machine = Machine()
        self.events: list[Event] = []
        self.compared = 0
        self.seen: Counter[str] = Counter()
        self._lasting: list[tuple[Any, ...]] = []
        self._digested: dict[str, str] = {}

    def begin(self) -> None:
        """Forget everything: a new engine is about to be built."""
        refusals = self._encoder.refusals
        self._encoder = Encoder(SALT)
        self._encoder.refusals = refusals
        self.machine = Machine()
        self.events = []
        for reading in self._lasting:
            self.emit(reading)

    def emit(self, reading: tuple[Any, ...]) -> None:
        """One reading, all the way."""
        for line in self._encoder.lines([(time.monotonic_ns(), reading)]).splitlines():
            event = decode(line)
            self.events.append(event)
            self.seen[type(event).__name__] += 1
            self.machine.apply(event)
            if isinstance(event, StateDumped | StateDigested):
                self._compare(event)

    def declare(self, reading: tuple[Any, ...]) -> None:
        """A fact a real recorder would repeat in further segments; here, the one of the marks."""
        if reading[0] is ExitsDeclared:
            self._lasting.append(reading)
        self.emit(reading)

    def refusal_sites(self, sites: dict[int, tuple[str, ...]]) -> None:
        """Sites whose marks mean a refusal of blocks."""
        self._encoder.refusals.update(sites)

    def wake(self) -> bool:
        """There is no file to open."""
        return True

    def salted(self, block_hash: bytes) -> str:
        """What stands for a block hash in the events."""
        return self._encoder.salt(block_hash)

    def segment(self) -> Segment:
        """What a reader of a trace of this would get."""
        return Segment(
            name="1-0.jsonl",
            pid=1,
            started=None,
            ended=True,
            events=list(self.events),
            names={one.request: one.id for one in self.events if isinstance(one, RequestNamed)},
            roles=(),
            engines=tuple(self.machine.engines),
            gaps=(),
            facts=(),
            unknown_events={},
            damaged_lines=0,
        )

    def _compare(self, event: StateDumped | StateDigested) -> None:
        """A dump follows each digest and tells more; the digest must be of the same state."""
        assert not self.machine.nonsense, self.machine.nonsense
        replayed = canonical(self.machine, event.engine)
        if isinstance(event, StateDigested):
            self._digested = event.fields
            return
        live = msgspec.json.decode(bytes(event.state))
        for field in FIELDS:
            assert replayed[field] == live[field], (
                f"step {event.step} ({event.at}), {field}: "
                f"live {live[field]}, replayed {replayed[field]}"
            )
        assert self.machine.engines[event.engine].pause == live["pause"]
        assert self._digested == digest_fields(replayed)
        self.compared += 1
