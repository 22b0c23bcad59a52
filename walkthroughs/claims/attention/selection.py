"""Claims of the page on selection: what was asked for, and what came."""

from __future__ import annotations

from dataclasses import dataclass, field

from pagewalk.trace.events import (
    AttentionPrepared,
    AttentionSelected,
    BackendChosen,
    BackendsJudged,
    EngineConfigured,
)
from pagewalk.views.evidence import Run


@dataclass
class _Built:
    """What was told while one engine was built, and what its steps were told."""

    model: str
    chosen: list[BackendChosen] = field(default_factory=list)
    sets: list[AttentionSelected] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)


def _engines(run: Run) -> list[_Built]:
    """The engines of this process, one after the other: a choice comes before its engine."""
    built: list[_Built] = []
    coming = _Built("")
    for one in run.engine.segment.events:
        if isinstance(one, BackendChosen):
            coming.chosen.append(one)
        elif isinstance(one, AttentionSelected):
            coming.sets.append(one)
        elif isinstance(one, EngineConfigured):
            coming.model = one.model
            built.append(coming)
            coming = _Built("")
        elif isinstance(one, AttentionPrepared) and one.kind:
            built[-1].kinds.append(one.kind)
    assert len(built) == 4
    assert all(engine.steps for engine in run.engines)
    return built


def nothing_asked(run: Run) -> dict[str, object]:
    """Nobody asks for a backend: the CPU's own is taken, for all layers at once."""
    one = _engines(run)[0]
    (choice,), (layers,) = one.chosen, one.sets
    assert choice.asked == ""
    assert (choice.backend, layers.backend) == ("CPUAttentionBackend", "CPU_ATTN")
    return {
        "backend": layers.backend,
        "title": choice.backend,
        "platform": choice.platform,
        "head": choice.layer["head_size"],
        "dtype": choice.layer["dtype"],
        "block": choice.layer["block_size"],
        "layers": layers.num_layers,
        "choices": len(one.chosen),
        "graphs": layers.cudagraph,
        "step": run.steps[0].step,
    }


def asked_and_not_granted(run: Run) -> dict[str, object]:
    """A user asks for FlashAttention on a CPU: the engine starts, with another backend."""
    one = _engines(run)[1]
    (choice,), (layers,) = one.chosen, one.sets
    assert choice.asked == "FLASH_ATTN"
    assert layers.backend == "CPU_ATTN"
    steps = run.engines[1].steps
    assert len(steps) > 0
    return {"engine": 1, "asked": choice.asked, "backend": layers.backend, "steps": len(steps)}


def two_kinds_of_layers(run: Run) -> dict[str, object]:
    """Layers with a window and layers without ask apart, and may get the same answer."""
    one = _engines(run)[2]
    assert [layers.spec for layers in one.sets] == ["SlidingWindowSpec", "FullAttentionSpec"]
    assert {layers.backend for layers in one.sets} == {"CPU_ATTN"}
    return {
        "engine": 2,
        "sets": len(one.sets),
        "layers": sum(layers.num_layers for layers in one.sets),
        "each": one.sets[0].num_layers,
        "backend": one.sets[0].backend,
    }


def an_answer_is_kept(run: Run) -> dict[str, object]:
    """Of two questions only the new one reaches the platform; the other one has an answer."""
    engines = _engines(run)
    first, third = engines[0], engines[2]
    (choice,) = third.chosen
    assert choice.layer.get("has_sliding_window") is True
    old = {name: what for name, what in choice.layer.items() if name != "has_sliding_window"}
    assert first.chosen[0].layer == old
    assert first.chosen[0].asked == choice.asked == ""
    return {
        "engine": 2,
        "sets": len(third.sets),
        "asked": len(third.chosen),
        "differs": "has_sliding_window",
    }


def latent_attention(run: Run) -> dict[str, object]:
    """Layers with multi-head latent attention are of another kind, and get another backend."""
    one = _engines(run)[3]
    (choice,), (layers,) = one.chosen, one.sets
    assert choice.layer["use_mla"] is True
    assert (choice.asked, layers.backend) == ("CPU_MLA", "CPU_MLA")
    return {
        "engine": 3,
        "backend": layers.backend,
        "head": choice.layer["head_size"],
        "block": layers.block_size,
        "spec": layers.spec,
        "builder": layers.builder,
    }


def nobody_is_judged(run: Run) -> dict[str, object]:
    """On a CPU no candidate is judged, however many choices are made."""
    engines = _engines(run)
    assert not list(run.events(BackendsJudged))
    choices = sum(len(one.chosen) for one in engines)
    assert choices >= len(engines)
    return {"engines": len(engines), "choices": choices, "judged": 0}


def what_was_chosen_is_used(run: Run) -> dict[str, object]:
    """Each engine's steps hand over metadata of the class that its backend works with."""
    kinds = [set(one.kinds) for one in _engines(run)]
    assert set().union(*kinds[:3]) == {"CPUAttentionMetadata"}
    (latent,) = kinds[3]
    assert latent.startswith("MLACommon")
    return {"kind": "CPUAttentionMetadata", "latent": latent, "plain": 3}
