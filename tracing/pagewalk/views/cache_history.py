"""Hash and block events -> the fate of every block hash: when cached, by whom, evicted for whom."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pagewalk.trace.events import (
    BlocksTaken,
    HashAdded,
    HashRemoved,
    PrefixCacheReset,
    StepStarted,
    TableExtended,
    TableReplaced,
)
from pagewalk.views.engines import Engine

Block = tuple[int, int]  # pool and block id


@dataclass(slots=True)
class Fate:
    """One time that a hash was cached in one group. Steps are those begun last."""

    group: int
    block: int
    cached_step: int
    cached_by: int | None
    gone_step: int | None = None
    gone_by: int | None = None
    how: str = ""
    """Empty while it is cached; then `taken`, `reset` or `removed`."""


class CacheHistory:
    """What happened to each hash of an engine's pools so far; `watch` feeds it from a walk."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._pools = {pool.pool for pool in engine.pools}
        self._pool_of = {table.table: table.pool for table in engine.tables}
        self._last: dict[str, dict[int, Fate]] = {}
        # Identical blocks are not merged: one key may be cached in several of them.
        self._live: dict[tuple[str, int], dict[Block, Fate]] = {}
        self._owner: dict[Block, int] = {}
        self._evicted: list[tuple[Block, Fate]] = []
        self._taken: dict[Block, list[Fate]] = {}
        self._step = 0

    @property
    def watch(self) -> dict[type, Callable[[Any], None]]:
        """The events it needs, for `Walk`."""
        return {
            StepStarted: self._started,
            HashAdded: self._added,
            HashRemoved: self._removed,
            PrefixCacheReset: self._reset,
            BlocksTaken: self._blocks_taken,
            TableExtended: self._handed,
            TableReplaced: self._handed,
        }

    def fates(self, block_hash: str) -> tuple[Fate, ...]:
        """The last time that the hash was cached, one for each group."""
        return tuple(self._last.get(block_hash, {}).values())

    def _started(self, event: StepStarted) -> None:
        self._evicted.clear()
        if event.engine == self._engine.number:
            self._step = event.step

    def _added(self, event: HashAdded) -> None:
        self._evicted.clear()
        if event.pool not in self._pools:
            return
        block = (event.pool, event.block)
        fate = Fate(event.group, event.block, self._step, self._owner.get(block))
        self._live.setdefault((event.hash, event.group), {})[block] = fate
        self._last.setdefault(event.hash, {})[event.group] = fate

    def _removed(self, event: HashRemoved) -> None:
        key, block = (event.hash, event.group), (event.pool, event.block)
        live = self._live.get(key, {})
        fate = live.pop(block, None)
        if fate is None:
            return
        fate.how, fate.gone_step = "removed", self._step
        self._evicted.append((block, fate))
        if live:
            self._last[event.hash][event.group] = next(iter(live.values()))
        else:
            self._last[event.hash][event.group] = fate
            del self._live[key]

    def _reset(self, event: PrefixCacheReset) -> None:
        self._evicted.clear()
        for key in list(self._live):
            live = self._live[key]
            for block in [one for one in live if one[0] == event.pool]:
                fate = live.pop(block)
                fate.how, fate.gone_step = "reset", self._step
            if not live:
                del self._live[key]

    def _blocks_taken(self, event: BlocksTaken) -> None:
        """An eviction is a block handed out again: its hashes went just before this."""
        for number in event.blocks:
            self._owner.pop((event.pool, number), None)
            self._taken.pop((event.pool, number), None)
        taken = set(event.blocks)
        for block, fate in self._evicted:
            if block[0] == event.pool and block[1] in taken:
                fate.how = "taken"
                self._taken.setdefault(block, []).append(fate)
        self._evicted.clear()

    def _handed(self, event: TableExtended | TableReplaced) -> None:
        self._evicted.clear()
        pool = self._pool_of.get(event.table)
        if pool is None:
            return
        for number in event.blocks:
            block = (pool, number)
            self._owner.setdefault(block, event.request)
            for fate in self._taken.pop(block, ()):
                fate.gone_by = event.request


__all__ = ["CacheHistory", "Fate"]
