"""Claims of the page on eviction: how a cached block is lost, and why a prefix missed."""

from __future__ import annotations

from pagewalk.trace.events import BlocksTaken, HashRemoved
from pagewalk.views.evidence import Run
from pagewalk.views.prefix import PrefixStory


def _step(run: Run, name: str) -> int:
    """The step that computed this request; each has one."""
    return next(step.step for step in run.steps if step.share(run.id(name)))


def _lookup(run: Run, name: str) -> PrefixStory:
    """The prefix lookup with which the request was admitted."""
    (lookup,) = run.follow(name).lookups
    return lookup


def _free(run: Run, name: str) -> list[int]:
    """The free queue after the step of this request, next block first."""
    return list(run.updated(_step(run, name)).pools[0].free_queue)


def free_blocks_stay_cached(run: Run) -> dict[str, object]:
    """A finished request's full blocks are free, and cached still."""
    step = _step(run, "tale")
    table = run.scheduled(step).tables[run.id("tale")][0]
    pool = run.updated(step).pools[0]
    assert set(table) <= set(pool.free_queue)
    assert set(pool.hashed) == set(table[:-1])
    return {
        "step": step,
        "size": run.engine.block_sizes[0],
        "free": len(pool.free_queue),
        "cached": list(pool.hashed),
        "front": pool.free_queue[0],
    }


def evicted_when_handed_out(run: Run) -> dict[str, object]:
    """A cached block loses its hash in the moment in which it is handed out again."""
    step = _step(run, "epic")
    # One update stands between two steps: what follows it belongs to the later step.
    seqs = [one.seq for one in run.steps if one.step in (step - 1, step)]
    gone = [one for one in run.events(HashRemoved) if seqs[0] < one.seq < seqs[1]]
    taken = [one for one in run.events(BlocksTaken) if seqs[0] < one.seq < seqs[1]]
    assert len(gone) == len(taken) == 1
    assert gone[0].seq + 1 == taken[0].seq
    before = run.before(step).pools[0].free_queue
    assert gone[0].block in taken[0].blocks == list(before[: len(taken[0].blocks)])
    return {
        "step": step,
        "block": gone[0].block,
        "taken": taken[0].blocks,
        "count": len(taken[0].blocks),
        "before": list(before),
    }


def only_when_handed_out(run: Run) -> dict[str, object]:
    """Whenever a single hash goes, its block is in the very next group of blocks handed out."""
    gone, taken = list(run.events(HashRemoved)), list(run.events(BlocksTaken))
    assert gone
    for one in gone:
        following = next(event for event in taken if event.seq > one.seq)
        assert one.block in following.blocks
    return {"times": len(gone), "blocks": [one.block for one in gone]}


def prefix_survives_longest(run: Run) -> dict[str, object]:
    """A request is freed from its tail, so its first block is evicted last."""
    table = run.scheduled(_step(run, "tale")).tables[run.id("tale")][0]
    first, second = table[:2]
    queue = _free(run, "salted")
    assert queue.index(second) < queue.index(first)
    hashed = run.updated(_step(run, "epic")).pools[0].hashed
    assert second not in hashed
    assert first in hashed
    return {"queue": queue, "first": first, "second": second, "after": _free(run, "epic")}


def hit_moves_to_the_back(run: Run) -> dict[str, object]:
    """A block that is hit leaves the queue at once, and comes back at the end."""
    before, after = _free(run, "epic"), _free(run, "again")
    table = run.scheduled(_step(run, "again")).tables[run.id("again")][0]
    hit, *new = table
    assert hit in before[: len(table)]
    assert after[-1] == hit
    assert new == [block for block in before if block != hit][: len(new)]
    return {
        "before": before,
        "after": after,
        "hit": hit,
        "new": new,
        "place": before.index(hit) + 1,
        "table": list(table),
    }


def last_block_not_full(run: Run) -> dict[str, object]:
    """Only full blocks are cached, so the rest of a prompt is computed even if all was there."""
    story = _lookup(run, "retold")
    assert story.ended == "no_full_block_left"
    assert 0 < story.hit < story.tokens
    assert story.tokens - story.hit < run.engine.block_sizes[0]
    rest = story.tokens - story.hit
    return {"hit": story.hit, "tokens": story.tokens, "rest": rest, "step": story.step}


def salt_differs(run: Run) -> dict[str, object]:
    """The same tokens with another salt have other hashes: nothing is hit though all is cached."""
    salted, plain = _lookup(run, "salted"), _lookup(run, "retold")
    assert salted.tokens == plain.tokens
    assert plain.hit > 0
    assert salted.hit == 0
    assert salted.ended == "never_cached"
    return {"step": salted.step, "hit": salted.hit, "tokens": salted.tokens, "other": plain.hit}


def never_cached(run: Run) -> dict[str, object]:
    """The first request with a prompt misses: nobody computed it before."""
    story = _lookup(run, "tale")
    assert story.ended == "never_cached"
    assert story.hit == 0
    return {"step": story.step, "tokens": story.tokens, "hit": story.hit}


def was_evicted(run: Run) -> dict[str, object]:
    """A hit ends at the first block that was evicted, and the trace knows for whom."""
    story = _lookup(run, "again")
    assert story.ended == "evicted"
    assert 0 < story.hit < _lookup(run, "retold").hit
    return {
        "step": story.step,
        "hit": story.hit,
        "tokens": story.tokens,
        "block": story.eviction.block,
        "cached": story.eviction.cached_step,
        "gone": story.eviction.gone_step,
        "by": run.name(story.eviction.gone_to),
    }


def last_token_computed(run: Run) -> dict[str, object]:
    """Of a prompt that is cached to its last token, the last block is computed again."""
    story = _lookup(run, "excerpt")
    size = run.engine.block_sizes[0]
    assert story.ended == "last_token_is_always_computed"
    assert story.tokens % size == 0
    assert story.hit == story.tokens - size
    again = run.step(story.step).share(run.id("excerpt")).tokens
    return {"step": story.step, "hit": story.hit, "tokens": story.tokens, "again": again}


def in_use_is_safe(run: Run) -> dict[str, object]:
    """A block that a request holds is passed over: what is in use is not in the queue."""
    step = _step(run, "again")
    before = run.before(step).pools[0].free_queue
    (taken,) = [
        one.blocks
        for one in run.events(BlocksTaken)
        if run.step(step - 1).seq < one.seq < run.step(step).seq
    ]
    held = run.scheduled(step).tables[run.id("again")][0][0]
    front = list(before[: len(taken) + 1])
    assert held in front
    assert [block for block in front if block != held] == taken
    return {"step": step, "front": front, "held": held, "taken": list(taken)}


def was_reset(run: Run) -> dict[str, object]:
    """A reset of the prefix cache takes every hash, and moves no block."""
    story = _lookup(run, "forgotten")
    assert story.ended == "reset"
    assert story.hit == 0
    step = _step(run, "excerpt")
    pool, before = run.scheduled(step + 1).pools[0], _free(run, "excerpt")
    table = run.scheduled(step + 1).tables[run.id("forgotten")][0]
    assert list(table) == before[: len(table)]
    assert set(pool.hashed) <= set(table)
    return {"step": story.step, "hit": story.hit, "tokens": story.tokens, "order": before}
