"""Claims of the page on the executor: a worker is killed, and the engine gives up."""

from __future__ import annotations

from pagewalk.trace.events import EngineFailed, RequestFinished, StepUpdated
from pagewalk.views.evidence import Run


def dead_worker_ends_the_engine(run: Run) -> dict[str, object]:
    """The worker stops without a word; its step is never updated, and the core fails."""
    (worker,) = [one for one in run.trace.segments if "worker" in one.roles]
    updated = [one.step for one in run.events(StepUpdated)]
    failed = [one.where for one in run.events(EngineFailed)]
    assert not worker.ended
    assert updated[-1] < run.steps[-1].step
    assert failed[-1] == "engine_dead"
    return {"step": run.steps[-1].step, "last": updated[-1], "ended": failed[-1]}


def nobody_is_answered(run: Run) -> dict[str, object]:
    """The running request is neither finished nor moved: nobody computes it again elsewhere."""
    assert any(run.events(StepUpdated))
    assert any(run.events(EngineFailed))
    assert not any(run.events(RequestFinished))
    (name,) = run.requests
    story = run.life(run.name(name))
    assert 0 < story.output_tokens < story.max_tokens
    return {"tokens": story.output_tokens, "wanted": story.max_tokens}
