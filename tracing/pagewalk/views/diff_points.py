"""The same step of two traces -> the things in which it differs, each with its reason."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from pagewalk.views.diff_values import Fact, Point, StepFigures, Why
from pagewalk.views.reasons import reason
from pagewalk.views.step import Exit, Preemption, Step
from pagewalk.views.walk import Walk

One = TypeVar("One")


@dataclass(frozen=True, slots=True)
class Side:
    """A walk that stands right after `step`; `names`: internal id -> name of the pair."""

    walk: Walk
    step: Step
    names: Mapping[str, str]

    def name(self, request: str | None) -> str:
        """The name by which both traces know the request."""
        return "" if request is None else self.names.get(request, request)

    def figures(self) -> StepFigures:
        """The step in figures."""
        step, engine = self.step, self.walk.engine
        free = step.free_blocks
        return StepFigures(
            budget=step.budget,
            used=step.used,
            scheduled=len(step.scheduled),
            waiting=step.waiting,
            running=step.running,
            free_blocks=free,
            used_blocks=None if free is None else engine.num_blocks - free,
        )


def same(a: Side, b: Side) -> bool:
    """Whether the steps are the same in all that `points` looks at: what the engine decided.

    How many wait is no decision: requests arrive a step earlier or later from run to run.
    """
    return _whole(a, b) == _whole(b, a)


def points(a: Side, b: Side) -> tuple[Point, ...]:
    """What differs, the telling things first. Both walks must still stand at their steps."""
    found = [*_preempted(a, b), *_hits(a, b), *_shares(a, b), *_refused(a, b), *_exits(a, b)]
    mine, yours = _finished(a), _finished(b)
    found += [Point("finished", name, a=1) for name in mine if name not in yours]
    found += [Point("finished", name, b=1) for name in yours if name not in mine]
    if a.step.running != b.step.running:
        found.append(Point("running", a=a.step.running, b=b.step.running))
    return tuple(found)


def _whole(side: Side, other: Side) -> tuple[object, ...]:
    step, name = side.step, side.name
    told = not _inferred(side, other)
    return (
        [(name(one.request), *_share(one)) for one in step.scheduled],
        {key: (name(one.by), one.computed) for key, one in _lost(side).items()},
        _hit(side),
        set(_refusals(side)),
        set(_ways(side)) if told else None,
        set(_finished(side)),
        step.running,
    )


def _share(one: object) -> tuple[object, ...]:
    return tuple(getattr(one, field) for field in ("tokens", "computed", "admission", "drafts"))


def _preempted(a: Side, b: Side) -> Iterator[Point]:
    mine, yours = _lost(a), _lost(b)
    for key in dict.fromkeys([*mine, *yours]):
        one, two = mine.get(key), yours.get(key)
        if one is None or two is None or _price(a, one) != _price(b, two):
            yield Point("preempted", key[0], _named(a, one), _named(b, two))


def _named(side: Side, one: Preemption | None) -> Preemption | None:
    """The preemption under the names that both traces share."""
    if one is None:
        return None
    by = None if one.by is None else side.name(one.by)
    return replace(one, request=side.name(one.request), by=by)


def _price(side: Side, one: Preemption) -> tuple[object, ...]:
    return side.name(one.by), one.computed


def _lost(side: Side) -> dict[tuple[str, bool], Preemption]:
    both = (*side.step.preempted_before, *side.step.preempted)
    return {(side.name(one.request), one.inside): one for one in both}


def _shares(a: Side, b: Side) -> Iterator[Point]:
    mine = {a.name(one.request): one for one in a.step.scheduled}
    yours = {b.name(one.request): one for one in b.step.scheduled}
    for name in dict.fromkeys([*mine, *yours]):
        one, two = mine.get(name), yours.get(name)
        if one is None:
            yield Point("scheduled", name, None, two, why_a=_why(a, name))
        elif two is None:
            yield Point("scheduled", name, one, None, why_b=_why(b, name))
        else:
            for what in ("tokens", "admission", "computed", "drafts"):
                if getattr(one, what) != getattr(two, what):
                    yield Point(what, name, one, two)
                    break
    if set(mine) == set(yours) and list(mine) != list(yours):
        # The first place at which another request stands.
        at = next(i for i, (x, y) in enumerate(zip(mine, yours, strict=True)) if x != y)
        name, other = list(mine)[at], list(yours)[at]
        yield Point("order", "", mine[name], yours[other])


def _why(side: Side, name: str) -> Why:
    """Why the request got nothing here; it may not even be there."""
    internal = next((one for one, known in side.names.items() if known == name), None)
    if internal is None:
        return Why(None, "it is not in this trace")
    if any(one.request == internal for one in side.step.preempted):
        return Why(None, "it was preempted in this step")
    machine, number = side.walk.machine, side.walk.engine.number
    state = machine.engines.get(number)
    numbers = [one for one, known in machine.names.items() if known == internal]
    here = next((one for one in numbers if state and one in state.requests), None)
    if state is None or here is None:
        return Why(None, "it is not in the scheduler then: it came later, or had ended")
    return Why(reason(side.walk, side.step, internal, here in state.running))


def _hits(a: Side, b: Side) -> Iterator[Point]:
    mine, yours = _hit(a), _hit(b)
    for name in dict.fromkeys([*mine, *yours]):
        if mine.get(name, 0) != yours.get(name, 0):
            yield Point("hit", name, mine.get(name, 0), yours.get(name, 0))


def _hit(side: Side) -> dict[str, int]:
    """Tokens found in the prefix cache; a lookup that finds nothing is as good as none."""
    return {side.name(one.request): one.hit for one in side.step.lookups if one.hit}


def _refused(a: Side, b: Side) -> Iterator[Point]:
    return _only("refused", a, b, _refusals(a), _refusals(b))


def _refusals(side: Side) -> dict[str, Fact]:
    return {side.name(one.request): one for one in side.step.refused}


def _exits(a: Side, b: Side) -> Iterator[Point]:
    if _inferred(a, b):
        return iter(())
    return _only("exit", a, b, _ways(a), _ways(b))


def _only(
    what: str, a: Side, b: Side, mine: Mapping[One, Fact], yours: Mapping[One, Fact]
) -> Iterator[Point]:
    for key, fact in mine.items():
        if key not in yours:
            yield Point(what, a.name(getattr(fact, "request", None)), fact, None)
    for key, fact in yours.items():
        if key not in mine:
            yield Point(what, b.name(getattr(fact, "request", None)), None, fact)


def _ways(side: Side) -> dict[tuple[str, str, str], Exit]:
    return {(one.kind, one.loop, side.name(one.request)): one for one in side.step.exits}


def _inferred(a: Side, b: Side) -> bool:
    """Exits that were inferred in one trace cannot be held against marks in the other."""
    return a.walk.marked != b.walk.marked


def _finished(side: Side) -> dict[str, None]:
    return dict.fromkeys(side.name(one) for one in side.step.finished_before)


__all__ = ["Side", "points", "same"]
