"""Claims of the page on what is gone: a common prefix that nobody is told of, and one kernel."""

from __future__ import annotations

from pagewalk.replay.batches import Batch
from pagewalk.replay.prepared import Prepared
from pagewalk.views.evidence import Run


def _three(run: Run) -> tuple[Batch, Prepared]:
    """The first batch with all three requests, and what the backend was told of it."""
    batch = next(one for one in run.batches().values() if len(one.rows) == 3)
    (told,) = run.prepared()[batch.step]
    return batch, told


def _shared(batch: Batch) -> list[int]:
    """The blocks with which every row's table begins."""
    tables = [row.tables[0] or () for row in batch.rows]
    same = []
    for blocks in zip(*tables, strict=False):
        if len(set(blocks)) > 1:
            break
        same.append(blocks[0])
    return same


def three_share_their_beginning(run: Run) -> dict[str, object]:
    """All running requests have a common prefix, block for block."""
    batch, _ = _three(run)
    shared = _shared(batch)
    size = run.engine.block_sizes[0]
    assert len(shared) == 3
    assert set(run.scheduled(batch.step).running) == {row.request for row in batch.rows}
    return {
        "step": batch.step,
        "blocks": shared,
        "tokens": len(shared) * size,
        "rows": len(batch.rows),
        "size": size,
    }


def each_is_told_in_full(run: Run) -> dict[str, object]:
    """The backend is told every row's whole length, the common tokens included each time."""
    batch, told = _three(run)
    common = len(_shared(batch)) * run.engine.block_sizes[0]
    assert told.seq_lens is not None
    assert all(length > common for length in told.seq_lens)
    assert told.seq_lens == tuple(row.computed + row.tokens for row in batch.rows)
    return {
        "names": [run.name(row.request) for row in batch.rows],
        "seq": list(told.seq_lens),
        "step": batch.step,
    }


def read_once_for_each(run: Run) -> dict[str, object]:
    """How often the common tokens are read in the step, and how often cascade would have."""
    batch, told = _three(run)
    common = len(_shared(batch)) * run.engine.block_sizes[0]
    rows = len(batch.rows)
    assert rows > 1
    assert common > 0
    return {
        "all": sum(told.seq_lens or ()),
        "common": common * rows,
        "once": common,
        "saved": common * (rows - 1),
        "rows": rows,
    }


def no_field_for_a_prefix(run: Run) -> dict[str, object]:
    """No field of the metadata is about a common prefix."""
    _, told = _three(run)
    names = sorted(told.fields or ())
    assert len(names) > 5
    assert not [one for one in names if "prefix" in one or "cascade" in one]
    return {"kind": told.kind, "fields": names, "count": len(names)}


def a_row_for_each(run: Run) -> dict[str, object]:
    """Each request has a full row in the block table, shared blocks written out in each."""
    batch, told = _three(run)
    table = str((told.fields or {})["block_table"])
    assert table.startswith(f"int32[{len(batch.rows)}, ")
    listed = [block for row in batch.rows for block in row.tables[0] or ()]
    shared = _shared(batch)
    assert all(listed.count(block) == len(batch.rows) for block in shared)
    return {"rows": len(batch.rows), "entries": len(listed), "blocks": len(set(listed))}


def one_class_for_all_steps(run: Run) -> dict[str, object]:
    """A prompt, a mixed batch, a step of decodes: the same class of metadata every time."""
    told = [one for step in run.prepared().values() for one in step]
    kinds = {one.kind for one in told}
    prompts = [one.step for one in told if min(one.query_lens) > 1]
    mixed = [one.step for one in told if min(one.query_lens) == 1 < max(one.query_lens)]
    decodes = [one.step for one in told if max(one.query_lens) == 1]
    assert prompts
    assert mixed
    assert decodes
    assert len(kinds) == 1
    return {"kind": kinds.pop(), "prompts": prompts, "mixed": mixed, "decodes": decodes}


def short_and_long_in_one_batch(run: Run) -> dict[str, object]:
    """Lengths that differ stand side by side in one metadata; nothing sorts them apart."""
    _, told = _three(run)
    lengths = told.seq_lens or ()
    assert len(set(lengths)) == len(lengths) > 1
    assert told.num_reqs == len(lengths)
    assert len(run.attention()) == 1
    return {"least": min(lengths), "most": max(lengths), "step": told.step}
