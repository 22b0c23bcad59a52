"""Three requests, small enough to keep their block tables on paper; two of them share a prefix.

    python walkthroughs/scenarios/block_manager/by_hand.py [--model DIRECTORY]

Nine blocks of 32 tokens. `ant` and `bee` begin with the same 64 tokens, `cow` is short and soon
done. Prompts are sent as token ids, one per character.
"""

from __future__ import annotations

from pagewalk.bed.engine import model_option, send, small_engine

ENGINE = "llama"
ROOM = {
    "num_gpu_blocks_override": 10,  # block 0 is the null block: nine are left
    "max_model_len": 256,
    "max_num_batched_tokens": 256,  # all three prompts fit into one step
}
SHARED = "The first sixty-four tokens of ant and of bee are the very same."
PROMPTS = {
    "ant": SHARED + " Ants!",
    "bee": SHARED + " Bees, too.",
    "cow": "The cow stands apart",
}
MAX_TOKENS = {"ant": 30, "bee": 25, "cow": 15}


def main() -> None:
    """Send all three at once, and step until they are done."""
    with small_engine(model_option(__doc__), **ROOM) as llm:
        engine = llm.llm_engine
        for name in PROMPTS:
            send(engine, name, PROMPTS[name], MAX_TOKENS[name])
        while engine.has_unfinished_requests():
            engine.step()


if __name__ == "__main__":
    main()
