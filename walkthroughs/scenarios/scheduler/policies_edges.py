"""Two cases that only the priority policy has: a share taken back, and a pass cut short.

    python walkthroughs/scenarios/scheduler/policies_edges.py

The scheduler alone, with blocks of 16 tokens. Engine 0: `bulk` has got its chunk of the step when
`chat` finds no block. Engine 1: `batch` finds no block, is the least urgent, and stands before
`talk` in the running list.
"""

from __future__ import annotations

from pagewalk.bed.scheduler import SchedulerBed

ENGINE = None


def refund() -> None:
    """Seven blocks and 32 tokens a step, of which one request gets at most 16."""
    bed = SchedulerBed(
        policy="priority",
        num_blocks=8,
        max_num_batched_tokens=32,
        long_prefill_token_threshold=16,
    )
    bed.add("bulk", range(90), max_tokens=2, priority=5)
    bed.step()
    bed.add("chat", range(100, 115), max_tokens=6, priority=1)
    bed.add("report", range(200, 240), max_tokens=2, priority=3)
    bed.run(60)


def itself() -> None:
    """Six blocks: three for each of the two."""
    bed = SchedulerBed(policy="priority", num_blocks=7, max_num_batched_tokens=96)
    bed.add("batch", range(47), max_tokens=4, priority=5)
    bed.step()
    bed.add("talk", range(100, 140), max_tokens=4, priority=1)
    bed.run(60)


def main() -> None:
    """Build one scheduler after the other."""
    refund()
    itself()


if __name__ == "__main__":
    main()
