"""Claims of the page that explains block tables."""

from pagewalk.views.blocks import Blocks, RequestBlocks
from pagewalk.views.evidence import Run

TOKEN, EXERCISE = 70, 40  # a token of fox to look for, and one of frog


def _of(run: Run, name: str, at: Blocks) -> RequestBlocks:
    return next(one for one in at.requests if one.request == run.id(name))


def as_many_as_needed(run: Run) -> dict[str, object]:
    """A running request holds the blocks that its computed tokens need, and not one more."""
    size, idle = run.engine.block_sizes[0], []
    for step in run.steps:
        for one in run.scheduled(step.step).requests:
            if one.status == "RUNNING":
                assert len(one.tables[0]) == -(-one.computed // size)
                idle.append(len(one.tables[0]) * size - one.computed)
    assert idle
    assert max(idle) < size
    fox, crow = (_of(run, name, run.scheduled(1)) for name in ("fox", "crow"))
    return {
        "size": size,
        "checked": len(idle),
        "idle": max(idle),
        "fox": fox.computed,
        "fox_row": list(fox.tables[0]),
        "crow": crow.computed,
        "crow_row": list(crow.tables[0]),
    }


def rows_out_of_order(run: Run) -> dict[str, object]:
    """The blocks of one request need not be neighbors: it gets whichever block is free next."""
    grown = {name: _grew(run, name) for name in ("crow", "fox")}
    row = _row(run, "fox", grown["fox"])
    neighbor = row[-2] + 1
    owner = next(name for name in grown if neighbor in _row(run, name, grown["fox"]))
    assert row[-1] != neighbor
    assert owner == "crow"
    return {
        "row": list(row),
        "step": grown["fox"],
        "got": row[-1],
        "neighbor": neighbor,
        "crow_step": grown["crow"],
        "crow_got": _row(run, "crow", grown["crow"])[-1],
    }


def one_lookup_finds_a_token(run: Run) -> dict[str, object]:
    """Token i lies in block table[i // size] at offset i % size: one look-up, and no search."""
    size, token = run.engine.block_sizes[0], TOKEN
    step = next(s for s in run.steps for x in s.scheduled if _writes(run, x, "fox", token))
    row = _row(run, "fox", step.step)
    entry, offset = divmod(token, size)
    assert entry == len(row) - 1
    assert run.scheduled(step.step).pools[0].ref_counts[row[entry]] == 1
    (ran,) = [one for one in run.batches()[step.step].rows if one.request == run.id("fox")]
    assert ran.slots[0][token - ran.computed] == row[entry] * size + offset
    return {
        "token": token,
        "step": step.step,
        "entry": entry,
        "offset": offset,
        "block": row[entry],
        "slot": row[entry] * size + offset,
    }


def rows_only_grow(run: Run) -> dict[str, object]:
    """While a request runs, its block table gains entries at the end; no other entry changes."""
    checked, known = 0, {}
    for step in run.steps:
        tables = run.scheduled(step.step).tables
        for request, (row,) in tables.items():
            old = known.get(request, ())
            assert row[: len(old)] == old
            checked += bool(old)
        known = {request: row for request, (row,) in tables.items()}
    assert checked
    return {"checked": checked}


def one_writer(run: Run) -> dict[str, object]:
    """No two requests write into the same block in one step."""
    size, checked = run.engine.block_sizes[0], 0
    for step in run.steps:
        written: list[int] = []
        for share in step.scheduled:
            row = run.scheduled(step.step).tables[share.request][0]
            first, last = share.computed // size, (share.computed + share.tokens - 1) // size
            written += row[first : last + 1]
        assert len(written) == len(set(written))
        checked += len(written)
    assert checked
    return {"checked": checked}


def rows_may_share(run: Run) -> dict[str, object]:
    """Two block tables may name the same block: it is counted twice and computed once."""
    came = next(step for step in run.steps if run.id("frog") in step.admitted("new"))
    at = run.scheduled(came.step)
    fox, frog = _row(run, "fox", came.step), _row(run, "frog", came.step)
    share = came.share(run.id("frog"))
    assert fox[0] == frog[0]
    assert at.pools[0].ref_counts[fox[0]] == 2
    assert share.computed == run.engine.block_sizes[0]
    return {
        "step": came.step,
        "block": fox[0],
        "fox": list(fox),
        "frog": list(frog),
        "hit": share.computed,
        "prompt": share.computed + share.tokens,
        "computed": share.tokens,
        "token": EXERCISE,
        "entry": EXERCISE // share.computed,
        "offset": EXERCISE % share.computed,
        "slot": frog[EXERCISE // share.computed] * share.computed + EXERCISE % share.computed,
    }


def handed_on(run: Run) -> dict[str, object]:
    """A block that one request gives back is handed to the next that needs one."""
    step = next(step for step in run.steps if run.id("frog") in step.admitted("new")).step
    crow, frog = _row(run, "crow", step - 1), _row(run, "frog", step)
    both = [block for block in frog if block in crow]
    assert both == [crow[-1]]
    assert run.updated(step - 1).pools[0].free_queue[0] == both[0]
    last = next(one for one in run.before(step - 1).requests if one.request == run.id("crow"))
    return {
        "gone": step - 1,
        "crow": list(crow),
        "tokens": last.computed + 1,
        "blocks": len(crow),
        "block": both[0],
        "step": step,
    }


def room_for_more(run: Run) -> dict[str, object]:
    """Room for the longest request would hold one; block by block, two run in less than that."""
    size, longest = run.engine.block_sizes[0], run.engine.setting("max_model_len")
    usable, each = run.engine.num_blocks - 1, -(-longest // size)
    most = max(run.steps, key=lambda step: usable - step.free_blocks)
    held = usable - most.free_blocks
    assert usable // each < len(most.scheduled)
    assert held < each
    return {
        "longest": longest,
        "each": each,
        "usable": usable,
        "fit": usable // each,
        "step": most.step,
        "held": held,
        "running": len(most.scheduled),
    }


def _grew(run: Run, name: str) -> int:
    """The first step in which the request's table is longer than in step 1."""
    return next(s.step for s in run.steps if len(_row(run, name, s.step)) > len(_row(run, name, 1)))


def _row(run: Run, name: str, step: int) -> tuple[int, ...]:
    return run.scheduled(step).tables[run.id(name)][0]


def _writes(run: Run, share, name: str, token: int) -> bool:
    mine = share.request == run.id(name)
    return mine and share.computed <= token < share.computed + share.tokens
