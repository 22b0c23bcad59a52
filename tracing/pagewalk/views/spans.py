"""One walk over an engine -> the phases of all its requests: waiting, prefill, decode, preempted.

`life` follows one request and tells more of it; this tells less, of all of them at once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from pagewalk.trace.events import RequestEnqueued, RequestFinished, StepUpdated
from pagewalk.views.engines import Engine
from pagewalk.views.execution import Execution
from pagewalk.views.step import Preemption, Share, Step
from pagewalk.views.walk import Report, Walk

Kind = Literal["waiting", "prefill", "decode", "preempted"]
WITH_TOKENS = ("prefill", "decode")


@dataclass(slots=True)
class Phase:
    """From `began` to `ended`, in nanoseconds of the engine's process; steps `first` to `last`.

    A phase ends at the latest where the next one begins. `over` is False if the trace ends first.
    """

    kind: Kind
    began: int
    ended: int
    first: int | None = None
    last: int | None = None
    steps: int = 0
    tokens: int = 0
    resumed: int | None = None
    over: bool = True
    preemption: Preemption | None = None


@dataclass(frozen=True, slots=True)
class Admitted:
    """A step let the request in: `hit` of its `tokens` tokens needed no computing."""

    step: int
    t: int
    how: str
    hit: int | None
    tokens: int


@dataclass(slots=True)
class Stay:
    """One request in one engine. Times are nanoseconds of the engine's process."""

    request: str
    enqueued: RequestEnqueued | None = None
    enqueued_step: int = 0
    finished: RequestFinished | None = None
    phases: list[Phase] = field(default_factory=list)
    admissions: list[Admitted] = field(default_factory=list)
    scheduled: int = 0
    output: int = 0
    admitted: int | None = None
    first_token: int | None = None
    first_token_step: int | None = None
    last_token: int | None = None
    model: int | None = None

    @property
    def num_preemptions(self) -> int:
        """How often it lost its blocks."""
        return sum(one.kind == "preempted" for one in self.phases)

    @property
    def output_tokens(self) -> int:
        """Tokens generated, as the engine said at the end, or as seen so far."""
        return self.finished.num_output_tokens if self.finished else self.output

    @property
    def status(self) -> str:
        """The engine's word for how it ended."""
        return self.finished.status if self.finished else "unfinished"

    @property
    def began(self) -> int | None:
        """Where its time in the engine begins."""
        first = self.phases[0].began if self.phases else None
        return self.enqueued.t if self.enqueued is not None else first

    @property
    def ended(self) -> int | None:
        """Where it ends: at its finish, or with the last that is known of it."""
        last = self.phases[-1].ended if self.phases else None
        return self.finished.t if self.finished is not None else last


