"""Trace -> the engines in it: which is which, how each is configured, which pools it uses."""

from __future__ import annotations

from dataclasses import dataclass

from pagewalk.errors import PagewalkError
from pagewalk.trace.events import EngineConfigured, PoolCreated, QueueCreated, TablesCreated
from pagewalk.trace.read import Segment, Trace


@dataclass(frozen=True, slots=True)
class Engine:
    """One scheduler of the trace. `index` counts them by data parallel rank, then by process."""

    index: int
    segment: Segment
    number: int
    configured: EngineConfigured
    tables: tuple[TablesCreated, ...]
    pools: tuple[PoolCreated, ...]
    queues: tuple[QueueCreated, ...]

    @property
    def block_sizes(self) -> tuple[int, ...]:
        """Tokens in a block, one number for each KV-cache group."""
        return tuple(table.block_size for table in self.tables)

    @property
    def num_blocks(self) -> int:
        """Blocks of the main pool, the null block among them."""
        return self.pools[0].num_blocks if self.pools else 0

    @property
    def caching(self) -> bool:
        """Whether the main pool keeps a prefix cache."""
        return bool(self.pools) and self.pools[0].caching

    def setting(self, name: str, default: int = 0) -> int:
        """An integer of the engine's settings."""
        value = self.configured.settings.get(name, default)
        return value if isinstance(value, int) else default


@dataclass(frozen=True, slots=True)
class EngineSummary:
    """What a heading says of an engine."""

    engine: int
    pid: int
    dp_rank: int
    release: str
    model: str
    device: str
    scheduler: str
    num_blocks: int
    block_sizes: tuple[int, ...]
    budget: int
    prefix_caching: bool


def engines(trace: Trace) -> tuple[Engine, ...]:
    """All engines of the trace, by data parallel rank."""
    found = [
        (event, segment)
        for segment in trace.segments
        if segment.engines
        for event in segment.events
        if type(event) is EngineConfigured
    ]
    found.sort(key=lambda one: (one[0].dp_rank, one[1].pid, one[1].name, one[0].engine))
    return tuple(_engine(index, segment, event) for index, (event, segment) in enumerate(found))


def pick_engine(trace: Trace, index: int | None) -> Engine:
    """The engine a user means. Several and none named is an error that lists them."""
    found = engines(trace)
    if not found:
        raise PagewalkError(
            "no-engine",
            "The trace has no engine core: no scheduler was built in any traced process. "
            "`pagewalk check` says which processes wrote and what is missing.",
        )
    if index is None and len(found) == 1:
        return found[0]
    if index is None:
        raise PagewalkError(
            "several-engines",
            f"The trace has {len(found)} engines, and step numbers are each engine's own: "
            f"add --engine 0 to --engine {len(found) - 1}.",
        )
    if not 0 <= index < len(found):
        known = "--engine 0" if len(found) == 1 else f"--engine 0 to {len(found) - 1}"
        raise PagewalkError("no-such-engine", f"There is no engine {index} in it: use {known}.")
    return found[index]


def summary(engine: Engine) -> EngineSummary:
    """The engine in a few plain values."""
    configured = engine.configured
    return EngineSummary(
        engine=engine.index,
        pid=engine.segment.pid,
        dp_rank=configured.dp_rank,
        release=configured.release,
        model=configured.model,
        device=configured.device,
        scheduler=configured.scheduler,
        num_blocks=engine.num_blocks,
        block_sizes=engine.block_sizes,
        budget=engine.setting("max_num_scheduled_tokens"),
        prefix_caching=engine.caching,
    )


def _engine(index: int, segment: Segment, configured: EngineConfigured) -> Engine:
    """Join what the engine's own events say about its tables, pools and queues."""
    number = configured.engine
    # A manager that moves to another pool is declared again: the last word holds.
    tables = {
        one.table: one
        for one in segment.events
        if type(one) is TablesCreated and one.engine == number
    }
    ordered = sorted(tables.values(), key=lambda one: (one.group, one.table))
    pools = {one.pool: one for one in segment.events if type(one) is PoolCreated}
    used = [one.pool for one in ordered]
    # A pool that no table uses (offloading) belongs to the process's only engine, if it has one.
    spare = list(pools) if len(segment.engines) == 1 else []
    return Engine(
        index=index,
        segment=segment,
        number=number,
        configured=configured,
        tables=tuple(ordered),
        pools=tuple(pools[one] for one in dict.fromkeys(used + spare) if one in pools),
        queues=tuple(
            one for one in segment.events if type(one) is QueueCreated and one.engine == number
        ),
    )


__all__ = ["Engine", "EngineSummary", "engines", "pick_engine", "summary"]
