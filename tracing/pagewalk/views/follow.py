"""Walk -> one request, step by step: its tokens, its waits, its losses, its lookups."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from pagewalk.views.calls import LOOK_ORDER
from pagewalk.views.engines import Engine
from pagewalk.views.prefix import PrefixStory, PrefixWatch
from pagewalk.views.reasons import (
    Compared,
    Place,
    Reason,
    reason,
    refusal_compared,
    refusal_places,
)
from pagewalk.views.step import Preemption, Share, Step
from pagewalk.views.walk import Report, Walk


@dataclass(frozen=True, slots=True)
class Turn:
    """A step that gave the request tokens; `length` is the request's own when it began."""

    step: int
    began: int
    t: int
    share: Share
    length: int


@dataclass(frozen=True, slots=True)
class Wait:
    """Steps `first` to `last`, in all of which the request got no tokens for the same reason.

    `running`: it was among the running requests. `position`: its place among the waiting, from
    1, in the first of the steps. Numbers are those of the first step; `compared_last` of the last.
    """

    first: int
    last: int
    steps: int
    running: bool
    position: int | None
    began: int
    ended: int
    reason: Reason
    compared_last: Compared | None = None


@dataclass(frozen=True, slots=True)
class Lost:
    """One preemption of the request: what it lost, to whom, and what it got back.

    `rule` says who is chosen: the last of the running (`fcfs`), the least urgent (`priority`), or
    all of them (`reset`). On resuming, `rehit` of its tokens were still cached; `recomputed` of
    the `lost` ones were not. Both None if it never resumed.
    """

    step: int
    t: int
    inside: bool
    by: str | None
    lost: int
    rule: str
    compared: Compared | None
    watermark: int | None
    new_tokens: int | None
    places: tuple[Place, ...]
    resumed_step: int | None = None
    rehit: int | None = None
    recomputed: int | None = None


class Follower:
    """What a walk over an engine tells of one request."""

    def __init__(
        self, walk: Walk, prefix: PrefixWatch, request: str, asked: int | None = None
    ) -> None:
        self.walk = walk
        self.request = request
        # The very numbers of one step, which a range of steps would hide.
        self.asked = asked
        self.asked_reason: Reason | None = None
        self.asked_lookup: PrefixStory | None = None
        self.steps: list[int] = []
        self.turns: dict[int, Turn] = {}
        self.waits: list[Wait] = []
        self.lost: list[Lost] = []
        self.lookups: list[PrefixStory] = []
        self._prefix = prefix
        names = walk.engine.segment.names
        self._numbers = tuple(number for number, name in names.items() if name == request)

    def take(self, step: Step) -> None:
        """Take in one step."""
        self.steps.append(step.step)
        for preemption in (*step.preempted_before, *step.preempted):
            self._preempted(preemption)
        share = step.share(self.request)
        self._look(step, share)
        if share is not None:
            state = self.walk.machine.requests.get(self._number() or -1)
            length = state.tokens if state is not None else 0
            self.turns[step.step] = Turn(step.step, step.began, step.t, share, length)
            if share.admission == "resumed" and share.computed is not None:
                self._resumed(step.step, share.computed)
        elif not any(one.request == self.request for one in step.preempted):
            self._wait(step)

    def end(self) -> None:
        """After the last step: what happened in no step behind it."""
        known = {(one.step, one.t) for one in self.lost}
        for preemption in self.walk.outside:
            if (preemption.step, preemption.t) not in known:
                self._preempted(preemption)

    def _preempted(self, preemption: Preemption) -> None:
        if preemption.request == self.request:
            self.lost.append(_lost(self.walk, preemption))

    def _look(self, step: Step, share: Share | None) -> None:
        """The lookup that counts is that of the admission; a head that waits looks up again."""
        found = [one for one in step.lookups if one.request == self.request]
        admitted = share if share is not None and share.admission != "running" else None
        if not found:
            if admitted and not self.walk.engine.caching:
                self.lookups.append(self._prefix.tell(step, None, admitted))
        elif admitted or not self.lookups or step.step == self.asked:
            story = self._prefix.tell(step, found[-1], admitted)
            if step.step == self.asked:
                self.asked_lookup = story
            if self.lookups and not self.lookups[-1].admitted:
                self.lookups.pop()
            self.lookups.append(story)

    def _wait(self, step: Step) -> None:
        position = self._position()
        if position is None:
            return
        running = position == 0
        why_not = reason(self.walk, step, self.request, running)
        if step.step == self.asked:
            self.asked_reason = why_not
        last = self.waits[-1] if self.waits else None
        previous = self.steps[-2] if len(self.steps) > 1 else None
        if (
            last is not None
            and last.last == previous
            and last.running == running
            and last.reason.same == why_not.same
        ):
            self.waits[-1] = replace(
                last,
                last=step.step,
                steps=last.steps + 1,
                ended=step.t,
                compared_last=why_not.compared,
            )
            return
        self.waits.append(
            Wait(
                first=step.step,
                last=step.step,
                steps=1,
                running=running,
                position=position or None,
                began=step.began,
                ended=step.t,
                reason=why_not,
                compared_last=why_not.compared,
            )
        )

    def _position(self) -> int | None:
        """0 among the running, its place from 1 among the waiting, None where it is not there."""
        machine, engine = self.walk.machine, self.walk.engine.number
        number = self._number()
        state = machine.engines.get(engine)
        if number is None or state is None or number not in state.requests:
            return None
        if number in state.running:
            return 0
        queues = [one for one in machine.queues.values() if one.engine == engine]
        place = 0
        for queue in sorted(queues, key=lambda one: (*LOOK_ORDER, one.name).index(one.name)):
            for waiting in queue:
                place += 1
                if waiting == number:
                    return place
        return None

    def _number(self) -> int | None:
        """The number that stands for the request now; an id may be numbered anew."""
        known = self.walk.machine.requests
        return next((one for one in self._numbers if one in known), None)

    def _resumed(self, step: int, rehit: int) -> None:
        if self.lost and self.lost[-1].resumed_step is None:
            last = self.lost[-1]
            again = max(0, last.lost - rehit)
            self.lost[-1] = replace(last, resumed_step=step, rehit=rehit, recomputed=again)


def follow(
    engine: Engine,
    request: str,
    report: Report | None = None,
    watch: dict[type, Callable[[Any], None]] | None = None,
    asked: int | None = None,
) -> Follower:
    """Follow one request through all steps of its engine."""
    prefix = PrefixWatch(engine, request)
    follower = Follower(prefix.walk(report, watch), prefix, request, asked)
    for step in follower.walk:
        follower.take(step)
    follower.end()
    return follower


def _lost(walk: Walk, preemption: Preemption) -> Lost:
    refusal = preemption.refusal
    policy = str(walk.engine.configured.settings.get("policy", ""))
    return Lost(
        step=preemption.step,
        t=preemption.t,
        inside=preemption.inside,
        by=preemption.by,
        lost=preemption.computed,
        rule=policy if preemption.by is not None else "reset",
        compared=refusal_compared(refusal),
        watermark=refusal.watermark if refusal else None,
        new_tokens=refusal.new_tokens if refusal else None,
        places=refusal_places(walk, refusal),
    )


__all__ = ["Follower", "Lost", "Turn", "Wait", "follow"]
