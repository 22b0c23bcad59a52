"""A segment -> the steps on which marks and inference name different exits.

The state before a step comes from replay, so this also says that a trace alone is enough.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from pagewalk.replay.machine import Machine
from pagewalk.trace.events import (
    EngineConfigured,
    Event,
    ExitsDeclared,
    ExitSite,
    ExitTaken,
    RequestEnqueued,
    StepScheduled,
    StepStarted,
)
from pagewalk.trace.segment import Segment
from pagewalk.views.agreement import disagreements
from pagewalk.views.inference import Before, Candidate, in_look_order, infer


@dataclass
class Agreement:
    """What was compared: steps, those with a request that got nothing, and every difference."""

    steps: int = 0
    telling: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


@dataclass
class _Step:
    """A step of which StepStarted was met."""

    engine: int
    before: Before
    events: list[Event]
    exits: list[tuple[ExitSite, ExitTaken]] = field(default_factory=list)


def agreement(segment: Segment) -> Agreement:
    """Both methods on every step of every engine in the segment."""
    found, machine = Agreement(), Machine()
    settings: dict[int, dict[str, Any]] = {}
    sites: dict[int, ExitSite] = {}
    facts: dict[int, RequestEnqueued] = {}
    step: _Step | None = None
    for event in segment.events:
        match event:
            case EngineConfigured():
                settings[event.engine] = event.settings
            case ExitsDeclared():
                sites |= {site.site: site for site in event.sites}
            case RequestEnqueued():
                facts[event.request] = event
            case StepStarted():
                before = _before(machine, event.engine, facts, settings[event.engine])
                step = _Step(event.engine, before, [])
            case ExitTaken():
                found.kinds[sites[event.site].kind] += 1
                if step is not None:
                    step.exits.append((sites[event.site], event))
        if step is not None and isinstance(event, Event):
            step.events.append(event)
        if isinstance(event, StepScheduled) and step is not None:
            _judge(found, event.step, step)
            step = None
        machine.apply(event)
    return found


def _judge(found: Agreement, number: int, step: _Step) -> None:
    inferred = infer(step.events, step.before)
    found.steps += 1
    found.telling += bool(inferred.verdicts)
    found.wrong += [f"step {number}: {one}" for one in disagreements(inferred, step.exits)]


def _before(
    machine: Machine, engine: int, facts: dict[int, RequestEnqueued], settings: dict[str, Any]
) -> Before:
    state = machine.engines[engine]
    state.catch_up()

    def candidate(request: int) -> Candidate:
        one, told = machine.requests[request], facts[request]
        return Candidate(
            request,
            one.status,
            one.computed,
            one.tokens,
            told.lora,
            told.num_prompt_tokens,
            told.max_tokens,
        )

    queues = {
        queue.name: [candidate(request) for request in queue]
        for queue in machine.queues.values()
        if queue.engine == engine
    }
    running = tuple(candidate(request) for request in state.running)
    return Before(running, in_look_order(queues), settings, state.pause)
