"""Claims of the page on the free queue."""

from pagewalk.views.evidence import EngineRun, Run


def _queue(engine: EngineRun, step: int) -> list[int]:
    """The free queue when the step was over."""
    return list(engine.updated(step).pools[0].free_queue)


def _came(engine: EngineRun, name: str) -> int:
    """The step that admitted the request."""
    return next(step.step for step in engine.steps if name in step.admitted("new"))


def _hit(run: Run, step: int) -> list[int]:
    """What a step's lookups hit are the first blocks of the tables: hit tokens by block size."""
    (lookup,) = run.step(step).lookups
    (row,) = run.scheduled(step).tables[lookup.request]
    assert lookup.hit > 0
    return list(row[: lookup.hit // run.engine.block_sizes[0]])


def null_block_is_out(run: Run) -> dict[str, object]:
    """Block 0 is the null block: it is never in the free queue, and nobody is ever given it."""
    assert run.steps
    for step in run.steps:
        for at in (run.scheduled(step.step), run.updated(step.step)):
            assert 0 not in at.pools[0].free_queue
            assert all(0 not in row for (row,) in at.tables.values())
    blocks = run.engine.num_blocks
    assert max(len(_queue(run, step.step)) for step in run.steps) == blocks - 1
    size = run.engine.block_sizes[0]
    return {"blocks": blocks, "usable": blocks - 1, "size": size, "checked": 2 * len(run.steps)}


def taken_from_the_front(run: Run) -> dict[str, object]:
    """New blocks are taken from the front of the queue, in its order."""
    step = _came(run, "a")
    at = run.scheduled(step)
    (row,) = at.tables["a"]
    assert list(row) + list(at.pools[0].free_queue) == list(range(1, run.engine.num_blocks))
    tokens = run.step(step).share("a").tokens
    return {
        "step": step,
        "tokens": tokens,
        "row": list(row),
        "left": list(at.pools[0].free_queue),
        "start": list(range(1, run.engine.num_blocks)),
    }


def two_ends(run: Run) -> dict[str, object]:
    """Of a finished request, blocks with a hash go to the back, tail first; others to the front."""
    step = _came(run, "a")
    (row,) = run.scheduled(step).tables["a"]
    hashed = [block for block in row if block in run.scheduled(step).pools[0].hashed]
    plain = [block for block in row if block not in hashed]
    left = list(run.scheduled(step).pools[0].free_queue)
    assert plain
    assert hashed
    assert _queue(run, step) == plain[::-1] + left + hashed[::-1]
    queue = _queue(run, step)
    return {"step": step, "next": step + 1, "plain": plain, "hashed": hashed, "queue": queue}


def last_in_first_out(run: Run) -> dict[str, object]:
    """The block without a hash that came back last is the first to be used again."""
    step = _came(run, "b")
    before, (row,) = _queue(run, step - 1), run.scheduled(step).tables["b"]
    assert list(row) == before[: len(row)]
    assert row[0] == two_ends(run)["plain"][-1]
    queue = _queue(run, step)
    return {"step": step, "row": list(row), "again": row[0], "next": step + 1, "queue": queue}


def out_of_the_middle(run: Run) -> dict[str, object]:
    """A hit takes its blocks out of the middle of the queue; the others keep their order."""
    step = _came(run, "again")
    before, at = _queue(run, step - 1), run.scheduled(step)
    (row,), hit = at.tables["again"], _hit(run, step)
    assert before.index(hit[-1]) > 0
    assert hit[0] != before[-1]
    assert list(at.pools[0].free_queue) == [block for block in before if block not in row]
    return {
        "step": step,
        "before": before,
        "hit": hit,
        "new": [block for block in row if block not in hit],
        "left": list(at.pools[0].free_queue),
        "chain": " ⇄ ".join(str(block) for block in before),
        "mended": " ⇄ ".join(str(block) for block in before if block not in hit),
        "after": _queue(run, step),
    }


def head_survives_longest(run: Run) -> dict[str, object]:
    """Of a cached prompt the last block is reused first, so its beginning stays the longest."""
    step = _came(run, "big") + 1
    before, (row,) = _queue(run, step - 2), run.scheduled(step).tables["big"]
    cached = run.before(step - 1).pools[0].hashed
    assert list(row) == before[:-1]
    assert before[-1] == run.scheduled(1).tables["a"][0][0]
    late = _came(run, "late")
    assert _hit(run, late) == [before[-1]]
    return {
        "step": step,
        "before": before,
        "row": list(row),
        "evicted": [block for block in row if block in cached],
        "stays": before[-1],
        "tokens": sum(run.step(one).share("big").tokens for one in (step - 1, step)),
        "after": _queue(run, step),
        "late": late,
        "end": _queue(run, late),
        "hit": run.step(late).lookups[0].hit,
    }


def count_is_length(run: Run) -> dict[str, object]:
    """A block is in the queue if and only if no request holds it; the queue has it once."""
    checked = 0
    for step in run.steps:
        for at in (run.scheduled(step.step), run.updated(step.step)):
            queue = at.pools[0].free_queue
            held = {block for block, count in at.pools[0].ref_counts.items() if count}
            assert len(set(queue)) == len(queue)
            assert set(queue) == set(range(1, run.engine.num_blocks)) - held
            checked += run.engine.num_blocks - 1
    assert checked
    assert any(step.scheduled for step in run.steps)
    return {"checked": checked}


def without_a_cache(run: Run) -> dict[str, object]:
    """Without a prefix cache all blocks go to the front, tail first: the queue is a stack."""
    plain = run.engines[1]
    step, then = _came(plain, "a"), _came(plain, "b")
    (row,), (next_row,) = plain.scheduled(step).tables["a"], plain.scheduled(then).tables["b"]
    assert not plain.engine.caching
    assert _queue(plain, step)[: len(row)] == list(row[::-1])
    assert next_row == row[::-1]
    return {"queue": _queue(plain, step), "row": list(row), "next": list(next_row)}
