"""Claims of the page on CUDA graphs: which one the dispatcher takes for each batch."""

from __future__ import annotations

from pagewalk.replay.prepared import Prepared
from pagewalk.trace.events import GraphChosen, GraphsCaptured, LayersRan
from pagewalk.views.evidence import Run
from pagewalk.views.executed import executed


def _chosen(run: Run) -> dict[int, GraphChosen]:
    """Step -> the dispatcher's answer."""
    return {one.step: one for one in run.events(GraphChosen)}


def _table(run: Run) -> dict[str, list[int]]:
    """Mode -> the sizes that have a graph."""
    (told,) = run.events(GraphsCaptured)
    return told.sizes


def _shares(run: Run, step: int) -> list[int]:
    """How many tokens each request gets in a step."""
    return [share.tokens for share in run.step(step).scheduled]


def _told(run: Run, step: int) -> Prepared:
    """What the attention backend is told of a step."""
    (one,) = run.prepared()[step]
    return one


def _first(run: Run, mode: str, **fields: int) -> GraphChosen:
    """The first answer of a mode with these fields."""
    return next(
        one
        for one in _chosen(run).values()
        if one.mode == mode and all(getattr(one, name) == it for name, it in fields.items())
    )


def next_size_up(run: Run) -> dict[str, object]:
    """A batch runs as the smallest size that holds it, and as it is if there is none."""
    sizes = _table(run)["PIECEWISE"]
    assert len(_chosen(run)) > 5
    for one in _chosen(run).values():
        holds = [size for size in sizes if size >= one.num_tokens]
        assert one.padded == (holds[0] if holds else one.num_tokens)
    tokens = [one.num_tokens for one in _chosen(run).values()]
    padded = [one.padded for one in _chosen(run).values()]
    assert tokens != padded
    waste = sum(padded) - sum(tokens)
    return {"sizes": sizes, "steps": len(tokens), "tokens": sum(tokens), "waste": waste}


def too_large_for_any(run: Run) -> dict[str, object]:
    """A batch of more tokens than the largest size runs without a graph."""
    one = _first(run, "NONE")
    assert one.num_tokens == one.padded > max(_table(run)["PIECEWISE"])
    return {"step": one.step, "tokens": one.num_tokens, "largest": max(_table(run)["PIECEWISE"])}


def mixed_is_piecewise(run: Run) -> dict[str, object]:
    """A batch whose rows have different numbers of tokens gets a piecewise graph."""
    mixed = [s for s in _chosen(run) if len(set(_shares(run, s))) > 1]
    assert len(mixed) > 1
    assert all(_chosen(run)[step].mode == "PIECEWISE" for step in mixed)
    one = _chosen(run)[mixed[0]]
    facts = {"step": one.step, "shares": _shares(run, one.step), "steps": len(mixed)}
    return facts | {"tokens": one.num_tokens, "padded": one.padded}


def decodes_are_full(run: Run) -> dict[str, object]:
    """A batch of decodes gets a full graph, if there is one for it."""
    sizes = _table(run)["FULL"]
    decodes = [s for s in _chosen(run) if len(_shares(run, s)) > 1 and set(_shares(run, s)) == {1}]
    found = {
        step: _chosen(run)[step].mode for step in decodes if len(_shares(run, step)) <= max(sizes)
    }
    assert set(found.values()) == {"FULL"}
    one = _chosen(run)[next(iter(found))]
    return {"step": one.step, "rows": len(_shares(run, one.step)), "sizes": sizes}


def five_decodes_are_not(run: Run) -> dict[str, object]:
    """Decodes whose padded size has no full graph get a piecewise one."""
    (one,) = [
        one
        for one in _chosen(run).values()
        if set(_shares(run, one.step)) == {1} and one.mode == "PIECEWISE"
    ]
    most = run.engine.setting("max_num_seqs")
    assert one.padded not in _table(run)["FULL"]
    assert one.padded > most >= one.num_tokens == len(_shares(run, one.step))
    facts = {"step": one.step, "rows": one.num_tokens, "padded": one.padded, "most": most}
    return facts | {"full": _table(run)["FULL"]}


def full_pads_rows(run: Run) -> dict[str, object]:
    """Under a full graph attention is told of rows that no request has; they have no tokens."""
    one = next(
        it for it in _chosen(run).values() if it.mode == "FULL" and it.padded > it.num_tokens
    )
    told, rows = _told(run, one.step), len(_shares(run, one.step))
    assert told.num_reqs == one.num_reqs == one.padded > rows
    assert told.num_tokens == one.padded
    assert list(told.query_lens) == [1] * rows + [0] * (told.num_reqs - rows)
    facts = {"step": one.step, "rows": rows, "told": told.num_reqs, "lens": list(told.query_lens)}
    return facts | {"names": [run.name(one.request) for one in run.step(one.step).scheduled]}


def piecewise_pads_no_attention(run: Run) -> dict[str, object]:
    """Under a piecewise graph attention is told of the batch as it is."""
    padded = [o for o in _chosen(run).values() if o.mode == "PIECEWISE" and o.padded > o.num_tokens]
    assert padded
    for one in padded:
        told = _told(run, one.step)
        assert told.num_tokens == one.num_tokens < one.padded
        assert told.num_reqs == len(_shares(run, one.step))
    return {"steps": len(padded), "step": padded[0].step, "tokens": padded[0].num_tokens}


def padding_changes_nothing(run: Run) -> dict[str, object]:
    """Slots are written for the batch's tokens, as scheduled, and for no token of padding."""
    (rank,) = executed(run.trace, run.engine)
    tokens = sum(one.num_tokens for one in _chosen(run).values())
    waste = sum(one.padded for one in _chosen(run).values()) - tokens
    assert rank.differing == rank.unknown == 0 < waste
    assert rank.slots == tokens
    return {"slots": rank.slots, "tokens": tokens, "waste": waste}


def nothing_was_replayed(run: Run) -> dict[str, object]:
    """There are no graphs here: in every step all attention layers were called from Python."""
    (backend,) = run.attention()
    calls = {one.step: one.calls for one in run.events(LayersRan)}
    assert list(calls) == list(_chosen(run))
    assert set(calls.values()) == {backend.num_layers}
    return {"steps": len(calls), "layers": backend.num_layers, "support": backend.cudagraph}


def all_steps(run: Run) -> dict[str, object]:
    """Step by step: its number, the rows, their tokens, the mode and the size."""
    found = _chosen(run).values()
    assert len(found) == len(run.steps) > 5
    assert {one.mode for one in found} == {"NONE", "PIECEWISE", "FULL"}
    facts: dict[str, object] = {"count": len(found)}
    for one in found:
        shares = ", ".join(map(str, _shares(run, one.step)))
        facts[f"s{one.step}"] = [one.step, shares, one.num_tokens, one.mode, one.padded]
    return facts
