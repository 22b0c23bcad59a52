"""What a trace says of its run and of an engine's objects -> the header of a payload."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pagewalk.trace.events import ProbesInstalled
from pagewalk.trace.read import Trace
from pagewalk.views.engines import Engine
from pagewalk.views.payload_columns import SCHEMA
from pagewalk.views.payload_facts import KINDS
from pagewalk.views.payload_ops import CODES
from pagewalk.views.payload_requests import FIELDS

if TYPE_CHECKING:
    from pagewalk.views.payload import Recording

SOURCE = "https://github.com/vllm-project/vllm/blob/v{}/"


def start_of(trace: Trace) -> int:
    """The first moment of a trace, in monotonic nanoseconds; 0 for a trace without events."""
    return min((one.events[0].t for one in trace.segments if one.events), default=0)


def header(
    trace: Trace, engine: Engine, recording: Recording, sources: Mapping[str, str]
) -> dict[str, Any]:
    """All facts of a payload that are not columns, but for the names of the requests."""
    configured = engine.configured
    known = trace.header
    return {
        "schema": SCHEMA,
        "release": configured.release,
        "device": configured.device,
        "model": configured.model,
        "scheduler": configured.scheduler,
        "pagewalk": known.pagewalk,
        "recorded": _date(known.wall_ns),
        "run": known.run,
        "engine": engine.index,
        "dp_rank": configured.dp_rank,
        "level": known.level,
        "problems": list(known.problems),
        "source_url": SOURCE.format(configured.release) if configured.release else "",
        "settings": configured.settings,
        "pools": _pools(engine, recording),
        "tables": _tables(engine, recording),
        "queues": _queues(engine, recording),
        "frames": len(recording.steps),
        "changes": recording.blocks.changes,
        "entries": recording.blocks.entries,
        "codes": CODES,
        "fields": FIELDS,
        "kinds": {kind: {"event": event, "names": names} for kind, (event, names) in KINDS.items()},
        "words": recording.words.listed,
        "sites": recording.facts.sites,
        "sources": _sources(trace, engine, sources),
    }


def _pools(engine: Engine, recording: Recording) -> list[dict[str, Any]]:
    """In the payload's order, the blocks of all of them numbered in one row."""
    found: list[dict[str, Any]] = []
    first = 0
    media = {one.pool: one.medium for one in engine.pools}
    for number in recording.blocks.pools:
        pool = recording.machine.pools.get(number)
        size, null, caching = (
            (pool.num_blocks, pool.null_block, pool.caching) if pool is not None else (0, 0, False)
        )
        found.append(
            {
                "pool": number,
                "first": first,
                "size": size,
                "null_block": null,
                "caching": caching,
                "medium": media.get(number, ""),
            }
        )
        first += size
    return found


def _tables(engine: Engine, recording: Recording) -> list[dict[str, Any]]:
    pools = list(recording.blocks.pools)
    found = []
    for number in recording.blocks.tables:
        table = recording.machine.tables.get(number)
        if table is None:
            table = next(one for one in engine.tables if one.table == number)
        found.append(
            {
                "table": number,
                "group": table.group,
                "pool": table.pool,
                "pool_index": pools.index(table.pool) if table.pool in pools else -1,
                "block_size": table.block_size,
                "kind": table.kind,
            }
        )
    return found


def _queues(engine: Engine, recording: Recording) -> list[dict[str, Any]]:
    declared = {one.queue: (one.name, one.policy) for one in engine.queues}
    found = []
    for number in recording.places.queues:
        queue = recording.machine.queues.get(number)
        name, policy = declared.get(number) or (queue.name, queue.policy)
        found.append({"name": name, "policy": policy})
    return found


def _sources(trace: Trace, engine: Engine, sources: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Event name -> the function it is the event of, with its line where the trace knows it."""
    lines: dict[str, int] = {}
    for segment in trace.segments:
        for event in segment.facts_of(ProbesInstalled):
            if segment is engine.segment:
                lines.update(event.lines)
            else:
                lines = {**event.lines, **lines}
    found = {}
    for event, target in sorted(sources.items()):
        module, _, symbol = target.partition(":")
        file = module.replace(".", "/") + ".py"
        found[event] = {"symbol": symbol, "file": file, "line": lines.get(target, 0)}
    return found


def _date(wall_ns: int) -> str:
    try:
        return datetime.fromtimestamp(wall_ns / 1e9, UTC).isoformat(timespec="seconds")
    except (OverflowError, OSError, ValueError):
        return ""


__all__ = ["header", "start_of"]
