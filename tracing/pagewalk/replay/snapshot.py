"""Machine -> the frozen state of one engine at one moment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pagewalk.errors import PagewalkError
from pagewalk.replay.machine import Machine

SCHEDULED = "scheduled"
UPDATED = "updated"

FIELDS = (
    "free_queue",
    "ref_counts",
    "hashes",
    "tables",
    "queues",
    "running",
    "requests",
)


@dataclass(frozen=True, slots=True)
class PoolFacts:
    """A pool's size and how much of it is free, beside the queue itself."""

    num_blocks: int
    num_free: int
    null_block: int
    caching: bool
    medium: str


@dataclass(frozen=True, slots=True)
class TableFacts:
    """What a block table is the table of."""

    group: int
    pool: int
    block_size: int
    kind: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state of one engine after event `seq`; `lost` says why it is not known, or is empty."""

    engine: int
    step: int
    at: str
    seq: int
    t: int
    lost: str
    pools: dict[int, PoolFacts]
    tables: dict[int, TableFacts]
    policies: dict[str, str]
    budget: int
    input_budget: int
    used: int
    state: dict[str, Any]

    @property
    def known(self) -> bool:
        """Whether the state at this moment is known."""
        return not self.lost

    def fields(self) -> dict[str, Any]:
        """The canonical state; an error where events that made it were lost."""
        if self.lost:
            raise PagewalkError(
                "state-unknown",
                f"the state at step {self.step} ({self.at}) is not known, because {self.lost}: "
                "choose a step before that, or after the next state dump",
            )
        return self.state


def take(machine: Machine, engine: int, step: int, at: str) -> Snapshot:
    """Freeze the state of an engine as it is now."""
    lost = machine.lost(engine)
    state = machine.engines.get(engine)
    return Snapshot(
        engine=engine,
        step=step,
        at=at,
        seq=machine.seq,
        t=machine.t,
        lost=lost,
        pools={
            number: PoolFacts(
                pool.num_blocks, len(pool.free), pool.null_block, pool.caching, pool.medium
            )
            for number, pool in machine.engine_pools(engine).items()
        },
        tables={
            number: TableFacts(table.group, table.pool, table.block_size, table.kind)
            for number, table in machine.tables.items()
            if table.engine == engine
        },
        policies={
            queue.name: queue.policy for queue in machine.queues.values() if queue.engine == engine
        },
        budget=state.budget if state else 0,
        input_budget=state.input_budget if state else 0,
        used=state.used if state else 0,
        state={} if lost else canonical(machine, engine),
    )


def canonical(machine: Machine, engine: int) -> dict[str, Any]:
    """The state of an engine as the live side dumps it: plain data, request ids as strings."""
    names = machine.names
    state = machine.engines[engine]
    state.catch_up()
    pools = machine.engine_pools(engine)
    return {
        "free_queue": {str(number): list(pool.free) for number, pool in pools.items()},
        "ref_counts": {
            str(number): {str(block): count for block, count in pool.refs.items()}
            for number, pool in pools.items()
        },
        "hashes": {
            str(number): {key: list(blocks) for key, blocks in pool.hashes.items()}
            for number, pool in pools.items()
        },
        "tables": {
            str(number): {
                names.get(request, f"?{request}"): list(row)
                for request, row in table.rows.items()
                if row
            }
            for number, table in machine.tables.items()
            if table.engine == engine
        },
        "queues": {
            queue.name: [names.get(request, f"?{request}") for request in queue]
            for queue in machine.queues.values()
            if queue.engine == engine
        },
        "running": [names.get(request, f"?{request}") for request in state.running],
        "requests": {
            names.get(request, f"?{request}"): [one.status, one.computed, one.tokens]
            for request, one in state.requests.items()
        },
    }


__all__ = [
    "FIELDS",
    "SCHEDULED",
    "UPDATED",
    "PoolFacts",
    "Snapshot",
    "TableFacts",
    "canonical",
    "take",
]
