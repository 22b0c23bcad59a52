"""Request, queue and step events -> moves of the machine: one rule for each type of event."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pagewalk.replay.requests import EngineState, Rank, RequestState, WaitingQueue
from pagewalk.trace.events import (
    QueueAdded,
    QueuePopped,
    QueuePrepended,
    QueueRemoved,
    RequestEnqueued,
    RequestFinished,
    RequestPreempted,
    RequestSet,
    StepScheduled,
    StepStarted,
    StepUpdated,
    UpdateStarted,
)

if TYPE_CHECKING:
    from pagewalk.replay.machine import Machine

RUNNING = "RUNNING"
PREEMPTED = "PREEMPTED"


def _enqueued(machine: Machine, event: RequestEnqueued) -> None:
    engine = _engine(machine, event)
    if engine is None:
        return
    if event.request not in machine.names:
        machine.missing(event, f"request {event.request}", event.engine)
    state = RequestState(
        event.engine, event.status, event.computed, event.num_tokens, event.priority, event.arrival
    )
    before = machine.requests.get(event.request)
    engine.catch_up()
    if before is not None:
        machine.refuse(event, f"request {event.request} again, unfinished", event.engine)
        _leave(machine, event.request, before)
    machine.requests[event.request] = engine.requests[event.request] = state


def _queue_added(machine: Machine, event: QueueAdded) -> None:
    queue = _queue(machine, event)
    if queue is not None:
        rank = _enter(machine, event, queue, event.request)
        if rank is not None:
            machine.requests[event.request].set(event.status, event.computed, event.tokens)
            queue.append(rank)


def _queue_prepended(machine: Machine, event: QueuePrepended) -> None:
    queue = _queue(machine, event)
    if queue is None:
        return
    rows = (event.requests, event.statuses, event.computed, event.tokens)
    if len({len(row) for row in rows}) > 1:
        machine.refuse(event, "lists of different lengths", queue.engine)
    for request, status, computed, tokens in zip(*rows, strict=False):
        state = _request(machine, event, request, queue.engine)
        if state is None:
            continue
        if queue.holds(request):
            # A priority queue prepends by adding, which an event of its own has said already.
            state.set(status, computed, tokens)
            continue
        rank = _enter(machine, event, queue, request)
        if rank is not None:
            machine.requests[request].set(status, computed, tokens)
            queue.prepend(rank)


def _queue_popped(machine: Machine, event: QueuePopped) -> None:
    queue = _queue(machine, event)
    if queue is None:
        return
    state = _request(machine, event, event.request, queue.engine)
    if state is not None:
        state.places -= queue.pop(event.request)
        machine.engines[queue.engine].in_hand[event.request] = None


def _queue_removed(machine: Machine, event: QueueRemoved) -> None:
    queue = _queue(machine, event)
    if queue is None:
        return
    # Also named are requests that stand in another queue, in none, or that have finished.
    for request, times in queue.remove(event.requests).items():
        state = machine.requests.get(request)
        if state is not None:
            state.places -= times


def _request_set(machine: Machine, event: RequestSet) -> None:
    state = _request(machine, event, event.request, None)
    if state is not None:
        state.set(event.status, event.computed, event.tokens)
        machine.engines[state.engine].settled.add(event.request)
        if event.arrival is not None:
            state.arrival = event.arrival
            for queue in machine.queues.values():
                if queue.engine == state.engine:
                    queue.rerank(event.request, _rank(machine, event.request, state))


def _preempted(machine: Machine, event: RequestPreempted) -> None:
    state = _request(machine, event, event.request, event.engine)
    if state is not None:
        machine.engines[state.engine].running.pop(event.request, None)
        state.status, state.computed = PREEMPTED, 0


def _finished(machine: Machine, event: RequestFinished) -> None:
    state = _request(machine, event, event.request, event.engine)
    if state is not None:
        _leave(machine, event.request, state)


def _step_started(machine: Machine, event: StepStarted) -> None:
    engine = _engine(machine, event)
    if engine is not None:
        engine.step = event.step


def _step_scheduled(machine: Machine, event: StepScheduled) -> None:
    engine = _engine(machine, event)
    if engine is None:
        return
    engine.scheduled = event.step
    engine.budget, engine.input_budget = event.budget, event.input_budget
    tokens = event.tokens
    if engine.in_hand:
        engine.running.update(engine.in_hand)
        engine.in_hand.clear()
    elif (
        type(tokens) is int
        and not event.new
        and not event.resumed
        and engine.owe(event.requests, computed=tokens)
    ):
        engine.used = tokens * len(event.requests)
        return
    engine.catch_up()
    for admitted in (event.new, event.resumed):
        for request, computed in admitted.items():
            state = _request(machine, event, request, event.engine)
            if state is not None:
                state.status, state.computed = RUNNING, computed
    counts = _counts(machine, event)
    engine.used = sum(counts)
    requests = engine.requests
    known = True
    for request, count in zip(event.requests, counts, strict=False):
        state = requests.get(request)
        if state is None:
            machine.missing(event, f"request {request}", event.engine)
            known = False
        else:
            state.computed += count
    if known and type(tokens) is int:
        engine.owe_from_now(event.requests)


def _update_started(machine: Machine, event: UpdateStarted) -> None:
    engine = _engine(machine, event)
    if engine is not None:
        engine.settled.clear()


def _step_updated(machine: Machine, event: StepUpdated) -> None:
    engine = _engine(machine, event)
    if engine is None:
        return
    engine.updated = event.step
    tokens = event.tokens
    requests, settled = engine.requests, engine.settled
    if (
        type(tokens) is int
        and not event.computed
        and not settled
        and engine.owe(event.requests, tokens=tokens)
    ):
        return
    engine.catch_up()
    counts = _counts(machine, event)
    for request, count in zip(event.requests, counts, strict=False):
        # Requests that finished in this update are gone already, and so are their counters.
        state = requests.get(request)
        if state is not None and request not in settled:
            state.tokens += count
    for request, computed in event.computed.items():
        state = requests.get(request)
        if state is not None:
            state.computed = computed


def _counts(machine: Machine, event: StepScheduled | StepUpdated) -> list[int]:
    """One number of tokens for each request of the event."""
    if type(event.tokens) is int:
        return [event.tokens] * len(event.requests)
    if len(event.tokens) != len(event.requests):
        machine.refuse(event, "lists of different lengths", event.engine)
    return event.tokens


def _engine(machine: Machine, event: Any) -> EngineState | None:
    engine = machine.engines.get(event.engine)
    if engine is None:
        machine.missing(event, f"engine {event.engine}")
    return engine


def _queue(machine: Machine, event: Any) -> WaitingQueue | None:
    queue = machine.queues.get(event.queue)
    if queue is None:
        machine.missing(event, f"queue {event.queue}")
    return queue


def _request(machine: Machine, event: Any, request: int, engine: int | None) -> RequestState | None:
    """The request, with its counters paid up: whoever asks will look at them or set them."""
    state = machine.requests.get(request)
    if state is None:
        machine.missing(event, f"request {request}", engine)
    else:
        machine.engines[state.engine].catch_up()
    return state


def _rank(machine: Machine, request: int, state: RequestState) -> Rank:
    return (state.priority or 0, state.arrival, machine.request_id(request), request)


def _enter(machine: Machine, event: Any, queue: WaitingQueue, request: int) -> Rank | None:
    """Leave the running list for a queue; the rank there, None where it cannot be known."""
    state = _request(machine, event, request, queue.engine)
    if state is None:
        return None
    engine = machine.engines[queue.engine]
    engine.running.pop(request, None)
    engine.in_hand.pop(request, None)
    engine.settled.add(request)
    state.places += 1
    if queue.ranks and (state.priority is None or queue.unranked):
        machine.lose(f"the place of a request in queue {queue.name} is not known", queue.engine)
    return _rank(machine, request, state)


def _leave(machine: Machine, request: int, state: RequestState) -> None:
    """Out of everything but the block tables, which are dropped by events of their own."""
    engine = machine.engines[state.engine]
    engine.catch_up()
    engine.running.pop(request, None)
    engine.in_hand.pop(request, None)
    if state.places:
        for queue in machine.queues.values():
            if queue.engine == state.engine:
                queue.remove((request,))
    engine.requests.pop(request, None)
    machine.requests.pop(request, None)


REQUEST_RULES: dict[type, Callable[[Any, Any], None]] = {
    RequestEnqueued: _enqueued,
    QueueAdded: _queue_added,
    QueuePopped: _queue_popped,
    QueuePrepended: _queue_prepended,
    QueueRemoved: _queue_removed,
    RequestSet: _request_set,
    RequestPreempted: _preempted,
    RequestFinished: _finished,
    StepStarted: _step_started,
    StepScheduled: _step_scheduled,
    UpdateStarted: _update_started,
    StepUpdated: _step_updated,
}

__all__ = ["PREEMPTED", "REQUEST_RULES", "RUNNING"]
