"""Claims of the page on slots: the scheduler's table and the worker's, token by token."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from pagewalk.replay.batches import Batch, Row
from pagewalk.trace.events import BatchPrepared
from pagewalk.trace.segment import Segment
from pagewalk.views.evidence import Run
from pagewalk.views.executed import executed


def _row(batch: Batch, run: Run, name: str) -> Row:
    """A request's row in a batch."""
    return next(row for row in batch.rows if row.request == run.id(name))


def _slots(row: Row) -> tuple[int, ...]:
    """The slots that the worker used for the row's tokens."""
    return row.slots[0] or ()


def _both(run: Run) -> Batch:
    """The first batch with two requests in it."""
    return next(batch for batch in run.batches().values() if len(batch.rows) == 2)


def _place(run: Run, step: int, name: str, token: int) -> dict[str, object]:
    """By hand, from the scheduler's table: where the KV of a request's token lies."""
    size = run.engine.block_sizes[0]
    table = run.scheduled(step).tables[run.id(name)][0]
    entry, offset = token // size, token % size
    return {
        "token": token,
        "entry": entry,
        "offset": offset,
        "block": table[entry],
        "slot": table[entry] * size + offset,
    }


def one_token_by_hand(run: Run) -> dict[str, object]:
    """A generated token: the slot worked out from the scheduler's table is the worker's."""
    batch = _both(run)
    row = _row(batch, run, "long")
    place = _place(run, batch.step, "long", row.computed)
    assert _slots(row) == (place["slot"],)
    table = run.scheduled(batch.step).tables[row.request][0]
    return {
        "step": batch.step,
        "table": list(table),
        "size": run.engine.block_sizes[0],
        "worker": _slots(row)[0],
        **place,
    }


def one_part_by_hand(run: Run) -> dict[str, object]:
    """A prompt's part over two blocks that are no neighbors: two runs of slots."""
    first = next(iter(run.follow("long").turns))
    row = _row(run.batches()[first + 1], run, "long")
    tokens = range(row.computed, row.computed + row.tokens)
    places = [_place(run, first + 1, "long", token) for token in tokens]
    assert _slots(row) == tuple(one["slot"] for one in places)
    (jump,) = [i for i in range(1, len(tokens)) if _slots(row)[i] != _slots(row)[i - 1] + 1]
    before, after = places[jump - 1], places[jump]
    assert after["entry"] == before["entry"] + 1
    return {
        "step": first + 1,
        "first": tokens[0],
        "last": tokens[-1],
        "count": len(tokens),
        "entries": [places[0]["entry"], places[-1]["entry"]],
        "blocks": [before["block"], after["block"]],
        "here": f"{places[0]['slot']} to {before['slot']}",
        "turn": before["token"],
        "next": after["token"],
        "there": f"{after['slot']} to {places[-1]['slot']}",
    }


def worker_has_the_same_table(run: Run) -> dict[str, object]:
    """Entry by entry the worker's rows are the scheduler's tables."""
    batch = _both(run)
    meant = run.scheduled(batch.step).tables
    assert len(batch.rows) == 2
    assert all(row.tables == meant[row.request] for row in batch.rows)
    return {
        "step": batch.step,
        "long": list(meant[run.id("long")][0]),
        "twin": list(meant[run.id("twin")][0]),
        "worker_long": list(_row(batch, run, "long").tables[0] or ()),
        "worker_twin": list(_row(batch, run, "twin").tables[0] or ()),
        "entries": sum(len(meant[row.request][0]) for row in batch.rows),
    }


