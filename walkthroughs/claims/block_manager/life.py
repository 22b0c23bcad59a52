"""Claims of the page on the life of a block."""

from collections import Counter

from pagewalk.trace.events import BlocksFreed, BlocksTaken, BlocksTouched, HashAdded, HashRemoved
from pagewalk.views.blocks import PoolBlocks
from pagewalk.views.evidence import EngineRun, Run

BLOCK = 1  # the one whose life the page tells
BLANK, FILLING, CACHED, KEPT = "blank", "filling", "cached", "kept"
# (held by a request, has a hash, in the free queue) -> the state's name on the page.
STATES = {
    (False, False, True): BLANK,
    (True, False, False): FILLING,
    (True, True, False): CACHED,
    (False, True, True): KEPT,
}


def _moments(engine: EngineRun):
    """The pool after every schedule() and every update_from_output(), with the block tables."""
    for step in engine.steps:
        for at in (engine.scheduled(step.step), engine.updated(step.step)):
            yield step.step, at.pools[0], at


def _facts(pool: PoolBlocks, block: int) -> tuple[bool, bool, bool]:
    held = pool.ref_counts.get(block, 0) > 0
    return held, block in pool.hashed, block in pool.free_queue


def four_states(run: Run) -> dict[str, object]:
    """Of the eight combinations of held, hashed and queued, only four ever occur."""
    seen = Counter(
        STATES[_facts(pool, block)]  # any of the other four is a KeyError
        for _, pool, _ in _moments(run)
        for block in range(1, run.engine.num_blocks)
    )
    assert set(seen) == set(STATES.values())
    return {**seen, "checked": seen.total()}


def held_or_queued(run: Run) -> dict[str, object]:
    """A block's count is 0 if and only if the block is in the free queue."""
    checked = 0
    for _, pool, _ in _moments(run):
        for block in range(1, pool.num_blocks):
            assert (pool.ref_counts.get(block, 0) == 0) == (block in pool.free_queue)
            checked += 1
    assert any(count for _, pool, _ in _moments(run) for count in pool.ref_counts.values())
    return {"checked": checked}


def count_is_holders(run: Run) -> dict[str, object]:
    """A block's count is the number of block tables that name it."""
    most = 0
    for _, pool, at in _moments(run):
        named = Counter(block for (row,) in at.tables.values() for block in row)
        assert dict(named) == {block: n for block, n in pool.ref_counts.items() if n}
        most = max([most, *named.values()])
    assert most > 1
    return {"most": most}


def hashed_when_full(run: Run) -> dict[str, object]:
    """With full attention alone, a held block has a hash if and only if it is full."""
    size, seen = run.engine.block_sizes[0], Counter()
    for _, pool, at in _moments(run):
        for one in at.requests:
            for index, block in enumerate(one.tables[0] if one.tables else ()):
                full = (index + 1) * size <= one.computed
                assert full == (block in pool.hashed)
                seen[full] += 1
    assert seen[True]
    assert seen[False]
    return {"full": seen[True], "filling": seen[False]}


def one_life(run: Run) -> dict[str, object]:
    """One block goes through all four states and comes back to the first."""
    states, steps = [], []
    for step, pool, _ in _moments(run):
        state = STATES[_facts(pool, BLOCK)]
        if not states or state != states[-1]:
            states.append(state)
            steps.append(step)
    assert states == [FILLING, CACHED, KEPT, CACHED, KEPT, FILLING, BLANK]
    names = ("taken", "filled", "left", "hit", "left_again", "evicted", "end")
    # What update_from_output() did after a step is there to see when the next one begins.
    seen = {f"{name}_seen": step + 1 for name, step in zip(names, steps, strict=True)}
    return {"block": BLOCK, **dict(zip(names, steps, strict=True)), **seen}


def one_life_in_events(run: Run) -> dict[str, object]:
    """Each change of the block is the work of one method of the pool; nothing else changes it."""
    kinds = (BlocksTaken, HashAdded, BlocksTouched, BlocksFreed, HashRemoved)
    events = sorted((one for kind in kinds for one in run.events(kind)), key=lambda one: one.seq)
    moves = [type(one) for one in events if BLOCK in _named(one)]
    taken, hashed, touched, freed, evicted = kinds
    assert moves == [
        *(taken, hashed, touched, freed, freed),  # filled, shared, let go twice
        *(touched, freed),  # found again, let go
        *(evicted, taken, freed),  # handed to another
    ]
    return {"moves": len(moves), "touched": moves.count(touched), "freed": moves.count(freed)}


def _named(event) -> list[int]:
    """The blocks that an event is about: one with a hash, or several."""
    return [event.block] if isinstance(event, HashAdded | HashRemoved) else event.blocks


def shared(run: Run) -> dict[str, object]:
    """A second holder changes the count and not the state; the first one's end takes it back."""
    both = [step for step, pool, _ in _moments(run) if pool.ref_counts.get(BLOCK) == 2]
    step = run.step(both[0])
    came, stays = step.admitted("new")[0], step.admitted("running")[0]
    gone = next(n for n, pool, _ in _moments(run) if n >= both[0] and pool.ref_counts[BLOCK] == 1)
    assert all(BLOCK in pool.hashed for n, pool, _ in _moments(run) if both[0] <= n <= gone)
    assert run.updated(gone).running == (came,)
    size = run.engine.block_sizes[0]
    return {
        "step": both[0],
        "by": came,
        "with": stays,
        "gone": gone,
        "seen": gone + 1,
        "count": 2,
        "left": 1,
        "size": size,
    }


def back_of_the_queue(run: Run) -> dict[str, object]:
    """Let go with a hash it joins the back of the queue; let go without one, the front."""
    life = one_life(run)
    kept, blank = run.updated(life["left"]).pools[0], run.updated(life["end"]).pools[0]
    assert kept.free_queue[-1] == BLOCK
    assert len(kept.free_queue) > 1
    assert blank.free_queue[0] == BLOCK
    assert len(blank.free_queue) > 1
    queue = run.updated(life["end"] - 1).pools[0]
    return {
        "kept": list(kept.free_queue),
        "blank": list(blank.free_queue),
        "before_end": life["end"] - 1,
        "unhashed": [block for block in queue.free_queue if block not in queue.hashed],
        "hashed": [block for block in queue.free_queue if block in queue.hashed],
    }


def eviction_is_a_handout(run: Run) -> dict[str, object]:
    """A cached block loses its hash in the moment it is handed out anew, and not before."""
    gone = [one for one in run.events(HashRemoved) if one.block == BLOCK]
    taken = [one for one in run.events(BlocksTaken) if BLOCK in one.blocks]
    assert len(gone) == 1
    assert len(taken) == 2
    between = [one for one in run.engine.segment.events if gone[0].seq < one.seq < taken[1].seq]
    assert not between
    step = one_life(run)["evicted"]
    owner = next(r for r, (row,) in run.scheduled(step).tables.items() if BLOCK in row)
    now = run.scheduled(step)
    filled = [block for block in now.tables["wide"][0] if block in now.pools[0].hashed]
    return {"step": step, "to": owner, "left": len(now.pools[0].free_queue), "filled": filled}
