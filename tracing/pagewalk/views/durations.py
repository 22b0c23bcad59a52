"""A life's moments -> how long its parts took, in nanoseconds, as far as the trace allows."""

from __future__ import annotations

from collections.abc import Sequence

from pagewalk.views.follow import Follower, Lost
from pagewalk.views.moments import Moment


def durations(
    ordered: Sequence[Moment],
    follower: Follower | None,
    tokens: tuple[int | None, int | None],
    outputs: int,
) -> dict[str, int]:
    """The parts of a life. `tokens`: when the first and the last new token were appended."""
    first = {one.what: one for one in reversed(ordered)}
    turns = list(follower.turns.values()) if follower else []
    arrived = first["arrived"].start if "arrived" in first else None
    enqueued = first["enqueued"].t if "enqueued" in first else None
    finished = first["finished"].t if "finished" in first else None
    delivered = first["delivered"].t if "delivered" in first else None
    admitted = turns[0].began if turns else None
    origin = enqueued if arrived is None else arrived
    found = {
        "to_engine": _between(arrived, enqueued),
        "queued": _between(enqueued, admitted),
        "prefill": _between(admitted, tokens[0]),
        "first_token": _between(origin, tokens[0]),
        "decode": _between(*tokens),
        "total": _between(origin, finished if delivered is None else delivered),
    }
    decode = found["decode"]
    if decode is not None and outputs > 1:
        found["per_output_token"] = decode // (outputs - 1)
    if follower is not None and follower.lost:
        found["preempted"] = sum(_away(lost, follower) for lost in follower.lost)
    model = [ran for one in ordered if isinstance(ran := one.facts.get("model"), int)]
    if model:
        found["model"] = sum(model)
    # Clocks of different hosts may disagree: no answer is better than a negative one.
    return {name: value for name, value in found.items() if value is not None and value >= 0}


def _away(lost: Lost, follower: Follower) -> int:
    """How long the request was out after one preemption."""
    turn = follower.turns.get(lost.resumed_step) if lost.resumed_step is not None else None
    return max(0, turn.began - lost.t) if turn is not None else 0


def _between(start: int | None, end: int | None) -> int | None:
    return None if start is None or end is None else end - start


__all__ = ["durations"]
