"""Claims of the page on sizing."""

from math import ceil

from pagewalk.trace.events import BlocksTaken
from pagewalk.views.evidence import Run


def _size(run: Run) -> tuple[int, int, int]:
    """The blocks, the tokens of a block, and the greatest length of a request.

    Counted when all is done: one block less than the engine has is free.
    """
    engine = run.engine
    assert len(run.updated(run.steps[-1].step).pools[0].free_queue) == engine.num_blocks - 1
    return engine.num_blocks, engine.setting("block_size"), engine.setting("max_model_len")


def block_zero_is_never_given(run: Run) -> dict[str, object]:
    """Block 0 is counted and never handed out: it is the null block."""
    blocks, _, _ = _size(run)
    taken = {block for one in run.events(BlocksTaken) for block in one.blocks}
    assert run.engine.pools[0].null_block == 0
    assert taken == set(range(1, blocks))
    return {"blocks": blocks, "usable": len(taken)}


def the_longest_fits(run: Run) -> dict[str, object]:
    """One request of the greatest length takes every usable block, and is never refused."""
    blocks, size, longest = _size(run)
    last = [step.step for step in run.steps if step.scheduled][-1]
    (state,) = run.scheduled(last).requests
    ((table,), free) = state.tables, run.scheduled(last).pools[0].free_queue
    # One token is sampled in this step, and the one before is computed in it.
    assert run.step(last).share(state.request).computed + 2 == longest
    assert len(table) == blocks - 1
    assert not free
    assert not any(step.refused or step.preempted for step in run.steps)
    return {"longest": longest, "size": size, "table": len(table), "free": len(free)}


def two_do_not_start(run: Run) -> dict[str, object]:
    """An engine with too little room builds no scheduler: it is not in the trace."""
    blocks, size, longest = _size(run)
    assert longest == (blocks - 1) * size
    assert len(run.engines) == 1
    return {"started": len(run.engines), "tried": len(run.engines) + 2, "more": longest + 1}


def the_log_counts_block_zero(run: Run) -> dict[str, object]:
    """The concurrency that is logged divides all blocks, the null block among them."""
    blocks, size, longest = _size(run)
    each = ceil(longest / size)
    times, room = blocks / each, (blocks - 1) * size
    tokens = int(times * longest)
    assert tokens > room
    facts = {"blocks": blocks, "each": each, "times": times, "tokens": tokens}
    return facts | {"room": room, "longest": longest}
