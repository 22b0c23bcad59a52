"""Claims of the page on start-up, about an engine that compiles its model."""

from __future__ import annotations

from pagewalk.trace.events import ExecutionStarted, StartUpCallEnded
from pagewalk.views.evidence import Run


def _call(run: Run, name: str) -> StartUpCallEnded:
    """The one call of that name."""
    (found,) = [one for one in run.events(StartUpCallEnded) if one.call == name]
    return found


def runs_inside_the_question(run: Run) -> dict[str, object]:
    """The profile run happens while the worker is asked for its memory."""
    asked, ran = _call(run, "determine_available_memory"), _call(run, "profile_run")
    assert asked.begun < ran.begun < ran.t < asked.t
    return {"memory": asked.memory, "tokens": run.engine.setting("max_num_batched_tokens")}


def profile_run_is_no_step(run: Run) -> dict[str, object]:
    """The profile run has no step, no request and no block: the first step is number 1."""
    ran, first = _call(run, "profile_run"), next(run.events(ExecutionStarted))
    assert ran.t < _call(run, "initialize_from_config").begun < first.t
    assert first.step == run.steps[0].step == 1
    assert len(list(run.events(ExecutionStarted))) == len(run.steps)
    return {"first": first.step, "steps": len(run.steps)}


def captures_nothing(run: Run) -> dict[str, object]:
    """A compiled CPU engine has no CUDA graphs to capture, and does not try."""
    calls = [one.call for one in run.events(StartUpCallEnded)]
    assert "compile_or_warm_up_model" in calls
    assert "capture_model" not in calls
    assert run.engine.configured.device == "cpu"
    return {"calls": len(calls)}
