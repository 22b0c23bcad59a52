"""Five requests, one after another, take blocks from the free queue of eight and give them back.

    python walkthroughs/scenarios/block_manager/free_queue.py

A block holds 16 tokens and block 0 is the null block, so blocks 1 to 8 can be used. Every request
asks for one token and is done in its last prefill step, so each step shows one take and one give.
`a`, `again` and `late` are the same prompt. The second scheduler has no prefix cache.
"""

from __future__ import annotations

from pagewalk.bed.scheduler import SchedulerBed

ENGINE = None
BLOCKS = 9  # block 0 is the null block: 8 are left

A = range(40)  # two full blocks and half of a third
B = range(100, 140)
BIG = range(200, 300)  # six full blocks and a quarter of a seventh


def send(bed: SchedulerBed, name: str, prompt: range) -> None:
    """Hand one request to the scheduler and step until it is done."""
    bed.add(name, prompt, max_tokens=1)
    bed.run()


def main() -> None:
    """Play the five requests with a prefix cache, then two of them without."""
    cached = SchedulerBed(num_blocks=BLOCKS)
    send(cached, "a", A)
    send(cached, "b", B)
    send(cached, "again", A)
    send(cached, "big", BIG)
    send(cached, "late", A)
    plain = SchedulerBed(num_blocks=BLOCKS, prefix_caching=False)
    send(plain, "a", A)
    send(plain, "b", B)


if __name__ == "__main__":
    main()
