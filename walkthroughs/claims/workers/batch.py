"""Claims of the page on the worker's batch: rows are left, filled and moved."""

from __future__ import annotations

from itertools import pairwise

from pagewalk.replay.batches import Row
from pagewalk.views.evidence import Run


def _row(run: Run, step: int, name: str) -> Row:
    """The row of a request in a step's batch."""
    return next(row for row in run.batches()[step].rows if row.request == run.id(name))


def _rows(run: Run, step: int) -> list[str]:
    """Who is in row 0, 1, 2 … of a step's batch."""
    return [run.name(row.request) for row in run.batches()[step].rows]


def _meant(run: Run, step: int) -> list[str]:
    """Who gets tokens in a step, in the scheduler's order."""
    return [run.name(share.request) for share in run.step(step).scheduled]


def _last(run: Run, name: str) -> int:
    """The last step in which a request got tokens."""
    return max(run.follow(name).turns)


def first_batch_in_order(run: Run) -> dict[str, object]:
    """Where nobody was before, requests get rows in the order in which they are sent."""
    step = run.steps[0].step
    assert _rows(run, step) == _meant(run, step)
    assert len(_rows(run, step)) == len(run.step(step).admitted("new")) > 2
    return {"step": step, "rows": _rows(run, step), "count": len(_rows(run, step))}


def last_row_moves_into_the_hole(run: Run) -> dict[str, object]:
    """A request ends, nobody comes: the last row moves into its row, the others stay."""
    step = _last(run, "ant") + 1
    before, after = _rows(run, step - 1), _rows(run, step)
    hole = before.index("ant")
    assert not run.step(step).admitted("new")
    assert before[-1] != "ant"
    assert after == [*before[:hole], before[-1], *before[hole + 1 : -1]]
    assert _row(run, step, after[hole]).tables == _row(run, step - 1, after[hole]).tables
    assert after != _meant(run, step)
    return {
        "step": step,
        "last": step - 1,
        "hole": hole,
        "moved": after[hole],
        "from": len(before) - 1,
        "before": before,
        "after": after,
        "meant": _meant(run, step),
        "table": list(_row(run, step, after[hole]).tables[0] or ()),
    }


def newcomer_takes_the_hole(run: Run) -> dict[str, object]:
    """One ends as another comes: the newcomer gets the row, and nobody moves."""
    step = _last(run, "bee") + 1
    before, after = _rows(run, step - 1), _rows(run, step)
    hole = before.index("bee")
    assert run.step(step).admitted("new") == (run.id("eel"),)
    assert after == [*before[:hole], "eel", *before[hole + 1 :]]
    assert _meant(run, step)[-1] == "eel" != after[-1]
    return {
        "step": step,
        "hole": hole,
        "rows": after,
        "meant": _meant(run, step),
        "table": list(_row(run, step, "eel").tables[0] or ()),
    }


def victim_loses_its_row(run: Run) -> dict[str, object]:
    """A preempted request is not in the batch; the last row moves into its row."""
    (one,) = run.preemptions
    before, after = _rows(run, one.step - 1), _rows(run, one.step)
    hole = before.index("eel")
    assert run.name(one.request) == "eel"
    assert _meant(run, one.step - 1)[-1] == "eel" != before[-1]
    assert after == [*before[:hole], before[-1], *before[hole + 1 : -1]]
    return {
        "step": one.step,
        "hole": hole,
        "before": before,
        "after": after,
        "meant": _meant(run, one.step),
        "count": len(after),
        "moved": after[hole],
        "from": len(before) - 1,
        "lost": list(_row(run, one.step - 1, "eel").tables[0] or ()),
    }


def resumed_with_a_new_table(run: Run) -> dict[str, object]:
    """A resumed request gets any row, and its table replaces the old one in full."""
    (lost,) = run.follow("eel").lost
    old, new = _row(run, lost.step - 1, "eel"), _row(run, lost.resumed_step, "eel")
    meant = run.scheduled(lost.resumed_step).tables[run.id("eel")]
    assert new.row != old.row
    assert new.tables == meant != old.tables
    assert old.computed > new.computed == lost.rehit > 0
    return {
        "step": lost.resumed_step,
        "row": new.row,
        "was": old.row,
        "table": list(meant[0]),
        "old": list(old.tables[0] or ()),
        "computed": new.computed,
        "tokens": new.tokens,
        "rows": _rows(run, lost.resumed_step),
        "meant": _meant(run, lost.resumed_step),
        "left": _rows(run, lost.resumed_step - 1)[new.row],
    }


def same_requests_other_order(run: Run) -> dict[str, object]:
    """The rows hold exactly the scheduled requests with their tokens, often in another order."""
    batches, other = run.batches(), 0
    assert len(batches) == len([one for one in run.steps if one.used]) > 10
    for step, batch in batches.items():
        meant = {share.request: share.tokens for share in run.step(step).scheduled}
        assert {row.request: row.tokens for row in batch.rows} == meant
        assert [row.row for row in batch.rows] == list(range(len(meant)))
        other += _rows(run, step) != _meant(run, step)
    assert 0 < other < len(batches)
    return {"steps": len(batches), "other": other, "same": len(batches) - other}


def tables_only_grow(run: Run) -> dict[str, object]:
    """Between admission and end a table gets blocks at its end, seldom, and else stays."""
    held: dict[str, tuple[int, ...]] = {}
    whole = grown = same = 0
    for step, batch in run.batches().items():
        for row in batch.rows:
            table, admission = row.tables[0] or (), run.step(step).share(row.request).admission
            before = held.get(row.request, ())
            whole += admission != "running"
            if admission == "running":
                assert table[: len(before)] == before
                grown += table != before
                same += table == before
            held[row.request] = table
    assert whole == 6
    assert 0 < grown < same
    return {"whole": whole, "grown": grown, "same": same, "later": grown + same}


def few_rows_move(run: Run) -> dict[str, object]:
    """A request that stays in the batch keeps its row, but for one move into each hole."""
    moves = stays = 0
    for earlier, later in pairwise(run.batches().values()):
        was = {row.request: row.row for row in earlier.rows}
        for row in later.rows:
            if row.request in was:
                assert row.row <= was[row.request]
                moves += row.row != was[row.request]
                stays += row.row == was[row.request]
    assert 0 < moves < stays
    return {"moves": moves, "stays": stays}


def rows_of_cow(run: Run) -> dict[str, object]:
    """A request that is there from the first step to the last moves down, hole by hole."""
    rows = {step: _row(run, step, "cow").row for step in run.batches()}
    moves = [step for step in list(rows)[1:] if rows[step] != rows[step - 1]]
    assert len(rows) == len(run.batches())
    assert moves == [run.preemptions[0].step, _last(run, "eel") + 1]
    return {"rows": [rows[1], *(rows[step] for step in moves)], "last": moves[-1]}
