"""Engine -> its steps, all or a range, and why each left requests without tokens."""

from __future__ import annotations

from collections.abc import Iterator

from pagewalk.errors import PagewalkError
from pagewalk.views.engines import Engine
from pagewalk.views.step import Exit, Step
from pagewalk.views.walk import Report, Walk


def steps(
    engine: Engine,
    first: int | None = None,
    last: int | None = None,
    report: Report | None = None,
) -> Iterator[Step]:
    """The steps from `first` to `last`, both included; an error if there is none of them."""
    seen: list[int] = []
    found = False
    for step in Walk(engine, report):
        seen.append(step.step)
        if (first is None or step.step >= first) and (last is None or step.step <= last):
            found = True
            yield step
        elif found and last is not None and step.step > last:
            return
    if not found and (first is not None or last is not None):
        known = f"steps {min(seen)} to {max(seen)}" if seen else "no steps at all"
        asked = f"step {first}" if first == last else f"step between {first} and {last}"
        raise PagewalkError(
            "unknown-step", f"There is no {asked}: engine {engine.index} has {known}."
        )


def exit_kinds(step: Step) -> dict[str, list[str | None]]:
    """The kinds of the exits that were taken, each with the requests they looked at."""
    kinds: dict[str, list[str | None]] = {}
    whole = {one.request for one in step.refused if one.full_sequence}
    for one in step.exits:
        looked_at = kinds.setdefault(_kind(one, whole), [])
        if one.request not in looked_at:
            looked_at.append(one.request)
    return kinds


def _kind(one: Exit, whole: set[str]) -> str:
    """A refusal of the whole sequence says more than that there are no blocks."""
    waits = one.kind == "no_blocks" and one.loop == "waiting"
    return "full_sequence_blocks" if waits and one.request in whole else one.kind


__all__ = ["exit_kinds", "steps"]
