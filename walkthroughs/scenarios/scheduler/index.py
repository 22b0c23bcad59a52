"""Three requests share nine blocks and 48 tokens a step: one is cut up, one has to give way."""

from pagewalk.bed.scheduler import SchedulerBed

ENGINE = None


def main() -> None:
    """`late` comes last, and gives its block up when `chat` needs another one."""
    bed = SchedulerBed(num_blocks=10, max_num_batched_tokens=48)
    bed.add("long", range(1000, 1080), max_tokens=10)  # 80 tokens: five blocks, then a sixth
    bed.add("chat", range(100, 128), max_tokens=8)  # 28 tokens: two blocks, then a third
    bed.step()
    bed.add("late", range(200, 203), max_tokens=7)
    bed.run()


if __name__ == "__main__":
    main()
