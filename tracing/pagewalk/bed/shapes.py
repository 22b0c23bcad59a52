"""A shape -> a directory with a model's configuration and no weights: vLLM makes random ones.

Nothing is downloaded and nothing large is written: `load_format="dummy"` fills the tensors on the
device. There is no tokenizer either, so prompts are token ids and answers are not put into words.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

_COMMON: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_act": "silu",
    "rms_norm_eps": 1e-5,
    "rope_theta": 500_000.0,
    "max_position_embeddings": 8192,
    "head_dim": 64,
    "tie_word_embeddings": True,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "dtype": "bfloat16",
}

SHAPES: dict[str, dict[str, Any]] = {
    # The same program on a CPU: two layers, so that a step takes milliseconds there.
    "tiny": {
        **_COMMON,
        "hidden_size": 256,
        "intermediate_size": 512,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "vocab_size": 1024,
    },
    # 1.2 billion parameters, 2.5 GB in bfloat16.
    "1b": {
        **_COMMON,
        "hidden_size": 2048,
        "intermediate_size": 8192,
        "num_hidden_layers": 16,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "vocab_size": 128_256,
    },
}


def write_shape(name: str, directory: str | os.PathLike[str]) -> Path:
    """Write the `config.json` of a shape and return its directory."""
    target = Path(directory)
    target.mkdir(parents=True, exist_ok=True)
    text = json.dumps(SHAPES[name], indent=2) + "\n"
    (target / "config.json").write_text(text, encoding="utf-8")
    return target


def shape_args(model: str | os.PathLike[str], **over: Any) -> dict[str, Any]:
    """Return keyword arguments for `LLM`: a model of random weights, without a tokenizer."""
    return {
        "model": str(model),
        "load_format": "dummy",
        "skip_tokenizer_init": True,
        "seed": 0,
        **over,
    }


__all__ = ["SHAPES", "shape_args", "write_shape"]
