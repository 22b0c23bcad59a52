"""A workload by a seed -> the payload of a big trace, for the benchmark of the player.

    python benchmarks/generate.py --steps 100000 --blocks 16384 --requests 20000 --out big.pwk

The history is made up (see `generate_history.py`), but encoded as any trace is. `--check` judges
the laws of the engine on it, so that a history that is not legal is no benchmark.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer
from generate_history import Generator

from pagewalk.errors import PagewalkError
from pagewalk.replay.laws import judge
from pagewalk.trace import events as ev
from pagewalk.trace.read import EngineFacts, Header, Trace
from pagewalk.trace.segment import Segment
from pagewalk.views.engines import pick_engine
from pagewalk.views.payload import payload


def trace_of(events: list[ev.Event]) -> Trace:
    """The events as a trace of one process that was read from a disk."""
    configured = next(one for one in events if type(one) is ev.EngineConfigured)
    name = "1-0.jsonl"
    facts = tuple(one for one in events[:16] if not isinstance(one, ev.RequestNamed))
    segment = Segment(
        name=name,
        pid=1,
        started=events[0] if isinstance(events[0], ev.SegmentStarted) else None,
        ended=True,
        events=list(events),
        names={one.request: one.id for one in events if type(one) is ev.RequestNamed},
        roles=("engine_core",),
        engines=(0,),
        gaps=(),
        facts=facts,
        unknown_events={},
        damaged_lines=0,
    )
    engine = EngineFacts(name, 1, 0, configured)
    head = Header(
        schema=1, run="made", pagewalk="0", wall_ns=1, command=None, level="lean", digest="off",
        record_tokens=False, releases=("0.32.0",), engines=(engine,), present=(), absent={},
        failed={}, exits={}, problems=(),
    )  # fmt: skip
    return Trace(Path("made"), head, (segment,))


def main(
    out: Annotated[Path, typer.Option(help="The payload to write.")],
    steps: int = 100_000,
    blocks: int = 16_384,
    requests: int = 20_000,
    seed: int = 0,
    check: Annotated[bool, typer.Option(help="Judge the laws of the history too.")] = False,
) -> None:
    """Make a big history and write its payload."""
    began = time.perf_counter()
    events = Generator(steps, blocks, requests, seed).run()
    made = time.perf_counter()
    print(f"{len(events):,} events in {made - began:.1f} s")
    trace = trace_of(events)
    if check:
        broken = [one for one in judge(trace.segments[0]) if one.violations]
        if broken:
            raise PagewalkError("illegal-history", f"the history breaks {broken[0].law.name}")
        print(f"legal: judged in {time.perf_counter() - made:.1f} s")
    began = time.perf_counter()
    data = payload(trace, pick_engine(trace, 0))
    out.write_bytes(data)
    print(f"{len(data):,} bytes, encoded in {time.perf_counter() - began:.1f} s")


if __name__ == "__main__":
    typer.run(main)
