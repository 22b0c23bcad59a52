"""Snapshot -> the block tables of one moment: who holds which block, and which comes next.

The null block is left out of `ref_counts`: the engine does not maintain its count. The keys of
the first pool stand at the top; further pools (offloading, say) follow in `other_pools`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pagewalk.errors import PagewalkError
from pagewalk.replay.machine import Machine
from pagewalk.replay.snapshot import SCHEDULED, UPDATED, Snapshot, take
from pagewalk.trace.events import StepScheduled, StepUpdated
from pagewalk.views.engines import Engine

Report = Callable[[int, int], None]
MAIN_QUEUES = ("waiting", "kv_holding_waiting")
_REPORT_EVERY = 8192


@dataclass(frozen=True, slots=True)
class PoolBlocks:
    """One pool: `free_queue` in the order in which blocks will be taken."""

    pool: int
    num_blocks: int
    null_block: int
    medium: str
    free_queue: tuple[int, ...]
    ref_counts: dict[int, int]
    hashed: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class RequestBlocks:
    """One unfinished request: its counters, and its block table for each KV-cache group."""

    request: str
    status: str
    computed: int
    tokens: int
    tables: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class Blocks:
    """All blocks and queues of one engine at one moment."""

    release: str
    engine: int
    step: int
    at: str
    pools: tuple[PoolBlocks, ...]
    block_sizes: tuple[int, ...]
    requests: tuple[RequestBlocks, ...]
    queues: dict[str, tuple[str, ...]]
    running: tuple[str, ...]
    tables: dict[str, tuple[tuple[int, ...], ...]] = field(default_factory=dict)


def snapshot_at(engine: Engine, step: int, at: str, report: Report | None = None) -> Snapshot:
    """Replay the engine up to that moment; raises where the trace has no such moment."""
    wanted = StepScheduled if at == SCHEDULED else StepUpdated
    machine, events = Machine(), engine.segment.events
    steps: list[int] = []
    for index, event in enumerate(events):
        machine.apply(event)
        if report is not None and index % _REPORT_EVERY == 0:
            report(index, len(events))
        kind = type(event)
        if kind is StepScheduled and event.engine == engine.number:
            steps.append(event.step)
        if kind is wanted and event.engine == engine.number and event.step == step:
            return take(machine, engine.number, step, at)
    raise _no_moment(steps, step)


def blocks(engine: Engine, snapshot: Snapshot) -> Blocks:
    """The snapshot in the engine's words; an error where the state is not known."""
    state = snapshot.fields()
    pools = tuple(_pool(number, snapshot, state) for number in _pool_order(engine, snapshot))
    order = [str(table.table) for table in engine.tables]
    order += [key for key in state["tables"] if key not in order]
    rows = [state["tables"].get(table, {}) for table in order]
    tables = {
        request: tuple(tuple(row.get(request, ())) for row in rows)
        for request in dict.fromkeys(request for row in rows for request in row)
    }
    return Blocks(
        release=engine.configured.release,
        engine=engine.index,
        step=snapshot.step,
        at=snapshot.at,
        pools=pools,
        block_sizes=engine.block_sizes,
        requests=tuple(
            RequestBlocks(request, status, computed, tokens, tables.get(request, ()))
            for request, (status, computed, tokens) in state["requests"].items()
        ),
        queues={name: tuple(ids) for name, ids in state["queues"].items()},
        running=tuple(state["running"]),
        tables=tables,
    )


def as_json(view: Blocks) -> dict[str, Any]:
    """The one object that `pagewalk blocks --json` prints."""
    main = view.pools[0] if view.pools else None
    queues = {name: list(view.queues.get(name, ())) for name in MAIN_QUEUES}
    others = [
        {
            "pool": pool.pool,
            "medium": pool.medium,
            "num_blocks": pool.num_blocks,
            **_pool_json(pool),
        }
        for pool in view.pools[1:]
    ]
    # Up to release 0.30 skipped requests wait in a queue of their own.
    queues |= {name: list(ids) for name, ids in view.queues.items() if name not in queues}
    return {
        "release": view.release,
        "step": view.step,
        "at": view.at,
        "num_blocks": main.num_blocks if main else 0,
        "block_sizes": list(view.block_sizes),
        **(_pool_json(main) if main else {"free_queue": [], "ref_counts": {}, "hashed": []}),
        "tables": {request: [list(row) for row in rows] for request, rows in view.tables.items()},
        **queues,
        "running": list(view.running),
        **({"other_pools": others} if others else {}),
    }


def _pool_json(pool: PoolBlocks) -> dict[str, Any]:
    return {
        "free_queue": list(pool.free_queue),
        "ref_counts": {str(block): count for block, count in pool.ref_counts.items()},
        "hashed": list(pool.hashed),
    }


def _pool_order(engine: Engine, snapshot: Snapshot) -> list[int]:
    """The main pool first, whatever number it has."""
    known = [pool.pool for pool in engine.pools if pool.pool in snapshot.pools]
    return known + [number for number in snapshot.pools if number not in known]


def _pool(number: int, snapshot: Snapshot, state: dict[str, Any]) -> PoolBlocks:
    facts, key = snapshot.pools[number], str(number)
    counts = {int(block): count for block, count in state["ref_counts"][key].items()}
    counts.pop(facts.null_block, None)
    hashed = {block for blocks in state["hashes"][key].values() for block in blocks}
    return PoolBlocks(
        pool=number,
        num_blocks=facts.num_blocks,
        null_block=facts.null_block,
        medium=facts.medium,
        free_queue=tuple(state["free_queue"][key]),
        ref_counts=dict(sorted(counts.items())),
        hashed=tuple(sorted(hashed)),
    )


def _no_moment(steps: list[int], step: int) -> PagewalkError:
    if step in steps:
        return PagewalkError(
            "no-such-moment",
            f"Step {step} was scheduled, but no output of it came back before the trace ends: "
            f"ask for --at {SCHEDULED}.",
        )
    if not steps:
        return PagewalkError(
            "unknown-step", "The engine scheduled no step while it was traced: there is no state."
        )
    return PagewalkError(
        "unknown-step",
        f"There is no step {step}: the trace has steps {min(steps)} to {max(steps)}; "
        "`pagewalk show TRACE` lists them.",
    )


__all__ = ["SCHEDULED", "UPDATED", "Blocks", "PoolBlocks", "RequestBlocks", "as_json"]
__all__ += ["blocks", "snapshot_at"]
