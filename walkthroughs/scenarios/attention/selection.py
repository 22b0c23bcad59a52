"""Four engines, one after the other: what was asked for, and which attention backend came.

    python walkthroughs/scenarios/attention/selection.py

Engine 0 asks for nothing, engine 1 for FlashAttention, engine 2 has layers of two kinds, and
engine 3 has multi-head latent attention. All of them run on a CPU.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from pagewalk.bed.engine import ask, small_engine
from pagewalk.bed.models import make

ENGINE = "llama"
# CPU_MLA is asked for by name: a CPU with AMX would take AMX_MLA, which needs other weights.
ENGINES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("llama", {}),
    ("llama", {"attention_backend": "FLASH_ATTN"}),
    ("gemma3", {"num_gpu_blocks_override": 24}),
    (
        "deepseek_mla",
        {"attention_backend": "CPU_MLA", "block_size": 16, "num_gpu_blocks_override": 28},
    ),
)


def main() -> None:
    """Build each engine, and let it answer one request."""
    with tempfile.TemporaryDirectory() as folder:
        for kind, over in ENGINES:
            model = make(kind, Path(folder) / kind)
            with small_engine(str(model), dtype="float32", **over) as llm:
                ask(llm, {"probe": "Which backend do you have?"}, max_tokens=2)


if __name__ == "__main__":
    main()
