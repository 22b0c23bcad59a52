"""Three requests run together: the scheduler plans in tables, the worker writes to slots.

    python walkthroughs/scenarios/workers/index.py [--model DIRECTORY]

Prompts are sent as token ids, one per character.
"""

from __future__ import annotations

from pagewalk.bed.engine import ask, model_option, small_engine

ENGINE = "llama"
PROMPTS = {
    "crane": "A bird with long legs, that stands in the water.",
    "heron": "Another one, that waits for fish.",
    "stork": "And one that brings luck.",
}


def main() -> None:
    """Send all three at once, and step until they are done."""
    with small_engine(model_option(__doc__)) as llm:
        ask(llm, PROMPTS, max_tokens=6)


if __name__ == "__main__":
    main()
