"""Claims of the page on policies: the same four requests, first come, first served."""

from __future__ import annotations

from pagewalk.trace.events import RequestEnqueued
from pagewalk.views.evidence import Run


def _priorities(run: Run) -> dict[str, int]:
    """Every request's priority, by its name."""
    named = run.engine.segment.names
    return {named[one.request]: one.priority for one in run.events(RequestEnqueued)}


def last_one_pays(run: Run) -> dict[str, object]:
    """First come, first served does not look at priorities: the last of the running pays."""
    (one,) = run.preemptions
    priority, running = _priorities(run), run.before(one.step).running
    assert run.engine.configured.settings["policy"] == "fcfs"
    assert one.request == running[-1]
    assert priority[one.request] == min(priority[name] for name in running)
    return {
        "step": one.step,
        "calm": one.step - 1,
        "victim": run.name(one.request),
        "value": priority[one.request],
        "by": run.name(one.by),
    }


def victim_blocks_the_urgent(run: Run) -> dict[str, object]:
    """The victim stands first in line, and a more urgent request waits behind it."""
    (one,) = run.preemptions
    priority = _priorities(run)
    waiting = run.scheduled(one.step).queues["waiting"]
    assert len(waiting) > 1
    assert waiting[0] == one.request
    assert priority[waiting[1]] < priority[waiting[0]]
    wait = run.follow(waiting[1]).waits[-1]
    admitted = next(step for step in run.steps if step.share(waiting[1]))
    assert wait.reason.kind == "behind_head"
    assert wait.reason.head == one.request
    return {"waiting": list(waiting), "admitted": admitted.step, "name": waiting[1]}
