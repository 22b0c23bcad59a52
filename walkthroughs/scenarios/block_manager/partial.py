"""Full attention beside Mamba, hashes at half a block: a hit that ends inside a block is copied.

Blocks have 16 tokens and a hash covers 8. Engine 1 frees late, as an engine does that loads blocks
through a connector while two batches are in flight. In engine 2 two equal prompts arrive together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pagewalk.bed.scheduler import SchedulerBed

ENGINE = None

PROMPT = range(45)  # two blocks and 13 tokens


def scheduler(**shape: object) -> SchedulerBed:
    """Build a bed that keeps the checkpoints an engine keeps by default."""
    from pagewalk.bed.scheduler import SchedulerBed

    bed = SchedulerBed(groups="mamba_align", num_blocks=24, **shape)
    bed.scheduler.kv_cache_manager.coordinator.retention_interval = 0
    return bed


def one_after_the_other(**shape: object) -> None:
    """`first` leaves a partial block, `again` hits it, `near` too, and `far` hits less."""
    bed = scheduler(**shape)
    for name, prompt in {
        "first": PROMPT,
        "again": PROMPT,
        "near": [*range(42), *range(900, 910)],
        "far": [*range(39), *range(800, 810)],
    }.items():
        bed.add(name, prompt, max_tokens=3)
        bed.run(12)


def together() -> None:
    """Two equal prompts at once: the second cannot use what the first has not computed."""
    bed = scheduler()
    bed.add("twin-a", PROMPT, max_tokens=3)
    bed.add("twin-b", PROMPT, max_tokens=3)
    bed.run(20)


def main() -> None:
    """Run the three, one after the other."""
    one_after_the_other()
    one_after_the_other(async_scheduling=True, defer_frees=True)
    together()


if __name__ == "__main__":
    main()
