"""Events of one process, in order -> the state its engines had, one event at a time.

The machine follows literally what the events say, also where that breaks a law of the engine:
judging is the business of `laws`. What cannot be followed (a block that does not exist, a request
nobody introduced) is kept in `nonsense`, and the engine's state is lost from there on, until a
`StateDumped` tells all of it again. The same holds after events were lost. It never guesses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from pagewalk.replay.block_rules import BLOCK_RULES
from pagewalk.replay.pools import Pool
from pagewalk.replay.request_rules import REQUEST_RULES
from pagewalk.replay.requests import EngineState, RequestState, WaitingQueue
from pagewalk.replay.resync import rename, resync
from pagewalk.replay.tables import TableState
from pagewalk.trace.events import (
    Dropped,
    EngineConfigured,
    Event,
    PauseStateSet,
    ProbeFailed,
    QueueCreated,
    RequestNamed,
    StateDumped,
)
from pagewalk.trace.segment import Gap

# Losing one of these probes loses state; losing any other only loses facts about the state.
STATE_PROBES = (
    "vllm.v1.core.block_pool:",
    "vllm.v1.core.single_type_kv_cache_manager:",
    "vllm.v1.core.sched.",
)
_NONSENSE_KEPT = 1000
ADOPTED = "adopted"  # `StateDumped.at` of an engine that ran before the probes were in place


@dataclass(frozen=True, slots=True)
class Nonsense:
    """An event that cannot be followed, and why."""

    seq: int
    message: str


class Machine:
    """The state of all engines of one process; `apply` moves it on by one event."""

    __slots__ = (
        "blind",
        "engines",
        "lossy",
        "names",
        "nonsense",
        "pools",
        "queues",
        "requests",
        "seq",
        "t",
        "tables",
    )

    def __init__(self) -> None:
        self.engines: dict[int, EngineState] = {}
        self.pools: dict[int, Pool] = {}
        self.tables: dict[int, TableState] = {}
        self.queues: dict[int, WaitingQueue] = {}
        self.requests: dict[int, RequestState] = {}
        self.names: dict[int, str] = {}
        self.nonsense: list[Nonsense] = []
        self.lossy = False
        # A probe that the state hangs on failed: no dump can help after that.
        self.blind = ""
        self.seq = -1
        self.t = 0

    def apply(self, event: Event | Gap) -> None:
        """Move on by one event."""
        rule = RULES.get(type(event))
        if rule is not None:
            rule(self, event)
        self.seq = event.seq
        self.t = event.t

    def feed(self, events: Iterable[Event | Gap]) -> None:
        """Move on by many events."""
        get = RULES.get
        event = None
        for event in events:
            rule = get(type(event))
            if rule is not None:
                rule(self, event)
        if event is not None:
            self.seq, self.t = event.seq, event.t

    def copy(self) -> Machine:
        """An independent machine in the same state; names are only ever added, and are shared."""
        other = Machine()
        other.engines = {number: one.copy() for number, one in self.engines.items()}
        other.pools = {number: one.copy() for number, one in self.pools.items()}
        other.tables = {number: one.copy() for number, one in self.tables.items()}
        other.queues = {number: one.copy() for number, one in self.queues.items()}
        for engine in other.engines.values():
            other.requests.update(engine.requests)
        other.names = self.names
        other.nonsense = self.nonsense.copy()
        other.lossy, other.blind = self.lossy, self.blind
        other.seq, other.t = self.seq, self.t
        return other

    def size(self) -> int:
        """About how many entries a copy of this machine holds."""
        pools = sum(pool.size() for pool in self.pools.values())
        rows = sum(len(row) for table in self.tables.values() for row in table.rows.values())
        return pools + rows + 8 * len(self.requests)

    def request_id(self, request: int) -> str:
        """The engine's internal id of a request; `?7` where its name was lost."""
        return self.names.get(request, f"?{request}")

    def lost(self, engine: int) -> str:
        """Why the state of an engine is not known here, or empty."""
        if self.blind:
            return self.blind
        state = self.engines.get(engine)
        return state.lost if state is not None else f"engine {engine} is not in the trace yet"

    def engine_pools(self, engine: int) -> dict[int, Pool]:
        """The pools of an engine; a lone engine also has those no block table draws from."""
        lone = len(self.engines) == 1
        return {
            number: pool
            for number, pool in self.pools.items()
            if pool.engine == engine or (pool.engine is None and lone)
        }

    def lose(self, why: str, engine: int | None = None) -> None:
        """Say that the state of one engine, or of all, is not known from here on."""
        for number, state in self.engines.items():
            if not state.lost and engine in (None, number):
                state.lost = why

    def missing(self, event: Any, what: str, engine: int | None = None) -> None:
        """An event names something that nothing introduced: after a loss, that is no wonder."""
        if not self.lossy:
            self._note(event, f"{what}, which no event before it introduced", engine)
        self.lose(f"event {event.seq} names {what}, which is not in the trace", engine)

    def refuse(self, event: Any, why: str, engine: int | None = None) -> None:
        """An event says what cannot be: note it, and lose the engine."""
        self._note(event, why, engine)
        self.lose(f"event {event.seq} cannot be followed: {why}", engine)

    def _note(self, event: Any, why: str, engine: int | None) -> None:
        known = self.engines.get(engine) if engine is not None else None
        unsure = known.lost if known is not None else self.lossy
        if not unsure and not self.blind and len(self.nonsense) < _NONSENSE_KEPT:
            self.nonsense.append(Nonsense(event.seq, f"{type(event).__name__}: {why}"))


