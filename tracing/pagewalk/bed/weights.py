"""A model's configuration -> the names, shapes and seeded numbers of its weights."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ADAPTER_RANK = 8
ADAPTED = ("q_proj", "v_proj")

# Only these bytes get an output row: with all other logits at exactly 0 the greedy choice is a
# lower-case letter or a blank, and never the end of the sequence.
_SPOKEN = b" abcdefghijklmnopqrstuvwxyz"

Shapes = Iterator[tuple[str, tuple[int, ...]]]


def write(config: dict[str, Any], path: Path, seed: int) -> None:
    """Write all weights of a model."""
    tied = config["tie_word_embeddings"]
    _save({name: _fill(name, shape, seed, tied) for name, shape in _shapes(config)}, path)


def write_adapter(config: dict[str, Any], path: Path, seed: int) -> None:
    """Write a LoRA adapter for the projections in `ADAPTED`."""
    shapes = dict(_shapes(config))
    tensors = {}
    for name, (rows, columns) in ((n, s) for n, s in shapes.items() if _adapted(n)):
        stem = f"base_model.model.{name.removesuffix('.weight')}"
        sides = {"lora_A": (ADAPTER_RANK, columns), "lora_B": (rows, ADAPTER_RANK)}
        for side, shape in sides.items():
            full = f"{stem}.{side}.weight"
            tensors[full] = _fill(full, shape, seed)
    _save(tensors, path)


def _adapted(name: str) -> bool:
    return name.removesuffix(".weight").endswith(ADAPTED)


def _save(tensors: dict[str, Any], path: Path) -> None:
    from safetensors.numpy import save_file

    save_file(tensors, path, metadata={"format": "pt"})


def _fill(name: str, shape: tuple[int, ...], seed: int, tied: bool = False) -> Any:
    """Return the numbers of one tensor: they depend on its name, its shape and the seed only."""
    import numpy

    random = numpy.random.Generator(numpy.random.Philox(key=[seed, zlib.crc32(name.encode())]))
    if name.endswith(("norm.weight", "norm_f.weight", ".D")):
        values = numpy.ones(shape)
    elif name.endswith("A_log"):
        values = numpy.log(numpy.arange(1, shape[0] + 1))
    elif name.endswith(("bias", "dt_bias")):
        values = numpy.zeros(shape)
    else:
        values = random.standard_normal(shape) * _gain(name, shape, tied)
    if name == "lm_head.weight":
        spoken = numpy.zeros(shape)
        spoken[list(_SPOKEN)] = values[list(_SPOKEN)]
        values = spoken
    return values.astype(numpy.float32)


def _gain(name: str, shape: tuple[int, ...], tied: bool) -> float:
    """Return a scale that keeps activations near 1, so that outputs depend on all of the prompt.

    A model with tied embeddings multiplies its input by the root of the width; without the
    smaller scale it would only repeat its last token.
    """
    if "embed" in name:
        return 0.2 / shape[-1] ** 0.5 if tied else 1.0
    return 1.5 / shape[-1] ** 0.5


def _shapes(config: dict[str, Any]) -> Shapes:
    if config["model_type"] == "mamba2":
        yield from _mamba_shapes(config)
        return
    vocabulary, hidden = config["vocab_size"], config["hidden_size"]
    yield "model.embed_tokens.weight", (vocabulary, hidden)
    yield "model.norm.weight", (hidden,)
    if not config["tie_word_embeddings"]:
        yield "lm_head.weight", (vocabulary, hidden)
    attention = _mla_shapes if config["model_type"] == "deepseek_v2" else _attention_shapes
    feed_forward = _expert_shapes if "num_local_experts" in config else _mlp_shapes
    for layer in range(config["num_hidden_layers"]):
        stem = f"model.layers.{layer}"
        for norm in _layer_norms(config):
            yield f"{stem}.{norm}.weight", (hidden,)
        yield from attention(config, f"{stem}.self_attn")
        yield from feed_forward(config, stem)


def _layer_norms(config: dict[str, Any]) -> tuple[str, ...]:
    usual = ("input_layernorm", "post_attention_layernorm")
    if config["model_type"] == "gemma3_text":
        return (*usual, "pre_feedforward_layernorm", "post_feedforward_layernorm")
    return usual


def _attention_shapes(config: dict[str, Any], stem: str) -> Shapes:
    hidden, size = config["hidden_size"], config["head_dim"]
    queries = config["num_attention_heads"] * size
    keys = config["num_key_value_heads"] * size
    yield f"{stem}.q_proj.weight", (queries, hidden)
    yield f"{stem}.k_proj.weight", (keys, hidden)
    yield f"{stem}.v_proj.weight", (keys, hidden)
    yield f"{stem}.o_proj.weight", (hidden, queries)
    if config["model_type"] == "gemma3_text":
        yield f"{stem}.q_norm.weight", (size,)
        yield f"{stem}.k_norm.weight", (size,)


def _mla_shapes(config: dict[str, Any], stem: str) -> Shapes:
    hidden, heads = config["hidden_size"], config["num_attention_heads"]
    rank, rope = config["kv_lora_rank"], config["qk_rope_head_dim"]
    nope, value = config["qk_nope_head_dim"], config["v_head_dim"]
    yield f"{stem}.q_proj.weight", (heads * (nope + rope), hidden)
    yield f"{stem}.kv_a_proj_with_mqa.weight", (rank + rope, hidden)
    yield f"{stem}.kv_a_layernorm.weight", (rank,)
    yield f"{stem}.kv_b_proj.weight", (heads * (nope + value), rank)
    yield f"{stem}.o_proj.weight", (hidden, heads * value)


def _mlp_shapes(config: dict[str, Any], stem: str) -> Shapes:
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    yield f"{stem}.mlp.gate_proj.weight", (inner, hidden)
    yield f"{stem}.mlp.up_proj.weight", (inner, hidden)
    yield f"{stem}.mlp.down_proj.weight", (hidden, inner)


def _expert_shapes(config: dict[str, Any], stem: str) -> Shapes:
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    yield f"{stem}.block_sparse_moe.gate.weight", (config["num_local_experts"], hidden)
    for expert in range(config["num_local_experts"]):
        inside = f"{stem}.block_sparse_moe.experts.{expert}"
        yield f"{inside}.w1.weight", (inner, hidden)
        yield f"{inside}.w2.weight", (hidden, inner)
        yield f"{inside}.w3.weight", (inner, hidden)


def _mamba_shapes(config: dict[str, Any]) -> Shapes:
    hidden, heads = config["hidden_size"], config["num_heads"]
    inner = config["expand"] * hidden
    channels = inner + 2 * config["n_groups"] * config["state_size"]
    yield "backbone.embeddings.weight", (config["vocab_size"], hidden)
    yield "backbone.norm_f.weight", (hidden,)
    yield "lm_head.weight", (config["vocab_size"], hidden)
    for layer in range(config["num_hidden_layers"]):
        stem = f"backbone.layers.{layer}"
        yield f"{stem}.norm.weight", (hidden,)
        yield f"{stem}.mixer.in_proj.weight", (inner + channels + heads, hidden)
        yield f"{stem}.mixer.conv1d.weight", (channels, 1, config["conv_kernel"])
        yield f"{stem}.mixer.conv1d.bias", (channels,)
        yield f"{stem}.mixer.norm.weight", (inner,)
        yield f"{stem}.mixer.out_proj.weight", (hidden, inner)
        yield f"{stem}.mixer.A_log", (heads,)
        yield f"{stem}.mixer.D", (heads,)
        yield f"{stem}.mixer.dt_bias", (heads,)
