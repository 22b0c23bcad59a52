"""Model runner V2 -> event: the batch a rank is about to run, as far as the host knows it.

V2 gives each request a state: a row of its block tables that it keeps while it is known to the
worker. The tables themselves live on the device. What is written to them is staged on the host
first, and read there, before it is sent. The slots are computed by a kernel on the device; nothing
is copied from there.
"""

from __future__ import annotations

from typing import Any

from pagewalk.probes.memory import Memory
from pagewalk.probes.spec import STEP, Probe, Reading, argument
from pagewalk.trace.events import BatchPrepared

RUNNER = "vllm.v1.worker.gpu.model_runner:GPUModelRunner"
TABLES = "vllm.v1.worker.gpu.block_table:BlockTables"
Args = tuple[Any, ...]
Kwargs = dict[str, Any]
# Of one KV-cache group: the states written, where in their rows, the blocks of all of them in one
# list, and where in that each write ends.
Staged = tuple[int, list[int], list[int], list[int], list[int]]


class _Tables:
    """What was staged since the last batch, whether there was one, and whether all is seen."""

    __slots__ = ("fresh", "staged", "watched")

    def __init__(self) -> None:
        self.staged: list[Staged] = []
        self.fresh, self.watched = True, False


class _Runner:
    """The requests that have a state, as of the last batch."""

    __slots__ = ("known",)

    def __init__(self) -> None:
        self.known: dict[str, int] = {}


_tables = Memory(_Tables)
_runners = Memory(_Runner)


def _forget() -> None:
    _tables.clear()
    _runners.clear()


def writes_staged(tables: Any, args: Args, kwargs: Kwargs) -> None:
    """Keep what is about to be sent to the device's block tables, for the event of the batch."""
    held = _tables.of(tables)
    held.watched = True
    for group, table in enumerate(tables.block_tables):
        states = table._staged_write_indices
        if states:
            held.staged.append(
                (
                    group,
                    list(states),
                    list(table._staged_write_starts),
                    list(table._staged_write_contents),
                    list(table._staged_write_cu_lens),
                )
            )


def batch_prepared_v2(runner: Any, args: Args, kwargs: Kwargs, result: Any) -> Reading | None:
    """Who is in which row and has which state, and what was written to the block tables."""
    output = argument(args, kwargs, 0, "scheduler_output")
    step = getattr(output, STEP, None)
    tables = runner.block_tables
    held = _tables.of(tables)
    staged, held.staged = held.staged, []
    # A batch that is made up to warm up is no step. Of one that several ranks compute in parts,
    # this rank's rows are not the scheduler's.
    if step is None or getattr(runner, "pcp_manager", None) is not None:
        return None
    fresh, held.fresh = held.fresh, False
    count = result.num_reqs
    starts = result.query_start_loc_np
    groups = int(tables.num_kv_cache_groups)
    return (
        BatchPrepared,
        step,
        int(runner.parallel_config.rank),
        result.req_ids[:count],
        result.num_computed_tokens_np[:count].tolist(),
        (starts[1 : count + 1] - starts[:count]).tolist(),
        [[] for _ in range(groups)],
        [[] for _ in range(groups)],
        _sizes(tables) if fresh and held.watched else [],
        "V2",
        result.idx_mapping_np[:count].tolist(),
        (groups, staged),
        [one.req_id for one in output.scheduled_new_reqs],
        [],
        _removed(_runners.of(runner), runner.req_states.req_id_to_index),
    )


def _sizes(tables: Any) -> list[int]:
    """Of the blocks that the tables name: up to 0.31 those of the kernels, later the manager's."""
    parts = hasattr(tables, "blocks_per_kv_block")
    return [int(one) for one in (tables.kernel_block_sizes if parts else tables.block_sizes)]


def _removed(held: _Runner, known: dict[str, int]) -> list[str]:
    """Those that had a state and have none now."""
    before = held.known
    if before == known:
        return []
    held.known = dict(known)
    return [one for one in before if one not in known]


PROBES = (
    Probe(
        "batches",
        f"{TABLES}.apply_staged_writes",
        "before",
        writes_staged,
        level="full",
        forget=_forget,
    ),
    Probe(
        "batches",
        f"{RUNNER}.prepare_inputs",
        "after",
        batch_prepared_v2,
        ("scheduler_output",),
        level="full",
    ),
)
