"""A live engine answers one prompt twice (n=2): two requests that share one full block.

python walkthroughs/scenarios/block_manager/partial_siblings.py [--model DIRECTORY]
"""

from __future__ import annotations

import argparse

from pagewalk.bed.engine import small_engine

ENGINE = "llama"
PROMPT = [97 + place % 23 for place in range(40)]  # one block of 32 and 8 tokens


def main() -> None:
    """Send one prompt and ask for two answers."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--model", help="directory of a real model (default: a tiny one)")
    options = parser.parse_args()
    with small_engine(options.model) as llm:
        from vllm import SamplingParams, TokensPrompt

        params = SamplingParams(n=2, max_tokens=6, temperature=1.0, seed=1, ignore_eos=True)
        llm.llm_engine.add_request("pair", TokensPrompt(prompt_token_ids=PROMPT), params)
        while llm.llm_engine.has_unfinished_requests():
            llm.llm_engine.step()


if __name__ == "__main__":
    main()
