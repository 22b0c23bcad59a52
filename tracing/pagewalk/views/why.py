"""A request followed -> why it was not scheduled, was preempted, was not a prefix hit."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pagewalk.errors import PagewalkError, plain
from pagewalk.views.engines import Engine
from pagewalk.views.follow import Follower, Lost, Wait, follow
from pagewalk.views.prefix import PrefixStory
from pagewalk.views.reasons import Reason
from pagewalk.views.step import Share
from pagewalk.views.walk import Report


@dataclass(frozen=True, slots=True)
class Why:
    """All answers about one request. Its first and last step are those in which it was there.

    `marked`: the exits are those that marks in the engine's own source told; otherwise they are
    inferred from the calls. With `asked_step` all is about that step, its numbers too, but a wait
    still says how long it lasted.
    """

    request: str
    engine: int
    release: str
    marked: bool
    first_step: int | None
    last_step: int | None
    scheduled_steps: int
    waits: tuple[Wait, ...]
    preemptions: tuple[Lost, ...]
    lookups: tuple[PrefixStory, ...]
    asked_step: int | None = None
    scheduled: Share | None = None


def why(engine: Engine, request: str, step: int | None = None, report: Report | None = None) -> Why:
    """Follow one request through the engine; with `step`, answer for that step alone."""
    follower = follow(engine, request, report, asked=step)
    told = _told(follower)
    return told if step is None else _at(told, step, follower)


def _told(follower: Follower) -> Why:
    walk = follower.walk
    there = [*follower.turns, *(one.step for one in follower.lost)]
    there += [step for wait in follower.waits for step in (wait.first, wait.last)]
    return Why(
        request=follower.request,
        engine=walk.engine.index,
        release=walk.engine.configured.release,
        marked=walk.marked,
        first_step=min(there, default=None),
        last_step=max(there, default=None),
        scheduled_steps=len(follower.turns),
        waits=tuple(follower.waits),
        preemptions=tuple(follower.lost),
        lookups=tuple(follower.lookups),
    )


def _at(told: Why, step: int, follower: Follower) -> Why:
    """The answers that concern one step."""
    if step not in follower.steps:
        raise _unknown_step(follower.steps, step)
    turn = follower.turns.get(step)
    one = replace(
        told,
        asked_step=step,
        scheduled=turn.share if turn is not None else None,
        waits=tuple(
            _exact(wait, follower.asked_reason)
            for wait in told.waits
            if wait.first <= step <= wait.last
        ),
        preemptions=tuple(lost for lost in told.preemptions if lost.step == step),
        lookups=() if follower.asked_lookup is None else (follower.asked_lookup,),
    )
    if one.scheduled or one.waits or one.preemptions:
        return one
    there = "no step of the trace has it"
    if told.first_step is not None:
        there = f"it was there in steps {told.first_step} to {told.last_step}"
    raise PagewalkError(
        "request-not-there",
        f"Request {plain(told.request)} was not in the scheduler at step {step}: {there}.",
    )


def _exact(wait: Wait, reason: Reason | None) -> Wait:
    """The wait with the numbers of the step that was asked for."""
    if reason is None:
        return wait
    return replace(wait, reason=reason, compared_last=reason.compared)


def _unknown_step(steps: list[int], step: int) -> PagewalkError:
    known = f"the trace has steps {min(steps)} to {max(steps)}" if steps else "it has no step"
    return PagewalkError(
        "unknown-step", f"There is no step {step}: {known}; `pagewalk show TRACE` lists them."
    )


__all__ = ["Why", "why"]
