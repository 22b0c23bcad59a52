"""Claims of the page on the contract: who is told what, and how often."""

from __future__ import annotations

from pagewalk.replay.prepared import Prepared
from pagewalk.trace.events import (
    AttentionPrepared,
    AttentionSelected,
    BatchPrepared,
    RequestEnqueued,
)
from pagewalk.views.evidence import Run

SETS = {"SlidingWindowSpec": "window", "FullAttentionSpec": "full"}


def _told(run: Run) -> list[Prepared]:
    """Everything that the backends were told, in order."""
    return [one for step in run.prepared().values() for one in step]


def one_backend_two_sets(run: Run) -> dict[str, object]:
    """Layers of two kinds make two sets; one backend class serves both, each with a builder."""
    assert len(_told(run)) > 0
    window, full = run.attention()
    assert (SETS[window.spec], SETS[full.spec]) == ("window", "full")
    assert (window.backend, window.builder) == (full.backend, full.builder)
    return {
        "layers": window.num_layers + full.num_layers,
        "window": window.num_layers,
        "full": full.num_layers,
        "backend": full.backend,
        "builder": full.builder,
        "window_spec": window.spec,
        "full_spec": full.spec,
        "first": window.layers[0],
        "size": full.block_size,
    }


def told_once_for_a_set(run: Run) -> dict[str, object]:
    """In every step each set of layers gets one metadata, which all of its layers share."""
    sets = run.attention()
    steps = run.prepared()
    assert len(steps) == len(run.steps) > 3
    assert all([one.group for one in told] == [0, 1] for told in steps.values())
    layers = sum(one.num_layers for one in sets)
    return {
        "steps": len(steps),
        "sets": len(sets),
        "built": len(_told(run)),
        "layers": layers,
        "calls": layers * len(steps),
    }


def built_before_any_request(run: Run) -> dict[str, object]:
    """The builders are made while the worker starts; every request comes later."""
    made = [one.seq for one in run.events(AttentionSelected)]
    asked = [one.seq for one in run.events(RequestEnqueued)]
    assert len(made) == len(run.attention()) == 2
    assert max(made) < min(asked)
    return {"builders": len(made), "requests": len(asked)}


def told_after_the_batch(run: Run) -> dict[str, object]:
    """Rows and slots of a batch are ready first, then the backends are told of it."""
    ready = {one.step: one.seq for one in run.events(BatchPrepared)}
    told = [(one.step, one.seq) for one in run.events(AttentionPrepared)]
    assert all(ready[step] < seq for step, seq in told)
    first = min(ready)
    order = [one.group for one in run.prepared()[first]]
    return {"step": first, "told": len(told), "order": order}


def same_rows_other_places(run: Run) -> dict[str, object]:
    """Two sets are told the same lengths of the same rows, and other slots and tables."""
    step, batch = next(iter(run.batches().items()))
    window, full = run.prepared()[step]
    assert window.query_lens == full.query_lens
    assert window.seq_lens == full.seq_lens
    row = batch.rows[0]
    slots = [group[0] for group in row.slots if group]
    tables = [list(table) for table in row.tables if table]
    assert slots[0] != slots[1]
    assert set(tables[0]).isdisjoint(tables[1])
    return {
        "step": step,
        "query": list(full.query_lens),
        "name": run.name(row.request),
        "window_table": tables[0],
        "full_table": tables[1],
        "window_slot": slots[0],
        "full_slot": slots[1],
    }


def window_is_not_in_the_lengths(run: Run) -> dict[str, object]:
    """The set with a window of 64 is told the whole length of a sequence that is longer."""
    step, told = list(run.prepared().items())[-1]
    window, full = told
    assert window.seq_lens is not None
    assert window.seq_lens == full.seq_lens
    assert max(window.seq_lens) > 64
    return {"step": step, "seq": max(window.seq_lens), "window": 64}


def metadata_is_of_one_class(run: Run) -> dict[str, object]:
    """Both sets get metadata of the backend's own class, with the same fields, in every step."""
    kinds = {one.kind for one in _told(run)}
    fields = {tuple(sorted(one.fields or ())) for one in _told(run)}
    assert len(kinds) == len(fields) == 1
    names = fields.pop()
    assert {"query_start_loc", "seq_lens", "block_table", "slot_mapping"} <= set(names)
    return {"kind": kinds.pop(), "fields": len(names)}
