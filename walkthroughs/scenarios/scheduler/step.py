"""Two requests pass through an engine with a front end, a core and a worker process."""

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

FIRST = "What does an engine do in one turn of its loop, and who waits for whom? Tell me."
SECOND = "And what is sent?"


def start(directory: str, model: str | None) -> Any:
    """Start an engine core and a worker, each in a process of its own."""
    settle_environment()
    os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "1"
    warnings.filterwarnings("ignore", category=FutureWarning)
    from vllm import LLM

    model = model or str(make("llama", Path(directory) / "llama"))
    return LLM(**engine_args("llama", model, use_tqdm_on_load=False))


def main() -> None:
    """Send the second request when the first one has its first tokens."""
    model = model_option(__doc__)
    with tempfile.TemporaryDirectory(prefix="pagewalk-model-") as directory:
        engine = start(directory, model).llm_engine
        send(engine, "first", FIRST, max_tokens=24)
        engine.step()
        send(engine, "second", SECOND, max_tokens=24)
        while engine.has_unfinished_requests():
            engine.step()
        engine.engine_core.shutdown()


if __name__ == "__main__":
    main()
