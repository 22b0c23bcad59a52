"""Two calls to the worker for each step: a prompt in parts, answers, and a step without tokens.

    python walkthroughs/scenarios/workers/two_calls.py [--model DIRECTORY]

A step has room for 64 tokens. `short` is computed at once, and ends after two steps. The prompt of
`long` takes four: twice it stands beside `short`, and once it is alone.
"""

from __future__ import annotations

import argparse
from typing import Any

from pagewalk.bed.engine import small_engine

ENGINE = "llama"
PROMPTS = {
    "short": "I am quickly computed.",
    "long": "My prompt does not fit into one step, nor into two of them, because a step has "
    "room for no more tokens than this engine was given; so it comes in parts, and only the "
    "last one is followed by an answer.",
}


def send(engine: Any, name: str, max_tokens: int) -> None:
    """Hand one request to the engine."""
    from vllm import SamplingParams, TokensPrompt

    params = SamplingParams(max_tokens=max_tokens, temperature=0.0, ignore_eos=True)
    prompt = TokensPrompt(prompt_token_ids=list(PROMPTS[name].encode()))
    engine.add_request(name, prompt, params)


def main() -> None:
    """Send both, step until they are done, and once more: the worker is told who has ended."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--model", help="directory of a real model (default: a tiny one)")
    options = parser.parse_args()
    with small_engine(options.model) as llm:
        engine = llm.llm_engine
        send(engine, "short", max_tokens=2)
        send(engine, "long", max_tokens=4)
        while engine.has_unfinished_requests():
            engine.step()
        engine.step()


if __name__ == "__main__":
    main()
