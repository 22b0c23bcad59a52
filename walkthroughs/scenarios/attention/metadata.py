"""A prompt in two parts beside two requests that decode: what the backend is told of each row.

    python walkthroughs/scenarios/attention/metadata.py [--model DIRECTORY]

A step computes at most 64 tokens. `crane` and `stork` decode when `heron` comes, whose prompt is
longer than what is left. Prompts are sent as token ids, one per character.
"""

from __future__ import annotations

from pagewalk.bed.engine import model_option, send, small_engine

ENGINE = "llama"
PROMPTS = {
    "crane": "A bird that stands in the water.",
    "stork": "One that brings luck.",
    "heron": "A third bird, that stands in the water like the first one, and waits for its fish.",
}


def main() -> None:
    """Let two of them decode, then send the third."""
    with small_engine(model_option(__doc__)) as llm:
        engine = llm.llm_engine
        send(engine, "crane", PROMPTS["crane"], max_tokens=6)
        send(engine, "stork", PROMPTS["stork"], max_tokens=7)
        for _ in range(2):
            engine.step()
        send(engine, "heron", PROMPTS["heron"], max_tokens=4)
        while engine.has_unfinished_requests():
            engine.step()


if __name__ == "__main__":
    main()
