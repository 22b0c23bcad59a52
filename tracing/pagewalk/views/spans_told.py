"""A request's stay in the engine and its moments outside -> one value that all exports write.

The durations are those of `life`, in nanoseconds, made from the walk over all requests.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from pagewalk.views.engines import Engine
from pagewalk.views.moments import STOP_STRING, Moment
from pagewalk.views.spans import Stay

STOPPED = "stop string"


@dataclass(frozen=True)
class Told:
    """One request of the trace; `engine` and `stay` are None if no engine core ever took it."""

    request: str
    external: str | None
    engine: Engine | None
    stay: Stay | None
    outside: tuple[Moment, ...]

    def moment(self, what: str) -> Moment | None:
        """The first moment of a kind in a front end or at the core's socket."""
        return next((one for one in self.outside if one.what == what), None)

    @property
    def status(self) -> str:
        """How it ended: the engine's word, or that of the front end for a stop string."""
        if self.stay is None:
            return "never reached an engine core"
        return STOPPED if self.moment(STOP_STRING) is not None else self.stay.status

    @cached_property
    def durations(self) -> dict[str, int]:
        """As `Life.durations`, in nanoseconds: only those that the trace allows."""
        stay = self.stay
        arrived, delivered = self.moment("arrived"), self.moment("delivered")
        begin = arrived.start if arrived is not None else None
        if stay is None:
            found = {"total": _between(begin, delivered.t if delivered else None)}
            return {name: value for name, value in found.items() if value is not None}
        enqueued = stay.enqueued.t if stay.enqueued is not None else None
        finished = stay.finished.t if stay.finished is not None else None
        origin = enqueued if begin is None else begin
        decode = _between(stay.first_token, stay.last_token)
        found = {
            "to_engine": _between(begin, enqueued),
            "queued": _between(enqueued, stay.admitted),
            "prefill": _between(stay.admitted, stay.first_token),
            "first_token": _between(origin, stay.first_token),
            "decode": decode,
            "total": _between(origin, delivered.t if delivered is not None else finished),
        }
        if decode is not None and stay.output_tokens > 1:
            found["per_output_token"] = decode // (stay.output_tokens - 1)
        away = [one for one in stay.phases if one.kind == "preempted"]
        if away:
            found["preempted"] = sum(
                max(0, one.ended - one.began) for one in away if one.resumed is not None
            )
        found["model"] = stay.model
        return {name: value for name, value in found.items() if value is not None and value >= 0}


def _between(start: int | None, end: int | None) -> int | None:
    return None if start is None or end is None else end - start


__all__ = ["STOPPED", "Told"]
