"""Claims of the page on allocating blocks."""

from math import ceil

from pagewalk.trace.events import (
    BlocksFreed,
    BlocksTaken,
    BlocksTouched,
    Event,
    HashAdded,
    PrefixLookedUp,
    RequestEnqueued,
    SlotsRefused,
    TableEntrySet,
    TableExtended,
)
from pagewalk.views.evidence import EngineRun, Run
from pagewalk.views.step import Share

SIZE = 16  # tokens of a block
OF_BLOCKS = (BlocksTaken, BlocksTouched, BlocksFreed, HashAdded, TableExtended, TableEntrySet)


def _admission(run: EngineRun, name: str) -> tuple[int, Share]:
    """The step that admits a request, and what it got there."""
    return next(
        (step.step, share)
        for step in run.steps
        if (share := step.share(run.id(name))) and share.admission != "running"
    )


def _inside(run: EngineRun, number: int) -> list[Event]:
    """The events of one call of schedule(), in order."""
    step = run.step(number)
    return [one for one in run.events(Event) if step.began <= one.t <= step.t]


def _blocks(run: EngineRun, number: int, kind: type[Event]) -> list[int]:
    """The blocks of all events of a kind in one call of schedule()."""
    return [block for one in _inside(run, number) if isinstance(one, kind) for block in one.blocks]


def _free(run: EngineRun, number: int) -> int:
    return len(run.scheduled(number).pools[0].free_queue)


def a_hit_is_counted(run: Run) -> dict[str, object]:
    """Blocks hit in the free queue count as needed: they leave it, as the new ones do."""
    step, share = _admission(run, "again")
    touched, taken = _blocks(run, step, BlocksTouched), _blocks(run, step, BlocksTaken)
    queue, after = run.before(step).pools[0].free_queue, _free(run, step)
    tokens = share.computed + share.tokens
    whole = ceil(tokens / SIZE)
    assert touched
    assert set(touched) <= set(queue)
    assert len(touched) * SIZE == share.computed
    assert len(taken) == whole - len(touched)
    assert taken == list(queue[: len(taken)])
    assert len(queue) - after == len(taken) + len(touched)
    facts = {"step": step, "tokens": tokens, "hit": share.computed, "new": share.tokens}
    facts["size"] = SIZE
    facts |= {"touched": touched, "hits": len(touched), "taken": taken, "fresh": len(taken)}
    facts["table"] = list(run.scheduled(step).tables[run.id("again")][0])
    return facts | {"whole": whole, "before": len(queue), "after": after}


def hits_come_first(run: Run) -> dict[str, object]:
    """The hits are touched before a new block is taken, and full blocks are cached last."""
    step, _ = _admission(run, "again")
    kinds = [type(one).__name__ for one in _inside(run, step) if isinstance(one, OF_BLOCKS)]
    order = list(dict.fromkeys(kinds))
    assert order == ["BlocksTouched", "TableExtended", "BlocksTaken", "HashAdded"]
    return {"step": step, "order": order}


