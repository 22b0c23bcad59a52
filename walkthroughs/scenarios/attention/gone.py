"""Three requests share three blocks, and one alone is long: what once had kernels of its own.

    python walkthroughs/scenarios/attention/gone.py [--model DIRECTORY]

All three begin with the same 96 tokens, which engines of old would have read once for all of them.
Prompts are sent as token ids, one per character; a block has 32 tokens.
"""

from __future__ import annotations

import argparse
from typing import Any

from pagewalk.bed.engine import small_engine

ENGINE = "llama"
SHARED = (
    "All three of us begin with the same words, "
    "which fill exactly three of the blocks. It is so....."
)
ENDS = {"one": " First.", "two": " The second.", "three": " And the third of them."}


def send(engine: Any, name: str, max_tokens: int) -> None:
    """Hand one request to the engine."""
    from vllm import SamplingParams, TokensPrompt

    params = SamplingParams(max_tokens=max_tokens, temperature=0.0, ignore_eos=True)
    prompt = TokensPrompt(prompt_token_ids=list((SHARED + ENDS[name]).encode()))
    engine.add_request(name, prompt, params)


def main() -> None:
    """Compute the shared blocks with `one`, then let the other two join."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--model", help="directory of a real model (default: a tiny one)")
    options = parser.parse_args()
    with small_engine(options.model) as llm:
        engine = llm.llm_engine
        send(engine, "one", max_tokens=8)
        for _ in range(2):
            engine.step()
        send(engine, "two", max_tokens=5)
        send(engine, "three", max_tokens=5)
        while engine.has_unfinished_requests():
            engine.step()


if __name__ == "__main__":
    main()
