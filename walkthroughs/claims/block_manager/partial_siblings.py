"""Claims of the page on partial blocks, about two answers to one prompt in a live engine."""

from pagewalk.trace.events import CopyQueued
from pagewalk.views.evidence import Run


def siblings_share_full_blocks(run: Run) -> dict[str, object]:
    """Two samples of one prompt are two requests: they share its full blocks and no other."""
    size = run.engine.setting("block_size")
    one, other = run.requests
    step = run.steps[0]
    (mine,), (theirs,) = (run.scheduled(step.step).tables[name] for name in (one, other))
    tokens = step.share(one).tokens
    shared = tokens // size
    assert mine[:shared] == theirs[:shared]
    assert not set(mine[shared:]) & set(theirs[shared:])
    facts = {"size": size, "tokens": tokens, "shared": list(mine[:shared])}
    facts |= {"mine": list(mine), "theirs": list(theirs), "other": step.share(other).tokens}
    return facts | {"names": [name.rpartition("-")[0] for name in (one, other)]}


def nothing_is_copied(run: Run) -> dict[str, object]:
    """From the first token to the last no block is copied, though the answers differ."""
    turns = [step for step in run.steps if len(step.scheduled) == 2]
    assert len(turns) > 1
    assert not list(run.events(CopyQueued))
    return {"steps": len(turns), "copies": 0}
