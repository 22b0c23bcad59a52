"""Claims of the page on asynchronous scheduling: five engines in one trace."""

from pagewalk.trace.events import RequestFinished, StepScheduled, StepUpdated
from pagewalk.views.blocks import Blocks, RequestBlocks
from pagewalk.views.evidence import EngineRun, Run

PLAIN, EARLY, STOPPER, FENCED, LOSER = range(5)


def one_after_the_other(run: Run) -> dict[str, object]:
    """The plain scheduler's steps are updated one by one, each before the next is scheduled."""
    order = _order(run.engines[PLAIN])
    assert order == [(word, step) for _, step in order[::2] for word in ("schedule", "update")]
    assert _ahead(order) == 1
    return {
        "steps": len(order) // 2,
        "order": "  ".join(f"{word[0].upper()}{step}" for word, step in order),
        "scheduler": run.engines[PLAIN].engine.configured.scheduler,
    }


def one_step_ahead(run: Run) -> dict[str, object]:
    """The asynchronous scheduler plans the second step before the first is known; never a third."""
    engine = run.engines[EARLY]
    order = _order(engine)
    before = order[: order.index(("update", 1))]
    assert before == [("schedule", 1), ("schedule", 2)]
    assert _ahead(order) == 2
    return {
        "engine": EARLY,
        "before": [step for _, step in before],
        "most": _ahead(order),
        "order": "  ".join(f"{word[0].upper()}{step}" for word, step in order),
        "scheduler": engine.engine.configured.scheduler,
    }


def it_counts_ahead(run: Run) -> dict[str, object]:
    """A step computes a token that nobody has seen yet: more are computed than are known."""
    early = _request(run.engines[EARLY].scheduled(2), "early")
    plain = _request(run.engines[PLAIN].scheduled(2), "plain")
    share = run.engines[EARLY].step(2).share("early")
    assert early.computed > early.tokens
    assert plain.computed == plain.tokens
    return {
        "step": 2,
        "scheduled": share.tokens,
        "computed": early.computed,
        "tokens": early.tokens,
        "plain_tokens": plain.tokens,
        "placeholders": early.computed - early.tokens + 1,
    }


def the_last_step_is_foreseen(run: Run) -> dict[str, object]:
    """No step is scheduled beyond max_tokens, though the last token is not known yet."""
    engine = run.engines[EARLY]
    (step,) = [one for one in engine.steps if "max_tokens_in_flight" in _kinds(one)]
    known = _request(engine.scheduled(step.step), "early")
    with_tokens = [len([one for one in each.steps if one.used]) for each in run.engines[:2]]
    order = _order(engine)
    assert step.used == 0
    assert order.index(("schedule", step.step)) < order.index(("update", step.step - 1))
    assert with_tokens[0] == with_tokens[1]
    return {"step": step.step, "known": known.tokens - 20, "steps": with_tokens[1]}


def a_stop_is_not_foreseen(run: Run) -> dict[str, object]:
    """A stop token ends a request whose next step is under way; that step gives nothing."""
    engine = run.engines[STOPPER]
    end = _end(run, engine, "stopper")
    wasted = [one for one in engine.steps if one.used][-1]
    order = _order(engine)
    assert order.index(("schedule", wasted.step)) < order.index(("update", wasted.step - 1))
    assert _came(engine, wasted.step) == []
    assert _came(engine, wasted.step - 1) != []
    assert end.computed == end.tokens  # the plain scheduler would leave the last one out
    return {
        "engine": STOPPER,
        "stop": wasted.step - 1,
        "wasted": wasted.step,
        "tokens": wasted.used,
        "answer": end.num_output_tokens,
        "computed": end.computed,
        "length": end.tokens,
    }


def a_length_leaves_one_out(run: Run) -> dict[str, object]:
    """A request that ends by length has no wasted step, and no KV for its last token."""
    end = _end(run, run.engines[EARLY], "early")
    assert end.status == "FINISHED_LENGTH_CAPPED"
    assert end.computed == end.tokens - 1
    return {"computed": end.computed, "tokens": end.tokens}


def output_outlives_the_preemption(run: Run) -> dict[str, object]:
    """A preempted request still gets the token of the step that was in flight."""
    engine = run.engines[LOSER]
    (gone,) = engine.preemptions
    late = gone.step - 1
    before, after = (
        _request(one, "loser") for one in (engine.scheduled(gone.step), engine.updated(late))
    )
    order = _order(engine)
    assert order.index(("schedule", gone.step)) < order.index(("update", late))
    assert before.status == after.status == "PREEMPTED"
    assert (before.computed, after.computed) == (0, 0)
    assert after.tokens == before.tokens + 1
    return {
        "engine": LOSER,
        "preempted": gone.step,
        "late": late,
        "lost": gone.computed,
        "before": before.tokens,
        "after": after.tokens,
    }


def nothing_is_lost_to_the_user(run: Run) -> dict[str, object]:
    """The preempted request ends with as many tokens as it asked for."""
    engine = run.engines[LOSER]
    end = _end(run, engine, "loser")
    turns = engine.follow("loser").turns.values()
    (back,) = [turn for turn in turns if turn.share.admission == "resumed"]
    assert end.num_output_tokens == 6
    assert back.share.computed + back.share.tokens == back.length
    return {"answer": end.num_output_tokens, "resumed": back.step, "length": back.length}


def fenced_blocks_come_back_later(run: Run) -> dict[str, object]:
    """With deferred frees the blocks of an ended request return with the step in flight."""
    stop = a_stop_is_not_foreseen(run)["stop"]
    free = {
        number: [_free(run.engines[number].updated(step)) for step in (stop, stop + 1)]
        for number in (STOPPER, FENCED)
    }
    usable = run.engines[FENCED].engine.num_blocks - 1
    assert _end(run, run.engines[FENCED], "fenced").status == "FINISHED_STOPPED"
    assert free[STOPPER] == [usable, usable]
    assert free[FENCED][0] < free[FENCED][1] == usable
    return {
        "engine": FENCED,
        "stop": stop,
        "then": stop + 1,
        "free": free[FENCED][0],
        "usable": usable,
        "at_once": free[STOPPER][0],
    }


def _order(engine: EngineRun) -> list[tuple[str, int]]:
    words = {StepScheduled: "schedule", StepUpdated: "update"}
    mine = (one for one in engine.engine.segment.events if type(one) in words)
    number = engine.engine.number
    return [(words[type(one)], one.step) for one in mine if one.engine == number]


def _ahead(order: list[tuple[str, int]]) -> int:
    """The most steps that were scheduled and not updated."""
    flying = [0]
    for word, _ in order:
        flying.append(flying[-1] + (1 if word == "schedule" else -1))
    return max(flying)


def _came(engine: EngineRun, step: int) -> list[int]:
    """The requests that the update of that step gave tokens to."""
    number = engine.engine.number
    updates = (one for one in engine.events(StepUpdated) if one.engine == number)
    return next(one.requests for one in updates if one.step == step)


def _end(run: Run, engine: EngineRun, name: str) -> RequestFinished:
    names = run.engine.segment.names
    return next(one for one in engine.events(RequestFinished) if names[one.request] == name)


def _request(state: Blocks, name: str) -> RequestBlocks:
    return next(one for one in state.requests if one.request == name)


def _free(state: Blocks) -> int:
    return len(state.pools[0].free_queue)


def _kinds(step) -> set[str]:
    return {one.kind for one in step.exits}