class Stays:
    """Iterate to get the engine's steps; `of` is complete once all have been taken."""

    def __init__(
        self, engine: Engine, runs: dict[int, Execution], report: Report | None = None
    ) -> None:
        watch = {
            RequestEnqueued: self._enqueue,
            RequestFinished: self._finish,
            StepUpdated: self._update,
        }
        self.of: dict[str, Stay] = {}
        self.walk = Walk(engine, report, watch)
        self._runs = runs
        self._names = engine.segment.names
        self._numbers: dict[str, list[int]] = defaultdict(list)
        for number, name in self._names.items():
            self._numbers[name].append(number)
        self._step = 0
        self._order = 0
        self._turns: dict[str, int] = {}
        self._preempted: set[int] = set()

    def __iter__(self) -> Iterator[Step]:
        for step in self.walk:
            self._take(step)
            yield step
        for preemption in self.walk.outside:
            self._lose(preemption)
        events = self.walk.engine.segment.events
        self._close(events[-1].t if events else 0)

    def _stay(self, request: str) -> Stay:
        found = self.of.get(request)
        if found is None:
            found = self.of[request] = Stay(request)
        return found

    def _take(self, step: Step) -> None:
        self._step, self._order = step.step, self._order + 1
        for preemption in (*step.preempted_before, *step.preempted):
            self._lose(preemption)
        for share in step.scheduled:
            self._turn(step, share)

    def _turn(self, step: Step, share: Share) -> None:
        stay = self._stay(share.request)
        length = self._length(share.request)
        prompt = stay.enqueued.num_prompt_tokens if stay.enqueued is not None else 0
        prefill = share.computed is not None and share.computed < max(prompt, length - 1)
        kind: Kind = "prefill" if prefill else "decode"
        if stay.admitted is None:
            stay.admitted = step.began
        stay.scheduled += share.tokens
        run = self._runs.get(step.step)
        if run is not None:
            stay.model = (stay.model or 0) + run.took
        last = stay.phases[-1] if stay.phases else None
        if share.admission != "running":
            stay.admissions.append(
                Admitted(step.step, step.t, share.admission, share.computed, length)
            )
        if last is not None and last.kind not in WITH_TOKENS and last.resumed is None:
            last.ended, last.resumed = step.began, step.step
        on = (
            last is not None
            and last.kind == kind
            and share.admission == "running"
            and self._turns.get(share.request) == self._order - 1
        )
        self._turns[share.request] = self._order
        if not on or last is None:
            last = Phase(kind, step.began, step.t, step.step)
            stay.phases.append(last)
        last.last, last.ended = step.step, step.t
        last.steps, last.tokens = last.steps + 1, last.tokens + share.tokens

    def _length(self, request: str) -> int:
        known = self.walk.machine.requests
        for number in self._numbers.get(request, ()):
            if number in known:
                return known[number].tokens
        return 0

    def _lose(self, preemption: Preemption) -> None:
        # What happened in no step behind the last is told by the walk's end, all of it again.
        if preemption.seq in self._preempted:
            return
        self._preempted.add(preemption.seq)
        stay = self._stay(preemption.request)
        t = preemption.t
        stay.phases.append(
            Phase("preempted", t, t, preemption.step, over=False, preemption=preemption)
        )

    def _enqueue(self, event: RequestEnqueued) -> None:
        if event.engine != self.walk.engine.number or event.request not in self._names:
            return
        stay = self._stay(self._names[event.request])
        stay.enqueued, stay.enqueued_step = event, self._step
        stay.phases.append(Phase("waiting", event.t, event.t, over=False))

    def _finish(self, event: RequestFinished) -> None:
        if event.engine == self.walk.engine.number and event.request in self._names:
            stay = self._stay(self._names[event.request])
            stay.finished = event
            self._turns.pop(stay.request, None)

    def _update(self, event: StepUpdated) -> None:
        if event.engine != self.walk.engine.number:
            return
        many = event.tokens
        counts = [many] * len(event.requests) if isinstance(many, int) else many
        for at, number in enumerate(event.requests):
            stay = self.of.get(self._names.get(number, ""))
            if stay is None:
                continue
            tokens = counts[at] if at < len(counts) else 0
            stay.output += tokens
            if tokens:
                stay.last_token = event.t
                if stay.first_token is None:
                    stay.first_token, stay.first_token_step = event.t, event.step
            # With steps in flight, the group may be closed already, or a step ahead.
            for phase in stay.phases[-3:]:
                if phase.kind in WITH_TOKENS and phase.last == event.step:
                    phase.ended = event.t

    def _close(self, end: int) -> None:
        for stay in self.of.values():
            for phase in stay.phases:
                if phase.kind in WITH_TOKENS:
                    continue
                phase.over = phase.resumed is not None or stay.finished is not None
                if phase.resumed is None:
                    phase.ended = stay.finished.t if stay.finished is not None else end
            for one, following in zip(stay.phases, stay.phases[1:], strict=False):
                one.ended = min(one.ended, following.began)
            for phase in stay.phases:
                phase.ended = max(phase.ended, phase.began)


__all__ = ["Admitted", "Phase", "Stay", "Stays"]
