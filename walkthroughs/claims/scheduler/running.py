"""Claims of the page on budgets and the running pass."""

from pagewalk.trace.events import StepScheduled
from pagewalk.views.evidence import EngineRun, Run
from pagewalk.views.step import Step


def _shares(run: EngineRun, step: Step) -> dict[str, int]:
    """Name -> tokens, in the order in which the scheduler visited them."""
    return {run.name(one.request): one.tokens for one in step.scheduled}


def _line(shares: dict[str, int]) -> str:
    return ", ".join(f"{name} {tokens}" for name, tokens in shares.items())


def _blocks(run: EngineRun, step: int, name: str) -> int:
    """How long the request's block table is after that step's schedule()."""
    rows = run.scheduled(step).requests
    return next(len(one.tables[0]) for one in rows if one.request == run.id(name))


def _by_hand(run: Run, step: Step) -> dict[str, int]:
    """The rule, written down again: in list order, the smaller of wish and budget."""
    left, shares = step.budget, {}
    for name in ("a", "b", "c", "d"):
        turn = run.follow(name).turns.get(step.step)
        if turn is not None:
            shares[name] = min(turn.length - turn.share.computed, left)
            left -= shares[name]
    return shares


def by_hand(run: Run) -> dict[str, object]:
    """What the rule gives by hand is what the engine gave, in every step."""
    steps = [one for one in run.steps if one.used]
    assert len(steps) > 4
    assert all(_by_hand(run, one) == _shares(run, one) for one in steps)
    step = next(one for one in steps if one.step > 1 and not one.admitted("new"))
    turns = {name: run.follow(name).turns[step.step] for name in ("a", "b", "c")}
    shares = _shares(run, step)
    assert list(shares) == ["a", "b", "c"]
    assert step.used == step.budget
    return {
        "step": step.step,
        "next": step.step + 1,
        "budget": step.budget,
        "line": _line(shares),
        "one": shares["a"],
        "c_length": turns["c"].length,
        "c_computed": turns["c"].share.computed,
        "c_wish": turns["c"].length - turns["c"].share.computed,
        "c_gets": shares["c"],
        "after_a": step.budget - shares["a"],
        "left": step.budget - shares["a"] - shares["b"],
    }


def running_first(run: Run) -> dict[str, object]:
    """Running requests are served in list order, and admitted ones come behind them."""
    mixed = 0
    for step in run.steps:
        kinds = [one.admission for one in step.scheduled]
        assert kinds == sorted(kinds, key=["running", "new"].index)
        order = [one.request for one in step.scheduled]
        assert order == list(run.scheduled(step.step).running)
        mixed += len(set(kinds)) == 2
    assert mixed
    step = run.step(by_hand(run)["next"])
    assert _shares(run, step)["d"] > 1
    assert step.admitted("new") == (run.id("d"),)
    return {"step": step.step, "line": _line(_shares(run, step)), **_shares(run, step)}


def waits_for_leftovers(run: Run) -> dict[str, object]:
    """`d` waits for as long as the running requests use the budget up."""
    waits = run.follow("d").waits
    assert [one.reason.kind for one in waits] == ["token_budget"]
    for step in run.steps[waits[0].first - 1 : waits[0].last]:
        assert step.used == step.budget
        assert step.share(run.id("d")) is None
    return {"first": waits[0].first, "last": waits[0].last, "steps": waits[0].steps}


def skipped(run: Run) -> dict[str, object]:
    """A running request that needs no more steps is passed over; the one behind it is served."""
    late = run.engines[1]
    step = next(
        one for one in late.steps if any(e.kind == "max_tokens_in_flight" for e in one.exits)
    )
    (left,) = [one for one in step.exits if one.kind == "max_tokens_in_flight"]
    assert late.name(left.request) == "done"
    assert step.share(left.request) is None
    assert list(late.scheduled(step.step).running) == [late.id("done"), late.id("more")]
    assert _shares(late, step) == {"more": 1}
    return {"step": step.step, "scheduler": late.engine.configured.scheduler.split(".")[-1]}


def all_drafts_fit(run: Run) -> dict[str, object]:
    """With an n-gram drafter, a request costs what it computes: its token and its drafts."""
    ngram = run.engines[2]
    step = ngram.step(2)
    assert [(one.tokens, one.drafts) for one in step.scheduled] == [(4, 3)] * 4
    assert step.used == step.budget
    return {"step": step.step, "each": 4, "drafts": 3, "budget": step.budget, "requests": 4}


def stopped(run: Run) -> dict[str, object]:
    """With a draft model each request costs one slot more, and the pass stops before the last."""
    model = run.engines[3]
    step = model.step(2)
    event = next(one for one in model.events(StepScheduled) if one.engine == 3 and one.step == 2)
    (left,) = [one for one in step.exits if one.kind == "input_budget" and one.loop == "running"]
    slots, each = 1, {"spring": 4, "summer": 4, "autumn": 4}
    assert _shares(model, step) == each
    assert list(model.scheduled(2).running)[-1] == model.id("winter")
    assert left.request == model.id("winter")
    assert event.input_budget - sum(each.values()) - slots * len(each) <= slots
    return {
        "step": step.step,
        "line": _line(each),
        "used": step.used,
        "budget": step.budget,
        "left": step.budget - step.used,
        "input_left": event.input_budget - step.used - slots * len(each),
    }


def nobody_rotates(run: Run) -> dict[str, object]:
    """The order of the list stays: the last one goes without until others have finished."""
    model = run.engines[3]
    turns = list(model.follow("winter").turns)
    gap = [one.step for one in model.steps if turns[0] < one.step < turns[1]]
    assert len(gap) > 1
    for number in gap:
        assert list(model.scheduled(number).running)[-1] == model.id("winter")
        assert len(model.step(number).scheduled) == 3
    return {"first": gap[0], "last": gap[-1], "steps": len(gap), "again": turns[1]}


def lookahead(run: Run) -> dict[str, object]:
    """With a draft model, blocks are handed out for tokens that come three later."""
    ngram, model = run.engines[2], run.engines[3]
    assert ngram.step(1).scheduled[0].tokens == model.step(1).scheduled[0].tokens == 3
    size = model.engine.block_sizes[0]
    without, with_it = _blocks(ngram, 1, "north"), _blocks(model, 1, "spring")
    assert without == -(-3 // size)
    assert with_it == -(-(3 + 3) // size) > without
    return {"tokens": 3, "size": size, "without": without, "with": with_it, "ahead": 3}
