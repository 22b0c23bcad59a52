"""Claims of the page on finishing that need a drafter."""

from pagewalk.trace.events import RequestFinished, StepUpdated
from pagewalk.views.evidence import Run


def rejected_drafts_are_taken_back(run: Run) -> dict[str, object]:
    """A step counts all drafts as computed, and the update takes the rejected ones back."""
    request = run.id("guess")
    turn = next(one for one in run.follow("guess").turns.values() if one.share.drafts)
    scheduled = _computed(run.scheduled(turn.step), request)
    updated = _computed(run.updated(turn.step), request)
    came = _came(run, turn.step)
    rejected = turn.share.drafts - (came - 1)
    assert scheduled == turn.share.computed + turn.share.tokens
    assert updated == scheduled - rejected
    assert rejected > 0
    return {
        "step": turn.step,
        "drafts": turn.share.drafts,
        "tokens": turn.share.tokens,
        "before": turn.share.computed,
        "scheduled": scheduled,
        "came": came,
        "rejected": rejected,
        "updated": updated,
    }


def always_one_behind(run: Run) -> dict[str, object]:
    """After each update one token has no KV yet, however many drafts were accepted."""
    request, accepted = run.id("guess"), []
    for turn in run.follow("guess").turns.values():
        for one in run.updated(turn.step).requests:
            assert one.request == request
            assert one.computed == one.tokens - 1
        if turn.share.drafts:
            accepted.append(_came(run, turn.step) - 1)
    assert len(set(accepted)) > 1
    return {"accepted": accepted, "steps": len(accepted), "tokens": sum(accepted) + len(accepted)}


def tokens_behind_the_end_are_dropped(run: Run) -> dict[str, object]:
    """All drafts are accepted, the stop token is among them, and what follows it is dropped."""
    (end,) = [one for one in run.events(RequestFinished) if one.status == "FINISHED_STOPPED"]
    turn = list(run.follow("trim").turns.values())[-1]
    came = _came(run, turn.step)
    assert end.computed == turn.share.computed + turn.share.tokens  # nothing was taken back
    assert came < turn.share.tokens == turn.share.drafts + 1
    assert end.computed > end.tokens - 1
    return {
        "step": turn.step,
        "drafts": turn.share.drafts,
        "sampled": turn.share.tokens,
        "came": came,
        "dropped": turn.share.tokens - came,
        "computed": end.computed,
        "tokens": end.tokens,
    }


def _computed(state, request: str) -> int:
    return next(one.computed for one in state.requests if one.request == request)


def _came(run: Run, step: int) -> int:
    """How many tokens the update of a step gave to its only request."""
    (one,) = [one for one in run.events(StepUpdated) if one.step == step]
    return one.tokens if isinstance(one.tokens, int) else one.tokens[0]
