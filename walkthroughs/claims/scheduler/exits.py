"""Claims of the page on the exits: one engine for each way out."""

from pagewalk.trace.events import ExitsDeclared, RequestEnqueued
from pagewalk.views.evidence import EngineRun, Run
from pagewalk.views.step import Step

SKIPS = {
    "max_tokens_in_flight",
    "pp_not_eligible",
    "ec_transfer",
    "nothing_to_schedule",
    "blocked_status",
    "stale_output",
    "max_loras",
    "connector_undecided",
    "async_kv_load",
}


def ways_out(run: Run) -> dict[str, object]:
    """All ways out of schedule() are taken in this trace but one, and those to encoders."""
    declared = [one for event in run.events(ExitsDeclared) for one in event.sites]
    sites = {(one.line, one.kind) for one in declared if one.function.endswith("schedule")}
    exits = [one for engine in run.engines for step in engine.steps for one in step.exits]
    taken = {(one.line, one.kind) for one in exits}
    missing = [kind for _, kind in sorted(sites - taken)]
    assert taken < sites
    assert set(missing) == {"ec_transfer", "max_loras"}
    return {
        "sites": len(sites),
        "taken": len(taken),
        "encoder": missing.count("ec_transfer"),
        "engines": len(run.engines),
    }


def a_skip_leaves_the_pass_open(run: Run) -> dict[str, object]:
    """The request behind one that is skipped gets tokens in the same step, in both passes."""
    pairs = {"air-b": "air-c", "ask-a": "ask-b", "load-a": "load-b"}
    kinds = []
    for skipped, behind in pairs.items():
        engine = _engine(run, skipped)
        step = next(one for one in engine.steps if skipped in _left(one))
        kinds += [one.kind for one in step.exits if one.request == skipped]
        assert step.share(behind)
        assert step.share(skipped) is None
    assert len(kinds) == len(pairs)
    assert set(kinds) < SKIPS
    return {"skipped": list(pairs), "kinds": kinds}


def only_the_last_exit_is_a_break(run: Run) -> dict[str, object]:
    """In each pass of each step, whatever comes before the last exit is a skip."""
    breaks = 0
    for engine in run.engines:
        for step in engine.steps:
            for loop in ("running", "waiting"):
                kinds = [one.kind for one in step.exits if one.loop == loop]
                if kinds[-1:] == ["no_blocks"]:  # it repeats the exit that says more
                    kinds = kinds[:-2] + kinds[-1:]
                assert set(kinds[:-1]) <= SKIPS
                breaks += bool(set(kinds[-1:]) - SKIPS)
    assert breaks > len(run.engines)
    return {"passes": breaks}


def a_running_request_may_get_nothing(run: Run) -> dict[str, object]:
    """Those at the end of the running list get no tokens when drafts use up the budget."""
    engine = _engine(run, "draft")
    step = engine.step(2)
    running = engine.scheduled(step.step).running
    (end,) = [one for one in step.exits if one.loop == "running"]
    left_out = [engine.name(one) for one in running if not step.share(one)]
    assert end.kind == "token_budget"
    assert left_out == [engine.name(one) for one in running[-len(left_out) :]]
    each = {one.tokens for one in step.scheduled}
    assert len(each) == 1
    return {
        "engine": engine.engine.index,
        "step": step.step,
        "running": len(running),
        "left_out": left_out,
        "each": each.pop(),
        "budget": step.budget,
    }


def slots_fill_the_step(run: Run) -> dict[str, object]:
    """A step ends with most of its token budget unused, because each request costs slots too."""
    engine = _engine(run, "slot")
    step = next(one for one in engine.steps if "input_budget" in _kinds(one, "running"))
    one = next(one for one in step.exits if one.kind == "input_budget")
    values = one.values
    assert values["input_budget"] <= values["draft_slots"]
    assert values["token_budget"] == step.budget - step.used > values["input_budget"]
    return {
        "engine": engine.engine.index,
        "step": step.step,
        "unused": values["token_budget"],
        "input": values["input_budget"],
        "slots": values["draft_slots"],
        "request": engine.name(one.request),
        "budget": step.budget,
        "admitted": len(engine.steps[0].scheduled),
        "rest": engine.steps[0].exits[0].values["input_budget"],
    }


def padding_does_not_fit(run: Run) -> dict[str, object]:
    """One token is left to compute and the budget has room for it, but not for its padding."""
    engine = _engine(run, "pad-again")
    waits = engine.follow("pad-again").waits
    step = engine.step(waits[0].first)
    (one,) = [one for one in step.exits if one.kind == "spec_padding"]
    left, padded = one.values["request_token_budget"], one.values["padded_num_tokens"]
    (lookup,) = step.lookups
    assert lookup.tokens - lookup.hit == 1 <= left < padded
    return {
        "engine": engine.engine.index,
        "step": step.step,
        "left": left,
        "padded": padded,
        "steps": waits[0].steps,
        "hit": lookup.hit,
        "tokens": lookup.tokens,
    }


def a_whole_prompt_or_none(run: Run) -> dict[str, object]:
    """Without chunks the head ends the pass, though the request behind it would fit."""
    engine = _engine(run, "whole")
    step = engine.step(1)
    (one,) = step.exits
    left, wants = one.values["request_token_budget"], one.values["num_new_tokens"]
    later = engine.step(2).share("whole-c").tokens
    assert one.kind == "chunked_prefill_off"
    assert later <= left < wants
    return {
        "engine": engine.engine.index,
        "head": one.request,
        "left": left,
        "wants": wants,
        "behind": later,
    }


