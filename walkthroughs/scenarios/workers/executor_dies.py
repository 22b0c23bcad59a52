"""A worker process is killed in the middle of an answer; the engine core gives up, and says so.

    python walkthroughs/scenarios/workers/executor_dies.py [--model DIRECTORY]

`cut` would get two hundred tokens. After its first ones the worker is ended from outside, as the
kernel does when memory runs out.
"""

from __future__ import annotations

import os
import signal
import tempfile
import warnings
from pathlib import Path
from typing import Any

from pagewalk.bed.engine import model_option, send
from pagewalk.bed.models import make
from pagewalk.bed.settings import engine_args, settle_environment

ENGINE = "llama"

PROMPT = "Tell me a long story."


def start(directory: str, model: str | None) -> Any:
    """Start an engine core and a worker, each in a process of its own."""
    settle_environment()
    os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "1"
    os.environ["VLLM_LOGGING_LEVEL"] = "CRITICAL"  # what is logged here is meant to happen
    warnings.filterwarnings("ignore", category=FutureWarning)
    from vllm import LLM

    model = model or str(make("llama", Path(directory) / "llama"))
    return LLM(**engine_args("llama", model, use_tqdm_on_load=False))


def worker() -> int:
    """The process that the engine core started: this process's grandchild that runs a worker."""
    import psutil

    below = psutil.Process().children(recursive=True)
    (found,) = [one.pid for one in below if "Worker" in " ".join(one.cmdline()) + one.name()]
    return found


def main() -> None:
    """Send a request, end the worker, and wait for the engine to notice."""
    model = model_option(__doc__)
    with tempfile.TemporaryDirectory(prefix="pagewalk-model-") as directory:
        engine = start(directory, model).llm_engine
        from vllm.v1.engine.exceptions import EngineDeadError

        send(engine, "cut", PROMPT, max_tokens=200)
        for _ in range(3):
            engine.step()
        os.kill(worker(), signal.SIGKILL)
        try:
            while engine.has_unfinished_requests():
                engine.step()
        except EngineDeadError as error:
            print(f"The engine is dead: {error}")
        else:
            raise SystemExit("The engine went on without its worker.")


if __name__ == "__main__":
    main()
