"""Claims of the page on the two calls: setting a CPU generator back fails."""

from __future__ import annotations

from pagewalk.trace.events import EngineFailed, ExecutionEnded, StepUpdated
from pagewalk.views.evidence import Run


def set_back_fails_on_a_cpu(run: Run) -> dict[str, object]:
    """The first part was run; the call that samples it does not return, and the engine fails."""
    (step,) = run.steps
    (row,) = run.batches()[step.step].rows
    ended = [one.call for one in run.events(ExecutionEnded)]
    assert row.tokens < run.life("dice").prompt_tokens
    assert ended == ["execute_model"]
    assert any(run.events(EngineFailed))
    assert not any(run.events(StepUpdated))
    assert run.engine.configured.device == "cpu"
    return {"step": step.step, "tokens": row.tokens, "length": run.life("dice").prompt_tokens}
