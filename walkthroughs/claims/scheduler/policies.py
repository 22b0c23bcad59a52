"""Claims of the page on policies: four requests by priority."""

from __future__ import annotations

from pagewalk.trace.events import RequestEnqueued
from pagewalk.views.evidence import Run


def _priorities(run: Run) -> dict[str, int]:
    """Every request's priority, by its name."""
    named = run.engine.segment.names
    return {named[one.request]: one.priority for one in run.events(RequestEnqueued)}


def least_urgent_pays(run: Run) -> dict[str, object]:
    """The victim is the running request with the largest priority value, wherever it stands."""
    (one,) = run.preemptions
    priority, running = _priorities(run), run.before(one.step).running
    assert run.engine.configured.settings["policy"] == "priority"
    assert len(running) > 1
    assert one.request == max(running, key=priority.__getitem__) != running[-1]
    return {
        "step": one.step,
        "calm": one.step - 1,
        "victim": run.name(one.request),
        "value": priority[one.request],
        "by": run.name(one.by),
        "running": list(running),
        "values": [priority[name] for name in running],
    }


def running_keeps_order_of_admission(run: Run) -> dict[str, object]:
    """The running list is in order of admission; urgency does not sort it."""
    priority = _priorities(run)
    admitted = [name for step in run.steps for name in step.admitted("new")][:3]
    running = run.before(run.preemptions[0].step).running
    values = [priority[name] for name in running]
    assert list(running) == admitted
    assert values != sorted(values)
    return {"running": list(running), "values": values}


def urgency_takes_nothing(run: Run) -> dict[str, object]:
    """A waiting request takes no blocks from a running one, however urgent it is."""
    (one,) = run.preemptions
    priority = _priorities(run)
    steps = [step for step in run.steps if step.step < one.step and step.waiting]
    assert steps
    for step in steps:
        state = run.scheduled(step.step)
        (waiting,) = state.queues["waiting"]
        assert priority[waiting] < min(priority[name] for name in state.running)
        assert not step.preempted
        assert step.refused[-1].request == waiting
    return {"first": steps[0].step, "steps": len(steps), "name": waiting, "last": steps[-1].step}


def victim_joins_the_heap(run: Run) -> dict[str, object]:
    """A victim gets no place of honor: a more urgent request that waits goes first."""
    (one,) = run.preemptions
    priority = _priorities(run)
    waiting = run.scheduled(one.step).queues["waiting"]
    assert len(waiting) > 1
    assert waiting[-1] == one.request
    assert sorted(waiting, key=priority.__getitem__) == list(waiting)
    after = run.step(one.step + 1)
    assert after.admitted("new") == (waiting[0],)
    return {
        "waiting": list(waiting),
        "values": [priority[name] for name in waiting],
        "admitted": waiting[0],
        "step": after.step,
    }


def waits_for_its_turn(run: Run) -> dict[str, object]:
    """The victim is resumed when it is at the head and fits."""
    (one,) = run.preemptions
    (lost,) = run.follow(run.name(one.request)).lost
    assert lost.resumed_step > one.step + 1
    return {
        "step_lost": lost.step,
        "step": lost.resumed_step,
        "lost": lost.lost,
        "rehit": lost.rehit,
    }
