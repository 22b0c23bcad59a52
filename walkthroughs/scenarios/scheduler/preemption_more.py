"""Two more preemptions: a request that preempts itself, and one that needs two victims.

    python walkthroughs/scenarios/scheduler/preemption_more.py

Both are fed to the scheduler alone, with blocks of 16 tokens. Engine 0: `calm` has room left in
its last block, `greedy` has none and came last. Engine 1: `wide` computes its prompt in chunks of
three blocks, beside three small requests.
"""

from __future__ import annotations

from pagewalk.bed.scheduler import SchedulerBed

ENGINE = None


def itself() -> None:
    """`greedy` needs a fourth block, none is free, and nobody came after it."""
    bed = SchedulerBed(num_blocks=7, max_num_batched_tokens=96)
    bed.add("calm", range(40), max_tokens=6)
    bed.add("greedy", range(100, 147), max_tokens=6)
    bed.run(60)


def several() -> None:
    """The second chunk of `wide` needs three blocks where one is free."""
    bed = SchedulerBed(num_blocks=8, max_num_batched_tokens=96, long_prefill_token_threshold=48)
    bed.add("wide", range(90), max_tokens=2)
    for name, first in (("x", 100), ("y", 120), ("z", 140)):
        bed.add(name, range(first, first + 10), max_tokens=4)
    bed.run(60)


def main() -> None:
    """Build one scheduler after the other."""
    itself()
    several()


if __name__ == "__main__":
    main()
