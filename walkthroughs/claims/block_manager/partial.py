"""Claims of the page on partial blocks."""

from pagewalk.trace.events import BlocksFreed, CopyQueued, Event, StepScheduled
from pagewalk.views.evidence import EngineRun, Run
from pagewalk.views.step import Lookup, Step

SIZE, UNIT = 16, 8  # tokens of a block, and of a hash
NEAR, FAR = 42, 39  # tokens that `near` and `far` have in common with `first`
FULL, MAMBA = 0, 1  # the groups


def _steps(run: EngineRun, name: str) -> list[Step]:
    """The steps in which a request got tokens."""
    return [step for step in run.steps if step.share(run.id(name))]


def _lookup(run: EngineRun, name: str) -> Lookup:
    """The prefix lookup of a request's admission."""
    (found,) = [one for one in _steps(run, name)[0].lookups if one.request == run.id(name)]
    return found


def _events(run: EngineRun, step: Step) -> list[Event]:
    """The events of one call of schedule()."""
    return [one for one in run.events(Event) if step.began <= one.t <= step.t]


def _copies(run: EngineRun, step: Step) -> list[CopyQueued]:
    return [one for one in _events(run, step) if isinstance(one, CopyQueued)]


def the_chunk_stops(run: Run) -> dict[str, object]:
    """A prefill chunk ends at the prompt's last hash boundary, so that a state exists there."""
    step = _steps(run, "first")[1]
    share = step.share(run.id("first"))
    prompt = _lookup(run, "first").tokens
    end = share.computed + share.tokens
    assert share.tokens < min(step.budget, prompt - share.computed)
    assert end == (prompt - 1) // UNIT * UNIT
    assert end % SIZE
    facts = {"step": step.step, "tokens": share.tokens, "left": prompt - share.computed}
    return facts | {"prompt": prompt, "end": end, "budget": step.budget, "unit": UNIT}


def inside_a_block(run: Run) -> dict[str, object]:
    """A hit may end inside a block: it is a multiple of the hash unit, not of the block."""
    found, step = _lookup(run, "again"), _steps(run, "again")[0]
    assert found.hit % SIZE
    assert found.hit % UNIT == 0
    facts = {"step": step.step, "hit": found.hit, "tokens": found.tokens}
    return facts | {"whole": found.hit // SIZE, "rest": found.hit % SIZE, "size": SIZE}


def the_tail_is_copied(run: Run) -> dict[str, object]:
    """The block that the hit ends in is copied in each group; the table gets the copy."""
    step = _steps(run, "again")[0]
    tables, before = run.scheduled(step.step).tables[run.id("again")], run.before(step.step)
    copies = _copies(run, step)
    assert [one.copy for one in copies] == [tables[FULL][-1], tables[MAMBA][-1]]
    assert {one.source for one in copies} <= set(before.pools[0].hashed)
    assert not {one.source for one in copies} & {*tables[FULL], *tables[MAMBA]}
    facts = {"full": list(tables[FULL]), "mamba": list(tables[MAMBA])}
    facts |= {"sources": [one.source for one in copies], "copies": [one.copy for one in copies]}
    return facts | {"count": len(copies)}


def the_original_stays(run: Run) -> dict[str, object]:
    """The originals keep their hashes: the next request hits and copies them again."""
    once, more = _copies(run, _steps(run, "again")[0]), _copies(run, _steps(run, "near")[0])
    assert once
    assert [one.source for one in once] == [one.source for one in more]
    assert _lookup(run, "near").hit == _lookup(run, "again").hit
    assert _lookup(run, "near").hit <= NEAR
    facts = {"hit": _lookup(run, "near").hit, "shared": NEAR}
    return facts | {"sources": [one.source for one in more]}


def only_the_last_boundary(run: Run) -> dict[str, object]:
    """A partial block is found by its one boundary: who shares less hits whole blocks only."""
    found = _lookup(run, "far")
    assert 0 < found.hit < FAR < _lookup(run, "again").hit
    assert found.hit % SIZE == 0
    return {"hit": found.hit, "shared": FAR, "boundary": _lookup(run, "again").hit}


def the_writer_keeps_its_block(run: Run) -> dict[str, object]:
    """A request that goes on in its own cached state keeps the block; the hash moves to a copy."""
    step = _steps(run, "first")[2]
    (copy,) = _copies(run, step)
    full, table = run.scheduled(step.step).tables[run.id("first")]
    was, now = run.before(step.step).pools[0].hashed, run.scheduled(step.step).pools[0].hashed
    assert table[-1] == copy.source
    assert copy.source in was
    assert copy.source not in now
    assert copy.copy in now
    assert full[-1] in set(was) & set(now)
    return {"step": step.step, "source": copy.source, "copy": copy.copy, "kept": full[-1]}


def pinned_to_the_end_of_the_call(run: Run) -> dict[str, object]:
    """Both ends of a copy are held until schedule() is about to return, then given back."""
    step = _steps(run, "again")[0]
    *events, last = _events(run, step)
    ends = sorted(block for one in _copies(run, step) for block in (one.source, one.copy))
    (freed,) = [one for one in events if isinstance(one, BlocksFreed)]
    counts = run.scheduled(step.step).pools[0].ref_counts
    assert isinstance(last, StepScheduled)
    assert events[-1] is freed
    assert sorted(freed.blocks) == ends
    assert all(counts.get(one.source, 0) == 0 for one in _copies(run, step))
    assert all(counts[one.copy] == 1 for one in _copies(run, step))
    return {"step": step.step, "ends": ends}


def pinned_to_the_update(run: Run) -> dict[str, object]:
    """Where frees are deferred, both ends are held until the copying step's output came back."""
    late = run.engines[1]
    step = _steps(late, "again")[0]
    scheduled, updated = (
        moment(step.step).pools[0].ref_counts for moment in (late.scheduled, late.updated)
    )
    copies = _copies(late, step)
    assert copies
    for one in copies:
        assert (scheduled[one.source], scheduled[one.copy]) == (1, 2)
        assert (updated.get(one.source, 0), updated[one.copy]) == (0, 1)
    return {"step": step.step, "sources": [one.source for one in copies]}


def not_in_the_same_step(run: Run) -> dict[str, object]:
    """A state that is written in this step is no hit yet: its finder is told that nothing fits."""
    twins = run.engines[2]
    refused = [step for step in twins.steps if step.refused]
    for step in refused:
        (no,) = step.refused
        assert no.request == twins.id("twin-b")
        assert no.required > twins.engine.num_blocks
        assert no.available > 3
    admitted = _steps(twins, "twin-b")[0]
    assert admitted.step == refused[-1].step + 1
    facts = {"times": len(refused), "required": refused[0].refused[0].required}
    facts |= {"blocks": twins.engine.num_blocks, "step": admitted.step}
    return facts | {"hit": _lookup(twins, "twin-b").hit}
