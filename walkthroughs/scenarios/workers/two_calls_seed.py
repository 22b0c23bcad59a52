"""A request with a seed, and with a prompt in parts, ends the CPU engine of this release.

    python walkthroughs/scenarios/workers/two_calls_seed.py [--model DIRECTORY]

A step has room for 64 tokens, and the prompt of `dice` takes two. After the first part its random
generator is set back, which a generator on a CPU cannot do.
"""

from __future__ import annotations

from pagewalk.bed.engine import model_option, send, small_engine

ENGINE = "llama"
PROMPT = "Roll the dice for me, always in the same way, and wait until you have read all of this."


def main() -> None:
    """Send the request and step until the engine fails."""
    with small_engine(model_option(__doc__)) as llm:
        send(llm.llm_engine, "dice", PROMPT, max_tokens=4, temperature=1.0, seed=1)
        try:
            llm.llm_engine.step()
        except RuntimeError as error:
            print(f"The step failed: {error}")
        else:
            raise SystemExit("The step did not fail: this release sets the generator back.")


if __name__ == "__main__":
    main()
