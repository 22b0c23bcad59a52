"""Claims of the page on groups."""

from collections import Counter
from math import ceil

from pagewalk.trace.events import HashAdded
from pagewalk.views.evidence import EngineRun, Run
from pagewalk.views.step import Lookup, Step

SIZE, WINDOW = 16, 40  # tokens of a block; how far a layer of the second group looks back
SHARED = 100  # tokens that all prompts have in common
FULL, WINDOWED = 0, 1  # the groups


def _tables(run: EngineRun, step: int, name: str = "long") -> tuple[tuple[int, ...], ...]:
    return run.scheduled(step).tables[run.id(name)]


def _steps(run: EngineRun, name: str = "long") -> list[Step]:
    """The steps in which a request got tokens."""
    return [step for step in run.steps if step.share(run.id(name))]


def _lookup(run: EngineRun, name: str) -> Lookup:
    """The prefix lookup of a request."""
    wanted = run.id(name)
    return next(one for step in run.steps for one in step.lookups if one.request == wanted)


def _behind(tokens: int) -> int:
    """The blocks that the window has left entirely, so many tokens being done."""
    return max(0, tokens - WINDOW + 1) // SIZE


def _nulls(table: tuple[int, ...]) -> int:
    """The leading null blocks of a table, which has no others."""
    assert 0 not in table[table.count(0) :]
    return table.count(0)


def one_pool_two_tables(run: Run) -> dict[str, object]:
    """Every group has a table of its own for a request; all tables take from one pool."""
    full, windowed = _tables(run, 1)
    assert len(run.engine.pools) == 1
    assert not set(full) & set(windowed)
    assert {*full, *windowed, *run.scheduled(1).pools[0].free_queue} == set(
        range(1, run.engine.num_blocks)
    )
    facts = {"full": list(full), "windowed": list(windowed)}
    return facts | {"tokens": run.step(1).used, "blocks": len(full) + len(windowed)}


def the_window_moves_on(run: Run) -> dict[str, object]:
    """What the window has left entirely is null; the rest of the table stays where it is."""
    facts: dict[str, object] = {}
    for step in _steps(run):
        full, windowed = _tables(run, step.step)
        computed = step.share(run.id("long")).computed
        assert _nulls(windowed) == _behind(computed)
        assert _nulls(full) == 0
        assert len(windowed) == len(full)
        if not facts and 0 in windowed:
            outside = computed - WINDOW + 1
            facts = {"step": step.step, "computed": computed, "outside": outside}
            facts |= {"table": list(windowed), "nulls": _nulls(windowed), "reach": WINDOW - 1}
    last = _tables(run, _steps(run)[-1].step)[WINDOWED]
    assert 0 < facts["nulls"] < _nulls(last)
    return facts | {"last": _steps(run)[-1].step, "last_nulls": _nulls(last), "all": len(last)}


def a_chunk_is_taken_whole(run: Run) -> dict[str, object]:
    """The windowed group takes blocks for all tokens of a step, however short its window is."""
    windowed = _tables(run, 1)[WINDOWED]
    assert _nulls(windowed) == 0
    assert len(windowed) == run.step(1).used // SIZE > ceil(WINDOW / SIZE)
    return {"tokens": run.step(1).used, "blocks": len(windowed), "window": WINDOW}


def from_group_to_group(run: Run) -> dict[str, object]:
    """A block that one group gives back may be taken by another in the same call."""
    step = the_window_moves_on(run)["step"]
    gave = set(_tables(run, 1)[WINDOWED]) - set(_tables(run, step)[WINDOWED])
    took = set(_tables(run, step)[FULL]) - set(_tables(run, 1)[FULL])
    (block,) = gave & took
    return {"step": step, "block": block}


