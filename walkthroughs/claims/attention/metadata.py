"""Claims of the page on one step's metadata: each field, worked out from the batch."""

from __future__ import annotations

from dataclasses import replace
from itertools import accumulate

from pagewalk.replay.batches import Batch, Row
from pagewalk.replay.prepared import Prepared
from pagewalk.views.evidence import Run
from pagewalk.views.executed import executed
from pagewalk.views.lengths import compare_lengths


def _mixed(run: Run, number: int = 0) -> tuple[Batch, Prepared]:
    """A step in which part of a prompt is computed while others decode, and what was told."""
    found = [
        one
        for one in run.batches().values()
        if len(one.rows) == 3 and len({row.tokens for row in one.rows}) == 2
    ]
    batch = found[number]
    (told,) = run.prepared()[batch.step]
    return batch, told


def _row(run: Run, batch: Batch, name: str) -> Row:
    """A request's row in a batch."""
    return next(row for row in batch.rows if row.request == run.id(name))


def rows_by_hand(run: Run) -> dict[str, object]:
    """Where a row begins, how many tokens it computes, how many it sees: all from the batch."""
    batch, told = _mixed(run)
    counts = [row.tokens for row in batch.rows]
    starts = [0, *accumulate(counts)]
    seen = [row.computed + row.tokens for row in batch.rows]
    assert told.query_lens == tuple(counts)
    assert told.seq_lens == tuple(seen)
    return {
        "step": batch.step,
        "names": [run.name(row.request) for row in batch.rows],
        "computed": [row.computed for row in batch.rows],
        "tokens": counts,
        "starts": starts,
        "seq": seen,
        "rows": len(counts),
        "total": sum(counts),
    }


def starts_are_sums(run: Run) -> dict[str, object]:
    """query_start_loc has one entry more than there are rows: the last one is the end."""
    batch, told = _mixed(run)
    assert told.fields is not None
    ends = sum(told.query_lens)
    assert told.fields["query_start_loc"] == f"int32[{len(batch.rows) + 1}]"
    assert told.num_tokens == ends == run.step(batch.step).used
    return {"entries": len(batch.rows) + 1, "rows": len(batch.rows), "end": ends}


def limits_are_the_longest(run: Run) -> dict[str, object]:
    """max_query_len and max_seq_len are the largest of the two lists, in every step here."""
    for (told,) in run.prepared().values():
        assert told.seq_lens is not None
        assert told.max_query_len == max(told.query_lens)
        assert told.max_seq_len == max(told.seq_lens)
    _, told = _mixed(run, 1)
    return {
        "step": told.step,
        "query": told.max_query_len,
        "seq": told.max_seq_len,
        "steps": len(run.prepared()),
    }


def tables_and_slots(run: Run) -> dict[str, object]:
    """One row of the block table for a request, one slot for a token."""
    batch, told = _mixed(run)
    assert told.fields is not None
    width = run.engine.setting("max_model_len") // batch.block_sizes[0]
    assert told.fields["block_table"] == f"int32[{len(batch.rows)}, {width}]"
    assert told.fields["slot_mapping"] == f"int64[{told.num_tokens}]"
    slots = [slot for row in batch.rows for slot in row.slots[0] or ()]
    assert len(slots) == told.num_tokens
    last = batch.rows[-1]
    return {
        "rows": len(batch.rows),
        "width": width,
        "slots": len(slots),
        "size": batch.block_sizes[0],
        "longest": run.engine.setting("max_model_len"),
        "name": run.name(last.request),
        "first": (last.slots[0] or (0,))[0],
        "block": (last.tables[0] or (0,))[0],
    }


def seen_beyond_the_batch(run: Run) -> dict[str, object]:
    """The second part of a prompt computes few tokens and sees all of them."""
    batch, told = _mixed(run, 1)
    row = _row(run, batch, "heron")
    assert told.seq_lens is not None
    assert told.seq_lens[row.row] == row.computed + row.tokens > row.tokens > 1
    return {
        "step": batch.step,
        "tokens": row.tokens,
        "computed": row.computed,
        "seq": told.seq_lens[row.row],
    }


def a_decode_step_counts_by_one(run: Run) -> dict[str, object]:
    """Where all rows decode, each computes one token and sees one more than a step before."""
    steps = run.prepared()
    pairs = [
        (steps[step - 1][0], told)
        for step, (told,) in steps.items()
        if step - 1 in steps and told.max_query_len == 1
    ]
    pairs = [(old, new) for old, new in pairs if new.num_reqs == old.num_reqs == 3]
    assert pairs
    for old, new in pairs:
        assert new.query_lens == (1, 1, 1)
        assert new.seq_lens == tuple(one + 1 for one in old.seq_lens or ())
    old, new = pairs[0]
    return {"step": new.step, "before": list(old.seq_lens or ()), "after": list(new.seq_lens or ())}


def rows_are_the_workers(run: Run) -> dict[str, object]:
    """When a request ends, rows move in the worker, and the metadata moves with them."""
    step, batch = list(run.batches().items())[-1]
    before = run.batches()[step - 1]
    (told,) = run.prepared()[step]
    names = [run.name(row.request) for row in batch.rows]
    assert told.seq_lens == tuple(row.computed + row.tokens for row in batch.rows)
    old = [run.name(row.request) for row in before.rows]
    assert [one for one in old if one in names] == names[::-1]
    running = [run.name(one) for one in run.scheduled(step).running]
    assert running == names[::-1]
    assert len(names) == 2
    return {
        "step": step,
        "running": running,
        "before": old,
        "after": names,
        "seq": list(told.seq_lens or ()),
    }


def every_row_agrees(run: Run) -> dict[str, object]:
    """Every row of every step is told as the batch has it."""
    (rank,) = executed(run.trace, run.engine)
    assert rank.differing == rank.unknown == 0
    assert rank.lengths == sum(len(one.rows) for one in run.batches().values()) > 15
    return {"steps": rank.steps, "rows": rank.lengths}


def wrong_length_is_named(run: Run) -> dict[str, object]:
    """Tell a backend one token too few of one row: the comparison finds the row and says so."""
    batch, told = _mixed(run)
    row = _row(run, batch, "crane")
    seq = list(told.seq_lens or ())
    seq[row.row] -= 1
    wrong = replace(told, seq_lens=tuple(seq))
    found = compare_lengths(batch, [wrong]).first
    assert found is not None
    assert found[0] == row.request
    return {"message": found[1].replace(row.request, "crane"), "told": seq[row.row]}
