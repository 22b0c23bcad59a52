"""A model kind -> a tiny random model on disk, the same bytes every time, with its tokenizer.

No weights are downloaded: names and shapes follow from the configuration, and the numbers from a
fixed seed. A kind is there for its KV cache, not for its words; yet the plain kinds speak in
lower-case letters, which makes stop strings and printed results possible.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from pagewalk.bed import weights
from pagewalk.bed.tokenizer import BOS, EOS, PAD, write_tokenizer

ADAPTERS = ("lora-a", "lora-b")
"""Directories of the two adapters that `make("lora", …)` puts beside its weights."""

_COMMON: dict[str, Any] = {
    "hidden_size": 128,
    "intermediate_size": 256,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 32,
    "max_position_embeddings": 4096,
    "vocab_size": 320,
    "rms_norm_eps": 1e-6,
    "hidden_act": "silu",
    "tie_word_embeddings": False,
    "bos_token_id": BOS,
    "eos_token_id": EOS,
    "pad_token_id": PAD,
    "dtype": "float32",
}

_LLAMA = {**_COMMON, "architectures": ["LlamaForCausalLM"], "model_type": "llama"}

CONFIGS: dict[str, dict[str, Any]] = {
    "llama": _LLAMA,
    "lora": _LLAMA,
    "pooling": _LLAMA,
    "mistral_swa": {
        **_COMMON,
        "architectures": ["MistralForCausalLM"],
        "model_type": "mistral",
        "sliding_window": 64,
    },
    "gemma3": {
        **_COMMON,
        "architectures": ["Gemma3ForCausalLM"],
        "model_type": "gemma3_text",
        "hidden_activation": "gelu_pytorch_tanh",
        "query_pre_attn_scalar": 32,
        "tie_word_embeddings": True,
        "num_hidden_layers": 4,
        "sliding_window": 64,
        "layer_types": ["sliding_attention", "full_attention"] * 2,
    },
    "mixtral": {
        **_COMMON,
        "architectures": ["MixtralForCausalLM"],
        "model_type": "mixtral",
        "num_local_experts": 4,
        "num_experts_per_tok": 2,
        "sliding_window": None,
    },
    "deepseek_mla": {
        **{name: value for name, value in _COMMON.items() if name != "head_dim"},
        "architectures": ["DeepseekV2ForCausalLM"],
        "model_type": "deepseek_v2",
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "q_lora_rank": None,
        "kv_lora_rank": 512,
        "qk_nope_head_dim": 128,
        "qk_rope_head_dim": 64,
        "v_head_dim": 128,
        "n_routed_experts": 4,
        "n_shared_experts": 1,
        "num_experts_per_tok": 2,
        "moe_intermediate_size": 64,
        "first_k_dense_replace": 2,
        "rope_scaling": None,
    },
    "mamba2": {
        "architectures": ["Mamba2ForCausalLM"],
        "model_type": "mamba2",
        "hidden_size": 64,
        "expand": 2,
        "num_heads": 4,
        "head_dim": 32,
        "state_size": 16,
        "n_groups": 1,
        "conv_kernel": 4,
        "num_hidden_layers": 2,
        "vocab_size": 320,
        "layer_norm_epsilon": 1e-6,
        "hidden_act": "silu",
        "use_bias": False,
        "use_conv_bias": True,
        "tie_word_embeddings": False,
        "bos_token_id": BOS,
        "eos_token_id": EOS,
        "pad_token_id": PAD,
        "dtype": "float32",
    },
}


def make(kind: str, directory: str | os.PathLike[str], *, seed: int = 0) -> Path:
    """Write a model of a kind, tokenizer included, and return its directory.

    Writing again gives the same bytes, and a finished model is left as it is.
    """
    target = Path(directory)
    stamp = target / ".bed"
    recipe = json.dumps({"kind": kind, "seed": seed, "config": CONFIGS[kind]}, sort_keys=True)
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == recipe:
        return target
    target.mkdir(parents=True, exist_ok=True)
    write_config(kind, target)
    write_tokenizer(target)
    weights.write(CONFIGS[kind], target / "model.safetensors", seed)
    if kind == "lora":
        for number, name in enumerate(ADAPTERS, start=1):
            _write_adapter(CONFIGS[kind], target / name, seed + number)
    stamp.write_text(recipe, encoding="utf-8")
    return target


def write_config(kind: str, directory: Path) -> None:
    """Write the `config.json` of a kind, all that a scheduler without a model asks for."""
    _write_json(directory / "config.json", CONFIGS[kind])


def _write_adapter(config: dict[str, Any], directory: Path, seed: int) -> None:
    directory.mkdir(exist_ok=True)
    _write_json(
        directory / "adapter_config.json",
        {
            "peft_type": "LORA",
            "task_type": "CAUSAL_LM",
            "r": weights.ADAPTER_RANK,
            "lora_alpha": 4 * weights.ADAPTER_RANK,
            "lora_dropout": 0.0,
            "bias": "none",
            "target_modules": list(weights.ADAPTED),
        },
    )
    weights.write_adapter(config, directory / "adapter_model.safetensors", seed)


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
