"""Claims of the page on sizing, about two requests where the log promises room for two."""

from math import ceil

from pagewalk.views.evidence import Run


def twice_is_not_two(run: Run) -> dict[str, object]:
    """Logged as room for two of the longest requests, it does not hold two: one is preempted."""
    blocks, longest = run.engine.num_blocks, run.engine.setting("max_model_len")
    times = blocks / ceil(longest / run.engine.setting("block_size"))
    (lost,) = run.preemptions
    assert times == len(run.requests) == 2
    facts = {"blocks": blocks, "longest": longest, "times": int(times), "step": lost.step}
    return facts | {"victim": run.name(lost.request), "lost": lost.computed}
