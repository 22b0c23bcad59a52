"""Events -> segments and trace directories for tests."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import strategies as st
from toy import ToyEngine

from pagewalk.trace.codec import encode
from pagewalk.trace.events import Event
from pagewalk.trace.segment import Segment, read_stream

NAME = "4711-0.jsonl"


def segment_of(lines: Iterable[bytes] | Sequence[Event], name: str = NAME) -> Segment:
    """Read lines (or events) as a segment, without touching a disk."""
    text = b"".join(encode(one) if isinstance(one, Event) else one for one in lines)
    return read_stream(name, BytesIO(text), len(text))


def write_trace(folder: Path, lines: Iterable[bytes] | Sequence[Event], name: str = NAME) -> Path:
    """A trace directory with a header and one segment."""
    folder.mkdir(parents=True, exist_ok=True)
    header = {
        "schema": 1,
        "run": "c0ffee",
        "pagewalk": "0.1.0",
        "wall_ns": 1,
        "command": ["python", "my.py"],
        "level": "full",
        "digest": "off",
    }
    (folder / "header.json").write_bytes(msgspec.json.encode(header))
    text = b"".join(encode(one) if isinstance(one, Event) else one for one in lines)
    (folder / name).write_bytes(text)
    return folder


def renumbered(events: Iterable[Event]) -> list[Event]:
    """The same events with `seq` counted again: for planting and removing."""
    return [msgspec.structs.replace(event, seq=seq) for seq, event in enumerate(events)]


def busy_toy(seed: int = 0, steps: int = 40, depth: int = 1, **shape: Any) -> ToyEngine:
    """A toy engine after a random but reproducible workload that preempts, hits and aborts.

    `depth` steps are in flight, as with async scheduling.
    """
    rng = random.Random(seed)
    toy = ToyEngine(**shape)
    for _ in range(steps):
        for _ in range(rng.choice((0, 0, 1, 2))):
            toy.add(
                prompt=rng.randint(1, 18),
                max_tokens=rng.randint(1, 12),
                priority=rng.randint(0, 2),
                family=rng.choice(("", "a", "b")),
            )
        if toy.requests and rng.random() < 0.1:
            toy.abort(rng.choice(list(toy.requests.values())))
        toy.schedule()
        if len(toy.flights) >= depth:
            toy.update()
    while toy.flights:
        toy.update()
    toy.run(steps + 400)
    toy.reset_prefix_cache()
    return toy


SHAPES = st.fixed_dictionaries(
    {
        "num_blocks": st.integers(8, 40),
        "block_size": st.sampled_from((1, 3, 4)),
        "budget": st.integers(4, 40),
        "max_running": st.integers(1, 8),
        "policy": st.sampled_from(("fcfs", "priority")),
        "caching": st.booleans(),
        "windows": st.sampled_from(((0,), (0, 6), (5,), (0, 0))),
    }
)
