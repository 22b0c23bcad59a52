"""A share of a step is taken back, and one of its blocks stays cached: nobody ever computed it.

    python walkthroughs/scenarios/scheduler/policies_ghost.py [--model DIRECTORY]

By priority, with ten blocks of 32 tokens. In step 3 `bulk` gets a chunk of two blocks; then
`chat` needs one block, and takes it from `bulk`. Later `bulk` is sent again under the name
`alone`, with an empty cache and nobody beside it. Both answers end at the same token, greedily.
"""

from __future__ import annotations

from typing import Any

from pagewalk.bed.engine import model_option, send, small_engine

ENGINE = "llama"
ROOM = {
    "scheduling_policy": "priority",
    "num_gpu_blocks_override": 11,
    "max_model_len": 320,
    "max_num_batched_tokens": 128,
    "long_prefill_token_threshold": 64,
}
BULK = "A long report that nobody waits for, computed in pieces beside the others. " * 4
CHAT = "A short question that somebody waits for. " * 2
END = ord("w")


def finish(engine: Any) -> None:
    """Step until nobody is left, and print the answers."""
    while engine.has_unfinished_requests():
        for output in engine.step():
            if output.finished:
                print(output.request_id, list(output.outputs[0].token_ids))


def main() -> None:
    """Let `chat` take the blocks back; then ask the same thing again, alone."""
    with small_engine(model_option(__doc__), **ROOM) as llm:
        engine = llm.llm_engine
        send(engine, "bulk", BULK[:280], max_tokens=32, priority=5, stop_token_ids=[END])
        engine.step()
        send(engine, "chat", CHAT[:64], max_tokens=3, priority=1, stop_token_ids=[END])
        finish(engine)
        llm.reset_prefix_cache()
        send(engine, "alone", BULK[:280], max_tokens=32, priority=5, stop_token_ids=[END])
        finish(engine)


if __name__ == "__main__":
    main()
