"""A live engine with nine blocks finds the greatest length of a request itself."""

from __future__ import annotations

from pagewalk.bed.engine import ask, model_option, small_engine

ENGINE = "llama"


def main() -> None:
    """Start without a length, and send a short prompt."""
    with small_engine(model_option(__doc__), num_gpu_blocks_override=9, max_model_len=-1) as llm:
        ask(llm, {"short": "a" * 40}, max_tokens=3)


if __name__ == "__main__":
    main()
