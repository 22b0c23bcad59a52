"""Claims of the page on admission: seven engines in one trace."""

from math import ceil

from pagewalk.trace.events import RequestEnqueued
from pagewalk.views.evidence import EngineRun, Run

GATED, OPEN, UNRESERVED, MARKED, ALONE, PLACES, CACHED = range(7)


def the_whole_must_fit(run: Run) -> dict[str, object]:
    """The gate asks for the blocks of the whole sequence, though the next chunk needs fewer."""
    step = next(one for one in run.steps if one.refused)
    (no,) = step.refused
    size = run.engine.block_sizes[0]
    whole = ceil(_prompt(run, "second") / size)
    chunk = ceil(no.new_tokens / size)
    assert no.full_sequence
    assert no.required == whole > no.available >= chunk
    return {
        "step": step.step,
        "whole": whole,
        "prompt": _prompt(run, "second"),
        "free": no.available,
        "chunk": chunk,
        "new": no.new_tokens,
    }


def it_waits_for_the_blocks(run: Run) -> dict[str, object]:
    """Behind the gate `second` waits until the blocks are there, and is never preempted."""
    turns = run.follow("second").turns
    refused = [one.step for one in run.steps if one.refused]
    admitted = run.step(min(turns))
    assert refused == list(range(refused[0], admitted.step))
    assert run.name(admitted.finished_before[0]) == "first"
    assert not run.follow("second").lost
    return {"steps": len(refused), "first": refused[0], "admitted": admitted.step}


def an_open_gate_lets_it_in(run: Run) -> dict[str, object]:
    """Without the gate the same request comes in at the first chance, and is preempted."""
    engine = run.engines[OPEN]
    follow = engine.follow("open-second")
    admitted, lost = min(follow.turns), follow.lost
    assert admitted == the_whole_must_fit(run)["step"]
    assert all(engine.step(one.step).share(engine.id("open-second")) is None for one in lost)
    assert len(lost) > 1
    return {
        "engine": OPEN,
        "step": admitted,
        "preempted": [one.step for one in lost],
        "times": len(lost),
        "lost": [one.lost for one in lost],
    }


def the_open_gate_computes_more(run: Run) -> dict[str, object]:
    """Without the gate more tokens are computed for the same answer."""
    computed = []
    for engine, name in ((run, "second"), (run.engines[OPEN], "open-second")):
        computed.append(sum(turn.share.tokens for turn in engine.follow(name).turns.values()))
    gated, opened = computed
    recomputed = sum(one.recomputed for one in run.engines[OPEN].follow("open-second").lost)
    assert opened > gated == _prompt(run, "second") + 2
    return {"gated": gated, "open": opened, "more": opened - gated, "recomputed": recomputed}


def a_check_is_no_reservation(run: Run) -> dict[str, object]:
    """Two prompts that do not fit together both pass the gate in one step; one is preempted."""
    engine = run.engines[UNRESERVED]
    step, (gone,) = engine.steps[0], engine.preemptions
    usable, size = engine.engine.num_blocks - 1, engine.engine.block_sizes[0]
    each = ceil(_prompt(engine, "left") / size)
    assert len(step.admitted("new")) == 2
    assert not step.refused
    assert each <= usable < 2 * each
    assert gone.computed < _prompt(engine, "right")
    return {
        "engine": UNRESERVED,
        "admitted": step.step,
        "usable": usable,
        "each": each,
        "both": 2 * each,
        "chunk_blocks": ceil(step.scheduled[0].tokens / size),
        "step": gone.step,
        "lost": gone.computed,
        "victim": engine.name(gone.request),
        "back": engine.follow("right").lost[0].resumed_step,
    }


