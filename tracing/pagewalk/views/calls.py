"""One step's events -> what they add up to: who got what, who was refused, popped, put back."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from pagewalk.trace.events import (
    PrefixLookedUp,
    QueuePopped,
    QueuePrepended,
    RequestPreempted,
    SlotsRefused,
    StepScheduled,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pagewalk.trace.events import Event

STREAMING = "WAITING_FOR_STREAMING_REQ"
PAUSED_NEW, PAUSED_ALL = "PAUSED_NEW", "PAUSED_ALL"  # members of PauseState
# The order in which the waiting pass empties the queues; 0.30 and older have `skipped_waiting`.
LOOK_ORDER = ("kv_holding_waiting", "skipped_waiting", "waiting")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A request as the step found it; `prompt` and `max_tokens` sharpen answers, 0 if unknown.

    `holding`: it waits in `kv_holding_waiting`, which a pause for new requests leaves open.
    """

    request: int
    status: str = ""
    computed: int = 0
    tokens: int = 0
    lora: str = ""
    prompt: int = 0
    max_tokens: int = 0
    holding: bool = False

    @property
    def prefilling(self) -> bool:
        """Whether more than the last token has still to be computed."""
        return self.computed < self.tokens - 1


@dataclass(frozen=True, slots=True)
class Before:
    """An engine at `StepStarted`: its requests in the order of looking, and its settings.

    `waiting` is all queues in one, in the order of `LOOK_ORDER`. `settings` are those of
    `EngineConfigured`; `pause` is the scheduler's pause state by name, empty if not known.
    """

    running: tuple[Candidate, ...]
    waiting: tuple[Candidate, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)
    pause: str = ""


def in_look_order(queues: Mapping[str, Sequence[Candidate]]) -> tuple[Candidate, ...]:
    """The requests of all queues, by name, in the order in which the pass looks at them."""
    names = sorted(queues, key=lambda name: (*LOOK_ORDER, name).index(name))
    return tuple(
        replace(one, holding=name == LOOK_ORDER[0]) for name in names for one in queues[name]
    )


class Calls:
    """What one engine's events from `StepStarted` to `StepScheduled` add up to."""

    def __init__(self, events: Iterable[Event], before: Before) -> None:
        self.before = before
        self.scheduled: dict[int, int] = {}
        self.admitted: set[int] = set()
        self.budget = self.input_budget = 0
        self.preempted: list[int] = []
        self.self_preempted: set[int] = set()
        self.refused: list[int] = []
        self.hits: dict[int, int] = {}
        self.popped: list[int] = []
        self.put_back: dict[int, str] = {}
        for event in events:
            self._add(event)

    def _add(self, event: Event) -> None:
        match event:
            case StepScheduled():
                tokens = event.tokens
                each = tokens if isinstance(tokens, list) else [tokens] * len(event.requests)
                self.scheduled = dict(zip(event.requests, each, strict=False))
                self.admitted = {*event.new, *event.resumed}
                self.budget, self.input_budget = event.budget, event.input_budget
            case RequestPreempted():
                self.preempted.append(event.request)
                if self.refused and self.refused[-1] == event.request:
                    self.self_preempted.add(event.request)
            case SlotsRefused():
                self.refused.append(event.request)
            case PrefixLookedUp():
                self.hits[event.request] = event.hit
            case QueuePopped():
                self.popped.append(event.request)
            case QueuePrepended():
                self.put_back.update(zip(event.requests, event.statuses, strict=False))

    @property
    def idle(self) -> bool:
        """Whether nothing was scheduled and nothing looked at, as when the scheduler is paused."""
        return not (self.scheduled or self.refused or self.popped or self.hits)

    @property
    def paused(self) -> bool:
        """Whether all stood still: surely, or perhaps where the trace tells nothing of pauses."""
        return self.before.pause == PAUSED_ALL or (not self.before.pause and self.idle)

    @property
    def goes_on(self) -> bool:
        """Whether a request without KV blocks was taken from a queue: no pause kept it shut."""
        popped = set(self.popped)
        return any(
            one.request in popped and one.status in ("WAITING", "PREEMPTED") and not one.computed
            for one in self.before.waiting
        )

    def left(self, *, admitted: bool = True) -> int:
        """What is left of the token budget, after both passes or (not `admitted`) the first."""
        return self.budget - sum(tokens for tokens, _ in self._used(admitted))

    def input_left(self, *, admitted: bool = True) -> int | None:
        """What is left of the input budget, draft slots taken off; None if it is not known."""
        if not self.input_budget:
            return None
        slots = self.number("draft_slots")
        return self.input_budget - sum(tokens + slots for tokens, _ in self._used(admitted)) - slots

    def _used(self, admitted: bool) -> list[tuple[int, int]]:
        return [
            (tokens, request)
            for request, tokens in self.scheduled.items()
            if admitted or request not in self.admitted
        ]

    def slots_taken(self) -> int:
        """Requests that hold a place among the running, streaming sessions at rest included."""
        resting = sum(one.status == STREAMING for one in self.before.waiting)
        return len(self.before.running) + len(self.admitted) + resting

    def number(self, name: str) -> int:
        """A setting as a number; one that is not known counts as 0."""
        return int(self.before.settings.get(name) or 0)

    def may(self, name: str, over: int = 0) -> bool:
        """Whether a feature may be at work: its setting is on, above `over`, or not known."""
        value = self.before.settings.get(name)
        return value is None or (bool(value) if isinstance(value, str) else value > over)

    @property
    def throttled(self) -> bool:
        """Whether prefills may have been put off for the sake of other ranks."""
        return self.may("data_parallel_size", 1) or bool(self.number("prefill_schedule_interval"))

    @property
    def overlapped(self) -> bool:
        """Whether a step may be scheduled before the output of the last has come."""
        return self.may("async_scheduling") or self.may("pipeline_parallel_size", 1)

    @property
    def trimmed(self) -> bool:
        """Whether the encoder budget or a drafter's lookahead may cut the tokens down to none."""
        return self.may("encoder") or self.may("prefill_lookahead")

    def lookup_is_seen(self, one: Candidate) -> bool:
        """Whether looking at the request would have left a `PrefixLookedUp`."""
        seen = bool(self.before.settings.get("enable_prefix_caching"))
        return seen and one.computed == 0 and not self.may("connector")


__all__ = [
    "LOOK_ORDER",
    "PAUSED_ALL",
    "PAUSED_NEW",
    "Before",
    "Calls",
    "Candidate",
    "in_look_order",
]
