"""Claims of the page on a request and its states."""

from pagewalk.trace.events import RequestEnqueued, RequestFinished, RequestSet
from pagewalk.views.blocks import Blocks, RequestBlocks
from pagewalk.views.evidence import Run


def _row(run: Run, view: Blocks, name: str) -> RequestBlocks | None:
    """The request as the snapshot shows it."""
    return next((one for one in view.requests if one.request == run.id(name)), None)


def _states(run: Run, name: str) -> list[str]:
    """Its statuses in order: as it came, after each schedule(), and at its end."""
    number = next(n for n, id_ in run.engine.segment.names.items() if id_ == run.id(name))
    came = next(one for one in run.events(RequestEnqueued) if one.request == number)
    ended = next(one for one in run.events(RequestFinished) if one.request == number)
    seen = [came.status]
    for step in run.steps:
        row = _row(run, run.scheduled(step.step), name)
        if row is not None and row.status != seen[-1]:
            seen.append(row.status)
    return [*seen, ended.status]


def plain_life(run: Run) -> dict[str, object]:
    """A prompt in two chunks and all decodes pass in one state, RUNNING."""
    assert _states(run, "walk") == ["WAITING", "RUNNING", "FINISHED_LENGTH_CAPPED"]
    tokens = [turn.share.tokens for turn in run.follow("walk").turns.values()]
    life = run.life("walk")
    assert tokens == [64, life.prompt_tokens - 64] + [1] * (life.output_tokens - 1)
    steps = list(run.follow("walk").turns)
    return {
        "prompt": life.prompt_tokens,
        "out": life.output_tokens,
        "chunks": tokens[:2],
        "ones": len(tokens) - 2,
        "steps": len(tokens),
        "first": steps[0],
        "second": steps[1],
        "third": steps[2],
        "last": steps[-1],
        "budget": run.step(1).budget,
    }


def chases(run: Run) -> dict[str, object]:
    """A step gives a request all tokens it lacks, or as many as the budget leaves."""
    cut = whole = 0
    for step in run.steps:
        left = step.budget
        for share in step.scheduled:
            turn = run.follow(run.name(share.request)).turns[step.step]
            lacks = turn.length - share.computed
            assert share.tokens == min(lacks, left)
            cut, whole = cut + (share.tokens < lacks), whole + (share.tokens == lacks)
            left -= share.tokens
    assert cut
    assert whole
    return {"cut": cut, "whole": whole}


def counted_when_scheduled(run: Run) -> dict[str, object]:
    """`num_computed_tokens` moves in schedule(), before the model has run."""
    shares = [(step.step, share) for step in run.steps for share in step.scheduled]
    for number, share in shares:
        name = run.name(share.request)
        then = _row(run, run.scheduled(number), name)
        assert then.computed == share.computed + share.tokens > share.computed
    assert len(shares) > 10
    before, after = (_row(run, run.scheduled(one), "walk") for one in (1, 2))
    updated = _row(run, run.updated(2), "walk")
    assert updated.computed == after.computed
    assert updated.tokens == after.tokens + 1
    return {
        "shares": len(shares),
        "first": before.computed,
        "second": after.computed,
        "tokens": after.tokens,
        "grown": updated.tokens,
    }


def one_behind(run: Run) -> dict[str, object]:
    """A step that computes all tokens of a request samples one more, which is not computed."""
    looked = 0
    for step in run.steps:
        for share in step.scheduled:
            name = run.name(share.request)
            then, now = (_row(run, view(step.step), name) for view in (run.scheduled, run.updated))
            if now is not None and then.computed == then.tokens:
                assert now.computed == now.tokens - 1
                looked += 1
    assert looked > 10
    walk = _row(run, run.updated(2), "walk")
    return {"looked": looked, "computed": walk.computed, "tokens": walk.tokens}


def last_token_has_no_kv(run: Run) -> dict[str, object]:
    """Each request of this run ends with one token more than it has computed."""
    ends = list(run.events(RequestFinished))
    assert len(ends) == 4
    assert all(one.computed == one.tokens - 1 for one in ends)
    walk = ends[0]
    return {"computed": walk.computed, "tokens": walk.tokens, "requests": len(ends)}


def gives_way(run: Run) -> dict[str, object]:
    """A preempted request keeps its tokens and loses blocks and computed tokens."""
    (lost,) = run.preemptions
    assert run.name(lost.request) == "rival"
    assert run.name(lost.by) == "walk"
    row = _row(run, run.scheduled(lost.step), "rival")
    assert row.status == "PREEMPTED"
    assert row.computed == 0
    assert not any(row.tables)
    assert row.tokens == lost.tokens > lost.computed > 0
    return {"step": lost.step, "lost": lost.computed, "tokens": row.tokens}


def comes_back(run: Run) -> dict[str, object]:
    """On coming back, output tokens are computed again like those of a prompt."""
    turn = next(
        one
        for one in run.follow("rival").turns.values()
        if one.share.admission != "new" and one.share.admission != "running"
    )
    prompt = run.life("rival").prompt_tokens
    assert turn.share.computed + turn.share.tokens == turn.length > prompt
    assert turn.share.computed > 0
    assert _states(run, "rival") == [
        "WAITING",
        "RUNNING",
        "PREEMPTED",
        "RUNNING",
        "FINISHED_LENGTH_CAPPED",
    ]
    return {
        "step": turn.step,
        "hit": turn.share.computed,
        "tokens": turn.share.tokens,
        "length": turn.length,
        "prompt": prompt,
        "outputs": turn.length - prompt,
    }


def waits_for_its_grammar(run: Run) -> dict[str, object]:
    """A structured request comes in another state and turns WAITING inside schedule()."""
    unblocked = next(one for one in run.events(RequestSet) if one.cause == "unblocked")
    admitted = next(iter(run.follow("answer").turns.values()))
    states = _states(run, "answer")
    assert states[0] == "WAITING_FOR_STRUCTURED_OUTPUT_GRAMMAR"
    assert unblocked.status == "WAITING"
    assert unblocked.computed == 0
    # It is ready, and the very step that finds out admits it.
    assert admitted.began < unblocked.t < admitted.t
    return {"came": states[0], "step": admitted.step, "end": states[-1]}


def four_ends(run: Run) -> dict[str, object]:
    """The ends are told apart by status: length, stop, abort."""
    ends = {name: _states(run, name)[-1] for name in ("walk", "rival", "answer", "dropped")}
    assert sorted(set(ends.values())) == [
        "FINISHED_ABORTED",
        "FINISHED_LENGTH_CAPPED",
        "FINISHED_STOPPED",
    ]
    assert ends["dropped"] == "FINISHED_ABORTED"
    assert ends["answer"] == "FINISHED_STOPPED"
    out = run.life("dropped").output_tokens
    assert 0 < out < run.life("dropped").max_tokens
    answer = run.life("answer")
    assert answer.output_tokens < answer.max_tokens
    return {
        **ends,
        "out": out,
        "wanted": run.life("dropped").max_tokens,
        "answered": answer.output_tokens,
        "allowed": answer.max_tokens,
    }


def gone_at_once(run: Run) -> dict[str, object]:
    """A finished request is gone from the scheduler, and its blocks are free."""
    last = list(run.follow("walk").turns)[-1]
    before, after = run.scheduled(last), run.updated(last)
    assert _row(run, before, "walk")
    assert _row(run, after, "walk") is None
    held = len(_row(run, before, "walk").tables[0])
    free = [len(one.pools[0].free_queue) for one in (before, after)]
    assert free[1] == free[0] + held > free[0]
    return {"step": last, "held": held, "free": free[1]}
