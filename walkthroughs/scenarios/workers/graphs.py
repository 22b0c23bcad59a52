"""A CPU engine gets the dispatcher of one with CUDA graphs, and we see which one it would take.

    python walkthroughs/scenarios/workers/graphs.py [--model DIRECTORY]

The dispatcher is vLLM's own, with graphs for 1, 2, 4 and 8 tokens in its table. There are none: a
CPU cannot record them. What it answers for each batch is what a GPU would hear.
"""

from __future__ import annotations

from copy import copy
from typing import Any

from pagewalk.bed.engine import model_option, send, small_engine

ENGINE = "llama"
SIZES = [1, 2, 4, 8]
# Name -> prompt and tokens to generate. One comes a step, and from the sixth on one ends a step.
REQUESTS = {
    "ask": ("I come first.", 10),
    "bid": ("Me too", 8),
    "cry": ("Me!", 6),
    "dot": ("Yes.", 4),
    "eve": ("Hi", 2),
}


def hand_over(runner: Any) -> None:
    """Put a dispatcher with four sizes into the model runner, in place of its own."""
    from vllm.config import CompilationMode, CUDAGraphMode
    from vllm.v1.cudagraph_dispatcher import CudagraphDispatcher

    config = copy(runner.vllm_config)
    config.compilation_config = chosen = copy(config.compilation_config)
    chosen.mode = CompilationMode.VLLM_COMPILE
    chosen.cudagraph_mode = CUDAGraphMode.FULL_AND_PIECEWISE
    chosen.splitting_ops = list(chosen._attention_ops)
    chosen.cudagraph_capture_sizes, chosen.max_cudagraph_capture_size = SIZES, max(SIZES)
    runner.cudagraph_dispatcher = CudagraphDispatcher(config)
    runner.cudagraph_dispatcher.initialize_cudagraph_keys(chosen.cudagraph_mode)


def ask_all(engine: Any) -> None:
    """Send a request before each of the first steps, and step until all are done."""
    for name in REQUESTS:
        send(engine, name, *REQUESTS[name])
        engine.step()
    while engine.has_unfinished_requests():
        engine.step()


def main() -> None:
    """Start an engine, give it the dispatcher, and send the requests."""
    with small_engine(model_option(__doc__)) as llm:
        engine = llm.llm_engine
        worker = engine.engine_core.engine_core.model_executor.driver_worker.worker
        hand_over(worker.model_runner)
        ask_all(engine)


if __name__ == "__main__":
    main()
