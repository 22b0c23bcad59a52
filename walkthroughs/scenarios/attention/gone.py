"""Three requests share three blocks, and one alone is long: what once had kernels of its own.

    python walkthroughs/scenarios/attention/gone.py [--model DIRECTORY]

All three begin with the same 96 tokens, which engines of old would have read once for all of them.
Prompts are sent as token ids, one per character; a block has 32 tokens.
"""

from __future__ import annotations

from pagewalk.bed.engine import model_option, send, small_engine

ENGINE = "llama"
SHARED = (
    "All three of us begin with the same words, "
    "which fill exactly three of the blocks. It is so....."
)
ENDS = {"one": " First.", "two": " The second.", "three": " And the third of them."}


def main() -> None:
    """Compute the shared blocks with `one`, then let the other two join."""
    with small_engine(model_option(__doc__)) as llm:
        engine = llm.llm_engine
        send(engine, "one", SHARED + ENDS["one"], max_tokens=8)
        for _ in range(2):
            engine.step()
        send(engine, "two", SHARED + ENDS["two"], max_tokens=5)
        send(engine, "three", SHARED + ENDS["three"], max_tokens=5)
        while engine.has_unfinished_requests():
            engine.step()


if __name__ == "__main__":
    main()
