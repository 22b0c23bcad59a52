"""Ten thousand damaged segments: each reads, replays and is judged, or is refused in a sentence."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any

import pytest
from builder import busy_toy
from mutate import MUTATIONS, mutated
from toy import ToyEngine

from pagewalk.errors import PagewalkError
from pagewalk.replay.compare import compare
from pagewalk.replay.difference import difference
from pagewalk.replay.laws import judge
from pagewalk.replay.timeline import Timeline
from pagewalk.trace.segment import Segment, read_stream

MUTANTS = 10_400
PARTS = 4
# Not an assertion on speed: a mutant that is still at it after this long will never end.
HANGS_AFTER = 60


def victims() -> list[list[bytes]]:
    """Small segments in which much happens: preemption, hits, windows, priorities, dumps."""
    shapes: list[dict[str, Any]] = [
        {"num_blocks": 10, "dumps": "full"},
        {"num_blocks": 12, "policy": "priority", "dumps": "digest"},
        {"num_blocks": 16, "windows": (0, 5)},
        {"num_blocks": 9, "caching": False, "depth": 2},
    ]
    found = [busy_toy(seed, 7, **shape).lines()[:90] for seed, shape in enumerate(shapes)]
    lossy = ToyEngine(num_blocks=10)
    for _ in range(3):
        lossy.add(prompt=9, max_tokens=5)
    lossy.turn()
    lines = lossy.lines()
    lossy.name_again()
    lossy.dump()
    lossy.run(8)
    return [*found, lines[:-3] + lossy.lines()[len(lines) :]]


@contextmanager
def not_for_ever(what: str) -> Iterator[None]:
    """Fail where a mutant hangs, and say which."""

    def stop(*_: object) -> None:
        raise TimeoutError(f"{what} hangs")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, HANGS_AFTER)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def go_through(text: bytes, seek: bool = True) -> str:
    """All that a reader does with a segment."""
    try:
        segment = read_stream("4711-0.jsonl", BytesIO(text), len(text), max_line=1 << 20)
    except PagewalkError as error:
        return error.slug if str(error).isprintable() else "unprintable"
    for verdict in judge(segment):
        assert verdict.outcome in ("holds", "broken", "unknown")
        for one in verdict.violations[:5]:
            assert one.message.isprintable()
    compare(segment)
    for engine in segment.engines[: 2 * seek]:
        look_around(segment, engine)
    return "gaps" if segment.gaps else "whole"


def look_around(segment: Segment, engine: int) -> None:
    timeline = Timeline(segment, engine, every=3)
    found = []
    for step in (*timeline.steps[-1:], *timeline.steps[:1], 10**30):
        try:
            snapshot = timeline.last(step)
            snapshot.fields()
        except PagewalkError:
            continue
        found.append(snapshot)
    if found:
        difference(found[0], found[-1])


VICTIMS = victims()


@pytest.mark.parametrize("part", range(PARTS))
def test_no_damage_does_anything_but_read_or_be_refused(part: int) -> None:
    outcomes: Counter[str] = Counter()
    for seed in range(part, MUTANTS, PARTS):
        what, text = mutated(VICTIMS[seed % len(VICTIMS)], seed)
        with not_for_ever(f"mutant {seed} ({what})"):
            try:
                outcomes[go_through(text, seek=seed % 3 == 0)] += 1
            except Exception as error:
                error.add_note(f"mutant {seed} ({what})")
                raise
    assert outcomes.total() == MUTANTS // PARTS
    assert set(outcomes) >= {"gaps", "whole"}
    assert set(outcomes) <= {"gaps", "whole", "unknown-schema"}


def test_every_kind_of_damage_is_done() -> None:
    done = Counter(name for seed in range(2000) for name in mutated(VICTIMS[0], seed)[0].split("+"))
    assert set(done) >= {mutation.__name__ for mutation in MUTATIONS}


@pytest.mark.parametrize("victim", range(len(VICTIMS)))
def test_the_undamaged_segments_read_whole_or_with_their_own_gap(victim: int) -> None:
    assert go_through(b"".join(VICTIMS[victim])) == ("gaps" if victim == 4 else "whole")
