"""Two engines in which what looks like a law of blocks does not hold.

    python walkthroughs/scenarios/block_manager/life_exceptions.py

The first has a Mamba group beside full attention, and hashes at half a block: a block gets a hash
before it is full. The second has sliding-window attention: block tables name the null block, and
its reference count is not maintained.
"""

from __future__ import annotations

from pagewalk.bed.scheduler import SchedulerBed

ENGINE = None


def main() -> None:
    """Play one request to each engine."""
    mamba = SchedulerBed("mamba_align", num_blocks=20)
    mamba.add("half", range(42), max_tokens=2)
    mamba.run()
    window = SchedulerBed("swa", num_blocks=20)
    window.add("long", range(160), max_tokens=2)
    window.run()


if __name__ == "__main__":
    main()
