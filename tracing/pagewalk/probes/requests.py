"""Scheduler call on one request -> event: enqueued, preempted, finished, changed by hand."""

from __future__ import annotations

from typing import Any

from pagewalk.probes.spec import Probe, Reading, argument
from pagewalk.trace.events import (
    PauseStateSet,
    RequestEnqueued,
    RequestFinished,
    RequestPreempted,
    RequestSet,
)

SCHEDULER = "vllm.v1.core.sched.scheduler:Scheduler"
Args = tuple[Any, ...]
Kwargs = dict[str, Any]


def request_enqueued(scheduler: Any, args: Args, kwargs: Kwargs) -> Reading | None:
    """Read before the call, so that the request is known when it enters a queue. The next
    chunk of a streaming session is not a new request."""
    request = argument(args, kwargs, 0, "request")
    if request.request_id in scheduler.requests:
        return None
    return enqueued(scheduler._pagewalk, request)


def enqueued(engine: int, request: Any) -> Reading:
    """The request as the scheduler sees it before its first step."""
    lora = request.lora_request
    return (
        RequestEnqueued,
        engine,
        request.request_id,
        request.status.name,
        request.num_prompt_tokens,
        request.num_tokens,
        request.max_tokens,
        request.num_computed_tokens,
        request.priority,
        request.arrival_time,
        lora.lora_name if lora is not None else "",
        request.client_index,
    )


def preemption_begun(scheduler: Any, args: Args, kwargs: Kwargs) -> tuple[int, int]:
    """What the call is about to reset: computed tokens; and the length of the request."""
    request = argument(args, kwargs, 0, "request")
    return request.num_computed_tokens, request.num_tokens


def request_preempted(
    scheduler: Any, args: Args, kwargs: Kwargs, result: Any, begun: tuple[int, int]
) -> Reading:
    """The victim, and what it loses."""
    request = argument(args, kwargs, 0, "request")
    return (
        RequestPreempted,
        scheduler._pagewalk,
        request.request_id,
        begun[0],
        begun[1],
        request.num_preemptions,
    )


def request_finished(scheduler: Any, args: Args, kwargs: Kwargs, result: Any) -> Reading:
    """All finishes pass here: stop, length, abort, error."""
    request = argument(args, kwargs, 0, "request")
    return (
        RequestFinished,
        scheduler._pagewalk,
        request.request_id,
        request.status.name,
        request.num_computed_tokens,
        request.num_tokens,
        request.num_output_tokens,
    )


def pause_state_set(scheduler: Any, args: Args, kwargs: Kwargs, result: Any) -> Reading:
    """Paused schedulers look at no new request (`PAUSED_NEW`) or at none (`PAUSED_ALL`)."""
    state = argument(args, kwargs, 0, "pause_state")
    return (PauseStateSet, scheduler._pagewalk, state.name)


def nothing(scheduler: Any, args: Args, kwargs: Kwargs, result: Any) -> None:
    """The call's parts have told everything; its end is a moment at which the state is whole."""


def _counters(request: Any) -> tuple[str, int, int]:
    return request.status.name, request.num_computed_tokens, request.num_tokens


def blocked_begun(scheduler: Any, args: Args, kwargs: Kwargs) -> tuple[str, int, int]:
    """Status and counters before the waiting pass looks whether the request is ready."""
    return _counters(argument(args, kwargs, 0, "request"))


def blocked_handled(
    scheduler: Any, args: Args, kwargs: Kwargs, result: Any, begun: tuple[str, int, int]
) -> Reading | None:
    """A grammar that is ready or a KV transfer that arrived changes the request in place."""
    request = argument(args, kwargs, 0, "request")
    now = _counters(request)
    return None if now == begun else (RequestSet, request.request_id, *now, "unblocked")


def session_updated(scheduler: Any, args: Args, kwargs: Kwargs, result: Any) -> Reading:
    """The next chunk of a streaming session replaces the prompt and drops the last token."""
    session = argument(args, kwargs, 0, "session")
    counters = _counters(session)
    return (RequestSet, session.request_id, *counters, "session", session.arrival_time)


def kv_load_failure_begun(
    scheduler: Any, args: Args, kwargs: Kwargs
) -> dict[str, tuple[str, int, int]]:
    """The counters of all requests: what comes back names only those that run."""
    return {number: _counters(request) for number, request in scheduler.requests.items()}


def kv_load_failed(
    scheduler: Any, args: Args, kwargs: Kwargs, result: Any, begun: dict[str, tuple[str, int, int]]
) -> list[Reading] | None:
    """Requests whose externally loaded blocks are invalid are set back to the valid prefix."""
    return [
        (RequestSet, number, *_counters(request), "kv_load_failed")
        for number, request in scheduler.requests.items()
        if _counters(request) != begun.get(number)
    ] or None


PROBES = (
    Probe("requests", f"{SCHEDULER}.add_request", "before", request_enqueued, ("request",)),
    Probe(
        "requests",
        f"{SCHEDULER}._preempt_request",
        "around",
        request_preempted,
        ("request",),
        begin=preemption_begun,
    ),
    Probe("requests", f"{SCHEDULER}._free_request", "after", request_finished, ("request",)),
    Probe("requests", f"{SCHEDULER}.finish_requests", "after", nothing),
    Probe("requests", f"{SCHEDULER}.set_pause_state", "after", pause_state_set, ("pause_state",)),
    Probe(
        "requests",
        f"{SCHEDULER}._handle_blocked_waiting_request",
        "around",
        blocked_handled,
        ("request",),
        begin=blocked_begun,
        optional=True,
        note="since 0.31",
    ),
    Probe(
        "requests",
        f"{SCHEDULER}._try_promote_blocked_waiting_request",
        "around",
        blocked_handled,
        ("request",),
        begin=blocked_begun,
        optional=True,
        note="until 0.30",
    ),
    Probe(
        "requests",
        f"{SCHEDULER}._update_request_as_session",
        "after",
        session_updated,
        ("session",),
    ),
    Probe(
        "requests",
        f"{SCHEDULER}._handle_invalid_blocks",
        "around",
        kv_load_failed,
        begin=kv_load_failure_begun,
    ),
    Probe(
        "requests",
        f"{SCHEDULER}._handle_failed_recving",
        "around",
        kv_load_failed,
        begin=kv_load_failure_begun,
        optional=True,
        note="since 0.30",
    ),
)
