"""Claims of the page on the waiting pass."""

from pagewalk.views.evidence import EngineRun, Run
from pagewalk.views.step import Step


def adapter_skips(run: Run) -> dict[str, object]:
    """Requests whose adapter must not join this step are passed over, and later ones admitted."""
    step = run.steps[0]
    skipped = _left(run, step, "max_loras")
    admitted = [run.name(one) for one in step.admitted("new")]
    order = [run.name(one) for one in run.requests]
    overtook = [one for one in admitted if order.index(one) > order.index(skipped[0])]
    assert len(skipped) == 2
    assert overtook
    return {"step": step.step, "skipped": skipped, "admitted": admitted, "overtook": overtook}


def no_blocks_ends_the_pass(run: Run) -> dict[str, object]:
    """The request that finds too few blocks ends the pass; the one behind it is not looked at."""
    step = run.steps[0]
    (refusal,), head = step.refused, step.exits[-1]
    behind = run.scheduled(step.step).queues["waiting"][-1]
    assert head.request == refusal.request != behind
    assert behind not in {one.request for one in step.exits} | {one.request for one in step.lookups}
    return {
        "step": step.step,
        "head": run.name(refusal.request),
        "needs": refusal.required,
        "free": refusal.available,
        "behind": run.name(behind),
    }


def the_one_behind_would_fit(run: Run) -> dict[str, object]:
    """In every step in which the head is refused, the free blocks would do for the one behind."""
    refused = [step for step in run.steps if step.refused]
    waits = [one for one in run.follow("tiny").waits if one.reason.kind == "behind_head"]
    (size,) = run.engine.block_sizes
    tokens = run.follow("tiny").turns[min(run.follow("tiny").turns)].length
    needs = -(-tokens // size)
    least = min(len(run.scheduled(step.step).pools[0].free_queue) for step in refused)
    assert needs <= least
    assert sum(one.steps for one in waits) == len(refused) > 1
    return {"steps": len(refused), "needs": needs, "least_free": least, "tokens": tokens}


def skipped_keep_their_places(run: Run) -> dict[str, object]:
    """Whoever was passed over stands in front of the queue again, in the old order."""
    order = [run.name(one) for one in run.requests]
    after = [run.name(one) for one in run.scheduled(1).queues["waiting"]]
    skipped = _left(run, run.steps[0], "max_loras")
    assert after[: len(skipped)] == skipped
    assert after == sorted(after, key=order.index)
    return {"queue": after}


def skipped_come_first(run: Run) -> dict[str, object]:
    """In the first step without the other adapter, those passed over are admitted before all."""
    skipped = _left(run, run.steps[0], "max_loras")
    step = next(one for one in run.steps if "max_loras" not in _kinds(one) and one.admitted("new"))
    admitted = [run.name(one) for one in step.admitted("new")]
    assert admitted == skipped
    assert "alice" in [run.name(one) for one in step.finished_before]
    return {"step": step.step, "before": step.step - 1}


def nobody_is_admitted_behind_a_break(run: Run) -> dict[str, object]:
    """In each step, whoever is admitted stood before the request that ended the pass."""
    ended = 0
    for engine in run.engines:
        for step in engine.steps:
            line = _line(engine, step)
            last = [one.request for one in step.exits if one.loop == "waiting" and one.request][-1:]
            if not last or not step.refused or step.refused[-1].request != last[0]:
                continue
            places = [line.index(one) for one in (*step.admitted("new"), *step.admitted("resumed"))]
            assert all(place < line.index(last[0]) for place in places)
            ended += 1
    assert ended > 5
    return {"steps": ended}


def loading_holds_blocks(run: Run) -> dict[str, object]:
    """A request whose KV is on its way has blocks and gets no tokens."""
    engine = run.engines[1]
    step = next(one for one in engine.steps if "async_kv_load" in _kinds(one))
    state = engine.scheduled(step.step)
    (remote,) = state.queues["kv_holding_waiting"]
    (table,) = state.tables[remote]
    assert step.share(remote) is None
    assert not state.queues["waiting"]
    assert table
    one = next(one for one in state.requests if one.request == remote)
    return {
        "engine": engine.engine.index,
        "step": step.step,
        "blocks": len(table),
        "computed": one.computed,
        "status": one.status,
    }


def front_does_not_hold_up_the_holder(run: Run) -> dict[str, object]:
    """A preempted request, in front of `waiting` and refused, does not hold up a block holder."""
    engine = run.engines[1]
    step = next(one for one in engine.steps if "remote" in one.admitted("new"))
    (refusal,) = step.refused
    before = engine.before(step.step).queues
    assert before["waiting"] == (refusal.request,)
    assert before["kv_holding_waiting"] == ("remote",)
    assert refusal.request in [one.request for one in engine.preemptions]
    return {
        "step": step.step,
        "tokens": step.share("remote").tokens,
        "computed": step.share("remote").computed,
        "refused": refusal.request,
        "needs": refusal.required,
        "free": refusal.available,
    }


def the_front_was_there_first(run: Run) -> dict[str, object]:
    """In the step before, too, the refused one stood alone in front, and was looked at last."""
    engine = run.engines[1]
    admitted = front_does_not_hold_up_the_holder(run)["step"]
    step = engine.step(admitted - 1)
    looked_at = [(one.request, one.kind) for one in step.exits if one.loop == "waiting"]
    assert looked_at == [("remote", "blocked_status"), ("victim", "no_blocks")]
    return {"step": step.step, "preempted": engine.preemptions[0].step}


def _left(run: EngineRun, step: Step, kind: str) -> list[str]:
    return [run.name(one.request) for one in step.exits if one.kind == kind]


def _kinds(step: Step) -> set[str]:
    return {one.kind for one in step.exits}


def _line(engine: EngineRun, step: Step) -> list[str]:
    """The waiting requests in the order of looking, as that step found them."""
    if step.step == 1:
        return list(engine.requests)
    queues = engine.before(step.step).queues
    return [*queues["kv_holding_waiting"], *queues["waiting"]]
