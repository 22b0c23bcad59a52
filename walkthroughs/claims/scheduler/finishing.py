"""Claims of the page on finishing, about a live engine."""

from pagewalk.trace.events import RequestFinished, StepScheduled, StepUpdated
from pagewalk.views.evidence import Run


def one_end_each(run: Run) -> dict[str, object]:
    """Each request ends once, and each in its own way as the core sees it."""
    ends = [_end(run, name) for name in ("limit", "both", "word", "impatient", "parrot", "context")]
    assert len(list(run.events(RequestFinished))) == len(run.requests)
    return {
        "limit": ends[0].status,
        "both": ends[1].status,
        "word": ends[2].status,
        "impatient": ends[3].status,
        "parrot": ends[4].status,
        "context": ends[5].status,
    }


def a_stop_token_is_asked_for_first(run: Run) -> dict[str, object]:
    """A last allowed token that is also a stop token counts as a stop, not as a length."""
    both, limit = _end(run, "both"), _end(run, "limit")
    assert both.num_output_tokens == limit.num_output_tokens == run.life("both").max_tokens
    assert both.status == "FINISHED_STOPPED" != limit.status
    return {"tokens": both.num_output_tokens, "both": both.status, "limit": limit.status}


def the_context_ends_it(run: Run) -> dict[str, object]:
    """A request ends when prompt and answer fill the context, whatever its max_tokens."""
    end, life = _end(run, "context"), run.life("context")
    assert end.status == "FINISHED_LENGTH_CAPPED"
    assert end.num_output_tokens < life.max_tokens
    assert end.tokens == run.engine.setting("max_model_len")
    return {
        "prompt": life.prompt_tokens,
        "answer": end.num_output_tokens,
        "max_tokens": life.max_tokens,
        "tokens": end.tokens,
    }


def the_last_token_has_no_kv(run: Run) -> dict[str, object]:
    """Each request ends with KV for all of its tokens but the last."""
    ends = list(run.events(RequestFinished))
    assert len(ends) > 1
    assert all(one.computed == one.tokens - 1 for one in ends)
    probe = _end(run, "probe")
    return {
        "ends": len(ends),
        "tokens": probe.tokens,
        "computed": probe.computed,
        "prompt": probe.tokens - probe.num_output_tokens,
        "answer": probe.num_output_tokens,
    }


def the_last_block_is_not_full(run: Run) -> dict[str, object]:
    """Tokens that would fill their blocks exactly leave the last block out of the prefix cache."""
    request, step = run.id("context"), list(run.follow("context").turns)[-1]
    (size,) = run.engine.block_sizes
    table = run.scheduled(step).tables[request][0]
    hashed = run.updated(step).pools[0].hashed
    cached = [block for block in table if block in hashed]
    assert _end(run, "context").tokens == len(table) * size
    assert cached == list(table[:-1])
    return {"tokens": len(table) * size, "size": size, "blocks": len(table), "cached": len(cached)}


def the_core_knows_no_stop_string(run: Run) -> dict[str, object]:
    """The front end finds the stop string and sends an abort; the core sees only the abort."""
    end, life = _end(run, "word"), run.life("word")
    story = [one.what for one in life.moments]
    order = ["last output received", "stop string found", "abort received", "finished"]
    assert [one for one in story if one in order] == order
    assert end.status == "FINISHED_ABORTED"
    assert end.num_output_tokens < life.max_tokens
    return {
        "status": end.status,
        "step": list(run.follow("word").turns)[-1],
        "tokens": end.num_output_tokens,
        "max_tokens": life.max_tokens,
    }


def an_abort_falls_between_steps(run: Run) -> dict[str, object]:
    """Both aborts take effect after an update and before the next schedule()."""
    ends = [one for one in run.events(RequestFinished) if one.status == "FINISHED_ABORTED"]
    for end in ends:
        (before,) = [one for one in run.events(StepUpdated) if one.seq < end.seq][-1:]
        (after,) = [one for one in run.events(StepScheduled) if one.seq > end.seq][:1]
        assert after.step == before.step + 1
        assert end.request not in after.requests
    assert len(ends) == 2
    return {"names": sorted(run.life(name).external for name in ("word", "impatient"))}


def the_next_step_tells_the_workers(run: Run) -> dict[str, object]:
    """Those that ended in a step's update, or behind it, are reported with the next step."""
    limit = list(run.follow("limit").turns)[-1]
    told = next(one for one in run.steps if run.id("limit") in one.finished_before)
    assert told.step == limit + 1
    assert run.id("both") in told.finished_before
    assert all(told.share(one) is None for one in told.finished_before)
    return {
        "ended": limit,
        "told": told.step,
        "names": [run.name(one) for one in told.finished_before],
    }


def the_blocks_are_free_at_once(run: Run) -> dict[str, object]:
    """The update that ends requests gives their blocks back; no later step is needed."""
    step = list(run.follow("limit").turns)[-1]
    before, after = run.scheduled(step), run.updated(step)
    gone = {one.request for one in before.requests} - {one.request for one in after.requests}
    held = sum(len(before.tables[one][0]) for one in gone)
    freed = len(after.pools[0].free_queue) - len(before.pools[0].free_queue)
    assert gone == {run.id("limit"), run.id("both")}
    assert freed == held > 0
    return {"step": step, "freed": freed}


def a_repetition_ends_it(run: Run) -> dict[str, object]:
    """A request that asked for it ends as soon as its tail repeats."""
    end, life = _end(run, "parrot"), run.life("parrot")
    assert end.status == "FINISHED_REPETITION"
    assert end.num_output_tokens < life.max_tokens
    return {"tokens": end.num_output_tokens, "max_tokens": life.max_tokens}


def _end(run: Run, name: str) -> RequestFinished:
    names = run.engine.segment.names
    ends = (one for one in run.events(RequestFinished) if names[one.request] == run.id(name))
    return next(ends)
