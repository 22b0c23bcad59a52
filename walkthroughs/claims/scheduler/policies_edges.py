"""Claims of the page on policies: a share taken back, and a pass cut short."""

from __future__ import annotations

from pagewalk.trace.events import BlocksFreed, BlocksTaken, RequestPreempted, StepStarted
from pagewalk.views.evidence import Run


def share_is_taken_back(run: Run) -> dict[str, object]:
    """A victim that had its tokens of the step already gives them back, and others use them."""
    (one,) = run.preemptions
    step, before = run.step(one.step), run.before(one.step)
    gave_way, by, last = before.running
    started = next(event.seq for event in run.events(StepStarted) if event.step == step.step)
    taken = next(event.blocks for event in run.events(BlocksTaken) if event.seq > started)
    freed = [event.blocks for event in run.events(BlocksFreed) if event.seq < one.seq][-1]
    # It had got a block for its share of this very step, and lost it with the others.
    assert one.request == gave_way
    assert set(freed) == {*before.tables[gave_way][0], *taken}
    assert step.share(gave_way) is None
    chunk = len(taken) * before.block_sizes[0]
    left = step.budget - chunk - step.share(by).tokens
    assert step.share(last).tokens > left
    return {
        "step": step.step,
        "calm": one.step - 1,
        "victim": gave_way,
        "by": by,
        "last": last,
        "taken": list(taken),
        "chunk": chunk,
        "budget": step.budget,
        "left": left,
        "got": step.share(last).tokens,
        "by_tokens": step.share(by).tokens,
        "used": step.used,
        "running": list(before.running),
    }


def pass_ends_with_it(run: Run) -> dict[str, object]:
    """A request that is its own victim ends the pass: those behind it get nothing in this step."""
    engine = run.engines[1]
    (one,) = engine.preemptions
    step, before = engine.step(one.step), engine.before(one.step)
    assert one.by == one.request == before.running[0]
    behind = before.running[1]
    mine = next(request for request in before.requests if request.request == behind)
    room = len(before.tables[behind][0]) * before.block_sizes[0] - mine.computed
    # It needed no block: there was room in its last one. And blocks were free by then.
    free = len(engine.scheduled(step.step).pools[0].free_queue)
    assert room >= 1
    assert free > 0
    assert step.used == 0
    assert not step.scheduled
    assert engine.step(step.step + 1).share(behind).tokens == 1
    return {
        "step": step.step,
        "calm": one.step - 1,
        "victim": one.request,
        "behind": behind,
        "room": room,
        "free": free,
        "used": step.used,
        "next": step.step + 1,
    }


def leaves_the_batch(run: Run) -> dict[str, object]:
    """Every victim of the priority policy here leaves the running list for the waiting queue."""
    engines = [engine for engine in run.engines if engine.preemptions]
    assert len(engines) == 2
    assert len(list(run.events(RequestPreempted))) == 2
    for engine in engines:
        for one in engine.preemptions:
            after = engine.scheduled(one.step)
            assert one.request not in after.running
            assert one.request in after.queues["waiting"]
    return {"engines": len(engines)}
