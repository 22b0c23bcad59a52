"""Events of a step without marks -> its exits as the calls imply them: the fallback."""

from __future__ import annotations

from typing import Any

from pagewalk.replay.machine import Machine
from pagewalk.trace.events import (
    Event,
    RequestEnqueued,
    RequestFinished,
    StepScheduled,
    StepStarted,
)
from pagewalk.trace.segment import Gap
from pagewalk.views.calls import Before, Candidate, in_look_order
from pagewalk.views.engines import Engine
from pagewalk.views.inference import BEHIND, PREEMPTED, Kinds, StepInference, infer
from pagewalk.views.step import Exit

# Kinds that end a pass before anybody is looked at; any other is somebody's own.
_OF_THE_PASS = frozenset(
    {"token_budget", "input_budget", "max_num_seqs", "paused", "preempted_this_step"}
)


class Unmarked:
    """Sees the events of a segment before the machine takes them; knows the exits of a step."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._facts: dict[int, RequestEnqueued] = {}
        self._before: Before | None = None
        self._events: list[Event] = []
        self._inferred: StepInference | None = None
        self._names: dict[int, str] = {}

    def see(self, event: Event | Gap, machine: Machine) -> None:
        """Take note of an event that the machine has not taken yet."""
        kind = type(event)
        if kind is RequestEnqueued:
            self._facts[event.request] = event
        elif kind is RequestFinished:
            self._facts.pop(event.request, None)
        elif kind is StepStarted:
            mine = event.engine == self._engine.number
            self._before = self._state(machine) if mine else None
            self._events = []
        if self._before is None or kind is Gap:
            return
        self._events.append(event)
        if kind is StepScheduled:
            self._names = machine.names
            self._inferred = self._infer(self._before)
            self._before = None

    def exits(self) -> tuple[Exit, ...]:
        """The exits of the step that was scheduled last, in the form in which marks tell them."""
        inferred, self._inferred = self._inferred, None
        if inferred is None:
            return ()
        ends = (("running", inferred.running_end), ("waiting", inferred.waiting_end))
        return tuple(one for loop, end in ends for one in self._of_pass(inferred, loop, end))

    def _of_pass(self, inferred: StepInference, loop: str, end: Kinds) -> list[Exit]:
        verdicts = [one for one in inferred.verdicts if one.loop == loop]
        heads = {one.behind for one in verdicts if one.behind is not None}
        exits = [
            self._exit(loop, one.kinds, one.request)
            for one in verdicts
            if not one.kinds & {BEHIND, PREEMPTED}
            and (one.request in heads or one.kinds != end or not end & _OF_THE_PASS)
        ]
        nobody = bool(end & _OF_THE_PASS) and not heads
        return exits + ([self._exit(loop, end, None)] if nobody else [])

    def _exit(self, loop: str, kinds: Kinds, request: int | None) -> Exit:
        first, *others = sorted(kinds)
        name = None if request is None else self._names.get(request, f"?{request}")
        return Exit(first, name, loop, inferred=True, maybe=tuple(others))

    def _infer(self, before: Before) -> StepInference | None:
        try:
            return infer(self._events, before)
        except (ValueError, TypeError):
            # Lists of different lengths in a damaged event: no answer, rather than a wrong one.
            return None

    def _state(self, machine: Machine) -> Before | None:
        number = self._engine.number
        state = machine.engines.get(number)
        if state is None or machine.lost(number):
            return None
        state.catch_up()
        queues = {
            queue.name: [self._candidate(machine, request) for request in queue]
            for queue in machine.queues.values()
            if queue.engine == number
        }
        return Before(
            running=tuple(self._candidate(machine, request) for request in state.running),
            waiting=in_look_order(queues),
            settings=self._engine.configured.settings,
            pause=state.pause,
        )

    def _candidate(self, machine: Machine, request: int) -> Candidate:
        state: Any = machine.requests.get(request)
        facts = self._facts.get(request)
        if state is None:
            return Candidate(request)
        return Candidate(
            request,
            state.status,
            state.computed,
            state.tokens,
            facts.lora if facts else "",
            facts.num_prompt_tokens if facts else 0,
            facts.max_tokens if facts else 0,
        )


__all__ = ["Unmarked"]
