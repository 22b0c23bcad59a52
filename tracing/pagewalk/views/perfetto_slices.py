"""A request -> its lanes in a Chrome trace: phases in the engine, moments outside, arrows between.

Slices on one lane must nest, so a part never begins before the part ahead of it has ended.
"""

from __future__ import annotations

from collections.abc import Iterator

from pagewalk.views.moments import Moment
from pagewalk.views.perfetto_tracks import Json, Lane, shown
from pagewalk.views.spans import Phase, Stay
from pagewalk.views.spans_told import Told

Point = tuple[Lane, int]


def engine_extent(stay: Stay) -> tuple[int, int]:
    """From enqueued to finished, and as far as its phases go."""
    times = [t for one in stay.phases for t in (one.began, one.ended)]
    times += [t for t in (stay.began, stay.ended) if t is not None]
    return min(times, default=0), max(times, default=0)


def front_extent(moments: list[Moment], received: int | None) -> tuple[int, int]:
    """From arrival to delivery, or as far as it is known. `received`: by the core, in this time."""
    ends = [max(one.t, one.start) for one in moments]
    ends += [received] if received is not None else []
    return min(one.start for one in moments), max(ends)


def in_engine(told: Told, stay: Stay, lane: Lane) -> Iterator[Json]:
    """The request's slice with its phases in it, and what happened to it."""
    began, ended = engine_extent(stay)
    yield lane.slice(told.request, began, ended, _facts(told, stay))
    for phase in stay.phases:
        yield lane.slice(phase.kind, phase.began, phase.ended, _phase(phase))
        if phase.preemption is not None:
            lost = phase.preemption
            facts = {"step": lost.step, "lost": lost.computed}
            by = "by the prefix cache's reset" if lost.by is None else shown(lost.by)
            yield lane.instant("preempted", lost.t, facts | {"so_that_can_grow": by})
    for one in stay.admissions:
        if one.hit:
            facts = {"step": one.step, "hit": one.hit, "of": one.tokens}
            yield lane.instant("prefix hit", one.t, facts)
    if stay.first_token is not None:
        yield lane.instant("first token", stay.first_token, {"step": stay.first_token_step})
    if stay.finished is not None:
        facts = {"status": stay.status, "output": stay.output_tokens}
        yield lane.instant("finished", stay.finished.t, facts)


def in_front_end(told: Told, moments: list[Moment], received: int | None, lane: Lane) -> list[Json]:
    """The request's slice in the front end. `received`: when the core began to decode it."""
    began, ended = front_extent(moments, received)
    events = [lane.slice(told.request, began, ended, {"external": shown(told.external or "")})]
    parts = []
    for one in moments:
        if one.what == "input processed":
            parts.append(("process input", one.start, one.t))
        elif one.what == "sent" and received is not None:
            parts.append(("in transit", one.t, received))
        if one.what not in ("arrived", "input processed"):
            facts = {name: value for name, value in one.facts.items() if value is not None}
            events.append(lane.instant(one.what, one.t, facts))
    edge = began
    for name, start, end in sorted(parts, key=lambda part: part[1]):
        start = max(edge, start)
        if end >= start:
            events.append(lane.slice(name, start, end))
            edge = end
    return events


def arrows(number: int, points: list[Point]) -> Iterator[Json]:
    """An arrow through these points, as far as clocks let it go forward."""
    kept: list[Point] = []
    for lane, t in points:
        if not kept or lane.since(t) >= kept[-1][0].since(kept[-1][1]):
            kept.append((lane, t))
    for at, (lane, t) in enumerate(kept):
        if len(kept) > 1:
            phase = "s" if at == 0 else "f" if at == len(kept) - 1 else "t"
            yield lane.flow(phase, number, t)


def front_points(moments: list[Moment], lane: Lane) -> tuple[list[Point], list[Point]]:
    """Where the arrow leaves the front end, and where it comes back."""
    there = [(lane, one.start) for one in moments if one.what in ("arrived", "sent")]
    back = ("first output received", "delivered")
    return there, [(lane, one.t) for one in moments if one.what in back]


def _facts(told: Told, stay: Stay) -> Json:
    facts: Json = {"status": told.status, "preemptions": stay.num_preemptions}
    if stay.enqueued is not None:
        facts |= {
            "prompt_tokens": stay.enqueued.num_prompt_tokens,
            "max_tokens": stay.enqueued.max_tokens,
            "priority": stay.enqueued.priority,
        }
    facts |= {"output_tokens": stay.output_tokens, "external": shown(told.external or "")}
    return facts | {f"{name}_ns": value for name, value in told.durations.items()}


def _phase(phase: Phase) -> Json:
    facts = {"first_step": phase.first, "last_step": phase.last, "resumed_step": phase.resumed}
    if phase.steps:
        facts |= {"steps": phase.steps, "tokens": phase.tokens}
    if not phase.over:
        facts["unfinished"] = 1
    return {name: value for name, value in facts.items() if value is not None}


__all__ = ["arrows", "engine_extent", "front_extent", "front_points", "in_engine", "in_front_end"]
