"""Model runner V1 -> event: the batch a rank is about to run, with its own block tables and slots.

Everything is read from host memory. On a GPU the slots are computed on the device, and a probe
copies nothing from there: they are left out then.
"""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

from pagewalk.probes.spec import STEP, Probe, Reading, argument
from pagewalk.trace.events import BatchPrepared

Args = tuple[Any, ...]
Kwargs = dict[str, Any]
Rows = list[tuple[int, list[int]]]

# Worker's block table -> its rows in the last batch: how many blocks, and which.
_last: WeakKeyDictionary[Any, tuple[Any, Any]] = WeakKeyDictionary()


def batch_prepared(runner: Any, args: Args, kwargs: Kwargs, result: Any) -> Reading | None:
    """Who is in which row, what the worker's block tables hold, where each token's KV goes."""
    output = argument(args, kwargs, 0, "scheduler_output")
    step = getattr(output, STEP, None)
    if step is None:
        return None
    batch = runner.input_batch
    count = batch.num_reqs
    requests = list(batch.req_ids[:count])
    scheduled = output.num_scheduled_tokens
    tables = batch.block_table.block_tables
    fresh = [table for table in tables if table not in _last]
    return (
        BatchPrepared,
        step,
        int(runner.parallel_config.rank),
        requests,
        batch.num_computed_tokens_cpu[:count].tolist(),
        [scheduled[request] for request in requests],
        [_changed(table, count) for table in tables],
        [_slots(table, output.total_num_scheduled_tokens) for table in tables],
        [int(table.block_size) for table in tables] if fresh else [],
    )


def _changed(table: Any, count: int) -> Rows:
    """The first `count` rows, but for those that are as they were in the batch before."""
    lengths = table.num_blocks_per_row[:count].copy()
    cells = table.block_table.np[:count, : int(lengths.max(initial=0))].copy()
    before = _last.get(table)
    _last[table] = (lengths, cells)
    if before is None:
        return _rows(range(count), lengths, cells)
    old_lengths, old_cells = before
    both, width = min(count, len(old_lengths)), min(cells.shape[1], old_cells.shape[1])
    # Where the lengths are equal, both tables are wide enough for the row.
    differs = (lengths[:both] != old_lengths[:both]) | (
        cells[:both, :width] != old_cells[:both, :width]
    ).any(axis=1)
    return _rows([*differs.nonzero()[0].tolist(), *range(both, count)], lengths, cells)


def _rows(wanted: Any, lengths: Any, cells: Any) -> Rows:
    return [(row, cells[row, : lengths[row]].tolist()) for row in wanted]


def _slots(table: Any, tokens: int) -> list[int]:
    """Runs of neighbouring slots: first, length, first, length; empty if the device has them."""
    device = table.slot_mapping.gpu
    # A cache of states has no slots, and what its buffer holds means nothing.
    if device.device.type != "cpu" or _mode(table) == "NONE":
        return []
    slots = device[:tokens].numpy()
    starts = [0, *((slots[1:] - slots[:-1]) != 1).nonzero()[0] + 1] if tokens else []
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
        forget=_last.clear,
    ),
)
