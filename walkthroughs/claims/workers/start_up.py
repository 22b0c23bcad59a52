"""Claims of the page on start-up: what a worker is asked before the first step."""

from __future__ import annotations

from itertools import pairwise

from pagewalk.trace.events import (
    AttentionSelected,
    BackendChosen,
    EngineConfigured,
    ExecutionStarted,
    PoolCreated,
    RoleTaken,
    StartUpCallEnded,
)
from pagewalk.views.evidence import Run

CALLS = (
    "init_device",
    "load_model",
    "get_kv_cache_spec",
    "determine_available_memory",
    "initialize_from_config",
    "compile_or_warm_up_model",
)
GIVEN = 2**21  # bytes for the KV cache, by argument
KV_HEADS, HEAD_SIZE, FLOAT = 2, 32, 4  # of the tiny model, in each layer
TOKEN = KV_HEADS * HEAD_SIZE * FLOAT * 2  # bytes of a token's keys and values in one layer


def _calls(run: Run) -> dict[str, StartUpCallEnded]:
    """Name -> the call of a worker's start-up; none came twice."""
    told = list(run.events(StartUpCallEnded))
    found = {one.call: one for one in told}
    assert len(found) == len(told)
    return found


def six_calls(run: Run) -> dict[str, object]:
    """A worker is asked six things, one after the other, and each once."""
    calls = list(_calls(run).values())
    assert tuple(one.call for one in calls) == CALLS
    assert all(one.t <= after.begun for one, after in pairwise(calls))
    # They are over before the first step, and no step asks for one of them again.
    first = next(one for one in run.events(ExecutionStarted))
    assert calls[-1].t < first.t
    return {"calls": len(calls), "steps": len(run.steps)}


def model_before_memory(run: Run) -> dict[str, object]:
    """The model is loaded when the core begins to ask for memory."""
    (asks,) = [one.t for one in run.events(RoleTaken) if one.role == "engine_core"]
    before = [one.call for one in _calls(run).values() if one.t < asks]
    after = [one.call for one in _calls(run).values() if one.begun > asks]
    assert before == ["init_device", "load_model"]
    assert len(before) + len(after) == len(CALLS)
    return {"before": len(before), "after": len(after)}


def backend_while_loading(run: Run) -> dict[str, object]:
    """The attention backend is chosen while the layers are built, before there is any memory."""
    loading = _calls(run)["load_model"]
    (chosen,) = run.events(BackendChosen)
    assert loading.begun < chosen.t < loading.t
    (selected,) = run.events(AttentionSelected)
    making = _calls(run)["initialize_from_config"]
    assert making.begun < selected.t < making.t
    return {"backend": selected.backend, "layers": selected.num_layers}


def bytes_become_blocks(run: Run) -> dict[str, object]:
    """The worker answers with bytes and is told blocks; the core has divided in between."""
    calls, size = _calls(run), run.engine.setting("block_size")
    layers, memory = calls["get_kv_cache_spec"].layers, calls["determine_available_memory"].memory
    blocks = calls["initialize_from_config"].blocks
    assert blocks == memory // (layers * size * TOKEN) == run.engine.num_blocks
    facts = {"memory": memory, "layers": layers, "blocks": blocks, "size": size}
    facts |= {"token": TOKEN, "block": size * TOKEN, "all_layers": layers * size * TOKEN}
    more = 3 * GIVEN // 2 // (layers * size * TOKEN)
    return facts | {"heads": KV_HEADS, "head": HEAD_SIZE, "number": FLOAT, "more": more}


def nothing_was_measured(run: Run) -> dict[str, object]:
    """This worker answers with the bytes it was given, and the model has not run."""
    assert _calls(run)["determine_available_memory"].memory == GIVEN
    assert "profile_run" not in _calls(run)
    assert next(run.events(ExecutionStarted)).step == run.steps[0].step
    return {"memory": GIVEN, "mib": GIVEN // 2**20}


def scheduler_comes_last(run: Run) -> dict[str, object]:
    """The scheduler and its pool are made when every worker is ready."""
    last = _calls(run)["compile_or_warm_up_model"]
    (configured,) = run.events(EngineConfigured)
    (pool,) = run.events(PoolCreated)
    assert last.t < pool.t < configured.t
    assert len(run.updated(run.steps[-1].step).pools[0].free_queue) == run.engine.num_blocks - 1
    return {"blocks": run.engine.num_blocks, "free": run.engine.num_blocks - 1}
