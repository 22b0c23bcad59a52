"""Claims of the first page: what happens to eleven requests in a crowded engine."""

from pagewalk.trace.events import RequestEnqueued
from pagewalk.views.evidence import Run


def _table(run: Run, step: int, name: str) -> tuple[int, ...]:
    """The blocks of a request, by its author's name, right after that step's schedule()."""
    here = run.scheduled(step).requests
    return next((one.tables[0] for one in here if one.request == run.id(name) and one.tables), ())


def prompt_in_chunks(run: Run) -> dict[str, object]:
    """A prompt that is longer than a step's budget is computed in several steps."""
    prompt, budget = next(run.events(RequestEnqueued)).num_prompt_tokens, run.steps[0].budget
    chunks: list[int] = []
    for step in run.steps:
        share = step.share(run.id("long"))
        if share is None or share.computed >= prompt:
            break
        chunks.append(share.tokens)
    assert prompt > budget
    assert len(chunks) > 1
    assert sum(chunks) == prompt
    return {"step": run.steps[0].step, "prompt": prompt, "budget": budget, "chunks": chunks}


def twins_share_blocks(run: Run) -> dict[str, object]:
    """Two requests whose prompts begin alike hold the same blocks: these are computed once."""
    step = next(one.step for one in run.steps if one.share(run.id("twin-b")))
    theirs = _table(run, step, "twin-a")
    shared = [one for one in _table(run, step, "twin-b") if one in theirs]
    counts = run.scheduled(step).pools[0].ref_counts
    assert shared
    assert all(counts[block] == 2 for block in shared)
    hit = run.follow("twin-b").lookups[0].hit
    assert hit == len(shared) * run.engine.block_sizes[0]
    return {"step": step, "blocks": shared, "tokens": hit}


def last_one_gives_way(run: Run) -> dict[str, object]:
    """A running request needs a block and too few are free: the one admitted last gives way."""
    first = run.preemptions[0]
    assert first.refusal.required > first.refusal.available
    assert run.before(first.step).running[-1] == first.request
    assert _table(run, first.step, first.request) == ()
    victim, winner = run.name(first.request), run.name(first.by)
    return {"step": first.step, "victim": victim, "winner": winner, "lost": first.computed}


def preempted_comes_back(run: Run) -> dict[str, object]:
    """A preempted request is resumed, and finds those of its blocks that are still cached."""
    lost = run.follow("twin-b").lost[0]
    assert lost.step < lost.resumed_step
    assert lost.rehit > 0
    assert lost.rehit + lost.recomputed == lost.lost
    return {
        "step": lost.step,
        "resumed": lost.resumed_step,
        "lost": lost.lost,
        "rehit": lost.rehit,
        "again": lost.recomputed,
    }
