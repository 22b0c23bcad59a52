"""Claims of the page on the two calls of a step: run the model, then sample."""

from __future__ import annotations

from pagewalk.trace.events import (
    BatchPrepared,
    ExecutionEnded,
    ExecutionStarted,
    StepUpdated,
    UpdateStarted,
)
from pagewalk.views.evidence import Run


def _calls(run: Run) -> dict[int, list[str]]:
    """Step -> what the worker did for it, in order."""
    found: dict[int, list[str]] = {}
    step = 0
    for event in run.engine.segment.events:
        if isinstance(event, ExecutionStarted):
            step = event.step
            found[step] = ["execute_model begins"]
        elif isinstance(event, BatchPrepared):
            found[step].append("batch prepared")
        elif isinstance(event, ExecutionEnded):
            found[step].append(event.call)
        elif isinstance(event, UpdateStarted):
            found[step].append("update")
    return found


def _brought(run: Run) -> dict[int, list[str]]:
    """Step -> the requests that got a token from it."""
    names = run.engine.segment.names
    return {
        one.step: [run.name(names[request]) for request in one.requests]
        for one in run.events(StepUpdated)
    }


def _parts(run: Run, step: int) -> list[str]:
    """The requests of a step that end inside their prompt."""
    rows = run.batches()[step].rows if step in run.batches() else ()
    return [
        run.name(row.request)
        for row in rows
        if row.computed + row.tokens < run.life(run.name(row.request)).prompt_tokens
    ]


def two_calls_a_step(run: Run) -> dict[str, object]:
    """Every step with tokens: run the model, sample, update, in this order and once each."""
    order = ["execute_model begins", "batch prepared", "execute_model", "sample_tokens", "update"]
    full = [one.step for one in run.steps if one.used]
    assert len(full) > 5
    assert all(_calls(run)[step] == order for step in full)
    return {"steps": len(full), "calls": 2 * len(full)}


def part_is_sampled_in_vain(run: Run) -> dict[str, object]:
    """A step that holds nothing but a prompt's part is sampled, and brings no token."""
    (step,) = [one.step for one in run.steps if one.used and not _brought(run)[one.step]]
    (row,) = run.batches()[step].rows
    assert _parts(run, step) == [run.name(row.request)]
    assert "sample_tokens" in _calls(run)[step]
    length = run.life(run.name(row.request)).prompt_tokens
    end = row.computed + row.tokens
    assert end < length
    return {"step": step, "tokens": row.tokens, "end": end, "length": length}


def part_beside_an_answer(run: Run) -> dict[str, object]:
    """Of two rows in a batch one is discarded: only the other brings a token."""
    step = run.steps[0].step
    rows = {run.name(row.request): row for row in run.batches()[step].rows}
    assert _parts(run, step) == ["long"]
    assert _brought(run)[step] == ["short"]
    return {
        "step": step,
        "short": rows["short"].tokens,
        "long": rows["long"].tokens,
        "total": sum(row.tokens for row in rows.values()),
        "rows": len(rows),
        "positions": [rows["short"].tokens - 1, rows["short"].tokens + rows["long"].tokens - 1],
    }


def last_part_brings_the_first_token(run: Run) -> dict[str, object]:
    """The step whose batch reaches the end of the prompt is the first to bring a token."""
    step = next(step for step, names in _brought(run).items() if "long" in names)
    row = next(row for row in run.batches()[step].rows if row.request == run.id("long"))
    length = run.life("long").prompt_tokens
    assert row.computed + row.tokens == length
    assert all("long" in _parts(run, before) for before in range(1, step))
    return {"step": step, "tokens": row.tokens, "length": length, "parts": step}


def discarded_are_the_parts(run: Run) -> dict[str, object]:
    """One position of each row is sampled; what brings no token is a prompt's part, exactly."""
    rows = sum(len(batch.rows) for batch in run.batches().values())
    kept = sum(len(names) for names in _brought(run).values())
    parts = sum(len(_parts(run, step)) for step in run.batches())
    assert rows - kept == parts > 0
    assert kept == sum(run.life(name).output_tokens for name in ("short", "long"))
    return {"rows": rows, "kept": kept, "parts": parts}


def empty_step_is_one_call(run: Run) -> dict[str, object]:
    """A step without tokens calls the worker once: no batch, no sampling."""
    last = run.steps[-1]
    assert last.used == 0
    assert run.id("long") in last.finished_before
    assert _calls(run)[last.step] == ["execute_model begins", "execute_model", "update"]
    assert last.step not in run.batches()
    return {"step": last.step, "tokens": last.used, "finished": "long"}
