"""Running requests share a step: by hand, past a request that is done, and with draft tokens."""

import copy

from pagewalk.bed.scheduler import SchedulerBed

ENGINE = None


def by_hand() -> None:
    """Engine 0: four requests and 32 tokens a step; `c` has the long prompt, `d` comes last."""
    bed = SchedulerBed(max_num_batched_tokens=32)
    bed.add("a", range(10), max_tokens=6)
    bed.add("b", range(100, 105), max_tokens=6)
    bed.step()
    bed.add("c", range(1000, 1070), max_tokens=3)  # 70 tokens
    bed.add("d", range(200, 220), max_tokens=2)
    bed.run()


def past_one_that_is_done() -> None:
    """Engine 1: two steps are in flight, and `done` needs no third one."""
    bed = SchedulerBed(async_scheduling=True)
    bed.add("done", range(8), max_tokens=2)
    bed.add("more", range(100, 108), max_tokens=5)
    bed.run()


def four_with_drafts(draft_model: bool) -> None:
    """Engines 2 and 3: each of four wants its next token and three drafts; 16 tokens a step."""
    bed = SchedulerBed(num_spec_tokens=3, max_num_batched_tokens=16, block_size=4)
    if draft_model:
        _draft_with_a_model(bed.scheduler)
    for number, name in enumerate(_names(draft_model)):
        bed.add(name, range(100 * number, 100 * number + 3), max_tokens=8)
    bed.run()


def _names(draft_model: bool) -> tuple[str, ...]:
    if draft_model:
        return "spring", "summer", "autumn", "winter"
    return "north", "east", "south", "west"


def _draft_with_a_model(scheduler: object) -> None:
    """Set what the engine would read from its configuration if a model drafted, not an n-gram."""
    config = scheduler.vllm_config
    config.speculative_config = copy.copy(config.speculative_config)
    config.speculative_config.method = "draft_model"
    scheduler.num_lookahead_tokens = config.num_lookahead_tokens


def main() -> None:
    """Run the four schedulers one after the other."""
    by_hand()
    past_one_that_is_done()
    four_with_drafts(draft_model=False)
    four_with_drafts(draft_model=True)


if __name__ == "__main__":
    main()
