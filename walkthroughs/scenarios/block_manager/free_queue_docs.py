"""The example of vLLM's documentation on prefix caching, played to a real scheduler.

    python walkthroughs/scenarios/block_manager/free_queue_docs.py

It is the one with ten blocks of four tokens and the requests 0, 1 and 2. The documentation counts
its blocks from 0; the engine keeps block 0 for itself, so its blocks are 1 to 10.
"""

from __future__ import annotations

from pagewalk.bed.scheduler import SchedulerBed

ENGINE = None


def main() -> None:
    """Play Time 1 to Time 6 of the example."""
    bed = SchedulerBed(num_blocks=11, block_size=4)
    zero = list(range(100, 115))
    bed.add("request-0", zero, max_tokens=4)  # time 1: three full blocks, 3 tokens in a fourth
    bed.step()
    bed.step()
    bed.step()  # time 2: its fourth block is full, a fifth is taken
    bed.add("request-1", [*zero[:10], 1, 2, 3, 4], max_tokens=2)  # time 3: shares 10 tokens
    bed.step()  # time 4: request-0 is done
    bed.run()  # time 5: request-1 is done
    bed.add("request-2", [*zero[:12], *range(17)], max_tokens=1)  # time 6: shares 12 tokens
    bed.run()


if __name__ == "__main__":
    main()
