"""Follow one request through a crowded engine: what each step gave it, and why it waited.

    python scripts/trace_request.py [--model MODEL] [--out DIR]

The request comes last of four: it waits for tokens of a step, and is the first to lose its blocks.
"""

from __future__ import annotations

from itertools import groupby

from pagewalk.bed.engine import arguments, ask, run_script, small_engine
from pagewalk.capture import tracing
from pagewalk.trace.read import open_trace
from pagewalk.views.engines import pick_engine
from pagewalk.views.follow import Turn, follow
from pagewalk.views.identity import identities

CROWD = {f"crowd-{n}": f"{n} came before you, with much to say. " * (n + 1) for n in range(3)}
FOLLOWED = {"mine": "A question of middle length, which is to say: how are you, and why? "}


def main() -> None:
    """Run the engine under tracing, then read the trace."""
    options = arguments(__doc__)
    with tracing(options.out) as directory, small_engine(options.model) as llm:
        ask(llm, CROWD | FOLLOWED, max_tokens=40)

    trace = open_trace(directory)
    (request,) = identities(trace).by_external["mine"]
    story = follow(pick_engine(trace, None), request)
    lines = [(one.first, one.last, f"waits. {one.reason.sentence}") for one in story.waits]
    lines += [
        (one.step, one.step, f"loses its blocks, {one.lost} tokens, to {one.by}")
        for one in story.lost
    ]
    for _, turns in groupby(story.turns.values(), key=what_it_got):
        first, *rest = turns
        lines.append((first.step, rest[-1].step if rest else first.step, what_it_got(first)))
    for first, last, line in sorted(lines):
        steps = f"step {first}" if first == last else f"steps {first} to {last}"
        print(f"{steps:15} {line}")
    print(f"\nThis was {request}. The trace is in {directory}")


def what_it_got(turn: Turn) -> str:
    """Say what a step gave to the request; alike for all steps that only add a token."""
    share = turn.share
    if share.admission == "running" and share.tokens == 1:
        return "gets one more token a step"
    kind = {"new": "is admitted: ", "resumed": "is back: "}.get(share.admission, "")
    return f"{kind}{share.tokens} tokens after {share.computed} of {turn.length}"


if __name__ == "__main__":
    run_script(main)
