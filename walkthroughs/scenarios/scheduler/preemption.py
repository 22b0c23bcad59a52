"""Two requests outgrow six blocks: the later one loses all of its blocks, waits, and comes back.

    python walkthroughs/scenarios/scheduler/preemption.py [--model DIRECTORY]

`elder` and `younger` have prompts of 90 tokens, three blocks of 32 each: together they fill the
pool. When `elder` needs a fourth block, `younger` pays. `tiny` arrives a moment before that, and
needs one block. Prompts are sent as token ids, one per character.
"""

from __future__ import annotations

from pagewalk.bed.engine import model_option, send, small_engine

ENGINE = "llama"
ROOM = {
    "num_gpu_blocks_override": 7,  # block 0 is the null block: six are left
    "max_model_len": 192,
    "max_num_batched_tokens": 192,  # both prompts fit into one step
}
PROMPTS = {
    "elder": "I came first, I have been here all along, and I have much more to say "
    "than fits in here...",
    "younger": "I came second. There was room for me, and nobody told me that it would "
    "be gone so soon....",
    "tiny": "Only a word.",
}


def main() -> None:
    """Send the two that collide, then the small one, and step until all are done."""
    with small_engine(model_option(__doc__), **ROOM) as llm:
        engine = llm.llm_engine
        send(engine, "elder", PROMPTS["elder"], max_tokens=12)
        send(engine, "younger", PROMPTS["younger"], max_tokens=12)
        for _ in range(5):
            engine.step()
        send(engine, "tiny", PROMPTS["tiny"], max_tokens=4)
        while engine.has_unfinished_requests():
            engine.step()


if __name__ == "__main__":
    main()
