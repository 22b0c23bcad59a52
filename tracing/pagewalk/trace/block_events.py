"""Events about engine objects, blocks and block tables: who took which, who gave it back."""

from __future__ import annotations

from pagewalk.trace.event import Event


class EngineConfigured(Event, frozen=True):
    """A `Scheduler` was built: release, model, device and the limits it schedules under."""

    engine: int
    scheduler: str
    model: str
    device: str
    release: str
    settings: dict[str, int | float | str | bool | None]
    dp_rank: int = 0


class PoolCreated(Event, frozen=True):
    """A `BlockPool` was built: ids 0..num_blocks-1, all free in id order but `null_block`."""

    pool: int
    num_blocks: int
    caching: bool
    null_block: int = 0
    medium: str = ""


class TablesCreated(Event, frozen=True):
    """One KV-cache manager: the block tables of KV-cache group `group`, blocks from `pool`."""

    table: int
    engine: int
    group: int
    pool: int
    block_size: int
    kind: str


class QueueCreated(Event, frozen=True):
    """A waiting queue of a scheduler, by attribute name (`waiting`, `kv_holding_waiting`, ...)."""

    queue: int
    engine: int
    name: str
    policy: str


class BlocksTaken(Event, frozen=True):
    """`BlockPool.get_new_blocks`: the front of the free queue, in order; ref counts 0 -> 1."""

    pool: int
    blocks: list[int]


class BlocksTouched(Event, frozen=True):
    """`BlockPool.touch`: ref counts + 1 (also of the null block); free ones leave the queue."""

    pool: int
    blocks: list[int]


class BlocksFreed(Event, frozen=True):
    """`BlockPool.free_blocks`, in call order: ref counts - 1; at 0 back to the free queue,
    unhashed ones (all, if caching is off) to the front in call order, hashed ones to the back.
    With `back` all go to the back, as 0.27 has it where caching is off."""

    pool: int
    blocks: list[int]
    back: bool = False


class BlocksUnpinned(Event, frozen=True):
    """`BlockPool.unpin_blocks`: ref counts - 1; at 0 to the tail of the free queue, hash or not."""

    pool: int
    blocks: list[int]


class HashAdded(Event, frozen=True):
    """`BlockHashToBlockMap.insert`: `hash` (salted, 64 bit, per run) of group `group` -> block."""

    pool: int
    group: int
    hash: str
    block: int


class HashRemoved(Event, frozen=True):
    """`BlockHashToBlockMap.pop` found it: the block can no longer be hit under `hash`."""

    pool: int
    group: int
    hash: str
    block: int


class PrefixCacheReset(Event, frozen=True):
    """`BlockPool.reset_prefix_cache` succeeded: no block has a hash any more."""

    pool: int


class CopyQueued(Event, frozen=True):
    """Copy-on-write: the worker will copy `source` into `copy`; `pinned` got one more ref count."""

    pool: int
    source: int
    copy: int
    pinned: int


class TableExtended(Event, frozen=True):
    """Blocks were appended to the request's block table."""

    table: int
    request: int
    blocks: list[int]


class TableEntrySet(Event, frozen=True):
    """One entry of a block table was replaced: by the null block (window drop) or a copy."""

    table: int
    request: int
    index: int
    block: int


class TableReplaced(Event, frozen=True):
    """The whole block table, after a change that is none of the others."""

    table: int
    request: int
    blocks: list[int]


class TableDropped(Event, frozen=True):
    """The request's block table was taken away (finish, preemption)."""

    table: int
    request: int
