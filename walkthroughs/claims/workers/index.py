"""Claims of the page that opens the part on workers."""

from __future__ import annotations

from pagewalk.views.evidence import Run
from pagewalk.views.executed import executed


def both_sides(run: Run) -> dict[str, object]:
    """One step, as the scheduler meant it and as the worker ran it."""
    batch = max(run.batches().values(), key=lambda one: (len(one.rows), one.step))
    step, size = run.step(batch.step), run.engine.block_sizes[0]
    meant = run.scheduled(batch.step).tables
    assert len(batch.rows) > 2
    assert {row.request: row.tokens for row in batch.rows} == {
        share.request: share.tokens for share in step.scheduled
    }
    assert all(row.tables == meant[row.request] for row in batch.rows)
    row = batch.rows[0]
    table, (slot,) = meant[row.request][0], row.slots[0] or ()
    block, offset = table[row.computed // size], row.computed % size
    assert slot == block * size + offset
    return {
        "step": step.step,
        "meant": [run.name(share.request) for share in step.scheduled],
        "ran": [run.name(one.request) for one in batch.rows],
        "meant_tokens": [share.tokens for share in step.scheduled],
        "ran_tokens": [one.tokens for one in batch.rows],
        "name": run.name(row.request),
        "meant_table": list(table),
        "ran_table": list(row.tables[0] or ()),
        "block": block,
        "size": size,
        "offset": offset,
        "slot": slot,
    }


def whole_run(run: Run) -> dict[str, object]:
    """Every table entry and every slot of the worker is what the scheduler's tables say."""
    (rank,) = executed(run.trace, run.engine)
    assert rank.differing == rank.unknown == 0
    assert rank.slots == sum(step.used for step in run.steps) > 50
    return {"steps": rank.steps, "entries": rank.entries, "slots": rank.slots}
