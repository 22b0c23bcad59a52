"""Two workers run the same steps, each with its half of every layer: tensor parallel 2 on a CPU.

    python walkthroughs/scenarios/workers/executor.py [--model DIRECTORY]

Front end, engine core and each worker are processes of their own. Each worker is bound to one core
of the machine, so it needs two.
"""

from __future__ import annotations

import os
import tempfile
import warnings
from pathlib import Path
from typing import Any

from pagewalk.bed.engine import model_option, send
from pagewalk.bed.models import make
from pagewalk.bed.settings import engine_args, settle_environment

ENGINE = "llama"

PROMPTS = {
    "left": "Which of the two of you answers me?",
    "right": "Do both of you know both of us, and where what we said is kept?",
}


def start(directory: str, model: str | None) -> Any:
    """Start an engine core and two workers, each in a process of its own."""
    # Without this, vLLM would ask for a NUMA node per rank.
    os.environ["VLLM_CPU_OMP_THREADS_BIND"] = "0|1"
    settle_environment()
    os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "1"
    warnings.filterwarnings("ignore", category=FutureWarning)
    from vllm import LLM

    model = model or str(make("llama", Path(directory) / "llama"))
    return LLM(**engine_args("llama", model, use_tqdm_on_load=False, tensor_parallel_size=2))


def main() -> None:
    """Send two requests and step until both are done."""
    model = model_option(__doc__)
    with tempfile.TemporaryDirectory(prefix="pagewalk-model-") as directory:
        engine = start(directory, model).llm_engine
        for name, text in PROMPTS.items():
            send(engine, name, text, max_tokens=8)
        while engine.has_unfinished_requests():
            engine.step()
        engine.engine_core.shutdown()


if __name__ == "__main__":
    main()
