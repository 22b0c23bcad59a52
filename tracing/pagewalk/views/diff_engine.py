"""One engine of each of two traces -> its settings, its first step that differs, its counts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from pagewalk.errors import plain
from pagewalk.views.diff_count import Counting
from pagewalk.views.diff_points import Side, points, same
from pagewalk.views.diff_values import BlocksDiff, EngineDiff, Setting, StepDiff, Value
from pagewalk.views.engines import Engine, summary
from pagewalk.views.step import Step
from pagewalk.views.walk import Report

Names = Mapping[str, str]


@dataclass(slots=True)
class _Found:
    """What the walk over both has met so far."""

    steps: int = 0
    differing: int = 0
    first: StepDiff | None = None
    blocks: BlocksDiff | None = None
    skipped: dict[str, list[int]] = field(default_factory=dict)
    cut: bool = False


def diff_engine(
    a: Counting, b: Counting, names_a: Names, names_b: Names, report: Report | None = None
) -> EngineDiff:
    """Walk both, step by step. `names_*`: internal id -> the name that both traces share."""
    found = _Found()
    # With blocks of other sizes, other numbers of blocks say nothing.
    blocks = a.engine.block_sizes == b.engine.block_sizes
    for number, one, two in _together(a, b):
        mine = Side(a.walk, one, names_a) if one is not None else None
        yours = Side(b.walk, two, names_b) if two is not None else None
        doubt = _doubt(one, two)
        if doubt:
            found.skipped.setdefault(doubt, []).append(number)
        elif mine is not None and yours is not None:
            _both(found, number, mine, yours, blocks)
        else:
            _only(found, number, mine, yours, b if two is None else a)
    lost = _lost(found, a, b)
    settings, untold = _compared(a.engine, b.engine)
    return EngineDiff(
        engine=a.engine.index,
        a=summary(a.engine),
        b=summary(b.engine),
        settings=settings,
        steps=found.steps,
        differing=found.differing,
        first=found.first,
        blocks=found.blocks,
        counts=() if lost else _counts(a, b),
        doubts=(*_told(found, a, b), *lost),
        untold=untold,
    )


def _compared(a: Engine, b: Engine) -> tuple[tuple[Setting, ...], tuple[Setting, ...]]:
    """The settings that differ, and those that only one of them tells."""
    mine, yours = _settings(a), _settings(b)
    every = [Setting(name, mine.get(name), yours.get(name)) for name in mine | yours]
    both = mine.keys() & yours.keys()
    return (
        tuple(one for one in every if one.name in both and not one.same),
        tuple(one for one in every if one.name not in both),
    )


def _settings(engine: Engine) -> dict[str, Value]:
    one = engine.configured
    return {
        "release": one.release,
        "model": one.model,
        "device": one.device,
        "scheduler": one.scheduler,
        "tables": ", ".join(f"{table.kind} of {table.block_size}" for table in engine.tables),
        # What the engine says of itself goes before what its pools tell.
        "num_blocks": engine.num_blocks,
        **one.settings,
    }


def _counts(a: Counting, b: Counting) -> tuple[Setting, ...]:
    yours = b.counts
    return tuple(Setting(name, count, yours[name]) for name, count in a.counts.items())


def _together(a: Counting, b: Counting) -> Iterator[tuple[int, Step | None, Step | None]]:
    """Steps of the same number side by side. The walks stand at what they gave last."""
    mine, yours = iter(a), iter(b)
    one, two = next(mine, None), next(yours, None)
    while one is not None or two is not None:
        number = min(step.step for step in (one, two) if step is not None)
        here = one if one is not None and one.step == number else None
        there = two if two is not None and two.step == number else None
        yield number, here, there
        one = next(mine, None) if here is not None else one
        two = next(yours, None) if there is not None else two


def _doubt(one: Step | None, two: Step | None) -> str:
    """Why the two must not be compared, or empty."""
    for name, step in (("A", one), ("B", two)):
        if step is not None and step.unknown:
            return f"the state is not known in {name} ({plain(step.unknown, 200)})"
    return ""


def _only(found: _Found, number: int, a: Side | None, b: Side | None, missing: Counting) -> None:
    """A step of one trace: a difference only where the other certainly had none."""
    segment = missing.engine.segment
    late = missing.first > 1 and number < missing.first
    if segment.gaps or not segment.ended or late:
        name = "A" if a is None else "B"
        found.skipped.setdefault(f"{name} does not have them, and may have lost them", []).append(
            number
        )
        found.cut = True
        return
    found.steps += 1
    found.differing += 1
    if found.first is None:
        found.first = StepDiff(number, a and a.figures(), b and b.figures())


def _both(found: _Found, number: int, a: Side, b: Side, blocks: bool) -> None:
    found.steps += 1
    if not same(a, b):
        found.differing += 1
        if found.first is None:
            found.first = StepDiff(number, a.figures(), b.figures(), points(a, b))
    if found.blocks is None and blocks:
        mine, yours = a.figures().used_blocks, b.figures().used_blocks
        if mine is not None and yours is not None and mine != yours:
            found.blocks = BlocksDiff(number, mine, yours)


def _lost(found: _Found, a: Counting, b: Counting) -> list[str]:
    """Why what adds up over all steps cannot be compared."""
    whats = f"Counts and requests of engine {a.engine.index} are not compared"
    lost = [
        f"{whats}, because {name} lost events: {plain(one.lost, 200)}."
        for name, one in (("A", a), ("B", b))
        if one.lost
    ]
    if found.cut and not lost:
        lost.append(f"{whats}, because one trace has steps that the other may have lost.")
    return lost


def _told(found: _Found, a: Counting, b: Counting) -> Iterator[str]:
    if found.steps and a.walk.marked != b.walk.marked:
        name = "B" if a.walk.marked else "A"
        yield f"Exits are not compared: in {name} they are inferred from the calls that were made."
    for why, steps in found.skipped.items():
        where = f"Step {steps[0]} is"
        if len(steps) > 1:
            where = f"{len(steps):,} steps, {steps[0]} to {steps[-1]}, are"
        yield f"{where} not compared: {why}."


__all__ = ["diff_engine"]
