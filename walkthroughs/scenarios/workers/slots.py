"""Two requests share two blocks, and every token they compute gets a slot of its own.

    python walkthroughs/scenarios/workers/slots.py [--model DIRECTORY]

`early` uses three blocks of 32 tokens and ends. So the free queue is out of order when `long`
comes: its table is not a row of neighbors. `twin` begins like `long` and adds a few words.
Prompts are sent as token ids, one per character.
"""

from __future__ import annotations

from pagewalk.bed.engine import model_option, send, small_engine

ENGINE = "llama"
ROOM = {
    "num_gpu_blocks_override": 6,  # block 0 is the null block: five are left
    "max_model_len": 160,
    "max_num_batched_tokens": 64,  # the long prompt takes two steps
}
SHARED = "The first two blocks of this text are the same in both of them.."
PROMPTS = {
    "early": "I was here before the two of you came in, and I will not be here long.",
    "long": SHARED + " But this one goes on for a bit longer.",
    "twin": SHARED + " No more.",
}


def main() -> None:
    """Let `early` end, send `long`, and `twin` when the prompt of `long` is computed."""
    with small_engine(model_option(__doc__), **ROOM) as llm:
        engine = llm.llm_engine
        send(engine, "early", PROMPTS["early"], max_tokens=2)
        while engine.has_unfinished_requests():
            engine.step()
        send(engine, "long", PROMPTS["long"], max_tokens=8)
        for _ in range(2):
            engine.step()
        send(engine, "twin", PROMPTS["twin"], max_tokens=4)
        while engine.has_unfinished_requests():
            engine.step()


if __name__ == "__main__":
    main()
