"""Model runner V1 -> event: the batch a rank is about to run, with its own block tables and slots.

Everything is read from host memory. On a GPU the slots are computed on the device, and a probe
copies nothing from there: they are left out then.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from pagewalk.probes.memory import Memory
from pagewalk.probes.spec import STEP, Probe, Reading
from pagewalk.trace.events import BatchPrepared

Args = tuple[Any, ...]
Kwargs = dict[str, Any]
Rows = list[tuple[int, list[int]]]


class _Table:
    """A worker's block table as it was in the last batch: how many blocks in a row, and which."""

    __slots__ = ("cells", "has_slots", "lengths", "raw", "width")

    def __init__(self, has_slots: bool) -> None:
        # A cache of states has none, and what their buffer holds means nothing then.
        self.has_slots = has_slots
        self.raw: tuple[bytes, bytes] | None = None
        self.width = 0
        self.lengths: Any = None
        self.cells: Any = None


class _Runner:
    """Who was in the last batch, and its block tables, as long as they belong to `whole`."""

    __slots__ = ("requests", "tables", "whole")

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.tables: list[_Table] = []
        self.whole: Callable[[], Any] = lambda: None


_runners = Memory(_Runner)


def batch_prepared(runner: Any, args: Args, kwargs: Kwargs, result: Any) -> Reading | None:
    """Who is in which row, what the worker's block tables hold, where each token's KV goes."""
    output = args[0] if args else kwargs["scheduler_output"]
    step = getattr(output, STEP, None)
    if step is None:
        return None
    batch = runner.input_batch
    count, tokens = batch.num_reqs, output.total_num_scheduled_tokens
    held = _runners.of(runner)
    requests = batch.req_ids[:count]
    removed = _removed(held, requests) if requests != held.requests else ()
    whole = batch.block_table
    tables = whole.block_tables
    fresh = held.whole() is not whole
    if fresh:
        held.whole = weakref.ref(whole)
        held.tables = [_Table(_mode(table) != "NONE") for table in tables]
    rows, slots = [], []
    for kept, table in zip(held.tables, tables, strict=True):
        rows.append(_changed(kept, table, count))
        slots.append(_slots(table, tokens, count) if kept.has_slots else ())
    new, resumed = output.scheduled_new_reqs, output.scheduled_cached_reqs.resumed_req_ids
    return (
        BatchPrepared,
        step,
        int(runner.parallel_config.rank),
        held.requests,  # while it stays, the encoder knows this very list
        batch.num_computed_tokens_cpu[:count].tolist(),
        list(map(output.num_scheduled_tokens.__getitem__, requests)),
        rows,
        slots,
        [int(table.block_size) for table in tables] if fresh else (),
        "V1",
        (),
        None,
        [one.req_id for one in new] if new else (),
        sorted(resumed) if resumed else (),
        removed,
    )


def _removed(held: _Runner, requests: list[str]) -> list[str]:
    """Those that were in the last batch and are not in this one."""
    before, held.requests = held.requests, requests
    here = set(requests)
    return [one for one in before if one not in here]


def _changed(held: _Table, table: Any, count: int) -> Rows:
    """The first `count` rows, but for those that are as they were in the batch before."""
    rows, blocks = table.num_blocks_per_row[:count], table.block_table.np
    # Bytes first: on most steps nothing has changed, and comparing them costs next to nothing.
    lengths = rows.tobytes()
    before = held.raw
    if before is not None and before[0] == lengths:
        raw = blocks[:count, : held.width].tobytes()
        if raw == before[1]:
            return []
    width = max(rows.tolist(), default=0)
    cells = blocks[:count, :width].copy()
    old_lengths, old_cells = held.lengths, held.cells
    held.raw, held.width = (lengths, cells.tobytes()), width
    held.lengths, held.cells = rows.copy(), cells
    if before is None:
        return _rows(range(count), held)
    both, narrow = min(count, len(old_lengths)), min(width, old_cells.shape[1])
    # Where the lengths are equal, both tables are wide enough for the row.
    differ = set((held.lengths[:both] != old_lengths[:both]).nonzero()[0].tolist())
    unlike = (cells[:both, :narrow] != old_cells[:both, :narrow]).ravel().nonzero()[0]
    differ.update([place // narrow for place in unlike.tolist()])
    return _rows([*sorted(differ), *range(both, count)], held)


def _rows(wanted: Any, held: _Table) -> Rows:
    lengths, cells = held.lengths, held.cells
    return [(row, cells[row, : lengths[row]].tolist()) for row in wanted]


def _slots(table: Any, tokens: int, count: int) -> Any:
    """Runs of neighbouring slots: first, length, first, length; empty if the device has them.

    Where nearly each token stands alone it is all slots, as a tuple: the encoder makes the runs.
    """
    buffer = table.slot_mapping
    device = buffer.gpu
    if not device.is_cpu:
        return ()
    slots = (buffer.np if device is buffer.cpu else device.numpy())[:tokens]
    if tokens <= 2 * count:
        return tuple(slots.tolist())
    starts = [0, *((slots[1:] - slots[:-1]) != 1).nonzero()[0] + 1]
    ends = [*starts[1:], tokens]
    return [int(one) for a, b in zip(starts, ends, strict=True) for one in (slots[a], b - a)]


def _mode(table: Any) -> str:
    return getattr(getattr(table, "slot_mapping_mode", None), "name", "")


PROBES = (
    Probe(
        "batches",
        "vllm.v1.worker.gpu_model_runner:GPUModelRunner._prepare_inputs",
        "after",
        batch_prepared,
        ("scheduler_output",),
        level="full",
        forget=_runners.clear,
    ),
)