def what_the_second_saw(run: Run) -> dict[str, object]:
    """The second was measured against blocks that the first had not taken yet, but would need."""
    engine = run.engines[UNRESERVED]
    size = engine.engine.block_sizes[0]
    first = engine.steps[0].scheduled[0]
    free = engine.engine.num_blocks - 1 - ceil(first.tokens / size)
    missing = ceil(_prompt(engine, "left") / size) - ceil(first.tokens / size)
    needs = ceil(_prompt(engine, "right") / size)
    assert needs <= free < needs + missing
    return {"free": free, "needs": needs, "missing": missing}


def the_watermark_holds_back(run: Run) -> dict[str, object]:
    """A request that fits waits, because it would not leave the watermark free."""
    engine = run.engines[MARKED]
    steps = [one for one in engine.steps if one.refused]
    (no,) = steps[0].refused
    needs = no.required - no.watermark
    assert needs == ceil(_prompt(engine, "held") / engine.engine.block_sizes[0])
    assert needs <= no.available < no.required
    assert no.watermark == int(0.4 * engine.engine.num_blocks)
    return {
        "engine": MARKED,
        "step": steps[0].step,
        "steps": len(steps),
        "blocks": engine.engine.num_blocks,
        "needs": needs,
        "watermark": no.watermark,
        "required": no.required,
        "free": no.available,
    }


def an_empty_engine_has_no_watermark(run: Run) -> dict[str, object]:
    """Where nothing runs, a request is admitted right into the watermark."""
    engine = run.engines[ALONE]
    (share,) = engine.steps[0].scheduled
    watermark = int(0.9 * engine.engine.num_blocks)
    needs = ceil(share.tokens / engine.engine.block_sizes[0])
    free = engine.engine.num_blocks - 1
    assert share.admission == "new"
    assert needs + watermark > free
    return {"engine": ALONE, "watermark": watermark, "needs": needs, "free": free}


def the_held_one_comes_in_alone(run: Run) -> dict[str, object]:
    """The one that was held back is admitted in the step in which nobody else runs."""
    engine = run.engines[MARKED]
    step = engine.step(min(engine.follow("held").turns))
    free = len(engine.scheduled(step.step).pools[0].free_queue)
    assert [one.request for one in step.scheduled] == [engine.id("held")]
    assert engine.scheduled(step.step).running == (engine.id("held"),)
    return {"step": step.step, "left": free}


def two_places_of_six(run: Run) -> dict[str, object]:
    """A request waits with blocks, budget and a batch of six at hand: two may be active."""
    engine = run.engines[PLACES]
    step = engine.steps[0]
    (end,) = step.exits
    (waiting,) = engine.scheduled(step.step).queues["waiting"]
    seats = engine.engine.setting("max_num_seqs")
    assert end.kind == "max_num_seqs"
    assert len(step.scheduled) == end.values["num_running"] < seats
    assert step.used + _prompt(engine, "three") <= step.budget
    return {
        "engine": PLACES,
        "active": len(step.scheduled),
        "seats": seats,
        "waiting": engine.name(waiting),
        "left": step.budget - step.used,
        "free": len(engine.scheduled(step.step).pools[0].free_queue),
    }


def cached_blocks_cost_room(run: Run) -> dict[str, object]:
    """Hits on free blocks count as blocks to take: one new block is missing, and it waits."""
    engine = run.engines[CACHED]
    step = next(one for one in engine.steps if one.refused)
    (no,), (lookup,) = step.refused, step.lookups
    pool = engine.scheduled(step.step).pools[0]
    size = engine.engine.block_sizes[0]
    assert set(pool.free_queue) <= set(pool.hashed)
    assert lookup.hit == len(pool.free_queue) * size
    assert no.required == lookup.hit // size + ceil(no.new_tokens / size) == no.available + 1
    return {
        "engine": CACHED,
        "step": step.step,
        "free": no.available,
        "hit": lookup.hit,
        "tokens": lookup.tokens,
        "new": no.new_tokens,
        "required": no.required,
    }


def _prompt(run: EngineRun, name: str) -> int:
    names = run.engine.segment.names
    came = [one for one in run.events(RequestEnqueued) if names[one.request] == run.id(name)]
    return came[0].num_prompt_tokens