def the_tail_is_kept(run: Run) -> dict[str, object]:
    """With retention 0 the windowed group caches only what a resend of the prompt needs."""
    done = _steps(run)[-1]
    cached = Counter(one.group for one in run.events(HashAdded) if one.t < done.t)
    hashed = run.scheduled(done.step).pools[0].hashed
    places = [at for at, one in enumerate(_tables(run, done.step)[WINDOWED]) if one in hashed]
    tokens = _lookup(run, "resend").tokens
    end = (tokens - 1) // SIZE
    needed = ceil((WINDOW - 1) / SIZE)
    assert cached == {FULL: tokens // SIZE, WINDOWED: needed}
    assert places
    assert places == [at for at in range(end - needed, end) if at in places]
    return {"full": cached[FULL], "windowed": needed, "end": end * SIZE, "tokens": tokens}


def a_resend_hits(run: Run) -> dict[str, object]:
    """The same prompt hits up to the last full block below its last token, in both groups."""
    (step,), found = _steps(run, "resend"), _lookup(run, "resend")
    full, windowed = _tables(run, step.step, "resend")
    nulls = _nulls(windowed)
    assert found.hit == (found.tokens - 1) // SIZE * SIZE
    assert nulls == _behind(found.hit)
    assert len(full) == len(windowed)
    facts = {"hit": found.hit, "tokens": found.tokens, "step": step.step, "nulls": nulls}
    return facts | {"touched": found.hit // SIZE - nulls, "table": list(windowed)}


def a_shorter_prefix_misses(run: Run) -> dict[str, object]:
    """A prompt that shares less finds the full group's blocks and none of the window's: no hit."""
    found, seen = _lookup(run, "shorter"), _tables(run, 2)[FULL]
    step = _steps(run, "shorter")[0].step
    blocks = SHARED // SIZE
    assert found.hit == 0
    assert set(seen[:blocks]) <= set(run.before(step).pools[0].hashed)
    facts = {"hit": found.hit, "step": step, "shared": SHARED}
    return facts | {"blocks": blocks, "tokens": blocks * SIZE}


def the_third_hits(run: Run) -> dict[str, object]:
    """The miss left a checkpoint where the two prompts part; who shares as much hits now."""
    missed, found = a_shorter_prefix_misses(run), _lookup(run, "third")
    assert found.hit == missed["tokens"] > missed["hit"]
    return {"hit": found.hit, "step": _steps(run, "third")[0].step}


def what_retention_buys(run: Run) -> dict[str, object]:
    """A denser retention caches more of the window's blocks and finds more of a short prefix."""
    facts: dict[str, object] = {}
    for name, engine in zip(("zero", "dense", "every"), run.engines, strict=False):
        done = _steps(engine)[-1]
        pool = engine.engine.pools[0].pool
        added = [one for one in engine.events(HashAdded) if one.pool == pool and one.t < done.t]
        facts[f"{name}_cached"] = sum(one.group == WINDOWED for one in added)
        facts[f"{name}_hit"] = _lookup(engine, "shorter").hit
        facts[f"{name}_resend"] = _lookup(engine, "resend").hit
    assert facts["zero_cached"] < facts["every_cached"] < facts["dense_cached"]
    assert facts["zero_hit"] < facts["every_hit"] < facts["dense_hit"]
    assert facts["zero_resend"] == facts["every_resend"] == facts["dense_resend"]
    return facts


def three_types_agree(run: Run) -> dict[str, object]:
    """Three groups of three attention types are looked up together and hit alike."""
    three = run.engines[3]
    kinds = [table.kind for table in three.engine.tables]
    (step,) = _steps(three, "resend")
    tables = _tables(three, step.step, "resend")
    assert len(set(kinds)) == len(tables) == 3
    assert _lookup(three, "resend").hit == _lookup(run, "resend").hit > 0
    assert _lookup(three, "third").hit == _lookup(run, "third").hit > 0
    nulls = [_nulls(table) for table in tables]
    return {"kinds": kinds, "hit": _lookup(three, "resend").hit, "nulls": nulls}


def not_while_in_flight(run: Run) -> dict[str, object]:
    """With a batch in flight only tokens whose output came back count as behind the window."""
    two, early = run.engines[4], False
    for before, step in zip(_steps(two), _steps(two)[1:], strict=False):
        computed = step.share(two.id("long")).computed
        processed = computed - before.share(two.id("long")).tokens
        nulls = _nulls(_tables(two, step.step)[WINDOWED])
        assert nulls == _behind(processed)
        early |= nulls < _behind(computed)
    assert early
    assert two.engine.configured.scheduler.endswith("AsyncScheduler")
    second = _steps(two)[1]
    nulls = _nulls(_tables(two, second.step)[WINDOWED])
    facts = {"step": second.step, "nulls": nulls, "computed": second.share(two.id("long")).computed}
    return facts | {"sync": _nulls(_tables(run, second.step)[WINDOWED])}
