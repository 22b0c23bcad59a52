"""KV-cache manager built -> event, and its `req_to_blocks` watched: the block tables."""

from __future__ import annotations

from typing import Any

from pagewalk.probes.spec import ENGINE, NUMBER, Probe, Reading
from pagewalk.trace.events import TablesCreated

MANAGER = "vllm.v1.core.single_type_kv_cache_manager:SingleTypeKVCacheManager"
SOURCE = "vllm.v1.core.single_type_kv_cache_manager:HiSparseSourceManager"


def tables_created(
    manager: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any
) -> Reading:
    """Which group and pool the tables of this manager belong to."""
    return (
        TablesCreated,
        manager._pagewalk,
        getattr(manager, ENGINE),
        manager.kv_cache_group_id,
        getattr(manager.block_pool, NUMBER),
        manager.block_size,
        type(manager.kv_cache_spec).__name__,
    )


# A block table is a plain list in a defaultdict, changed in many places of many managers. The
# list itself is watched, so that no place can be forgotten and an unchanged table costs nothing.
PROBES = (
    Probe(
        "tables",
        f"{MANAGER}.__init__",
        "track",
        tables_created,
        family="table",
        children=("req_to_blocks",),
    ),
    Probe(
        "tables",
        f"{SOURCE}.bind_host_pool",
        "after",
        tables_created,
        optional=True,
        note="the manager moves to a pool of its own; since 0.30",
    ),
)
