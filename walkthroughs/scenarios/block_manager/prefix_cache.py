"""Twelve requests with prompts alike in different ways ask what of them is already cached.

    python walkthroughs/scenarios/block_manager/prefix_cache.py [--model DIRECTORY]

Twins come in the same step. Then, one at a time: a request that goes on where a twin ended, one
whose first token is another, a prompt of exactly three blocks, twice, one prompt under different
cache salts, and one that asks for prompt logprobs. Prompts are token ids, one per character, so
the story has the same size with every model.
"""

from __future__ import annotations

import argparse

from pagewalk.bed.engine import small_engine

ENGINE = "llama"
FABLE = (
    "A fox saw some fine grapes hanging from a vine high above the path. It jumped, and jumped "
    "again, and could not reach them."
)
TWIN = list(FABLE[:90].encode())  # two blocks of 32 tokens, and 26 more
EVEN = list(FABLE[20:116].encode())  # three blocks, and nothing more
NOTE = list(b"Dear diary: what I say here is for nobody's eyes but mine, I trust you. Yours, A.")


def send(engine, name: str, prompt: list[int], max_tokens: int = 1, **options) -> None:
    """Hand one request to the engine; `options` are a cache salt or sampling parameters."""
    from vllm import SamplingParams, TokensPrompt

    tokens = TokensPrompt(prompt_token_ids=prompt)
    if "salt" in options:
        tokens["cache_salt"] = options.pop("salt")
    params = SamplingParams(max_tokens=max_tokens, temperature=0.0, ignore_eos=True, **options)
    engine.add_request(name, tokens, params)


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
        send(engine, name, prompt)
        finish(engine)
    for name, salt in {"alice": "A", "alice-again": "A", "bob": "B"}.items():
        send(engine, name, NOTE, salt=salt)
        finish(engine)
    send(engine, "judge", TWIN, prompt_logprobs=1)
    finish(engine)
    send(engine, "third-twin", TWIN)
    finish(engine)


def main() -> None:
    """Start the engine with room for everything, and play."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--model", help="directory of a real model (default: a tiny one)")
    options = parser.parse_args()
    room = {"num_gpu_blocks_override": 24, "max_num_batched_tokens": 160}
    with small_engine(options.model, **room) as llm:
        play(llm.llm_engine)


if __name__ == "__main__":
    main()
