"""Claims of the page on the layout: from a block table to an address."""

from __future__ import annotations

from math import prod

from pagewalk.bed.models import CONFIGS
from pagewalk.replay.batches import Batch, Row
from pagewalk.trace.events import BackendChosen
from pagewalk.views.evidence import Run

BYTES = 4  # of a float32


def _shape(run: Run) -> list[int]:
    """Blocks, heads, tokens and numbers a token, of one layer; the heads are the tiny model's."""
    (choice,) = run.events(BackendChosen)
    (layers,) = run.attention()
    heads = CONFIGS[run.engine.configured.model]["num_key_value_heads"]
    width = choice.layer["head_size"]
    assert isinstance(width, int)
    return [run.engine.num_blocks, heads, layers.kernel_block_size, 2 * width]


def _late(run: Run) -> tuple[Batch, Row]:
    """The last batch of `late`."""
    batch = list(run.batches().values())[-1]
    (row,) = batch.rows
    assert row.request == run.id("late")
    return batch, row


def the_shape(run: Run) -> dict[str, object]:
    """A layer has room for every block, for each head apart: keys of a block, then values."""
    assert run.steps
    blocks, heads, size, content = shape = _shape(run)
    strides = [prod(shape[i + 1 :]) for i in range(4)]
    (layers,) = run.attention()
    (choice,) = run.events(BackendChosen)
    assert choice.layer["dtype"] == "float32"
    return {
        "blocks": blocks,
        "heads": heads,
        "size": size,
        "content": content,
        "head": content // 2,
        "strides": strides,
        "block": strides[0],
        "layer": prod(shape),
        "layers": layers.num_layers,
        "bytes": layers.num_layers * prod(shape) * BYTES,
    }


def no_smaller_blocks(run: Run) -> dict[str, object]:
    """The kernels of this backend work with blocks as large as the scheduler's."""
    (layers,) = run.attention()
    assert run.steps
    assert layers.kernel_block_size == layers.block_size == run.engine.block_sizes[0]
    return {"size": layers.block_size, "backend": layers.backend}


def neighbors_only_in_the_table(run: Run) -> dict[str, object]:
    """The blocks of a sequence lie anywhere; its table has them in order."""
    batch, row = _late(run)
    table = row.tables[0] or ()
    assert table == run.scheduled(batch.step).tables[row.request][0]
    assert list(table) != sorted(table)
    early = run.batches()[1].rows[0]
    assert early.request == run.id("early")
    return {"table": list(table), "step": batch.step, "again": [one for one in table if one < 4]}


def address_by_hand(run: Run) -> dict[str, object]:
    """Table, block, offset, and from there to the place of a value in the layer's memory."""
    batch, row = _late(run)
    _, heads, size, content = _shape(run)
    token = row.computed
    entry, offset = divmod(token, size)
    block = (row.tables[0] or ())[entry]
    assert row.slots[0] == (block * size + offset,)
    width = content // 2
    begin = block * heads * size * content
    values = begin + size * width
    return {
        "step": batch.step,
        "token": token,
        "entry": entry,
        "block": block,
        "offset": offset,
        "slot": block * size + offset,
        "begin": begin,
        "values": values,
        "key": begin + offset * width,
        "value": values + offset * width,
        "head": begin + size * content,
    }


def one_table_for_all_layers(run: Run) -> dict[str, object]:
    """All layers of a set share one table and one slot mapping, and each has memory of its own."""
    (layers,) = run.attention()
    assert layers.num_layers > 1
    assert all(len(told) == 1 for told in run.prepared().values())
    assert run.prepared()
    shape = _shape(run)
    return {"layers": layers.num_layers, "apart": prod(shape), "sets": 1}


def null_block_has_room(run: Run) -> dict[str, object]:
    """Room is allocated for block 0 too, and no token of the run is written there."""
    size = run.engine.block_sizes[0]
    slots = [
        slot for one in run.batches().values() for row in one.rows for slot in row.slots[0] or ()
    ]
    assert len(slots) > 150
    assert min(slots) == size
    return {"first": size, "usable": run.engine.num_blocks - 1, "slots": len(slots)}


def last_address(run: Run) -> dict[str, object]:
    """The highest slot in use lies inside what is allocated."""
    blocks, _, size, _ = _shape(run)
    highest = max(
        slot for one in run.batches().values() for row in one.rows for slot in row.slots[0] or ()
    )
    assert highest < blocks * size
    return {"highest": highest, "slots": blocks * size}
