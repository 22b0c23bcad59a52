"""Claims of the page on the executor: two workers, one message, one reply."""

from __future__ import annotations

from pagewalk.trace.events import (
    ExecutionEnded,
    ExecutionStarted,
    RoleTaken,
    StartUpCallEnded,
    StepUpdated,
)
from pagewalk.trace.events import UpdateStarted as Update
from pagewalk.views.evidence import Run
from pagewalk.views.executed import executed


def _workers(run: Run) -> dict[int, list[object]]:
    """Rank -> the events of the process that runs it."""
    return {
        event.rank: list(segment.events)
        for segment in run.trace.segments
        for event in segment.events
        if isinstance(event, RoleTaken) and event.role == "worker"
    }


def _sampled(events: list[object]) -> dict[int, int]:
    """Step -> when a rank had sampled it; the call belongs to the step executed last."""
    current, found = 0, {}
    for event in events:
        if isinstance(event, ExecutionStarted):
            current = event.step
        elif isinstance(event, ExecutionEnded) and event.call == "sample_tokens":
            found[current] = event.t
    return found


def processes(run: Run) -> dict[str, object]:
    """Front end, core and two workers are processes; both workers are children of the core."""
    roles = {one.pid: one.roles for one in run.trace.segments}
    core = run.engine.segment.pid
    working = [one for one in run.trace.segments if "worker" in one.roles]
    assert sorted(role for one in roles.values() for role in one) == [
        "engine_core",
        "front_end",
        "worker",
        "worker",
    ]
    assert all(one.started is not None and one.started.parent_pid == core for one in working)
    assert all(any(isinstance(e, ExecutionStarted) for e in one.events) for one in working)
    return {"processes": len(roles), "workers": len(working), "ranks": sorted(_workers(run))}


def same_message(run: Run) -> dict[str, object]:
    """Each rank executes every step with tokens, once, in order, and with its token count."""
    told = [(one.step, len(one.scheduled), one.used) for one in run.steps]
    full = [one for one in told if one[2]]
    ranks = _workers(run)
    assert len(ranks) == 2
    assert len(full) > 5
    for events in ranks.values():
        ran = [one for one in events if isinstance(one, ExecutionStarted)]
        numbers = [(one.step, one.num_requests, one.num_tokens) for one in ran]
        # A rank that nobody waits for may be stopped before it reads the last, empty step.
        assert full == numbers[: len(full)] == told[: len(full)]
        assert numbers == told[: len(numbers)]
    return {"steps": len(full), "messages": len(full) * len(ranks)}


def same_batches(run: Run) -> dict[str, object]:
    """Both ranks have the same rows, the same block tables and the same slots in every step."""
    zero, one = run.batches(0), run.batches(1)
    assert list(zero) == list(one)
    assert len(zero) > 5
    for step, batch in zero.items():
        assert batch.rows == one[step].rows
    full = next(batch for batch in zero.values() if len(batch.rows) == 2)
    left, right = full.rows
    left_1, right_1 = one[full.step].rows
    return {
        "steps": len(zero),
        "step": full.step,
        "names": [run.name(row.request) for row in full.rows],
        "left": list(left.tables[0] or ()),
        "right": list(right.tables[0] or ()),
        "left_slot": (left.slots[0] or ())[-1],
        "right_slot": (right.slots[0] or ())[-1],
        "left_1": list(left_1.tables[0] or ()),
        "right_1": list(right_1.tables[0] or ()),
        "left_slot_1": (left_1.slots[0] or ())[-1],
        "right_slot_1": (right_1.slots[0] or ())[-1],
    }


def both_agree_with_the_scheduler(run: Run) -> dict[str, object]:
    """Slot by slot, each rank ran what the one scheduler meant."""
    verdicts = executed(run.trace, run.engine)
    assert [one.rank for one in verdicts] == [0, 1]
    assert all(one.differing == one.unknown == 0 < one.slots for one in verdicts)
    assert verdicts[0].slots == verdicts[1].slots
    return {"entries": verdicts[0].entries, "slots": verdicts[0].slots}


def both_sample(run: Run) -> dict[str, object]:
    """Every rank samples in every step that has tokens, though one answer is enough."""
    full = [one.step for one in run.steps if one.used]
    ranks = _workers(run)
    assert len(ranks) == 2
    assert len(full) > 5
    for events in ranks.values():
        assert list(_sampled(events)) == full
    return {"steps": len(full)}


def one_is_waited_for(run: Run) -> dict[str, object]:
    """No update begins before rank 0 has sampled; rank 1 may still be at it."""
    begun = {one.step: one.t for one in run.events(Update)}
    ranks = _workers(run)
    first, second = _sampled(ranks[0]), _sampled(ranks[1])
    assert len(first) > 5
    assert all(t < begun[step] for step, t in first.items())
    late = [step for step, t in second.items() if t > begun[step]]
    return {"steps": len(first), "late": len(late)}


def one_reply_has_all_tokens(run: Run) -> dict[str, object]:
    """One rank's reply brings the tokens of all requests: each step one of each, not one a rank."""
    updates = [one for one in run.events(StepUpdated) if one.requests]
    brought = sum(
        one.tokens * len(one.requests) if isinstance(one.tokens, int) else sum(one.tokens)
        for one in updates
    )
    lives = [run.life(run.name(one)) for one in run.requests]
    assert len(lives) == 2
    assert brought == sum(one.output_tokens for one in lives)
    return {"tokens": brought, "each": lives[0].output_tokens}


def both_start_up(run: Run) -> dict[str, object]:
    """Nobody is asked for memory before all have loaded, and all get equally many blocks."""
    told = {
        rank: {one.call: one for one in events if isinstance(one, StartUpCallEnded)}
        for rank, events in _workers(run).items()
    }
    assert sorted(told) == [0, 1]
    loaded = max(calls["load_model"].t for calls in told.values())
    assert loaded < min(calls["determine_available_memory"].begun for calls in told.values())
    (memory,) = {calls["determine_available_memory"].memory for calls in told.values()}
    (blocks,) = {calls["initialize_from_config"].blocks for calls in told.values()}
    assert blocks == run.engine.num_blocks
    return {"ranks": sorted(told), "memory": memory, "blocks": blocks}
