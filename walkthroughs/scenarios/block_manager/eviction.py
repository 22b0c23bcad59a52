"""One tale is asked for again and again, and each time another part of it is still cached.

    python walkthroughs/scenarios/block_manager/eviction.py

The scheduler alone, with eight blocks of 16 tokens. The tale is 40 tokens long: two full blocks
and half of a third. Each request is done in one step, so between two of them all blocks are free.
"""

from __future__ import annotations

from pagewalk.bed.scheduler import SchedulerBed

ENGINE = None
TALE = range(40)


def ask(bed: SchedulerBed, name: str, tokens: range, salt: str | None = None) -> None:
    """Send one request; the step computes its prompt, and its one token ends it."""
    bed.add(name, tokens, max_tokens=1, cache_salt=salt)
    bed.step()


def main() -> None:
    """Ask for the tale, with others in between that need blocks too."""
    bed = SchedulerBed(num_blocks=9, max_num_batched_tokens=128)
    ask(bed, "tale", TALE)
    ask(bed, "retold", TALE)
    ask(bed, "salted", TALE, salt="mine")
    ask(bed, "epic", range(100, 170))
    ask(bed, "again", TALE)
    ask(bed, "excerpt", TALE[:32])
    bed.reset_prefix_cache()
    ask(bed, "forgotten", TALE)
    bed.run(2)


if __name__ == "__main__":
    main()
