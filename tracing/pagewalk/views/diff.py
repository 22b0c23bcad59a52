"""Two traces of the same scenario -> what differs: settings, the first step, requests, counts."""

from __future__ import annotations

from pagewalk.errors import PagewalkError
from pagewalk.trace.read import Trace
from pagewalk.views.diff_count import Counting
from pagewalk.views.diff_engine import diff_engine
from pagewalk.views.diff_match import Pair, match
from pagewalk.views.diff_values import (
    Diff,
    EngineDiff,
    Outcome,
    RequestDiff,
    RequestFigures,
)
from pagewalk.views.engines import Engine, engines, pick_engine
from pagewalk.views.identity import identities
from pagewalk.views.requests import RequestRow, requests
from pagewalk.views.walk import Report

_FIELDS = (
    "engine",
    "status",
    "stop_string",
    "prompt_tokens",
    "output_tokens",
    "prefix_hit",
    "num_preemptions",
    "first_step",
)


def diff(a: Trace, b: Trace, engine: int | None = None, report: Report | None = None) -> Diff:
    """Compare all engines, number by number, or only those of one number.

    Times are never a difference. Steps and requests of which events were lost are not compared,
    and said in `doubts`.

    Raises:
        PagewalkError: a trace has no engine, or not the one asked for.
    """
    mine, yours = _engines(a, "A", engine), _engines(b, "B", engine)
    known_a, known_b = identities(a), identities(b)
    pairs = match(known_a, known_b)
    names_a = {one.a: one.name for one in pairs if one.a is not None}
    names_b = {one.b: one.name for one in pairs if one.b is not None}
    counted = [
        (Counting(one, report), Counting(two)) for one, two in zip(mine, yours, strict=False)
    ]
    told = tuple(diff_engine(one, two, names_a, names_b) for one, two in counted)
    rows_a = {one.request: one for one in requests(a, known_a)}
    rows_b = {one.request: one for one in requests(b, known_b)}
    pairs = tuple(one for one in pairs if _meant(one, rows_a, rows_b, engine))
    waited_a = {name: steps for one, _ in counted for name, steps in one.waited.items()}
    waited_b = {name: steps for _, two in counted for name, steps in two.waited.items()}
    # A step is left out of `counts` where events were lost: then requests may lack some, too.
    whole = {one.engine for one in told if one.counts}
    differing = [
        _request(
            one.name,
            RequestFigures(rows_a[one.a], waited_a.get(one.a, 0)),
            RequestFigures(rows_b[one.b], waited_b.get(one.b, 0)),
        )
        for one in pairs
        if one.a is not None
        and one.b is not None
        and {rows_a[one.a].engine, rows_b[one.b].engine} <= whole | {None}
    ]
    return _judged(
        told,
        (len(mine), len(yours)),
        pairs,
        tuple(one for one in differing if one.fields),
    )


def _judged(
    told: tuple[EngineDiff, ...],
    numbers: tuple[int, int],
    pairs: tuple[Pair, ...],
    differing: tuple[RequestDiff, ...],
) -> Diff:
    only_a = tuple(one.name for one in pairs if one.b is None)
    only_b = tuple(one.name for one in pairs if one.a is None)
    doubts = tuple(doubt for one in told for doubt in one.doubts)
    # What was lost may have been a request's arrival.
    alone = bool(only_a or only_b) and not doubts
    differ = any(_differs(one) for one in told) or numbers[0] != numbers[1]
    outcome: Outcome = "unknown" if doubts else "equal"
    return Diff(
        outcome="different" if differ or differing or alone else outcome,
        engines=told,
        engines_a=numbers[0],
        engines_b=numbers[1],
        matched=sum(one.a is not None and one.b is not None for one in pairs),
        requests=differing,
        only_a=only_a,
        only_b=only_b,
        doubts=doubts,
    )


def _differs(one: EngineDiff) -> bool:
    counts = any(not count.same for count in one.counts)
    return bool(one.settings or one.first or one.blocks or counts)


def _engines(trace: Trace, name: str, engine: int | None) -> tuple[Engine, ...]:
    found = engines(trace)
    if found and engine is None:
        return found
    try:
        return (pick_engine(trace, engine),)
    except PagewalkError as error:
        raise PagewalkError(error.slug, f"{name}: {error}") from None


def _meant(
    pair: Pair, a: dict[str, RequestRow], b: dict[str, RequestRow], engine: int | None
) -> bool:
    """With one engine asked for, only requests that were there in one of the traces."""
    rows = [a[pair.a]] if pair.a is not None else []
    rows += [b[pair.b]] if pair.b is not None else []
    return engine is None or any(row.engine == engine for row in rows)


def _request(name: str, a: RequestFigures, b: RequestFigures) -> RequestDiff:
    fields = [one for one in _FIELDS if getattr(a.row, one) != getattr(b.row, one)]
    if a.waited != b.waited:
        fields.append("waited")
    return RequestDiff(name, a, b, tuple(fields))


__all__ = ["diff"]
