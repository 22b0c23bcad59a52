"""Two calls to the worker for each step: a prompt in parts, answers, and a step without tokens.

    python walkthroughs/scenarios/workers/two_calls.py [--model DIRECTORY]

A step has room for 64 tokens. `short` is computed at once, and ends after two steps. The prompt of
`long` takes four: twice it stands beside `short`, and once it is alone.
"""

from __future__ import annotations

from pagewalk.bed.engine import model_option, send, small_engine

ENGINE = "llama"
PROMPTS = {
    "short": "I am quickly computed.",
    "long": "My prompt does not fit into one step, nor into two of them, because a step has "
    "room for no more tokens than this engine was given; so it comes in parts, and only the "
    "last one is followed by an answer.",
}


def main() -> None:
    """Send both, step until they are done, and once more: the worker is told who has ended."""
    with small_engine(model_option(__doc__)) as llm:
        engine = llm.llm_engine
        send(engine, "short", PROMPTS["short"], max_tokens=2)
        send(engine, "long", PROMPTS["long"], max_tokens=4)
        while engine.has_unfinished_requests():
            engine.step()
        engine.step()


if __name__ == "__main__":
    main()
