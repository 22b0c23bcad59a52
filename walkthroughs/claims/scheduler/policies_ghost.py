"""Claims of the page on policies: a cached block that nobody computed."""

from __future__ import annotations

from pagewalk.views.evidence import Run


def never_computed_but_cached(run: Run) -> dict[str, object]:
    """A share taken back leaves a cached block behind: its tokens were never sent to the model."""
    (one,) = run.preemptions
    before, after = run.before(one.step), run.scheduled(one.step)
    held = before.tables[one.request][0]
    ghosts = [block for block in after.pools[0].hashed if block in before.pools[0].free_queue]
    (ghost,) = [block for block in ghosts if block in after.pools[0].free_queue]
    assert ghost not in held
    assert ghost not in before.pools[0].hashed
    # Its tokens come after all that the victim computed, and the step gave the victim none.
    size, computed = after.block_sizes[0], len(held) * before.block_sizes[0]
    assert one.computed == computed
    assert run.step(one.step).share(one.request) is None
    return {
        "step": one.step,
        "calm": one.step - 1,
        "block": ghost,
        "held": list(held),
        "first": computed,
        "last": computed + size - 1,
        "victim": run.name(one.request),
        "by": run.name(one.by),
    }


def hits_more_than_it_had(run: Run) -> dict[str, object]:
    """On resuming, the victim hits more tokens than it had ever computed."""
    (lost,) = run.follow("bulk").lost
    assert lost.rehit > lost.lost
    return {
        "step": lost.resumed_step,
        "lost": lost.lost,
        "rehit": lost.rehit,
        "too_many": lost.rehit - lost.lost,
    }


def answer_differs(run: Run) -> dict[str, object]:
    """The same prompt, answered greedily up to the same token, gets an answer of another length."""
    bulk, alone = run.life("bulk"), run.life("alone")
    assert bulk.prompt_tokens == alone.prompt_tokens
    assert not alone.prefix_hit
    assert alone.status.endswith("STOPPED") or alone.status == "stop"
    assert bulk.output_tokens != alone.output_tokens
    return {"crowd": bulk.output_tokens, "alone": alone.output_tokens}
