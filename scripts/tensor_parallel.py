"""Print one step three times: as the scheduler meant it, and as each of two ranks ran it.

    python scripts/tensor_parallel.py [--model MODEL] [--out DIR]

With tensor parallelism each layer is cut in two, and each rank computes its half in a process of
its own. There is one scheduler, and one block table for each request. Every rank gets the same
batch, keeps the same rows and the same block table, and writes to the same slots: each to its own
half of the KV cache. What travels is the batch; its step number is how the traces are joined.
"""

from __future__ import annotations

import os

from pagewalk.bed.engine import arguments, ask, run_script, small_engine
from pagewalk.capture import tracing
from pagewalk.replay.batches import Row
from pagewalk.views.evidence import Run, replayed
from pagewalk.views.executed import executed

RANKS = 2
PROMPTS = {
    "crane": "A bird with long legs, that stands in the water.",
    "heron": "Another one, that stands in the water and waits for fish. " * 2,
    "stork": "And one that brings luck.",
}


def main() -> None:
    """Run the engine under tracing, then read a step of it from all three processes."""
    options = arguments(__doc__)
    # One place to run for each rank: the CPU engine asks for as many as there are ranks.
    os.environ.setdefault("VLLM_CPU_OMP_THREADS_BIND", "0|1")
    with (
        tracing(options.out) as directory,
        small_engine(options.model, tensor_parallel_size=RANKS) as llm,
    ):
        ask(llm, PROMPTS, max_tokens=12)

    run = replayed(directory)
    # Nobody waits for the second rank: it may end before it has written its last step.
    both = run.batches(0).keys() & run.batches(1).keys()
    step = max(both, key=lambda one: (len(run.batches(0)[one].rows), one))
    print(f"step {step}, blocks of {run.engine.block_sizes[0]} tokens\n")
    for line in rows(run, step):
        print(line)

    for one in executed(run.trace, run.engine):
        print(
            f"\nrank {one.rank}: {one.steps} steps, {one.entries} entries of block tables and "
            f"{one.slots} slots compared with the scheduler's, {one.differing} steps differ",
            end="",
        )
    print(f"\nThe trace is in {directory}")


def rows(run: Run, step: int) -> list[str]:
    """One line for each request by the scheduler, and one for each rank below it."""
    batches = [run.batches(rank)[step] for rank in range(RANKS)]
    lines = []
    for meant in run.scheduled(step).requests:
        theirs = [
            (rank, row)
            for rank, batch in enumerate(batches)
            for row in batch.rows
            if row.request == meant.request
        ]
        if theirs:
            lines.append(f"{run.name(meant.request):8} scheduler  blocks {listed(meant.tables[0])}")
            lines += [f"         rank {rank}     {told(row)}" for rank, row in theirs]
    return lines


def told(row: Row) -> str:
    """A row of a rank's batch."""
    slots = row.slots[0] if row.slots else None
    return f"blocks {listed(row.tables[0])}   row {row.row}, slots {listed(slots)}"


def listed(numbers: tuple[int, ...] | None) -> str:
    """Numbers, where they are known."""
    return "on the device only" if numbers is None else " ".join(map(str, numbers))


if __name__ == "__main__":
    run_script(main)
