"""A live Gemma 3 of four layers: two look back 64 tokens, two see everything; four prompts."""

from __future__ import annotations

import tempfile
from pathlib import Path

from pagewalk.bed.engine import model_option, send, small_engine
from pagewalk.bed.models import make

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
    model = model_option(__doc__)
    if model:
        play(model)
        return
    with tempfile.TemporaryDirectory() as directory:
        play(str(make("gemma3", Path(directory, "gemma3"))))


def play(model: str) -> None:
    """Start the engine and send the prompts."""
    with small_engine(model, num_gpu_blocks_override=24) as llm:
        for name, tokens in PROMPTS.items():
            send(llm.llm_engine, name, tokens, max_tokens=2)
            while llm.llm_engine.has_unfinished_requests():
                llm.llm_engine.step()


if __name__ == "__main__":
    main()
