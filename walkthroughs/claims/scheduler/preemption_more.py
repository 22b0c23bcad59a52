"""Claims of the page on preemption: a request that is its own victim, and two victims at once."""

from __future__ import annotations

from pagewalk.views.evidence import Run


def may_preempt_itself(run: Run) -> dict[str, object]:
    """The last of the running, when it needs a block itself, is its own victim."""
    (one,) = run.preemptions
    step = run.step(one.step)
    running = [run.name(request) for request in run.before(one.step).running]
    assert one.by == one.request == run.id(running[-1])
    assert [share.request for share in step.scheduled] == [run.id(running[0])]
    return {
        "step": one.step,
        "victim": running[-1],
        "other": running[0],
        "lost": one.computed,
        "required": one.refusal.required,
        "available": one.refusal.available,
    }


def as_many_as_needed(run: Run) -> dict[str, object]:
    """Victims are taken from the end of the running list until the blocks suffice."""
    engine = run.engines[1]
    (step,) = [step for step in engine.steps if step.preempted]
    running = [engine.name(request) for request in engine.before(step.step).running]
    victims = [engine.name(one.request) for one in step.preempted]
    assert len(victims) == 2
    assert victims == running[:-3:-1]
    assert step.share(engine.id(running[0]))
    assert step.share(engine.id(running[1]))
    (first, second) = (one.refusal for one in step.preempted)
    assert first.required == second.required > second.available > first.available
    return {
        "step": step.step,
        "running": running,
        "victims": victims,
        "spared": running[1],
        "required": first.required,
        "free": first.available,
        "after_one": second.available,
    }


def order_of_arrival_survives(run: Run) -> dict[str, object]:
    """Each victim goes to the front, so two victims wait in the order in which they arrived."""
    engine = run.engines[1]
    (step,) = [step for step in engine.steps if step.preempted]
    waiting = [engine.name(one) for one in engine.scheduled(step.step).queues["waiting"]]
    arrived = [engine.name(one) for one in engine.requests]
    assert len(waiting) == 2
    assert waiting == sorted(waiting, key=arrived.index)
    assert waiting == [engine.name(one.request) for one in reversed(step.preempted)]
    return {"waiting": waiting}
