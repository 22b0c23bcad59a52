"""Seven small pools, and who is let in: by size, by watermark, by places, by cached blocks."""

from __future__ import annotations

from typing import Any

from pagewalk.bed.scheduler import SchedulerBed

ENGINE = None


def three(prefix: str, **shape: Any) -> None:
    """16 usable blocks and 64 tokens a step, for prompts of 130, 170 and 10 tokens."""
    bed = SchedulerBed(num_blocks=17, **shape)
    bed.add(f"{prefix}first", range(130), max_tokens=12)
    bed.add(f"{prefix}second", range(200, 370), max_tokens=3)
    bed.add(f"{prefix}third", range(500, 510), max_tokens=3)
    bed.run()


def gate() -> None:
    """Engine 0: the gate is there, as by default."""
    three("")


def no_gate() -> None:
    """Engine 1: the same requests, and only the next chunk must fit."""
    three("open-", reserve_full_sequence=False)


def no_reservation() -> None:
    """Engine 2: 9 usable blocks, two prompts of 7 blocks each, in chunks of 32 tokens."""
    bed = SchedulerBed(num_blocks=10, long_prefill_token_threshold=32)
    bed.add("left", range(112), max_tokens=2)
    bed.add("right", range(200, 312), max_tokens=2)
    bed.run()


def watermark() -> None:
    """Engine 3: 11 blocks, of which 40 % stay free while somebody runs."""
    bed = SchedulerBed(num_blocks=11, watermark=0.4)
    bed.add("early", range(40), max_tokens=5)
    bed.step()
    bed.add("held", range(100, 160), max_tokens=2)
    bed.run()


def watermark_alone() -> None:
    """Engine 4: a watermark of 90 %, and nobody else."""
    bed = SchedulerBed(num_blocks=11, watermark=0.9)
    bed.add("lonely", range(40), max_tokens=2)
    bed.run()


def places() -> None:
    """Engine 5: a batch of six, of which two may be in use."""
    bed = SchedulerBed(max_num_seqs=6)
    bed.scheduler.max_num_active_reqs = 2  # what max_num_active_seqs=2 leads to
    for number, name in enumerate(("one", "two", "three")):
        bed.add(name, range(100 * number, 100 * number + 20), max_tokens=2)
    bed.run()


def cached_and_free() -> None:
    """Engine 6: 8 usable blocks. All that are free hold the beginning of `again`."""
    bed = SchedulerBed(num_blocks=9, max_num_batched_tokens=128)
    bed.add("warm", range(80), max_tokens=1)
    bed.step()
    bed.add("holder", range(500, 540), max_tokens=6)
    bed.step()
    bed.add("again", range(96), max_tokens=2)
    bed.run()


def main() -> None:
    """Build one engine after the other."""
    gate()
    no_gate()
    no_reservation()
    watermark()
    watermark_alone()
    places()
    cached_and_free()


if __name__ == "__main__":
    main()
