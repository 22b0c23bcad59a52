"""Worker segments -> when the model ran for each step of an engine."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pagewalk.trace.events import (
    AttentionPrepared,
    BatchPrepared,
    EngineConfigured,
    ExecutionEnded,
    ExecutionStarted,
    RoleTaken,
)
from pagewalk.trace.read import Segment, Trace
from pagewalk.views.engines import Engine


@dataclass(frozen=True, slots=True)
class Execution:
    """From the worker's call to its last return for the step, on the lowest rank that was traced.

    On a GPU the calls return when the work is launched, not when it is done. `prepared` is when
    the last thing was told of the batch before the model ran, `executed` when `execute_model`
    returned; `sample_tokens` began at `sampling`. Each is 0 where it was not recorded.
    """

    step: int
    pid: int
    rank: int
    began: int
    ended: int
    prepared: int = 0
    executed: int = 0
    sampling: int = 0

    @property
    def took(self) -> int:
        """Nanoseconds."""
        return self.ended - self.began

    @property
    def forward(self) -> int:
        """Nanoseconds that the model took, its inputs being ready; 0 unknown."""
        return self.executed - self.prepared if self.executed and self.prepared else 0

    @property
    def sampled(self) -> int:
        """Nanoseconds in `sample_tokens`; 0 unknown, or where it is no call of its own."""
        return self.ended - self.sampling if self.sampling else 0


def executions(trace: Trace, engine: Engine) -> dict[int, Execution]:
    """The model runs of an engine by step."""
    found: dict[int, Execution] = {}
    for segment in workers(trace, engine):
        for run in _of_segment(segment):
            known = found.get(run.step)
            if known is None or run.rank < known.rank:
                found[run.step] = run
    return found


def workers(trace: Trace, engine: Engine) -> list[Segment]:
    """The engine's own process and its children; any worker where there is but one engine.

    Workers that are nobody's children, as Ray's are, belong to the engine of their data parallel
    rank. A process that ran several engines is left out: its events do not say for which.
    """
    cores = [
        (one.pid, fact.dp_rank) for one in trace.segments for fact in one.facts_of(EngineConfigured)
    ]
    if len(cores) == 1:
        return list(trace.segments)
    pids = {pid for pid, _ in cores}
    rank, pid = engine.configured.dp_rank, engine.segment.pid
    alone = [dp_rank for _, dp_rank in cores].count(rank) == 1
    return [
        one
        for one in trace.segments
        if len(one.engines) <= 1
        and (
            pid in (one.pid, _parent(one))
            or (alone and not pids & {one.pid, _parent(one)} and _dp_rank(one) == rank)
        )
    ]


def _dp_rank(segment: Segment) -> int | None:
    """The data parallel rank of the workers in a process, where it is one."""
    ranks = {one.dp_rank for one in segment.facts_of(RoleTaken) if one.role == "worker"}
    return ranks.pop() if len(ranks) == 1 else None


def _parent(segment: Segment) -> int | None:
    return segment.started.parent_pid if segment.started is not None else None


def _of_segment(segment: Segment) -> list[Execution]:
    """`sample_tokens` does not know its step: it belongs to the step executed last."""
    runs: dict[int, Execution] = {}
    current: dict[int, int] = {}
    for event in segment.events:
        if type(event) is ExecutionStarted:
            if event.step >= 0:
                current[event.rank] = event.step
                runs[event.step] = Execution(event.step, segment.pid, event.rank, event.t, event.t)
            else:
                current.pop(event.rank, None)
        elif type(event) is BatchPrepared or type(event) is AttentionPrepared:
            run = runs.get(event.step)
            if run is not None and not run.executed:
                runs[run.step] = replace(run, prepared=event.t)
        elif type(event) is ExecutionEnded:
            step = event.step if event.step >= 0 else current.get(event.rank)
            run = runs.get(step) if step is not None else None
            if run is not None:
                runs[run.step] = _ended(run, event)
    return list(runs.values())


def _ended(run: Execution, event: ExecutionEnded) -> Execution:
    if event.call == "execute_model":
        return replace(run, ended=event.t, executed=event.t)
    return replace(run, ended=event.t, sampling=event.began)


__all__ = ["Execution", "executions", "workers"]
