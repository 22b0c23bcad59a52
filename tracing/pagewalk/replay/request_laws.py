"""Laws of requests and steps: where a request may be, what a step may give it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pagewalk.errors import plain
from pagewalk.replay.audit import Audit
from pagewalk.replay.law import Broken, Law, UnsureError, law
from pagewalk.replay.request_rules import PREEMPTED, RUNNING
from pagewalk.replay.tables import TableState
from pagewalk.trace.events import (
    QueuePopped,
    RequestPreempted,
    StepScheduled,
    StepStarted,
    StepUpdated,
)

SCHEDULER = "vllm.v1.core.sched.scheduler:Scheduler"
QUEUES = "vllm.v1.core.sched.request_queue:RequestQueue"
KV_MANAGER = "vllm.v1.core.kv_cache_manager:KVCacheManager"

# Tables as long as something other than the request's computed tokens.
_OTHER_LENGTHS = ("CrossAttention", "CircularBuffer", "HiSparse")
# Statuses of a request that may wait where no queue of the scheduler shows it.
_BLOCKED = "WAITING_FOR_"


@law("step-counts-up", f"{SCHEDULER}.schedule", (StepStarted, StepScheduled, StepUpdated), "before")
def step_counts_up(audit: Audit, event: Any) -> Iterator[Broken]:
    """Steps are numbered one by one, end as they began, and are updated in order."""
    engine = audit.machine.engines[event.engine]
    if isinstance(event, StepStarted):
        # The first step seen after a loss need not follow the last one seen before it.
        sure = engine.step > audit.books(event.engine).unsure_until
        due = engine.step + 1
        if engine.step and (event.step != due if sure else event.step < due):
            yield Broken(f"step {event.step} began where step {due} was due")
    elif isinstance(event, StepScheduled):
        if event.step != engine.step:
            yield Broken(f"step {event.step} was scheduled in step {engine.step}")
    elif event.step >= 0 and not engine.updated < event.step <= engine.scheduled:
        yield Broken(
            f"step {event.step} was updated after step {engine.updated}, with "
            f"step {engine.scheduled} scheduled last"
        )


@law("budget-not-exceeded", f"{SCHEDULER}.schedule", (StepScheduled,), "after")
def budget_not_exceeded(audit: Audit, event: StepScheduled) -> Iterator[Broken]:
    """A step gives out no more tokens than its budget, and some to every request it schedules."""
    used = audit.machine.engines[event.engine].used
    for name, budget in (("token", event.budget), ("input", event.input_budget)):
        if used > budget and (budget or name == "token"):
            yield Broken(f"{used} tokens were scheduled with a {name} budget of {budget}")
    counts = [event.tokens] if isinstance(event.tokens, int) else event.tokens
    if event.requests and counts and min(counts) <= 0:
        yield Broken(f"a request was scheduled with {min(counts)} tokens")


@law("every-scheduled-request-is-running", f"{SCHEDULER}.schedule", (StepScheduled,), "after")
def every_scheduled_request_is_running(audit: Audit, event: StepScheduled) -> Iterator[Broken]:
    """A scheduled request is in the running list, once, with status RUNNING."""
    engine = audit.machine.engines[event.engine]
    if len(set(event.requests)) != len(event.requests):
        yield Broken("a request was scheduled twice in one step")
    for request in event.requests:
        state = engine.requests.get(request)
        if request not in engine.running:
            yield Broken(
                f"{_name(audit, request)} was scheduled and is not running",
                (_name(audit, request),),
            )
        elif state is not None and state.status != RUNNING:
            yield Broken(
                f"{_name(audit, request)} was scheduled with status {state.status}",
                (_name(audit, request),),
            )


@law("popped-from-front", f"{QUEUES}.pop_request", (QueuePopped,), "before")
def popped_from_front(audit: Audit, event: QueuePopped) -> Iterator[Broken]:
    """A request that leaves a queue to be admitted or skipped is the one whose turn it is."""
    head = audit.machine.queues[event.queue].head()
    if head != event.request:
        due = "nobody" if head is None else _name(audit, head)
        yield Broken(
            f"{_name(audit, event.request)} was popped where it was the turn of {due}",
            (_name(audit, event.request),),
        )


@law("one-place-per-request", f"{SCHEDULER}.finish_requests")
def one_place_per_request(audit: Audit, event: Any) -> Iterator[Broken]:
    """An unfinished request is running or stands in one queue, and nowhere twice."""
    engine = audit.machine.engines[event.engine]
    for request, seq in audit.changed_requests(event.engine).items():
        state = engine.requests.get(request)
        if state is None:
            continue
        places = state.places + (request in engine.running) + (request in engine.in_hand)
        if places > 1 or (places == 0 and not state.status.startswith(_BLOCKED)):
            where = "nowhere" if places == 0 else f"in {places} places"
            yield Broken(
                f"{_name(audit, request)} ({state.status}) is {where}",
                (_name(audit, request),),
                seq,
            )


@law("computed-within-tokens", f"{SCHEDULER}._update_after_schedule")
def computed_within_tokens(audit: Audit, event: Any) -> Iterator[Broken]:
    """No more tokens are computed than the request has, drafts and outputs in flight included."""
    books = audit.books(event.engine)
    engine = audit.machine.engines[event.engine]
    if 0 <= engine.updated <= books.unsure_until:
        raise UnsureError("steps scheduled before the state was known are still in flight")
    engine.catch_up()
    step = -1
    candidates = dict(audit.changed_requests(event.engine))
    if isinstance(event, StepScheduled | StepUpdated):
        step = event.step if isinstance(event, StepScheduled) else -1
        candidates |= dict.fromkeys(event.requests, event.seq)
    for request, seq in candidates.items():
        state = engine.requests.get(request)
        if state is None:
            continue
        # An output of this very step cannot have been counted on when it was scheduled.
        limit = state.tokens + (event.spec.get(request, 0) if step >= 0 else 0)
        if 0 <= state.computed <= limit:
            continue
        limit += books.pending(request, step)
        if not 0 <= state.computed <= limit:
            yield Broken(
                f"{_name(audit, request)} has {state.computed} computed of at most {limit} tokens",
                (_name(audit, request),),
                seq,
            )


@law("tables-cover-computed-tokens", f"{KV_MANAGER}.allocate_slots")
def tables_cover_computed_tokens(audit: Audit, event: Any) -> Iterator[Broken]:
    """The block tables of a running request have room for all its computed tokens."""
    engine = audit.machine.engines[event.engine]
    engine.catch_up()
    tables = [
        (number, table)
        for number, table in audit.machine.tables.items()
        if table.engine == event.engine and _is_positional(table)
    ]
    given: dict[int, int] = {}
    if isinstance(event, StepScheduled):
        counts = event.tokens
        if isinstance(counts, int):
            counts = [counts] * len(event.requests)
        given = dict(zip(event.requests, counts, strict=False))
    rows = audit.changed_rows(event.engine)
    for request in {**rows, **given}:
        state = engine.requests.get(request)
        if state is None or request not in engine.running or state.status != RUNNING:
            continue
        for number, table in tables:
            room = len(table.rows.get(request, ())) * table.block_size
            if room < state.computed:
                before = state.computed - given.get(request, 0)
                seq = event.seq if room >= before else rows.get(request, event.seq)
                yield Broken(
                    f"{_name(audit, request)} has {state.computed} computed tokens and block "
                    f"table {number} has room for {room}",
                    (_name(audit, request), f"block table {number}"),
                    seq,
                )


@law("preempted-starts-over", f"{SCHEDULER}._preempt_request", (RequestPreempted,), "before")
def preempted_starts_over(audit: Audit, event: RequestPreempted) -> Iterator[Broken]:
    """A preempted request is queued again with nothing computed, and holds no block table."""
    state = audit.machine.requests.get(event.request)
    if state is None:
        return
    name = _name(audit, event.request)
    if (state.status, state.computed) != (PREEMPTED, 0) or not state.places:
        seq = audit.changed_requests(state.engine).get(event.request) if state.places else None
        yield Broken(
            f"{name} was preempted and is queued as {state.status} with {state.computed} computed "
            "tokens"
            if state.places
            else f"{name} was preempted and is in no queue",
            (name,),
            seq,
        )
    for number, blocks in _rows(audit, state.engine, event.request):
        yield Broken(
            f"{name} was preempted and keeps {blocks} entries in block table {number}",
            (name, f"block table {number}"),
        )


@law("finished-owns-nothing", f"{SCHEDULER}._free_blocks", (StepStarted,), "before")
def finished_owns_nothing(audit: Audit, event: StepStarted) -> Iterator[Broken]:
    """When a step begins, requests that finished before it hold no block table."""
    books = audit.books(event.engine)
    pending = dict(books.finished)
    books.finished.clear()
    if books.connected:
        # A connector may keep the blocks of a finished request until a transfer is over.
        return
    for request, seq in pending.items():
        for number, blocks in _rows(audit, event.engine, request):
            yield Broken(
                f"{_name(audit, request)} finished and keeps {blocks} entries in block table "
                f"{number}",
                (_name(audit, request), f"block table {number}"),
                seq,
            )


def _name(audit: Audit, request: int) -> str:
    return f"request {plain(audit.machine.request_id(request))}"


def _is_positional(table: TableState) -> bool:
    return table.block_size > 0 and not table.kind.startswith(_OTHER_LENGTHS)


def _rows(audit: Audit, engine: int, request: int) -> list[tuple[int, int]]:
    """Table number and length of each non-empty block table of a request."""
    return [
        (number, len(row))
        for number, table in audit.machine.tables.items()
        if table.engine == engine and (row := table.rows.get(request))
    ]


REQUEST_LAWS: tuple[Law, ...] = (
    step_counts_up,
    budget_not_exceeded,
    every_scheduled_request_is_running,
    popped_from_front,
    one_place_per_request,
    computed_within_tokens,
    tables_cover_computed_tokens,
    preempted_starts_over,
    finished_owns_nothing,
)

__all__ = ["REQUEST_LAWS"]
