"""Rows of a batch are left, filled and moved: one request ends, one arrives, one is preempted.

    python walkthroughs/scenarios/workers/batch.py [--model DIRECTORY]

Four requests fill six blocks of 32 tokens. `ant` ends first, then `bee`, and `eel` arrives as
`bee` ends. When `cow` needs a third block, `eel` is preempted; it comes back when `dog` is done.
Prompts are sent as token ids, one per character.
"""

from __future__ import annotations

from pagewalk.bed.engine import model_option, send, small_engine

ENGINE = "llama"
ROOM = {
    "num_gpu_blocks_override": 7,  # block 0 is the null block: six are left
    "max_model_len": 192,
    "max_num_batched_tokens": 128,  # the four prompts fit into one step
}
PROMPTS = {
    "ant": "I ask.",
    "bee": "So do I.",
    "cow": "I stay to the very end, and in the middle I get greedy.",
    "dog": "I stay for long, and I need no more.",
    "eel": "I come late, I have to go, I come back.",
}


def main() -> None:
    """Send four, step until two have ended, send the last, and step until all are done."""
    with small_engine(model_option(__doc__), **ROOM) as llm:
        engine = llm.llm_engine
        for name, max_tokens in (("ant", 4), ("bee", 6), ("cow", 24), ("dog", 15)):
            send(engine, name, PROMPTS[name], max_tokens)
        for _ in range(6):
            engine.step()
        send(engine, "eel", PROMPTS["eel"], max_tokens=12)
        while engine.has_unfinished_requests():
            engine.step()


if __name__ == "__main__":
    main()
