"""RequestQueue call -> event: who waits where, in which order."""

from __future__ import annotations

from typing import Any

from pagewalk.probes.spec import NUMBER, Probe, Reading, argument
from pagewalk.trace.events import QueueAdded, QueuePopped, QueuePrepended, QueueRemoved

MODULE = "vllm.v1.core.sched.request_queue"
Args = tuple[Any, ...]
Kwargs = dict[str, Any]


def queue_added(queue: Any, args: Args, kwargs: Kwargs, result: Any) -> Reading | None:
    """The request's state as it enters the queue. Queues made for one step have no number."""
    number = getattr(queue, NUMBER, None)
    if number is None:
        return None
    request = argument(args, kwargs, 0, "request")
    return (
        QueueAdded,
        number,
        request.request_id,
        request.status.name,
        request.num_computed_tokens,
        request.num_tokens,
    )


def queue_popped(queue: Any, args: Args, kwargs: Kwargs, result: Any) -> Reading | None:
    """The head, taken for admission or to be put aside."""
    number = getattr(queue, NUMBER, None)
    return None if number is None else (QueuePopped, number, result.request_id)


def queue_prepended(queue: Any, args: Args, kwargs: Kwargs, result: Any) -> Reading | None:
    """One request put in front."""
    return _prepended(queue, [argument(args, kwargs, 0, "request")])


def queue_prepended_all(queue: Any, args: Args, kwargs: Kwargs, result: Any) -> Reading | None:
    """Several requests, each put in front of the one before."""
    return _prepended(queue, argument(args, kwargs, 0, "requests"))


def _prepended(queue: Any, requests: Any) -> Reading | None:
    number = getattr(queue, NUMBER, None)
    if number is None or not requests:
        return None
    return (
        QueuePrepended,
        number,
        [request.request_id for request in requests],
        [request.status.name for request in requests],
        [request.num_computed_tokens for request in requests],
        [request.num_tokens for request in requests],
    )


def queue_removed(queue: Any, args: Args, kwargs: Kwargs, result: Any) -> Reading | None:
    """One request taken out."""
    return _removed(queue, [argument(args, kwargs, 0, "request")])


def queue_removed_all(queue: Any, args: Args, kwargs: Kwargs, result: Any) -> Reading | None:
    """Requests to take out; those that are not in this queue are named all the same."""
    return _removed(queue, argument(args, kwargs, 0, "requests"))


def _removed(queue: Any, requests: Any) -> Reading | None:
    number = getattr(queue, NUMBER, None)
    if number is None or not requests:
        return None
    return (QueueRemoved, number, sorted(request.request_id for request in requests))


def _rows(queue: str) -> tuple[Probe, ...]:
    target = f"{MODULE}:{queue}"
    return (
        Probe("queues", f"{target}.add_request", "after", queue_added, ("request",)),
        Probe("queues", f"{target}.pop_request", "after", queue_popped),
        Probe("queues", f"{target}.prepend_request", "after", queue_prepended, ("request",)),
        Probe(
            "queues",
            f"{target}.prepend_requests",
            "after",
            queue_prepended_all,
            ("requests",),
            materialise=True,
        ),
        Probe("queues", f"{target}.remove_request", "after", queue_removed, ("request",)),
        Probe(
            "queues",
            f"{target}.remove_requests",
            "after",
            queue_removed_all,
            ("requests",),
        ),
    )


PROBES = _rows("FCFSRequestQueue") + _rows("PriorityRequestQueue")