def _named(machine: Machine, event: RequestNamed) -> None:
    if machine.lossy:
        # After a loss, requests are named anew, because their names may have been lost.
        for number in [one for one in machine.requests if machine.names.get(one) == event.id]:
            rename(machine, number, event.request)
    machine.names[event.request] = event.id


def _configured(machine: Machine, event: EngineConfigured) -> None:
    state = machine.engines.setdefault(event.engine, EngineState())
    state.pause = str(event.settings.get("pause_state") or "")


def _paused(machine: Machine, event: PauseStateSet) -> None:
    state = machine.engines.get(event.engine)
    if state is None:
        machine.missing(event, f"engine {event.engine}")
    else:
        state.pause = event.state


def _queue_created(machine: Machine, event: QueueCreated) -> None:
    machine.engines.setdefault(event.engine, EngineState())
    machine.queues[event.queue] = WaitingQueue(event.engine, event.name, event.policy)


def _gap(machine: Machine, event: Gap) -> None:
    machine.lossy = True
    machine.lose(event.reason)


def _dropped(machine: Machine, event: Dropped) -> None:
    machine.lossy = True
    machine.lose(f"{event.count} events before event {event.seq} were dropped")


def _probe_failed(machine: Machine, event: ProbeFailed) -> None:
    if event.target.startswith(STATE_PROBES) and not machine.blind:
        machine.lossy = True
        machine.blind = f"the probe of a state change failed at event {event.seq}"
        machine.lose(machine.blind)


def _dumped(machine: Machine, event: StateDumped) -> None:
    state = machine.engines.get(event.engine)
    if state is None:
        machine.missing(event, f"engine {event.engine}")
        state = machine.engines[event.engine] = EngineState()
        state.lost = f"engine {event.engine} is not introduced"
    # A dump of a state that is known is there to be compared, not to be believed. An engine that
    # was adopted in the middle of its life has no other beginning than its dump.
    if (state.lost or event.at == ADOPTED) and not machine.blind:
        resync(machine, event)


Rule = Callable[[Machine, Any], None]
RULES: dict[type, Rule] = {
    **BLOCK_RULES,
    **REQUEST_RULES,
    RequestNamed: _named,
    EngineConfigured: _configured,
    PauseStateSet: _paused,
    QueueCreated: _queue_created,
    Gap: _gap,
    Dropped: _dropped,
    ProbeFailed: _probe_failed,
    StateDumped: _dumped,
}

__all__ = ["ADOPTED", "RULES", "STATE_PROBES", "Machine", "Nonsense"]
