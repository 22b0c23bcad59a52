"""Claims of the page on groups, on a live engine."""

from pagewalk.views.evidence import Run
from pagewalk.views.step import Lookup


def _lookup(run: Run, name: str) -> Lookup:
    """The prefix lookup of a request."""
    wanted = run.id(name)
    return next(one for step in run.steps for one in step.lookups if one.request == wanted)


def the_same_story(run: Run) -> dict[str, object]:
    """A resend hits; a shorter shared prefix misses once, and hits the next time."""
    size = run.engine.setting("block_size")
    resend, shorter, third = (_lookup(run, name) for name in ("resend", "shorter", "third"))
    assert resend.hit == (resend.tokens - 1) // size * size
    assert shorter.hit == 0
    assert third.hit == 100 // size * size
    return {"size": size, "resend": resend.hit, "shorter": shorter.hit, "third": third.hit}


def layers_share_tables(run: Run) -> dict[str, object]:
    """The layers of one attention type make one group, with one table for all of them."""
    kinds = [table.kind for table in run.engine.tables]
    assert sorted(kinds) == ["FullAttentionSpec", "SlidingWindowSpec"]
    assert len(run.scheduled(1).tables[run.id("long")]) == len(kinds)
    return {"kinds": kinds, "groups": len(kinds)}
