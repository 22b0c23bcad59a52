"""Make an engine run out of KV blocks, and print who lost them to whom, and at what price.

    python scripts/watch_preemptions.py [--model MODEL] [--out DIR]

Four requests are admitted, because their prompts fit. Then they grow. The scheduler has no
reserve: when a running request needs a block and none is free, the last of the running ones
(under the FCFS policy) gives all of its blocks back and is computed again later.
"""

from __future__ import annotations

from pagewalk.bed.engine import arguments, ask, run_script, small_engine
from pagewalk.capture import tracing
from pagewalk.trace.read import open_trace
from pagewalk.views.engines import pick_engine
from pagewalk.views.walk import Walk

PROMPTS = {
    "oak": "A tall tree that was here before us all. " * 2,
    "elm": "Another tree, of which there are few left. " * 2,
    "ash": "The one with the wood that rackets are of. " * 2,
    "fir": "And here is one that is green all winter. " * 2,
}


def main() -> None:
    """Run the engine under tracing, then read the trace."""
    options = arguments(__doc__)
    with tracing(options.out) as directory, small_engine(options.model) as llm:
        ask(llm, PROMPTS, max_tokens=60)

    lost: dict[str, int] = {}
    for step in Walk(pick_engine(open_trace(directory), None)):
        for one in step.preempted:
            refusal = one.refusal
            numbers = refusal and f"{refusal.required} needed, {refusal.available} free"
            winner = "nobody but itself" if one.by == one.request else one.by
            print(
                f"step {step.step:3}: {one.request} loses its blocks, "
                f"and {one.computed} computed tokens, to {winner} ({numbers})"
            )
            lost[one.request] = one.computed
        for share in step.scheduled:
            if share.admission == "resumed":
                hit = share.computed or 0
                print(
                    f"step {step.step:3}: {share.request} is back: {hit} of its "
                    f"{lost[share.request]} tokens were still cached, the rest is computed again"
                )
    print(f"\nPreempted: {', '.join(lost) or 'none'}. The trace is in {directory}")


if __name__ == "__main__":
    run_script(main)
