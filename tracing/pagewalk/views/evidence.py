"""Trace -> what a claim is judged by: steps, states, events and the lives of requests.

A page's predicate gets a `Run` and returns the facts that its sentence shows, or fails. Requests
are named as their author named them: `long` is found under the id the engine made of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from pagewalk.errors import PagewalkError
from pagewalk.replay.batches import Batch, batches
from pagewalk.replay.prepared import Prepared, prepared
from pagewalk.replay.snapshot import SCHEDULED, UPDATED
from pagewalk.replay.timeline import Timeline
from pagewalk.trace.events import AttentionSelected, Event, RequestEnqueued
from pagewalk.trace.read import Trace, open_trace
from pagewalk.views.blocks import Blocks, blocks
from pagewalk.views.engines import Engine, engines
from pagewalk.views.execution import workers
from pagewalk.views.follow import Follower, follow
from pagewalk.views.graphs import GraphRun, graph_runs
from pagewalk.views.identity import Identities, identities
from pagewalk.views.life import Life, life
from pagewalk.views.step import Preemption, Step
from pagewalk.views.steps import steps

E = TypeVar("E", bound=Event)


class EngineRun:
    """One engine of a trace, replayed: everything a predicate may ask of it.

    `engine` holds its facts: `num_blocks` (the null block included), `block_sizes`,
    `setting(name)`, `configured.release`, `configured.scheduler`, `configured.device`.
    """

    def __init__(self, trace: Trace, engine: Engine) -> None:
        self.trace = trace
        self.engine = engine
        self._followed: dict[str, Follower] = {}

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """Every step in order."""
        return tuple(steps(self.engine))

    def step(self, number: int) -> Step:
        """The step of that number, as the engine counts from 1."""
        for one in self.steps:
            if one.step == number:
                return one
        raise PagewalkError("unknown-step", f"There is no step {number} in {self.trace.path.name}.")

    def scheduled(self, number: int) -> Blocks:
        """Block tables, free queue and queues right after that step's schedule()."""
        return blocks(self.engine, self._timeline.at(number, SCHEDULED))

    def updated(self, number: int) -> Blocks:
        """The same right after that step's update_from_output()."""
        return blocks(self.engine, self._timeline.at(number, UPDATED))

    def before(self, number: int) -> Blocks:
        """The same as the last update before that step left it."""
        return self.updated(number - 1)

    @cached_property
    def preemptions(self) -> tuple[Preemption, ...]:
        """Every preemption in order, those outside steps included."""
        found = {
            (one.seq, one.request): one
            for step in self.steps
            for one in (*step.preempted_before, *step.preempted)
        }
        return tuple(found[key] for key in sorted(found))

    @cached_property
    def requests(self) -> tuple[str, ...]:
        """The internal ids of the requests this engine took, in the order they came."""
        number, names = self.engine.number, self.engine.segment.names
        came = (one for one in self.events(RequestEnqueued) if one.engine == number)
        here = {names.get(one.request) for one in came}
        # An engine that was adopted while it ran had requests before the trace began.
        here |= {share.request for step in self.steps for share in step.scheduled}
        return tuple(name for name in self._known.requests if name in here)

    def id(self, name: str) -> str:
        """The internal id of a request by its author's name; several or none is an error."""
        if name in self.requests:
            return name
        mine = self._known.by_external.get(name, ())
        found = [one for one in mine if one in self.requests]
        # vLLM appends eight characters to an id; with no front end in the trace only they tell.
        found = found or [one for one in self.requests if one.rpartition("-")[0] == name]
        if len(found) != 1:
            raise PagewalkError(
                "unknown-request", f"{len(found)} requests of this engine are named {name!r}."
            )
        return found[0]

    def name(self, request: str) -> str:
        """The author's name of a request, by its internal id."""
        return self._known.external(request) or request

    def follow(self, name: str) -> Follower:
        """One request's turns, waits, losses and prefix lookups."""
        request = self.id(name)
        if request not in self._followed:
            self._followed[request] = follow(self.engine, request)
        return self._followed[request]

    def life(self, name: str) -> Life:
        """One request's life over all processes."""
        return life(self.trace, self.engine, self._known, self.id(name))

    def batches(self, rank: int = 0) -> dict[int, Batch]:
        """Step -> the batch as that rank ran it, from the worker's own rows."""
        return {
            batch.step: batch
            for segment in workers(self.trace, self.engine)
            for batch in batches(segment.events, segment.names)
            if batch.rank == rank
        }

    def prepared(self, rank: int = 0) -> dict[int, list[Prepared]]:
        """Step -> what each attention backend of that rank was told of its batch."""
        found: dict[int, list[Prepared]] = {}
        for segment in workers(self.trace, self.engine):
            for one in prepared(segment.events):
                if one.rank == rank:
                    found.setdefault(one.step, []).append(one)
        return found

    def attention(self, rank: int = 0) -> tuple[AttentionSelected, ...]:
        """The attention backend of each set of layers on that rank, as it was chosen last."""
        last: dict[tuple[int, int], AttentionSelected] = {}
        for segment in workers(self.trace, self.engine):
            for one in segment.events:
                if isinstance(one, AttentionSelected) and one.rank == rank:
                    last[one.group, one.part] = one
        return tuple(last[key] for key in sorted(last))

    def graphs(self, rank: int = 0) -> dict[int, GraphRun]:
        """Step -> with which CUDA graph that rank ran it, or why with none."""
        return graph_runs(self.trace, self.engine, rank)

    def events(self, kind: type[E]) -> Iterator[E]:
        """The events of one type in the segment that this engine wrote, in order."""
        return (one for one in self.engine.segment.events if isinstance(one, kind))

    @cached_property
    def _known(self) -> Identities:
        return identities(self.trace)

    @cached_property
    def _timeline(self) -> Timeline:
        return Timeline(self.engine.segment, self.engine.number)


class Run(EngineRun):
    """A trace; what is asked of it without naming an engine is asked of its first one."""

    def __init__(self, trace: Trace) -> None:
        found = engines(trace)
        if not found:
            raise PagewalkError("no-engine", f"No engine wrote into {trace.path.name}.")
        super().__init__(trace, found[0])
        self.engines: tuple[EngineRun, ...] = (
            self,
            *(EngineRun(trace, one) for one in found[1:]),
        )


def replayed(path: Path | str) -> Run:
    """Open a trace to judge claims by it."""
    return Run(open_trace(path))


__all__ = ["EngineRun", "Run", "replayed"]
