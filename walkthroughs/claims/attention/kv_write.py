"""Claims of the page on the KV write: what is read in a step was written by then."""

from __future__ import annotations

from pagewalk.replay.batches import Batch, Row
from pagewalk.views.evidence import Run


def _pair(run: Run) -> tuple[Batch, Row, Row]:
    """The first batch, with both requests in it."""
    batch = next(iter(run.batches().values()))
    writer, reader = batch.rows
    assert (run.name(writer.request), run.name(reader.request)) == ("writer", "reader")
    return batch, writer, reader


def _read(run: Run, batch: Batch) -> list[list[int]]:
    """For each row, the slots of all tokens that attention reads: as many as `seq_lens` says."""
    size = run.engine.block_sizes[0]
    (told,) = run.prepared()[batch.step]
    assert told.seq_lens is not None
    return [
        [(row.tables[0] or ())[token // size] * size + token % size for token in range(length)]
        for row, length in zip(batch.rows, told.seq_lens, strict=True)
    ]


def read_in_the_step_that_writes(run: Run) -> dict[str, object]:
    """Both are admitted in one step, and one of them counts tokens as computed that are not."""
    batch, writer, reader = _pair(run)
    shared = (reader.tables[0] or ())[0]
    size = run.engine.block_sizes[0]
    assert (writer.tables[0] or ())[0] == shared
    assert (writer.computed, reader.computed) == (0, size)
    written = {slot // size for slot in writer.slots[0] or ()}
    assert shared in written
    assert run.steps[0].step == batch.step
    return {
        "step": batch.step,
        "block": shared,
        "computed": reader.computed,
        "writer": list(writer.tables[0] or ()),
        "reader": list(reader.tables[0] or ()),
        "writes": writer.tokens,
        "own": reader.tokens,
        "size": size,
    }


def reader_writes_elsewhere(run: Run) -> dict[str, object]:
    """Who hits a block writes none of it: the two sets of slots of the step are apart."""
    _, writer, reader = _pair(run)
    ours, theirs = set(writer.slots[0] or ()), set(reader.slots[0] or ())
    assert ours
    assert theirs
    assert ours.isdisjoint(theirs)
    return {"writer": f"{min(ours)} to {max(ours)}", "reader": f"{min(theirs)} to {max(theirs)}"}


def a_row_reads_what_it_writes(run: Run) -> dict[str, object]:
    """`seq_lens` counts the tokens of this very step: each row reads every slot it writes."""
    rows = 0
    for batch in run.batches().values():
        for row, read in zip(batch.rows, _read(run, batch), strict=True):
            assert read[row.computed :] == list(row.slots[0] or ())
            assert len(read) == row.computed + row.tokens
            rows += 1
    assert rows > 5
    batch, _, reader = _pair(run)
    reads = _read(run, batch)
    return {"rows": rows, "writer": len(reads[0]), "reader": len(reads[1]), "own": reader.tokens}


def read_across_rows(run: Run) -> dict[str, object]:
    """In the first step a row reads slots that another row writes in the same step."""
    batch, writer, reader = _pair(run)
    ours, theirs = _read(run, batch)[1], set(writer.slots[0] or ())
    across = [slot for slot in ours if slot in theirs]
    assert len(across) == reader.computed > 0
    return {"slots": len(across), "first": min(across), "last": max(across)}


def written_then_read(run: Run) -> dict[str, object]:
    """No step reads a slot that neither it nor a step before has written."""
    written: set[int] = set()
    reads = fresh = 0
    for batch in run.batches().values():
        now = {slot for row in batch.rows for slot in row.slots[0] or ()}
        written |= now
        for read in _read(run, batch):
            assert set(read) <= written
            reads += len(read)
            fresh += len(now.intersection(read))
    assert fresh > 0
    return {"steps": len(run.batches()), "reads": reads, "fresh": fresh, "written": len(written)}


def one_write_for_a_token(run: Run) -> dict[str, object]:
    """The slot mapping has a slot for each token of the step, and no slot twice in the run."""
    slots = [
        slot for one in run.batches().values() for row in one.rows for slot in row.slots[0] or ()
    ]
    assert len(slots) == len(set(slots)) == sum(step.used for step in run.steps) > 50
    for step, (told,) in run.prepared().items():
        assert (told.fields or {})["slot_mapping"] == f"int64[{run.step(step).used}]"
    return {"slots": len(slots), "steps": len(run.steps)}


def fewer_writes_than_prompts(run: Run) -> dict[str, object]:
    """The shared tokens are written once for both prompts."""
    _, writer, reader = _pair(run)
    saved = reader.computed
    prompts = writer.tokens + reader.tokens + saved
    assert saved > 0
    return {"prompts": prompts, "written": writer.tokens + reader.tokens, "saved": saved}
