"""Twelve requests with prompts alike in different ways ask what of them is already cached.

    python walkthroughs/scenarios/block_manager/prefix_cache.py [--model DIRECTORY]

Twins come in the same step. Then, one at a time: a request that goes on where a twin ended, one
whose first token is another, a prompt of exactly three blocks, twice, one prompt under different
cache salts, and one that asks for prompt logprobs. Prompts are token ids, one per character, so
the story has the same size with every model.
"""

from __future__ import annotations

from pagewalk.bed.engine import model_option, send, small_engine

ENGINE = "llama"
FABLE = (
    "A fox saw some fine grapes hanging from a vine high above the path. It jumped, and jumped "
    "again, and could not reach them."
)
TWIN = list(FABLE[:90].encode())  # two blocks of 32 tokens, and 26 more
EVEN = list(FABLE[20:116].encode())  # three blocks, and nothing more
NOTE = list(b"Dear diary: what I say here is for nobody's eyes but mine, I trust you. Yours, A.")


def finish(engine) -> dict[str, list[int]]:
    """Step until all are done; the tokens each request was given."""
    given = {}
    while engine.has_unfinished_requests():
        for output in engine.step():
            given[output.request_id] = list(output.outputs[0].token_ids)
    return given


def play(engine) -> None:
    """Send the twelve requests in their order."""
    send(engine, "twin-a", TWIN, max_tokens=10)
    send(engine, "twin-b", TWIN, max_tokens=10)
    told = finish(engine)["twin-a"]
    alone = {
        "sequel": TWIN + told[:6] + list(b"And then?"),  # 90 + 6 tokens are three blocks
        "odd-start": [0, *TWIN[1:]],
        "even": EVEN,
        "even-again": EVEN,
        "open": NOTE,
    }
    for name, prompt in alone.items():
        send(engine, name, prompt, max_tokens=1)
        finish(engine)
    for name, salt in {"alice": "A", "alice-again": "A", "bob": "B"}.items():
        send(engine, name, NOTE, max_tokens=1, salt=salt)
        finish(engine)
    send(engine, "judge", TWIN, max_tokens=1, prompt_logprobs=1)
    finish(engine)
    send(engine, "third-twin", TWIN, max_tokens=1)
    finish(engine)


def main() -> None:
    """Start the engine with room for everything, and play."""
    model = model_option(__doc__)
    room = {"num_gpu_blocks_override": 24, "max_num_batched_tokens": 160}
    with small_engine(model, **room) as llm:
        play(llm.llm_engine)


if __name__ == "__main__":
    main()
