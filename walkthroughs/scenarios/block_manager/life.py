"""Five requests lead one block through everything that can happen to a block.

    python walkthroughs/scenarios/block_manager/life.py

A block holds 16 tokens and five can be used. `first` fills block 1 token by token, `second` begins
with the same 16 tokens and shares it, `third` comes when nobody holds it any more and finds it
still cached. `wide` and `last` then need every block there is, so block 1 changes hands.
"""

from __future__ import annotations

from pagewalk.bed.scheduler import SchedulerBed

ENGINE = None


def main() -> None:
    """Send the five requests at the right moments."""
    bed = SchedulerBed(num_blocks=6)  # block 0 is the null block: 5 are left
    prompt = list(range(12))
    bed.add("first", prompt, max_tokens=8)
    for _ in range(5):
        bed.step()  # the fifth step computes the 16th token: the block is full
    full_block = [*prompt, *bed.outputs["first"][:4]]
    bed.add("second", [*full_block, 201, 202, 203, 204], max_tokens=6)
    bed.run()
    bed.add("third", [*full_block, 211, 212], max_tokens=2)
    bed.run()
    bed.add("wide", range(100, 160), max_tokens=2)  # four blocks
    bed.add("last", range(30, 40), max_tokens=2)  # and the one that is left
    bed.run()


if __name__ == "__main__":
    main()
