"""A walk -> what adds up over it: counts of the engine, and the steps that each request waited."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pagewalk.trace.events import Dropped, HashRemoved, RequestEnqueued, RequestFinished
from pagewalk.views.engines import Engine
from pagewalk.views.step import Step
from pagewalk.views.walk import Report, Walk


class Counting:
    """One engine, walked once. Iterate; the figures are whole when the walk is at its end.

    `waited`: internal id -> steps in which the request was in a queue and got no tokens.
    """

    def __init__(self, engine: Engine, report: Report | None = None) -> None:
        self.engine = engine
        watch = {
            HashRemoved: self._removed,
            RequestEnqueued: self._enqueued,
            RequestFinished: self._finished,
        }
        self.walk = Walk(engine, report, watch)
        self.waited: dict[str, int] = {}
        self.unknown: dict[int, str] = {}
        self.first = self.last = 0
        self._since: dict[str, int] = {}
        self._pools = {one.pool for one in engine.pools}
        self._steps = self._tokens = self._hits = self._refusals = 0
        self._preemptions = self._evictions = self._ends = 0

    def __iter__(self) -> Iterator[Step]:
        for step in self.walk:
            self._take(step)
            yield step
        for request in list(self._since):
            self._stop(request)
        self._preemptions += len(self.walk.outside)

    @property
    def counts(self) -> dict[str, int]:
        """The engine's figures by name."""
        return {
            "steps": self._steps,
            "scheduled tokens": self._tokens,
            "preemptions": self._preemptions,
            "prefix hit tokens": self._hits,
            "evicted hashes": self._evictions,
            "refused allocations": self._refusals,
            "finished requests": self._ends,
        }

    @property
    def lost(self) -> str:
        """Why the figures cannot be whole, or empty. A segment that just stops may still be."""
        segment = self.engine.segment
        if segment.gaps:
            return segment.gaps[0].reason
        dropped = next((one for one in segment.events if type(one) is Dropped), None)
        if dropped is not None:
            return dropped.reason
        return next(iter(self.unknown.values()), "")

    def _take(self, step: Step) -> None:
        done, self._steps = self._steps, self._steps + 1
        self.first, self.last = self.first or step.step, step.step
        if step.unknown:
            self.unknown[step.step] = step.unknown
        self._tokens += step.used
        self._refusals += len(step.refused)
        self._preemptions += len(step.preempted)
        for one in (*step.preempted_before, *step.preempted):
            self._since[one.request] = done
        for share in step.scheduled:
            if share.admission != "running":
                self._stop(share.request, done)
                self._hits += share.computed or 0

    def _stop(self, request: str, now: int | None = None) -> None:
        since = self._since.pop(request, None)
        if since is not None:
            now = self._steps if now is None else now
            self.waited[request] = self.waited.get(request, 0) + now - since

    def _removed(self, event: HashRemoved) -> None:
        self._evictions += event.pool in self._pools

    def _enqueued(self, event: RequestEnqueued) -> None:
        if event.engine == self.engine.number:
            self._since[self._name(event)] = self._steps

    def _finished(self, event: RequestFinished) -> None:
        if event.engine == self.engine.number:
            self._ends += 1
            self._stop(self._name(event))

    def _name(self, event: Any) -> str:
        return self.walk.machine.request_id(event.request)


__all__ = ["Counting"]
