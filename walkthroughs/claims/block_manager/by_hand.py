"""Claims of the page on block tables by hand: where a token lies, and which block comes next."""

from __future__ import annotations

from pagewalk.trace.events import BlocksTaken
from pagewalk.views.evidence import Run


def _grown(run: Run, step: int) -> dict[str, int]:
    """The requests that got one more block in this step, and the block, by the author's names."""
    before, after = run.before(step).tables, run.scheduled(step).tables
    return {run.name(one): rows[0][-1] for one, rows in after.items() if rows != before.get(one)}


def one_entry_per_block(run: Run) -> dict[str, object]:
    """A block table has one entry for each block begun: tokens divided by the size, rounded up."""
    size, last = run.engine.block_sizes[0], run.steps[-1].step
    for step in run.steps:
        state = run.scheduled(step.step)
        for one in state.requests:
            assert len(one.tables[0]) == -(-one.computed // size)
    usable = run.engine.num_blocks - 1
    return {"size": size, "last": size - 1, "steps": last, "usable": usable}


def shared_in_one_step(run: Run) -> dict[str, object]:
    """Two prompts that begin alike share their blocks from the very step that computes them."""
    step = run.steps[0].step
    state, size = run.scheduled(step), run.engine.block_sizes[0]
    ant, bee = (state.tables[run.id(name)][0] for name in ("ant", "bee"))
    hit = run.step(step).share(run.id("bee")).computed
    same = hit // size
    counts = state.pools[0].ref_counts
    assert same
    assert ant[:same] == bee[:same]
    assert not set(ant[same:]) & set(bee[same:])
    assert all(counts[block] == 2 for block in ant[:same])
    return {
        "step": step,
        "ant": list(ant),
        "bee": list(bee),
        "cow": list(state.tables[run.id("cow")][0]),
        "shared": list(ant[:same]),
        "hit": hit,
        "count": counts[ant[0]],
        "queue": list(state.pools[0].free_queue),
    }


def counted_once(run: Run) -> dict[str, object]:
    """A shared block is one block, however many tables name it: free and used make up the pool."""
    facts = []
    for step in run.steps:
        state = run.scheduled(step.step)
        entries = [block for rows in state.tables.values() for block in rows[0]]
        free = len(state.pools[0].free_queue)
        assert len(set(entries)) == run.engine.num_blocks - 1 - free
        facts.append((len(entries), len(set(entries)), free))
    entries, used, free = facts[0]
    assert entries > used
    return {"entries": entries, "used": used, "free": free, "steps": len(facts)}


def slot_of_a_token(run: Run) -> dict[str, object]:
    """Token t lies in entry t // size of the table, at offset t % size of that block."""
    step, token, early = run.steps[0].step, 70, 10
    state, size = run.scheduled(step), run.engine.block_sizes[0]
    table = state.tables[run.id("bee")][0]
    assert len(table) > token // size
    block = table[token // size]
    return {
        "token": token,
        "entry": token // size,
        "block": block,
        "offset": token % size,
        "slot": block * size + token % size,
        "early": early,
        "shared": table[0] * size + early,
    }


def full_means_next(run: Run) -> dict[str, object]:
    """A running request gets a block in the steps in which its blocks are full, and in no other."""
    size = run.engine.block_sizes[0]
    steps = []
    for step in run.steps[1:]:
        due = {run.name(one.request) for one in step.scheduled if one.computed % size == 0}
        assert set(_grown(run, step.step)) == due
        if due:
            steps.append(step.step)
    assert steps
    return {"steps": steps, "times": len(steps)}


def front_comes_next(run: Run) -> dict[str, object]:
    """The block that is handed out is the first of the free queue, each time."""
    steps = [step.step for step in run.steps[1:] if _grown(run, step.step)]
    for step in steps:
        (block,) = _grown(run, step).values()
        assert block == run.before(step).pools[0].free_queue[0]
    first = steps[0]
    ((who, block),) = _grown(run, first).items()
    before = run.before(first)
    computed = next(one.computed for one in before.requests if run.name(one.request) == who)
    return {
        "step": first,
        "before": first - 1,
        "who": who,
        "block": block,
        "computed": computed,
        "queue": list(before.pools[0].free_queue),
        "times": len(steps),
    }


def comes_back_to_the_front(run: Run) -> dict[str, object]:
    """A finished request's partial block goes to the front, and its full block to the back."""
    done = next(step.step for step in run.steps if run.id("cow") in step.finished_before) - 1
    table, before = run.scheduled(done).tables[run.id("cow")][0], run.scheduled(done)
    after = run.updated(done).pools[0].free_queue
    full, partial = table
    assert after == (partial, *before.pools[0].free_queue, full)
    return {"step": done, "full": full, "partial": partial, "queue": list(after)}


def three_owners(run: Run) -> dict[str, object]:
    """The same block goes from one request to the next, each time from the front of the queue."""
    block = front_comes_next(run)["block"]
    owners = [
        (name, step.step)
        for step in run.steps[1:]
        for name, got in _grown(run, step.step).items()
        if got == block
    ]
    assert len(owners) == sum(block in one.blocks for one in run.events(BlocksTaken)) == 3
    return {
        "block": block,
        "owners": [name for name, _ in owners],
        "steps": [step for _, step in owners],
    }


def shared_blocks_stay(run: Run) -> dict[str, object]:
    """When one of two holders is done, the shared blocks stay with the other."""
    done = next(step.step for step in run.steps if run.id("bee") in step.finished_before) - 1
    before, after = run.scheduled(done), run.updated(done).pools[0]
    table = before.tables[run.id("bee")][0]
    kept = [block for block in table if block in before.tables[run.id("ant")][0]]
    full, partial = [block for block in table if block not in kept]
    assert kept
    assert after.free_queue == (partial, *before.pools[0].free_queue, full)
    assert all(after.ref_counts[block] == 1 for block in kept)
    return {
        "step": done,
        "table": list(table),
        "kept": kept,
        "full": full,
        "partial": partial,
        "queue": list(after.free_queue),
    }


def order_at_the_end(run: Run) -> dict[str, object]:
    """At the end all blocks are free: the last table went back tail first, its full blocks last."""
    last = run.steps[-1].step
    table = run.scheduled(last).tables[run.id("ant")][0]
    before, after = run.scheduled(last).pools[0].free_queue, run.updated(last).pools[0].free_queue
    *full, partial = table
    assert after == (partial, *before, *reversed(full))
    return {"step": last, "table": list(table), "before": list(before), "queue": list(after)}


def worker_does_the_same(run: Run) -> dict[str, object]:
    """The worker writes every token of every step to the slot that the rule gives."""
    size, slots = run.engine.block_sizes[0], 0
    ran = run.batches()
    for batch in ran.values():
        tables = run.scheduled(batch.step).tables
        for row in batch.rows:
            table = tables[row.request][0]
            tokens = range(row.computed, row.computed + row.tokens)
            by_hand = tuple(table[one // size] * size + one % size for one in tokens)
            assert row.slots == (by_hand,)
            slots += len(by_hand)
    wanted = slot_of_a_token(run)
    (bee,) = [row for row in ran[run.steps[0].step].rows if row.request == run.id("bee")]
    assert bee.slots[0][wanted["token"] - bee.computed] == wanted["slot"]
    return {"steps": len(ran), "slots": slots, "row": bee.row, "slot": wanted["slot"]}
