"""A prompt in two parts beside two requests that decode: what the backend is told of each row.

    python walkthroughs/scenarios/attention/metadata.py [--model DIRECTORY]

A step computes at most 64 tokens. `crane` and `stork` decode when `heron` comes, whose prompt is
longer than what is left. Prompts are sent as token ids, one per character.
"""

from __future__ import annotations

import argparse
from typing import Any

from pagewalk.bed.engine import small_engine

ENGINE = "llama"
PROMPTS = {
    "crane": "A bird that stands in the water.",
    "stork": "One that brings luck.",
    "heron": "A third bird, that stands in the water like the first one, and waits for its fish.",
}


def send(engine: Any, name: str, max_tokens: int) -> None:
    """Hand one request to the engine."""
    from vllm import SamplingParams, TokensPrompt

    params = SamplingParams(max_tokens=max_tokens, temperature=0.0, ignore_eos=True)
    prompt = TokensPrompt(prompt_token_ids=list(PROMPTS[name].encode()))
    engine.add_request(name, prompt, params)


def main() -> None:
    """Let two of them decode, then send the third."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--model", help="directory of a real model (default: a tiny one)")
    options = parser.parse_args()
    with small_engine(options.model) as llm:
        engine = llm.llm_engine
        send(engine, "crane", max_tokens=6)
        send(engine, "stork", max_tokens=7)
        for _ in range(2):
            engine.step()
        send(engine, "heron", max_tokens=4)
        while engine.has_unfinished_requests():
            engine.step()


if __name__ == "__main__":
    main()
