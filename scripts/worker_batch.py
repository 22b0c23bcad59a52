"""Print one step twice: as the scheduler meant it, and as the worker ran it.

    python scripts/worker_batch.py [--model MODEL] [--out DIR]

The scheduler keeps a block table for each request. The worker keeps a copy of its own, in rows,
and is told only what changes. From the table follows the slot of each token, the place where its
keys and values are written: slot = block * block size + position inside the block. Here the slots
are worked out by hand from the scheduler's table and held against those that the worker used.
"""

from __future__ import annotations

from pagewalk.bed.engine import arguments, ask, run_script, small_engine
from pagewalk.capture import tracing
from pagewalk.replay.batches import Batch
from pagewalk.views.evidence import Run, replayed
from pagewalk.views.executed import executed

PROMPTS = {
    "crane": "A bird with long legs, that stands in the water.",
    "heron": "Another one, that stands in the water and waits for fish. " * 2,
    "stork": "And one that brings luck.",
}


def main() -> None:
    """Run the engine under tracing, then read both sides of its last full step."""
    options = arguments(__doc__)
    with tracing(options.out) as directory, small_engine(options.model) as llm:
        ask(llm, PROMPTS, max_tokens=12)

    run = replayed(directory)
    batch = max(run.batches().values(), key=lambda one: (len(one.rows), one.step))
    print(f"step {batch.step}, blocks of {run.engine.block_sizes[0]} tokens\n")
    for line in rows(run, batch):
        print(line)

    (rank,) = executed(run.trace, run.engine)
    print(
        f"\nIn all {rank.steps} steps of the run: {rank.entries} entries of block tables and "
        f"{rank.slots} slots compared, {rank.differing} steps differ. The trace is in {directory}"
    )


def rows(run: Run, batch: Batch) -> list[str]:
    """One line for each row of the worker's batch, and what the scheduler says of it below."""
    size = run.engine.block_sizes[0]
    meant = {one.request: one for one in run.scheduled(batch.step).requests}
    lines = []
    for row in batch.rows:
        table = meant[row.request].tables[0]
        by_hand = [
            table[position // size] * size + position % size
            for position in range(row.computed, row.computed + row.tokens)
        ]
        known = row.slots[0] if row.slots and row.slots[0] is not None else None
        lines += [
            f"row {row.row}  {run.name(row.request):8} {row.computed} computed, {row.tokens} now",
            f"       worker     blocks {_listed(row.tables[0])}   slots {_listed(known)}",
            f"       scheduler  blocks {_listed(table)}   slots {_listed(by_hand)}, by hand",
        ]
    return lines


def _listed(numbers: tuple[int, ...] | list[int] | None) -> str:
    return "on the device only" if numbers is None else " ".join(map(str, numbers))


if __name__ == "__main__":
    run_script(main)