def cached_when_scheduled(run: Run) -> dict[str, object]:
    """A block that its tokens fill is cached when they are scheduled, before the model runs."""
    step, share = _admission(run, "again")
    (table,) = run.scheduled(step).tables[run.id("again")]
    filled, rest = divmod(share.computed + share.tokens, SIZE)
    fresh = [one.block for one in _inside(run, step) if isinstance(one, HashAdded)]
    assert fresh
    assert fresh == list(table[share.computed // SIZE : filled])
    assert rest
    assert table[-1] not in run.scheduled(step).pools[0].hashed
    return {"step": step, "fresh": fresh, "open": table[-1], "rest": rest, "size": SIZE}


def the_whole_must_fit(run: Run) -> dict[str, object]:
    """A waiting request is refused for its whole length, though its first chunk would fit."""
    step, _ = _admission(run, "again")
    (no,) = run.step(step).refused
    free, chunk = _free(run, step), ceil(no.new_tokens / SIZE)
    assert no.request == run.id("big")
    prompt = next(one.tokens for one in run.step(step).lookups if one.request == no.request)
    assert no.full_sequence
    assert no.required == ceil(prompt / SIZE)
    assert no.required > free >= chunk
    facts = {"step": step, "required": no.required, "free": free, "prompt": prompt}
    return facts | {"chunk": no.new_tokens, "chunk_blocks": chunk}


def a_refusal_moves_no_block(run: Run) -> dict[str, object]:
    """Between the lookup of a waiting request and its refusal no block changes in any way."""
    big = run.id("big")
    refused = [step.step for step in run.steps if any(no.request == big for no in step.refused)]
    for number in refused:
        events = _inside(run, number)
        at = next(i for i, one in enumerate(events) if isinstance(one, SlotsRefused))
        assert isinstance(events[at - 1], PrefixLookedUp)
        assert big not in run.scheduled(number).tables
    assert len(refused) > 1
    return {"times": len(refused), "first": refused[0], "last": refused[-1]}


def nobody_overtakes(run: Run) -> dict[str, object]:
    """Who stands behind a refused request waits too, however few blocks would do."""
    refused = a_refusal_moves_no_block(run)
    step, share = _admission(run, "small")
    free = min(_free(run, one) for one in range(refused["first"], refused["last"] + 1))
    needs = ceil(share.tokens / SIZE)
    assert free >= needs
    assert step > refused["last"]
    return {"free": free, "needs": needs, "step": step}


def mostly_no_block(run: Run) -> dict[str, object]:
    """A decoding request takes a block only in the step that opens one."""
    turns = [one for one in run.follow("again").turns.values() if one.share.admission == "running"]
    took = [one.step for one in turns if _blocks(run, one.step, BlocksTaken)]
    opened = [one.step for one in turns if one.share.computed % SIZE == 0]
    assert len(turns) > len(took) > 0
    assert took == opened
    computed = [one.share.computed for one in turns if one.step in took]
    return {"steps": len(turns), "times": len(took), "step": took[0], "computed": computed[0]}


def the_watermark_is_added(run: Run) -> dict[str, object]:
    """Beside a running request a newcomer must leave the watermark free."""
    other = run.engines[1]
    step = other.steps[0].step
    (no,) = other.step(step).refused
    needs, free = no.required - no.watermark, _free(other, step)
    assert no.watermark
    assert needs <= free < no.required
    facts = {"step": step, "needs": needs, "watermark": no.watermark, "required": no.required}
    return facts | {"free": free, "blocks": other.engine.num_blocks}


def alone_it_is_not(run: Run) -> dict[str, object]:
    """Where nobody runs the watermark does not count."""
    other = run.engines[1]
    step, _ = _admission(other, "whole")
    came = next(one for one in run.events(RequestEnqueued) if one.num_prompt_tokens > 8 * SIZE)
    free = len(other.before(step).pools[0].free_queue)
    needs, watermark = ceil(came.num_tokens / SIZE), other.engine.setting("watermark_blocks")
    assert not other.before(step).running
    assert needs <= free < needs + watermark
    return {"step": step, "needs": needs, "free": free, "required": needs + watermark}


def not_undone(run: Run) -> dict[str, object]:
    """A refused call has already removed blocks out of the window, and does not take them back."""
    third = run.engines[2]
    step = next(one for one in third.steps if one.refused)
    (no,) = step.refused
    events = _inside(third, step.step)
    before = events[: next(i for i, one in enumerate(events) if isinstance(one, SlotsRefused))]
    (freed,) = [one.blocks for one in before if isinstance(one, BlocksFreed)]
    (gone,) = [one for one in before if isinstance(one, TableEntrySet)]
    free = len(third.before(step.step).pools[0].free_queue)
    assert no.request == third.id("chunked")
    assert no.required > no.available == free + len(freed)
    facts = {"step": step.step, "freed": freed, "entry": gone.index, "null": gone.block}
    facts |= {"table": list(third.scheduled(step.step).tables[third.id("chunked")][0])}
    return facts | {"required": no.required, "available": no.available, "free": free}


def asked_again(run: Run) -> dict[str, object]:
    """A running request that is refused asks again in the same step, once somebody gave way."""
    third = run.engines[2]
    step = next(one for one in third.steps if one.refused)
    (gone,) = step.preempted
    share = step.share(third.id("chunked"))
    assert gone.by == third.id("chunked")
    assert share
    assert share.tokens == step.refused[0].new_tokens
    return {"step": step.step, "victim": third.name(gone.request), "tokens": share.tokens}
