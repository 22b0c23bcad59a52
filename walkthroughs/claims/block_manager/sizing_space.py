"""Claims of the page on sizing, about an engine that is given its memory twice."""

from pagewalk.views.evidence import Run

LAYERS, KV_HEADS, HEAD_SIZE, FLOAT = 2, 2, 32, 4  # of the tiny model
TOKEN = LAYERS * KV_HEADS * HEAD_SIZE * FLOAT * 2  # bytes of one token's keys and values
GIVEN, ASKED = 2**30, 2**21  # bytes: by the variable, and by the argument


def the_variable_wins(run: Run) -> dict[str, object]:
    """A gigabyte is divided by the bytes of a block; the smaller argument does not count."""
    blocks, size = run.engine.num_blocks, run.engine.setting("block_size")
    free = run.updated(run.steps[-1].step).pools[0].free_queue
    assert blocks == GIVEN // (size * TOKEN) == len(free) + 1
    assert ASKED < GIVEN
    facts = {"blocks": blocks, "block_bytes": size * TOKEN, "token_bytes": TOKEN, "size": size}
    facts |= {"layers": LAYERS, "heads": KV_HEADS, "head": HEAD_SIZE, "number": FLOAT}
    facts |= {"tokens": blocks * size, "asked": ASKED // (size * TOKEN)}
    return facts | {"gib": GIVEN // 2**30, "mib": ASKED // 2**20}
