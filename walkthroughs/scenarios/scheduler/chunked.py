"""A prompt of 150 tokens meets a budget: cut by it, capped, alone, uncut, squeezed, half cached."""

from pagewalk.bed.scheduler import SchedulerBed

ENGINE = None

LONG = range(1000, 1150)  # 150 tokens
SHORT = range(20)
MIDDLE = range(300, 340)  # 40 tokens
CAP = {"max_num_batched_tokens": 128, "long_prefill_token_threshold": 32}


def cut_by_the_budget() -> None:
    """Engine 0: `long` comes while `chat` decodes; `last` comes behind it."""
    bed = SchedulerBed(num_blocks=24)
    bed.add("chat", SHORT, max_tokens=8)
    bed.step()
    bed.add("long", LONG, max_tokens=3)
    bed.add("last", MIDDLE, max_tokens=2)
    bed.run()


def capped() -> None:
    """Engine 1: a cap of 32 tokens; the peer is there for two steps only."""
    bed = SchedulerBed(num_blocks=24, **CAP)
    bed.add("capped", LONG, max_tokens=2)
    bed.add("peer", SHORT, max_tokens=2)
    bed.run()


def alone() -> None:
    """Engine 2: the same cap, and nobody else."""
    bed = SchedulerBed(num_blocks=24, **CAP)
    bed.add("alone", LONG, max_tokens=2)
    bed.run()


def behind_a_full_batch() -> None:
    """Engine 3: the same cap, one place in the batch, and somebody who waits for it."""
    bed = SchedulerBed(num_blocks=24, max_num_seqs=1, **CAP)
    bed.add("single", LONG, max_tokens=2)
    bed.add("queued", SHORT, max_tokens=2)
    bed.run()


def uncut() -> None:
    """Engine 4: no chunks; the second prompt does not fit into the rest of the first step."""
    bed = SchedulerBed(num_blocks=24, chunked=False)
    bed.add("first", MIDDLE, max_tokens=2)
    bed.add("second", range(400, 440), max_tokens=2)
    bed.add("tiny", range(4), max_tokens=2)
    bed.run()


def squeezed() -> None:
    """Engine 5: the cap again, and one block too few for both."""
    bed = SchedulerBed(num_blocks=12, **CAP)
    bed.add("greedy", LONG, max_tokens=2)
    bed.add("victim", SHORT, max_tokens=8)
    bed.run()


def half_cached() -> None:
    """Engine 6: a cap of 64 tokens; 96 of the 150 are in the prefix cache, 54 are not."""
    bed = SchedulerBed(num_blocks=24, max_num_batched_tokens=128, long_prefill_token_threshold=64)
    bed.add("before", LONG[:96], max_tokens=1)
    bed.run()
    bed.add("cached", LONG, max_tokens=2)
    bed.add("beside", SHORT, max_tokens=2)
    bed.run()


def main() -> None:
    """Run the seven schedulers one after the other."""
    cut_by_the_budget()
    capped()
    alone()
    behind_a_full_batch()
    uncut()
    squeezed()
    half_cached()


if __name__ == "__main__":
    main()