def shared_is_read_not_written(run: Run) -> dict[str, object]:
    """Both tables begin with the same blocks; who comes second writes to none of them."""
    size, batch = run.engine.block_sizes[0], _both(run)
    long, twin = _row(batch, run, "long"), _row(batch, run, "twin")
    same = twin.computed // size
    ours, theirs = long.tables[0] or (), twin.tables[0] or ()
    assert ours[:same] == theirs[:same]
    assert same > 0
    written = {
        slot // size
        for one in run.batches().values()
        for row in one.rows
        if row.request == twin.request
        for slot in _slots(row)
    }
    assert written == set(theirs[same:])
    ends = [
        _place(run, batch.step, "twin", twin.computed + i)["slot"] for i in (0, twin.tokens - 1)
    ]
    return {
        "by_hand": f"{ends[0]} to {ends[1]}",
        "step": batch.step,
        "shared": list(theirs[:same]),
        "own": list(theirs[same:]),
        "computed": twin.computed,
        "first": _slots(twin)[0],
        "last": _slots(twin)[-1],
        "from": twin.computed,
        "to": twin.computed + twin.tokens - 1,
    }


def no_slot_twice(run: Run) -> dict[str, object]:
    """No step writes a slot twice, and none writes to the null block."""
    size, written = run.engine.block_sizes[0], 0
    for batch in run.batches().values():
        slots = [slot for row in batch.rows for slot in _slots(row)]
        assert len(set(slots)) == len(slots) == run.step(batch.step).used
        assert min(slots) >= size
        written += len(slots)
    assert written > 100
    return {"steps": len(run.batches()), "slots": written, "first": size}


def agree_in_every_slot(run: Run) -> dict[str, object]:
    """Every table entry and every slot of the run is what the scheduler's tables say."""
    (rank,) = executed(run.trace, run.engine)
    assert rank.unknown == rank.differing == 0
    assert rank.slots == sum(step.used for step in run.steps) > 100
    return {"steps": rank.steps, "entries": rank.entries, "slots": rank.slots}


def next_by_hand(run: Run) -> dict[str, object]:
    """The token after the one worked out above goes to the next slot of the same block."""
    now = _both(run)
    row = _row(run.batches()[now.step + 1], run, "long")
    place = _place(run, now.step + 1, "long", row.computed)
    assert _slots(row) == (place["slot"],) == (_slots(_row(now, run, "long"))[0] + 1,)
    return {"step": now.step + 1, **place}


def whose_slot(run: Run) -> dict[str, object]:
    """A slot of a shared block is the same token of both requests."""
    size, step = run.engine.block_sizes[0], _both(run).step
    places = [_place(run, step, name, size + size // 2) for name in ("long", "twin")]
    assert places[0] == places[1]
    return places[0]


def _with(run: Run, change: dict[str, object], step: int) -> tuple[Segment, ...]:
    """The trace's segments, with one batch said otherwise than it was."""
    return tuple(
        replace(
            segment,
            events=[
                msgspec.structs.replace(one, **change)
                if isinstance(one, BatchPrepared) and one.step == step
                else one
                for one in segment.events
            ],
        )
        for segment in run.trace.segments
    )


def wrong_entry_is_named(run: Run) -> dict[str, object]:
    """Change one entry of one row in the trace: the comparison finds the place and names it."""
    batch = _both(run)
    long, twin = _row(batch, run, "long"), _row(batch, run, "twin")
    wrong = (twin.tables[0] or ())[-1]
    right = list(long.tables[0] or ())
    rows = [[(long.row, [*right[:-1], wrong]), (twin.row, list(twin.tables[0] or ()))]]
    changed = replace(run.trace, segments=_with(run, {"rows": rows}, batch.step))
    (rank,) = executed(changed, run.engine)
    assert rank.first is not None
    assert rank.first.step == batch.step
    message = rank.first.message.replace(long.request, "long")
    assert f"the scheduler has block {right[-1]}, the worker {wrong}" in message
    return {"step": batch.step, "right": right[-1], "wrong": wrong, "message": message}


def wrong_entry_hits_a_neighbor(run: Run) -> dict[str, object]:
    """Through the wrong entry, one request's token would fall on a token of the other."""
    batch, size = _both(run), run.engine.block_sizes[0]
    long, twin = _row(batch, run, "long"), _row(batch, run, "twin")
    wrong = (twin.tables[0] or ())[-1]
    slot = wrong * size + long.computed % size
    assert slot in _slots(twin)
    return {
        "slot": slot,
        "token": long.computed,
        "hit": twin.computed + _slots(twin).index(slot),
        "block": wrong,
        "offset": long.computed % size,
    }
