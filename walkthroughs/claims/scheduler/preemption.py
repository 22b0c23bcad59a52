"""Claims of the page on preemption: `younger` loses its blocks to `elder`, and comes back."""

from __future__ import annotations

from pagewalk.trace.events import CopyQueued
from pagewalk.views.evidence import Run


def admitted_without_reserve(run: Run) -> dict[str, object]:
    """Requests are admitted that fit now, though together they will need more than there is."""
    first, size = run.steps[0], run.engine.block_sizes[0]
    admitted = [run.name(request) for request in first.admitted("new")]
    lives = [run.life(name) for name in admitted]
    # The last token that a request samples is never computed, and needs no slot.
    needs = [-(-(one.prompt_tokens + one.max_tokens - 1) // size) for one in lives]
    usable = run.engine.num_blocks - 1
    assert len(admitted) > 1
    assert sum(needs) > usable == usable - first.free_blocks
    return {
        "step": first.step,
        "names": admitted,
        "prompt": lives[0].prompt_tokens,
        "max_tokens": lives[0].max_tokens,
        "each": needs[0],
        "together": sum(needs),
        "usable": usable,
        "size": size,
    }


def last_running_pays(run: Run) -> dict[str, object]:
    """The victim is the last of the running requests, and no block was free when it was chosen."""
    one = run.preemptions[0]
    running = [run.name(request) for request in run.before(one.step).running]
    assert running[-1] == run.name(one.request) != run.name(one.by)
    assert one.refusal.required > one.refusal.available == 0
    return {
        "step": one.step,
        "calm": one.step - 1,
        "running": running,
        "victim": running[-1],
        "by": run.name(one.by),
        "required": one.refusal.required,
        "free": one.refusal.available,
    }


def loses_every_block(run: Run) -> dict[str, object]:
    """A victim's block table is empty, and none of its tokens counts as computed."""
    one = run.preemptions[0]
    before, after = run.before(one.step), run.scheduled(one.step)
    held = before.tables[one.request][0]
    mine = next(request for request in after.requests if request.request == one.request)
    assert held
    assert not after.tables.get(one.request, ((),))[0]
    assert one.computed > 0 == mine.computed
    assert mine.status == "PREEMPTED"
    return {"blocks": list(held), "count": len(held), "lost": one.computed}


def keeps_its_tokens(run: Run) -> dict[str, object]:
    """The victim keeps all of its tokens, the generated ones too, and ends with all it wanted."""
    one = run.preemptions[0]
    after = run.scheduled(one.step)
    mine = next(request for request in after.requests if request.request == one.request)
    story = run.life(run.name(one.request))
    generated = mine.tokens - story.prompt_tokens
    assert mine.tokens == one.tokens
    assert generated > 0
    assert story.output_tokens == story.max_tokens
    assert story.num_preemptions == 1
    return {
        "tokens": mine.tokens,
        "prompt": story.prompt_tokens,
        "generated": generated,
        "output": story.output_tokens,
    }


def takes_only_what_it_needs(run: Run) -> dict[str, object]:
    """The winner gets one block of the victim's; the others stay free, and stay cached."""
    one = run.preemptions[0]
    before, after = run.before(one.step), run.scheduled(one.step)
    held = before.tables[one.request][0]
    (taken,) = set(after.tables[one.by][0]) - set(before.tables[one.by][0])
    left = after.pools[0].free_queue
    assert taken == held[-1]
    assert list(left) == list(reversed(held[:-1]))
    assert set(left) <= set(after.pools[0].hashed)
    return {"taken": taken, "left": list(left), "free": len(left)}


def nobody_admitted(run: Run) -> dict[str, object]:
    """A step that preempts admits nobody, though blocks are free and one waits that needs one."""
    one = run.preemptions[0]
    step, after = run.step(one.step), run.scheduled(one.step)
    free = len(after.pools[0].free_queue)
    (passed,) = [name for name in after.queues["waiting"] if name != one.request]
    waiting = next(request for request in after.requests if request.request == passed)
    need = -(-waiting.tokens // after.block_sizes[0])
    assert need <= free
    assert not step.admitted("new")
    assert not step.admitted("resumed")
    assert any(way.kind == "preempted_this_step" for way in step.exits)
    return {"step": step.step, "free": free, "passed": run.name(passed), "need": need}


def victim_goes_first(run: Run) -> dict[str, object]:
    """The victim is put in front of those who wait, also of one that was at the head before."""
    one = run.preemptions[0]
    before = run.before(one.step).queues["waiting"]
    after = run.scheduled(one.step).queues["waiting"]
    assert before
    assert after == (one.request, *before)
    return {
        "before": [run.name(request) for request in before],
        "after": [run.name(request) for request in after],
    }


def head_blocks_the_rest(run: Run) -> dict[str, object]:
    """While the victim at the head does not fit, nobody behind it is looked at."""
    (lost,) = run.follow("younger").lost
    steps = [step for step in run.steps if lost.step < step.step < lost.resumed_step]
    (behind,) = run.scheduled(lost.step).queues["waiting"][1:]
    assert steps
    for step in steps:
        (refusal,) = step.refused
        assert refusal.request == run.id("younger")
        assert refusal.required > refusal.available
        assert not step.lookups or {one.request for one in step.lookups} == {refusal.request}
    return {
        "first": steps[0].step,
        "last": steps[-1].step,
        "steps": len(steps),
        "behind": run.name(behind),
        "required": refusal.required,
        "available": refusal.available,
    }


def comes_back_by_its_prefix(run: Run) -> dict[str, object]:
    """On resuming, the blocks that nobody took are hit; only what is missing is computed again."""
    (lost,) = run.follow("younger").lost
    share = run.step(lost.resumed_step).share(run.id("younger"))
    before = run.before(lost.step).tables[run.id("younger")][0]
    table = run.scheduled(lost.resumed_step).tables[run.id("younger")][0]
    size = run.engine.block_sizes[0]
    same = lost.rehit // size
    assert share.admission == "resumed"
    assert 0 < lost.rehit < lost.lost
    assert table[:same] == before[:same]
    assert lost.rehit + lost.recomputed == lost.lost
    return {
        "step": lost.resumed_step,
        "rehit": lost.rehit,
        "hits": same,
        "recomputed": lost.recomputed,
        "tokens": share.tokens,
        "before": list(before),
        "table": list(table),
    }


def nothing_is_swapped(run: Run) -> dict[str, object]:
    """What was lost and not hit again is scheduled again: no copy brings it back."""
    story, (lost,) = run.life("younger"), run.follow("younger").lost
    turns = run.follow("younger").turns.values()
    scheduled = sum(turn.share.tokens for turn in turns)
    tokens = story.prompt_tokens + story.output_tokens
    # The last token that a request samples is never computed itself.
    assert scheduled == tokens - 1 + lost.recomputed
    assert not any(run.events(CopyQueued))
    return {"scheduled": scheduled, "needed": tokens - 1, "again": lost.recomputed}


def taking_and_giving_never_mix(run: Run) -> dict[str, object]:
    """No step of the run both preempts and admits."""
    preempting = [step for step in run.steps if step.preempted]
    admitting = [step for step in run.steps if step.admitted("new") or step.admitted("resumed")]
    assert preempting
    assert admitting
    assert not {one.step for one in preempting} & {one.step for one in admitting}
    return {"preempting": len(preempting), "admitting": len(admitting), "steps": len(run.steps)}


def room_for_all(run: Run) -> dict[str, object]:
    """The blocks that every request needs to its end add up to more than there were."""
    size, lives = run.engine.block_sizes[0], [run.life(run.name(one)) for one in run.requests]
    needs = [-(-(one.prompt_tokens + one.max_tokens - 1) // size) for one in lives]
    assert len(needs) == 3
    assert sum(needs) > run.engine.num_blocks - 1
    return {"blocks": sum(needs), "tiny": needs[-1]}
