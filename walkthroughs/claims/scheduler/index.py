"""Claims of the first page of the scheduler part."""

from pagewalk.views.evidence import Run


def cut_up(run: Run) -> dict[str, object]:
    """A prompt longer than the budget takes two steps, and what is left goes to the next one."""
    one, two = run.step(1), run.step(2)
    shares = {run.name(share.request): share.tokens for share in two.scheduled}
    assert one.used == one.budget == two.used
    assert len(one.scheduled) == 1
    assert list(shares) == ["long", "chat"]
    return {
        "budget": one.budget,
        "one": one.step,
        "two": two.step,
        "prompt": one.used + shares["long"],
        "first": one.used,
        "second": shares["long"],
        "chat": shares["chat"],
        "usable": run.engine.num_blocks - 1,
        "size": run.engine.block_sizes[0],
    }


def decodes_and_prompts_mix(run: Run) -> dict[str, object]:
    """One step holds a decode, the rest of one prompt and the whole of another."""
    step = run.step(3)
    shares = {run.name(share.request): share.tokens for share in step.scheduled}
    assert list(shares) == ["long", "chat", "late"]
    assert shares["long"] == 1
    assert shares["chat"] > 1
    assert shares["late"] > 1
    return {"step": step.step, "chat": shares["chat"], "late": shares["late"]}


def gives_way(run: Run) -> dict[str, object]:
    """With no block free, the request admitted last loses its block to one that grows."""
    (lost,) = run.preemptions
    assert (run.name(lost.request), run.name(lost.by)) == ("late", "chat")
    before = run.before(lost.step)
    assert not before.pools[0].free_queue
    assert before.running[-1] == lost.request
    turns = run.follow("late").turns
    back = next(one for one in turns.values() if one.share.admission == "resumed")
    assert back.share.computed == 0
    assert back.share.tokens == lost.computed + 1
    return {
        "step": lost.step,
        "lost": lost.computed,
        "back": back.step,
        "again": back.share.tokens,
    }


def every_step_keeps_to_it(run: Run) -> dict[str, object]:
    """No step hands out more tokens than its budget, or a block that another request holds."""
    most = max(one.used for one in run.steps)
    assert 0 < most <= run.steps[0].budget
    assert len(run.steps) > 5
    for step in run.steps:
        view = run.scheduled(step.step)
        held = [block for one in view.requests for table in one.tables for block in table]
        assert (
            len(held) == len(set(held)) == run.engine.num_blocks - 1 - len(view.pools[0].free_queue)
        )
    return {"steps": len(run.steps), "most": most}
