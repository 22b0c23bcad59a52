"""Claims of the page on one step of the engine core."""

from itertools import pairwise
from statistics import median

from pagewalk.trace.events import (
    ExecutionEnded,
    ExecutionStarted,
    RequestDequeued,
    RequestReceived,
    StepScheduled,
    StepStarted,
    StepUpdated,
    UpdateStarted,
)
from pagewalk.views.evidence import Run


def _times(run: Run) -> dict[int, list[int]]:
    """Step -> when it began, was scheduled, executed, sampled, taken up and done."""
    times: dict[int, list[int]] = {}
    worker = [one for segment in run.trace.segments for one in segment.events]
    runs = [one for one in worker if isinstance(one, ExecutionStarted | ExecutionEnded)]
    current = 0
    for kind in (StepStarted, StepScheduled):
        for one in run.events(kind):
            times.setdefault(one.step, []).append(one.t)
    for one in runs:  # `sample_tokens` does not know its step: it follows the one executed last
        current = one.step if one.step > 0 else current
        times[current].append(one.t)
    for kind in (UpdateStarted, StepUpdated):
        for one in run.events(kind):
            times[one.step].append(one.t)
    return times


def _full(run: Run) -> dict[int, list[int]]:
    """The steps that computed something, and sampled: seven moments each."""
    return {step: found for step, found in _times(run).items() if len(found) == 7}


def one_after_the_other(run: Run) -> dict[str, object]:
    """Schedule, execute, sample, update: each part ends before the next begins, in every step."""
    moments = [found for _, found in sorted(_times(run).items())]
    for found in moments:
        assert found == sorted(found)
    for earlier, later in pairwise(moments):
        assert earlier[-1] <= later[0]
    assert len(_full(run)) == len([one for one in run.steps if one.used]) > 10
    return {"steps": len(moments), "full": len(_full(run))}


def three_processes(run: Run) -> dict[str, object]:
    """Front end, core and worker are processes of their own, and the model runs in the worker."""
    roles = {segment.pid: set(segment.roles) for segment in run.trace.segments}
    assert len(roles) == 3
    assert all(len(one) == 1 for one in roles.values())
    worker = next(pid for pid, one in roles.items() if "worker" in one)
    for segment in run.trace.segments:
        ran = any(isinstance(one, ExecutionStarted) for one in segment.events)
        assert ran == (segment.pid == worker)
        assert worker != run.engine.segment.pid
    return {"processes": len(roles)}


def where_time_goes(run: Run) -> dict[str, object]:
    """The parts of a step are disjoint and leave something over: the way between processes."""
    parts = {"schedule": 0, "model": 0, "update": 0}
    whole = 0
    for began, scheduled, run_from, _, run_to, update_from, done in _full(run).values():
        parts["schedule"] += scheduled - began
        parts["model"] += run_to - run_from
        parts["update"] += done - update_from
        whole += done - began
    assert all(parts.values())
    assert sum(parts.values()) < whole
    shares = {name: round(100 * part / whole) for name, part in parts.items()}
    steps = [found[-1] - found[0] for found in _full(run).values()]
    return {
        **shares,
        "rest": 100 - sum(shares.values()),
        "milliseconds": round(median(steps) / 1e6, 1),
    }


def only_between_steps(run: Run) -> dict[str, object]:
    """A request may arrive at any time; the busy loop takes it between two steps."""
    steps = [(found[0], found[-1]) for found in _times(run).values()]
    taken = [one.t for one in run.events(RequestDequeued)]
    assert len(taken) == len(list(run.events(RequestReceived))) == 2
    assert not any(began <= t <= done for t in taken for began, done in steps)
    second = next(iter(run.follow("second").turns.values()))
    waited = taken[1] - list(run.events(RequestReceived))[1].t
    assert waited > 0
    assert taken[1] < second.began
    return {"step": second.step, "before": second.step - 1, "milliseconds": round(waited / 1e6, 1)}


def worker_does_as_told(run: Run) -> dict[str, object]:
    """The worker runs as many requests and tokens as schedule() decided, in every step."""
    told = {one.step: (len(one.scheduled), one.used) for one in run.steps}
    events = [one for segment in run.trace.segments for one in segment.events]
    ran = {
        one.step: (one.num_requests, one.num_tokens)
        for one in events
        if isinstance(one, ExecutionStarted) and one.step > 0
    }
    assert ran == told
    assert len(told) > 10
    mixed = next(one for one in run.steps if one.step > 1 and one.admitted("new"))
    old, new = mixed.share(run.id("first")), mixed.share(run.id("second"))
    assert old.tokens == 1 < new.tokens
    return {"step": mixed.step, "first": old.tokens, "second": new.tokens, "used": mixed.used}


def in_full_once(run: Run) -> dict[str, object]:
    """A request is new in one step; in all later ones it is a difference, mostly without blocks."""
    for name in ("first", "second"):
        turns = list(run.follow(name).turns.values())
        assert [one.share.admission for one in turns] == ["new"] + ["running"] * (len(turns) - 1)
    tables = {
        step: {row.request: len(row.tables[0]) for row in run.scheduled(step).requests}
        for step in run.follow("first").turns
    }
    sizes = [one[run.id("first")] for one in tables.values()]
    grew = [later > earlier for earlier, later in pairwise(sizes)]
    steps = list(tables)
    assert 0 < sum(grew) < len(grew) / 4
    return {
        "later": len(grew),
        "grew": sum(grew),
        "when": [step for step, one in zip(steps[1:], grew, strict=True) if one],
        "first": steps[0],
        "handed": sizes[0],
        "table": sizes[-1],
        "end": steps[-1],
        "size": run.engine.block_sizes[0],
        "turns": len(run.follow("second").turns),
    }


def last_step_is_empty(run: Run) -> dict[str, object]:
    """After the last request has ended, one more step tells the worker, and computes nothing."""
    last = run.steps[-1]
    assert last.used == 0
    assert not last.scheduled
    assert run.id("second") in last.finished_before or run.id("first") in last.finished_before
    assert run.steps[-2].used > 0
    assert not run.updated(last.step - 1).requests
    # Six moments, not seven: the worker was called, and was not asked to sample.
    assert len(_times(run)[last.step]) == 6
    return {"step": last.step, "before": last.step - 1, "used": last.used}


def chunk_samples_nothing(run: Run) -> dict[str, object]:
    """A step that leaves a prompt unfinished brings no token; the next one does."""
    updates = {one.step: one for one in run.events(StepUpdated)}
    one, two = run.step(1), run.step(2)
    assert one.used == one.budget
    assert not updates[1].requests
    assert len(updates[2].requests) == 1
    assert two.used < two.budget
    return {"first": one.used, "rest": two.used, "one": one.step, "two": two.step}
