"""Three schedulers say yes and no: a prefix hit that is paid for, a watermark, and a window.

Engine 0 has 11 usable blocks of 16 tokens. `first` fills the prefix cache and goes; `again`
begins like it; `big` is too long for what is left, and `small` stands behind it.
Engine 1 has 10 usable blocks, and keeps 2 of them free when it admits somebody beside others.
Engine 2 has 8, and every layer looks back 40 tokens only: its running request loses a block even
in the call that refuses it others.
"""

ENGINE = None


def hits() -> None:
    """A hit on free blocks, a refusal of a whole sequence, and the steps of a decode."""
    from pagewalk.bed.scheduler import SchedulerBed

    bed = SchedulerBed(num_blocks=12)
    bed.add("first", range(40), max_tokens=1)
    bed.run()
    bed.add("again", [*range(40), *range(100, 130)], max_tokens=14)
    bed.add("big", range(140, 240), max_tokens=2)
    bed.add("small", range(8), max_tokens=2)
    bed.run()


def watermark() -> None:
    """Who comes beside others must leave two blocks free; who comes alone need not."""
    from pagewalk.bed.scheduler import SchedulerBed

    bed = SchedulerBed(num_blocks=11, watermark=0.2)
    bed.add("sole", range(40), max_tokens=6)
    bed.add("second", range(100, 190), max_tokens=2)
    bed.run()
    bed.add("whole", range(200, 340), max_tokens=2)
    bed.run()


def window() -> None:
    """A chunk that does not fit: the block out of the window is given back all the same."""
    from pagewalk.bed.scheduler import SchedulerBed

    bed = SchedulerBed(
        groups="swa", num_blocks=9, max_num_batched_tokens=128, long_prefill_token_threshold=64
    )
    bed.add("chunked", range(96), max_tokens=2)
    bed.add("other", range(100, 164), max_tokens=2)
    bed.run()


def main() -> None:
    """Run the three, one after the other."""
    hits()
    watermark()
    window()


if __name__ == "__main__":
    main()
