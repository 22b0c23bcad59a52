"""Claims on the example of vLLM's documentation, as the engine plays it.

The engine's block ids are one more than the documentation's: block 0 is the null block.
"""

from pagewalk.views.evidence import Run

DOCUMENTED = [7, 8, 9, 4, 3, 2, 6, 5, 1, 0]


def _theirs(blocks) -> list[int]:
    """Block ids as the documentation counts them."""
    return [block - 1 for block in blocks]


def the_queue_at_time_6(run: Run) -> dict[str, object]:
    """Before the third request comes, the two unhashed blocks are at the front of the queue."""
    came = next(step for step in run.steps if "request-2" in step.admitted("new")).step
    pool = run.before(came).pools[0]
    queue, hashed = _theirs(pool.free_queue), _theirs(pool.hashed)
    assert len(queue) == len(DOCUMENTED)
    assert sorted(queue) == sorted(DOCUMENTED)
    assert queue != DOCUMENTED
    front = [block for block in queue if block not in hashed][:2]
    assert queue[:2] == front == [6, 4]
    documented = "-".join(map(str, DOCUMENTED))
    return {"step": came - 1, "queue": queue, "documented": documented, "front": front}


def nothing_is_evicted(run: Run) -> dict[str, object]:
    """The third request takes five new blocks, and none of them was cached."""
    step = next(step for step in run.steps if "request-2" in step.admitted("new"))
    cached = set(run.before(step.step).pools[0].hashed)
    (row,) = run.scheduled(step.step).tables["request-2"]
    hit = step.lookups[0].hit // run.engine.block_sizes[0]
    assert hit
    assert not cached & set(row[hit:])
    new, keeps = _theirs(row[hit:]), 3
    assert keeps not in new
    return {"step": step.step, "hit": _theirs(row[:hit]), "new": new, "keeps": keeps}
