"""Claims on two engines in which what looks like a law of blocks does not hold."""

from pagewalk.trace.events import BlocksFreed, BlocksTaken, BlocksTouched, TableEntrySet
from pagewalk.views.evidence import Run


def hashed_before_full(run: Run) -> dict[str, object]:
    """With a Mamba group in align mode, a held block has a hash before all its tokens are there."""
    size, unit = run.engine.block_sizes[0], run.engine.setting("hash_block_size")
    for step in run.steps:
        at = run.scheduled(step.step)
        for one in at.requests:
            inside = one.computed % size
            block = one.tables[0][one.computed // size] if inside and one.tables else None
            if block is not None and block in at.pools[0].hashed:
                return {
                    "step": step.step,
                    "block": block,
                    "tokens": inside,
                    "size": size,
                    "unit": unit,
                }
    raise AssertionError("no block had a hash before it was full")


def null_block_is_not_counted(run: Run) -> dict[str, object]:
    """The null block is let go as often as tables name it, and never taken: no true count."""
    window = run.engines[1]
    pool, table = window.engine.pools[0].pool, window.engine.tables[0].table
    named = [e for e in window.events(TableEntrySet) if e.table == table and e.block == 0]
    mine = [e for e in window.events(BlocksFreed) if e.pool == pool]
    freed = sum(event.blocks.count(0) for event in mine)
    grown = (*window.events(BlocksTaken), *window.events(BlocksTouched))
    assert freed
    assert not any(0 in event.blocks for event in grown if event.pool == pool)
    assert freed == len(named)
    return {"freed": freed, "count": -freed, "named": len(named)}
