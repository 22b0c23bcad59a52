"""Two prompts with the same beginning in one step: one writes the block that the other one reads.

    python walkthroughs/scenarios/attention/kv_write.py [--model DIRECTORY]

`writer` comes first and `reader` is admitted in the same step. It hits the block that `writer`
has been promised, and that nobody has written yet. Prompts are sent as token ids, one per
character; a block has 32 tokens.
"""

from __future__ import annotations

from pagewalk.bed.engine import ask, model_option, small_engine

ENGINE = "llama"
SHARED = "These thirty-two are for both..."
PROMPTS = {
    "writer": SHARED + " I compute them.",
    "reader": SHARED + " I only read.",
}


def main() -> None:
    """Send both at once, and step until they are done."""
    with small_engine(model_option(__doc__), max_num_batched_tokens=128) as llm:
        ask(llm, PROMPTS, max_tokens=4)


if __name__ == "__main__":
    main()
