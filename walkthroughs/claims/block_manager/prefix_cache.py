"""Claims of the page on the prefix cache."""

from pagewalk.trace.events import ExecutionStarted, HashAdded, HashRemoved, StepStarted
from pagewalk.views.evidence import Run
from pagewalk.views.step import Lookup, Step


def _came(run: Run, name: str) -> tuple[Step, Lookup]:
    """The step that admitted the request, and its look-up in that step."""
    request = run.id(name)
    step = next(step for step in run.steps if request in step.admitted("new"))
    return step, next(one for one in step.lookups if one.request == request)


def _row(run: Run, name: str) -> list[int]:
    """The block table of the request as its first step left it."""
    step, _ = _came(run, name)
    return list(run.scheduled(step.step).tables[run.id(name)][0])


def _hash_of(run: Run) -> dict[int, str]:
    """Block -> the hash under which it was registered; nothing is evicted in this trace."""
    assert not list(run.events(HashRemoved))
    return {one.block: one.hash for one in run.events(HashAdded)}


def twins_share(run: Run) -> dict[str, object]:
    """The second of two equal prompts hits the first one's blocks in the very same step."""
    (step, first), (same, second) = _came(run, "twin-a"), _came(run, "twin-b")
    hit = second.hit // run.engine.block_sizes[0]
    assert step.step == same.step
    assert first.hit == 0 < second.hit
    a, b = _row(run, "twin-a"), _row(run, "twin-b")
    assert a[:hit] == b[:hit]
    assert a[hit:] != b[hit:]
    share = same.share(run.id("twin-b"))
    return {
        "step": step.step,
        "prompt": second.tokens,
        "hit": second.hit,
        "computed": share.tokens,
        "first": step.share(run.id("twin-a")).tokens,
        "shared": a[:hit],
        "a": a,
        "b": b,
    }


def registered_before_written(run: Run) -> dict[str, object]:
    """Full blocks are registered while the step is being scheduled, before the model runs it."""
    twins = twins_share(run)
    added = [one.seq for one in run.events(HashAdded) if one.block in twins["shared"]]
    began = next(one.seq for one in run.events(StepStarted) if one.step == twins["step"])
    ran = next(one.seq for one in run.events(ExecutionStarted) if one.step == twins["step"])
    assert len(added) == len(twins["shared"])
    assert began < min(added) <= max(added) < ran
    return {"step": twins["step"], "blocks": twins["shared"]}


def only_full_blocks(run: Run) -> dict[str, object]:
    """Every look-up hits a whole number of blocks, and never the whole prompt."""
    size = run.engine.block_sizes[0]
    hits = [one for step in run.steps for one in step.lookups]
    assert any(one.hit for one in hits)
    for one in hits:
        assert one.hit % size == 0
        assert one.hit <= (one.tokens - 1) // size * size
    return {"lookups": len(hits), "size": size, "hits": [one.hit for one in hits]}


def last_token_is_computed(run: Run) -> dict[str, object]:
    """A prompt that ends with a block and is all cached still computes that whole last block."""
    size, hashes = run.engine.block_sizes[0], _hash_of(run)
    step, lookup = _came(run, "even-again")
    first, again = _row(run, "even"), _row(run, "even-again")
    assert lookup.tokens % size == 0
    assert lookup.hit == lookup.tokens - size
    assert again[:-1] == first[:-1]
    assert again[-1] != first[-1]
    assert hashes[again[-1]] == hashes[first[-1]]
    return {
        "step": step.step,
        "tokens": lookup.tokens,
        "hit": lookup.hit,
        "computed": step.share(run.id("even-again")).tokens,
        "blocks": [first[-1], again[-1]],
    }


def hashes_are_chained(run: Run) -> dict[str, object]:
    """Another first token gives every block another hash, equal tokens in the block or not."""
    step, lookup = _came(run, "odd-start")
    hashes, full = _hash_of(run), lookup.tokens // run.engine.block_sizes[0]
    twin, odd = _row(run, "twin-a")[:full], _row(run, "odd-start")[:full]
    assert lookup.hit == 0
    assert full > 1
    assert not {hashes[block] for block in twin} & {hashes[block] for block in odd}
    return {"step": step.step, "blocks": full, "tokens": lookup.tokens, "hit": lookup.hit}


def told_text_is_cached(run: Run) -> dict[str, object]:
    """A block that generated tokens filled is cached too: a prompt that goes on from it hits it."""
    step, lookup = _came(run, "sequel")
    _, twin = _came(run, "twin-a")
    assert lookup.hit > twin.tokens
    return {
        "step": step.step,
        "hit": lookup.hit,
        "tokens": lookup.tokens,
        "prompt": twin.tokens,
        "told": lookup.hit - twin.tokens,
        "computed": step.share(run.id("sequel")).tokens,
    }


def duplicates_stay(run: Run) -> dict[str, object]:
    """Equal blocks are not merged, not even when the requests that filled them are gone."""
    hashes, full = _hash_of(run), twins_share(run)["hit"] // run.engine.block_sizes[0]
    pair = [_row(run, "twin-a")[full], _row(run, "twin-b")[full]]
    assert pair[0] != pair[1]
    assert hashes[pair[0]] == hashes[pair[1]]
    step = next(s.step for s in run.steps if not run.updated(s.step).tables)
    pool = run.updated(step).pools[0]
    assert set(pair) <= set(pool.free_queue) & set(pool.hashed)
    assert _row(run, "sequel")[full] == pair[0]
    cached = next(s.step for s in run.steps if pair[0] in run.scheduled(s.step).pools[0].hashed)
    return {"blocks": pair, "cached": cached, "freed": step, "hit": pair[0]}


def salt_divides(run: Run) -> dict[str, object]:
    """The same prompt under another cache salt, or none, is another prompt to the cache."""
    names = ("open", "alice", "alice-again", "bob")
    hits = [_came(run, name)[1].hit for name in names]
    tokens = {_came(run, name)[1].tokens for name in names}
    assert len(tokens) == 1
    assert hits[2]
    assert not any(hits[:2] + hits[3:])
    steps = [_came(run, name)[0].step for name in names]
    return {"tokens": tokens.pop(), "hits": hits, "steps": steps, "again": hits[2]}


def logprobs_do_not_read(run: Run) -> dict[str, object]:
    """A request for prompt logprobs reads nothing from the cache, and still writes into it."""
    step, lookup = _came(run, "judge")
    hashes, full = _hash_of(run), lookup.tokens // run.engine.block_sizes[0]
    mine, twin = _row(run, "judge")[:full], _row(run, "twin-a")[:full]
    assert lookup.hit == 0
    assert lookup.reason == "not_read"
    assert [hashes[block] for block in mine] == [hashes[block] for block in twin]
    _, reader = _came(run, "third-twin")
    assert reader.tokens == lookup.tokens
    assert reader.hit == full * run.engine.block_sizes[0]
    return {
        "step": step.step,
        "tokens": lookup.tokens,
        "computed": step.share(run.id("judge")).tokens,
        "blocks": mine,
        "twin": twin,
        "reader": reader.hit,
        "read": _row(run, "third-twin")[:full],
        "read_step": step.step + 1,
    }
