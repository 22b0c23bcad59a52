"""A live engine answers one prompt twice (n=2): two requests that share one full block.

python walkthroughs/scenarios/block_manager/partial_siblings.py [--model DIRECTORY]
"""

from __future__ import annotations

from pagewalk.bed.engine import model_option, send, small_engine

ENGINE = "llama"
PROMPT = [97 + place % 23 for place in range(40)]  # one block of 32 and 8 tokens


def main() -> None:
    """Send one prompt and ask for two answers."""
    with small_engine(model_option(__doc__)) as llm:
        send(llm.llm_engine, "pair", PROMPT, max_tokens=6, n=2, temperature=1.0, seed=1)
        while llm.llm_engine.has_unfinished_requests():
            llm.llm_engine.step()


if __name__ == "__main__":
    main()