def a_block_or_nothing(run: Run) -> dict[str, object]:
    """A Mamba prefill waits for a budget that reaches the end of a block."""
    engine = _engine(run, "state")
    step = engine.step(1)
    (one,) = step.exits
    left = step.budget - step.used
    assert one.kind == "mamba_align"
    assert 0 < left < engine.engine.block_sizes[0]
    assert engine.step(2).share(one.request).tokens == engine.engine.block_sizes[0]
    return {
        "engine": engine.engine.index,
        "request": one.request,
        "left": left,
        "size": engine.engine.block_sizes[0],
    }


def a_chunk_too_close_to_the_end(run: Run) -> dict[str, object]:
    """A chunk that would end within a drafter's lookahead of the end is put off."""
    engine = _engine(run, "ahead")
    first, second = engine.steps[:2]
    (one,) = first.exits
    left, whole = first.budget - first.used, second.share(one.request).tokens
    assert one.kind == "encoder_or_lookahead_zero"
    assert 0 < left < whole
    return {"engine": engine.engine.index, "left": left, "prompt": whole}


def nobody_comes_after_a_preemption(run: Run) -> dict[str, object]:
    """No step that preempts admits anybody, in any of the engines."""
    steps = [step for engine in run.engines for step in engine.steps if step.preempted]
    assert steps
    for step in steps:
        assert "preempted_this_step" in _kinds(step, "waiting")
        assert not step.admitted("new")
        assert not step.admitted("resumed")
    return {"steps": len(steps)}


def blocks_are_on_their_way(run: Run) -> dict[str, object]:
    """While the connector announces blocks, the pass ends and nobody is preempted; later one is."""
    engine = _engine(run, "soon")
    step = next(one for one in engine.steps if "pending_block_frees" in _kinds(one, "running"))
    after = engine.step(step.step + 1)
    assert step.refused
    assert not step.preempted
    (gone,) = after.preempted
    assert gone.by == step.refused[0].request
    return {
        "engine": engine.engine.index,
        "step": step.step,
        "asks": step.refused[0].request,
        "victim": gone.request,
    }


def a_victim_in_flight_is_spared(run: Run) -> dict[str, object]:
    """A request that a step in flight still writes for is preempted one step later."""
    engine = _engine(run, "fence")
    step = next(one for one in engine.steps if "victim_not_freeable" in _kinds(one, "running"))
    (gone,) = engine.step(step.step + 1).preempted
    assert not step.preempted
    assert gone.request in [one.request for one in step.exits]
    return {"engine": engine.engine.index, "step": step.step, "victim": gone.request}


def a_pause_still_tells_who_finished(run: Run) -> dict[str, object]:
    """A paused step schedules nobody, and carries the id of the request that just ended."""
    engine = _engine(run, "pause")
    step = next(one for one in engine.steps if one.pause == "PAUSED_ALL")
    assert step.used == 0
    assert step.finished_before
    assert engine.scheduled(step.step).queues["waiting"] == ("pause-b",)
    return {
        "engine": engine.engine.index,
        "step": step.step,
        "told": engine.name(step.finished_before[0]),
    }


def decodes_only(run: Run) -> dict[str, object]:
    """In a throttled step a decode goes on; a begun prefill and a new one both wait."""
    engine = _engine(run, "rank")
    step = next(one for one in engine.steps if "dp_throttle" in _kinds(one, "running"))
    (share,) = step.scheduled
    held = [one.request for one in step.exits if one.kind == "dp_throttle"]
    assert share.tokens == 1
    assert held == ["rank-b", "rank-c"]
    return {
        "engine": engine.engine.index,
        "step": step.step,
        "decodes": share.request,
        "held": held,
        "budget": step.budget,
    }


def every_second_step(run: Run) -> dict[str, object]:
    """With two pipeline stages a decode has its turn in every second step."""
    engine = _engine(run, "stage-a")
    turns = [turn.step for turn in engine.follow("stage-a").turns.values()]
    between = [one.step for one in engine.steps if "pp_not_eligible" in _kinds(one, "running")]
    assert len(turns) > 2
    assert between == [step + 1 for step in turns[:-1]]
    return {"engine": engine.engine.index, "turns": turns, "between": between}


def late_output_comes_first(run: Run) -> dict[str, object]:
    """A preempted request is passed over as long as a token of it is still under way."""
    engine = _engine(run, "late")
    (gone,) = engine.preemptions
    step = next(one for one in engine.steps if "stale_output" in _kinds(one, "waiting"))
    after = engine.step(step.step + 1)
    assert step.step == gone.step + 1
    assert [one.request for one in step.lookups] == []
    assert [one.request for one in after.lookups] == [gone.request]
    return {
        "engine": engine.engine.index,
        "preempted": gone.step,
        "step": step.step,
        "victim": gone.request,
    }


def _engine(run: Run, name: str) -> EngineRun:
    """The engine that took the requests whose names begin so."""
    names = run.engine.segment.names
    came = (one for one in run.events(RequestEnqueued) if names[one.request].startswith(name))
    number = next(came).engine
    return next(one for one in run.engines if one.engine.number == number)


def _left(step: Step) -> list[str | None]:
    return [one.request for one in step.exits]


def _kinds(step: Step, loop: str) -> set[str]:
    return {one.kind for one in step.exits if one.loop == loop}
