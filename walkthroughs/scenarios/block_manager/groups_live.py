"""A live Gemma 3 of four layers: two look back 64 tokens, two see everything; four prompts."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

ENGINE = "gemma3"

LONG = [97 + place % 23 for place in range(160)]
PROMPTS = {
    "long": LONG,
    "resend": LONG,
    "shorter": LONG[:100] + [98] * 30,
    "third": LONG[:100] + [99] * 30,
}


def main() -> None:
    """Send the prompts one after the other, each when the one before is done."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="directory of the model (default: a tiny random one)")
    model = parser.parse_args().model
    if model:
        play(model)
        return
    from pagewalk.bed.models import make

    with tempfile.TemporaryDirectory() as directory:
        play(str(make("gemma3", Path(directory, "gemma3"))))


def play(model: str) -> None:
    """Start the engine and send the prompts."""
    from pagewalk.bed.engine import small_engine

    with small_engine(model, num_gpu_blocks_override=24) as llm:
        from vllm import SamplingParams, TokensPrompt

        params = SamplingParams(max_tokens=2, temperature=0.0, ignore_eos=True)
        for name, tokens in PROMPTS.items():
            llm.llm_engine.add_request(name, TokensPrompt(prompt_token_ids=tokens), params)
            while llm.llm_engine.has_unfinished_requests():
                llm.llm_engine.step()


if __name__ == "__main__":
    main()
