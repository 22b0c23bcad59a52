"""Send prompts that begin alike, and print what each prefix cache lookup found.

    python scripts/prefix_cache.py [--model MODEL] [--out DIR]

Only full blocks of 32 tokens are cached, each under a hash of everything up to its end. So a hit
is a multiple of 32, it stops at the first block that differs, and it never covers the whole
prompt: the last token has to be computed to sample the next one.
"""

from __future__ import annotations

from pagewalk.bed.engine import arguments, ask, run_script, small_engine
from pagewalk.capture import tracing
from pagewalk.trace.read import open_trace
from pagewalk.views.engines import pick_engine
from pagewalk.views.follow import follow
from pagewalk.views.identity import identities

RULES = "Answer in one sentence. Do not mention the weather. If you do not know, say that. "  # 79


def main() -> None:
    """Run the engine under tracing, then read the trace."""
    options = arguments(__doc__)
    with tracing(options.out) as directory, small_engine(options.model) as llm:
        ask(llm, {"first": RULES + "What is a page?"}, max_tokens=4)
        ask(llm, {"same-rules": RULES + "What is a walk?"}, max_tokens=4)
        ask(llm, {"first-again": RULES + "What is a page?"}, max_tokens=4)
        ask(llm, {"other-rules": "Please. " + RULES + "What is a page?"}, max_tokens=4)
        llm.reset_prefix_cache()
        ask(llm, {"after-reset": RULES + "What is a page?"}, max_tokens=4)

    trace = open_trace(directory)
    engine = pick_engine(trace, None)
    for name, (request,) in identities(trace).by_external.items():
        for lookup in follow(engine, request).lookups:
            print(f"{name:12} {lookup.hit:3} of {lookup.tokens} tokens hit. {lookup.sentence}")
    print(f"\nThe trace is in {directory}")


if __name__ == "__main__":
    run_script(main)
