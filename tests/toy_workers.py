"""A toy engine's history -> the same with workers: what its ranks would have run, and what not."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from builder import write_trace
from story import Process
from toy import ToyEngine

from pagewalk.trace import events as ev
from pagewalk.trace.codec import encode
from pagewalk.trace.read import open_trace
from pagewalk.views.engines import Engine, pick_engine
from pagewalk.views.payload_workers import runs_of
from pagewalk.views.walk import Walk

# What may befall a batch: other slots, other tokens, a request less; slots that only the device
# knows; the same after a loss, so that nobody knows them; lost; never told.
TROUBLES = ("slots", "tokens", "left out", "hidden", "dark", "lost", "silent")


@dataclass(frozen=True, slots=True)
class ToyRow:
    """A row of a batch: `tables` has the blocks of each group."""

    request: str
    computed: int
    tokens: int
    tables: tuple[tuple[int, ...], ...]

    def slots(self, group: int, size: int) -> list[int]:
        """Where its tokens go."""
        table, places = self.tables[group], range(self.computed, self.computed + self.tokens)
        return [table[at // size] * size + at % size for at in places]


def with_workers(
    folder: Path,
    toy: ToyEngine,
    ranks: int = 2,
    seed: int = 0,
    troubles: Sequence[str] = TROUBLES,
    moves: float = 0.2,
    runner: str = "V1",
) -> Path:
    """A trace directory of the toy and of workers that run what it schedules; every few batches
    one of the troubles befalls a rank, and in that share of them two rows change places.

    Runner V2 keeps a state for each request, and tells what was written to it and no slots.
    """
    write_trace(folder, toy.lines())
    engine = pick_engine(open_trace(folder), None)
    planned = list(_planned(engine, seed, moves))
    for rank in range(ranks):
        worker = Process(5000 + rank, "worker", rank=rank)
        rng = random.Random(seed + rank)
        for step, rows in planned:
            trouble = rng.choice(troubles) if troubles and rng.random() < 0.3 else ""
            if runner == "V2":
                _tell_states(worker, (step, rank), list(engine.block_sizes), rows)
            else:
                _tell(worker, (step, rank), list(engine.block_sizes), rows, trouble)
        text = b"".join(encode(one) for one in worker.events)
        (folder / f"{worker.pid}-0.jsonl").write_bytes(text)
    return folder


def swapped(path: Path, step: int, rank: int) -> None:
    """A planted fault: the first two rows of that step's batch get one another's slots."""
    for file in path.glob("*.jsonl"):
        lines = file.read_bytes().splitlines(keepends=True)
        for at, line in enumerate(lines):
            if b'"e":"BatchPrepared"' not in line:
                continue
            if f'"step":{step},"rank":{rank},'.encode() not in line:
                continue
            head, _, rest = line.partition(b'"slots":[[')
            slots, _, tail = rest.partition(b"]]")
            first, one, second, *more = slots.split(b",")
            assert (one, more[0]) == (b"1", b"1"), "both rows have one token"
            turned = b",".join([second, one, first, *more])
            lines[at] = head + b'"slots":[[' + turned + b"]]" + tail
        file.write_bytes(b"".join(lines))


def _planned(engine: Engine, seed: int, moves: float) -> Iterator[tuple[int, list[ToyRow]]]:
    """What a worker would run: who stays keeps the order, who comes goes to the end."""
    rng, walk = random.Random(seed), Walk(engine)
    numbers = {name: number for number, name in engine.segment.names.items()}
    held: list[str] = []
    for step in walk:
        tables = [walk.machine.tables[one.table].rows for one in engine.tables]
        shares = {one.request: one for one in step.scheduled if one.computed is not None}
        held = [name for name in held if name in shares]
        held += [name for name in shares if name not in held]
        if len(held) > 1 and rng.random() < moves:
            held[0], held[-1] = held[-1], held[0]
        rows = [
            ToyRow(
                name,
                shares[name].computed or 0,
                shares[name].tokens,
                tuple(tuple(one.get(numbers[name], ())) for one in tables),
            )
            for name in held
        ]
        if rows:
            yield step.step, rows


def _tell(
    worker: Process, at: tuple[int, int], sizes: list[int], rows: list[ToyRow], trouble: str
) -> None:
    if trouble in ("lost", "dark"):
        worker.emit(ev.Dropped, 3, "buffer_full")
    if trouble in ("lost", "silent"):
        return
    if trouble == "left out" and len(rows) > 1:
        rows = rows[:-1]
    if trouble == "tokens" and rows[0].tokens > 1:
        rows = [replace(rows[0], tokens=rows[0].tokens - 1), *rows[1:]]
    slots = [[one for row in rows for one in row.slots(at, size)] for at, size in enumerate(sizes)]
    if trouble == "slots":
        slots[0][-1] += 7
    runs = [[number for run in runs_of(one) for number in run] for one in slots]
    dark = trouble == "dark"
    worker.emit(
        ev.BatchPrepared,
        *at,
        worker.all(row.request for row in rows),
        [row.computed for row in rows],
        [row.tokens for row in rows],
        [
            [] if dark else [(number, list(row.tables[group])) for number, row in enumerate(rows)]
            for group in range(len(sizes))
        ],
        [[] for _ in runs] if dark or trouble == "hidden" else runs,
        sizes,
    )


def _tell_states(
    worker: Process, at: tuple[int, int], sizes: list[int], rows: list[ToyRow]
) -> None:
    """The first free state is that of who comes; who leaves the batch lets it go."""
    states = worker.states = getattr(worker, "states", {})
    here = {row.request for row in rows}
    gone = [name for name in states if name not in here]
    for name in gone:
        del states[name]
    new = [row.request for row in rows if row.request not in states]
    for name in new:
        states[name] = min(set(range(len(states) + 1)) - set(states.values()))
    groups = range(len(sizes))
    worker.emit(
        ev.BatchPrepared,
        *at,
        worker.all(row.request for row in rows),
        [row.computed for row in rows],
        [row.tokens for row in rows],
        [[] for _ in groups],
        [[] for _ in groups],
        sizes,
        "V2",
        [states[row.request] for row in rows],
        [[(states[row.request], 0, list(row.tables[one])) for row in rows] for one in groups],
        worker.all(new),
        [],
        worker.all(gone),
    )


__all__ = ["TROUBLES", "ToyRow", "swapped", "with_workers"]
