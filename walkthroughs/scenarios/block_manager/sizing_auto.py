"""A live engine with nine blocks finds the greatest length of a request itself."""

from __future__ import annotations

import argparse

from pagewalk.bed.engine import ask, small_engine

ENGINE = "llama"


def main() -> None:
    """Start without a length, and send a short prompt."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="directory of a real model (default: a tiny one)")
    model = parser.parse_args().model
    with small_engine(model, num_gpu_blocks_override=9, max_model_len=-1) as llm:
        ask(llm, {"short": "a" * 40}, max_tokens=3)


if __name__ == "__main__":
    main()
