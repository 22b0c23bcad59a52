"""Four requests: one grows, one gives way to it, one needs a grammar, and one is aborted."""

from __future__ import annotations

import time
from typing import Any

from pagewalk.bed.engine import model_option, send, small_engine

ENGINE = "llama"

WALK = (
    "A page walk is what a memory unit does with the tables it keeps, level by level, to the end."
)
RIVAL = "Here is one who came a bit later. "


def run(engine: Any) -> None:
    """Step until nothing is left."""
    while engine.has_unfinished_requests():
        engine.step()


def grammar_is_ready(engine: Any) -> bool:
    """Ask every request of the scheduler whether its grammar is compiled."""
    requests = engine.engine_core.engine_core.scheduler.requests.values()
    return all(one.structured_output_request.grammar is not None for one in requests)


def main() -> None:
    """Room for five blocks of 32 tokens: `walk` grows, and `rival` has to give way."""
    from vllm.sampling_params import StructuredOutputsParams

    with small_engine(model_option(__doc__), num_gpu_blocks_override=6, max_model_len=128) as llm:
        engine = llm.llm_engine
        send(engine, "walk", WALK, max_tokens=10)
        send(engine, "rival", RIVAL, max_tokens=12)
        run(engine)

        choice = StructuredOutputsParams(choice=["yes", "no"])
        ends = {"ignore_eos": False, "structured_outputs": choice}
        send(engine, "answer", "Yes or no?", max_tokens=20, **ends)
        while not grammar_is_ready(engine):  # it compiles in a thread
            time.sleep(0.01)
        run(engine)

        send(engine, "dropped", "Count to a million.", max_tokens=100)
        for _ in range(3):
            engine.step()
        engine.abort_request(["dropped"])
        run(engine)


if __name__ == "__main__":
    main()
