"""Claims of the page on CUDA graphs, about a CPU engine that asks for them."""

from __future__ import annotations

from pagewalk.trace.events import GraphChosen, GraphsCaptured, LayersRan, StartUpCallEnded
from pagewalk.views.evidence import Run


def asked_and_not_given(run: Run) -> dict[str, object]:
    """On a CPU the setting is NONE, there are no sizes, and nothing is captured."""
    (told,) = run.events(GraphsCaptured)
    (backend,) = run.attention()
    assert run.engine.configured.device == "cpu"
    assert (told.setting, told.sizes) == ("NONE", {})
    assert "capture_model" not in [one.call for one in run.events(StartUpCallEnded)]
    return {"setting": told.setting, "backend": backend.backend, "support": backend.cudagraph}


def as_it_is(run: Run) -> dict[str, object]:
    """Every batch runs without a graph and without padding."""
    found = list(run.events(GraphChosen))
    assert [one.step for one in found] == [one.step for one in run.steps]
    assert {one.mode for one in found} == {"NONE"}
    assert all(one.padded == one.num_tokens == run.step(one.step).used for one in found)
    return {"steps": len(found), "tokens": sum(one.num_tokens for one in found)}


def compiled_and_still_called(run: Run) -> dict[str, object]:
    """The model was compiled at start-up, and attention is called from Python in every step."""
    (backend,) = run.attention()
    assert "profile_run" in [one.call for one in run.events(StartUpCallEnded)]
    calls = [one.calls for one in run.events(LayersRan)]
    assert calls == [backend.num_layers] * len(run.steps)
    return {"steps": len(calls), "layers": backend.num_layers}
