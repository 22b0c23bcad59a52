"""An engine is given two MiB for its KV cache, starts, and answers one request.

    python walkthroughs/scenarios/workers/start_up.py [--model DIRECTORY]

The model runs as it is: nothing is compiled.
"""

from __future__ import annotations

import os
import tempfile
import warnings
from pathlib import Path
from typing import Any

from pagewalk.bed.engine import ask, model_option
from pagewalk.bed.models import make
from pagewalk.bed.settings import engine_args, settle_environment

ENGINE = "llama"
MEMORY = {"num_gpu_blocks_override": None, "kv_cache_memory_bytes": 2**21}


def start_and_ask(name: str, **over: Any) -> None:
    """Start an engine in this process, send it one prompt of that name, and stop it."""
    model = model_option(__doc__)
    settle_environment()
    os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
    os.environ.pop("VLLM_CPU_KVCACHE_SPACE")  # it would win over the argument
    warnings.filterwarnings("ignore", category=FutureWarning)
    from vllm import LLM

    with tempfile.TemporaryDirectory(prefix="pagewalk-model-") as directory:
        model = model or str(make("llama", Path(directory) / "llama"))
        llm = LLM(**engine_args("llama", model, use_tqdm_on_load=False, **MEMORY, **over))
        ask(llm, {name: "Are you awake?"}, max_tokens=4)
        llm.llm_engine.engine_core.shutdown()


def main() -> None:
    """Start it as it is."""
    start_and_ask("plain")


if __name__ == "__main__":
    main()
