"""Print the block table of every request each time one of them changes.

    python scripts/dump_block_tables.py [--model MODEL] [--out DIR]

A request's KV cache lies in blocks of 32 tokens, anywhere in the pool. Its block table says where:
entry i holds tokens 32i to 32i+31. Here two prompts share their first 64 tokens, so they share
two blocks, while each goes on in blocks of its own.
"""

from __future__ import annotations

from pagewalk.bed.engine import arguments, ask, run_script, small_engine
from pagewalk.capture import tracing
from pagewalk.replay.snapshot import SCHEDULED, take
from pagewalk.trace.read import open_trace
from pagewalk.views.blocks import blocks
from pagewalk.views.engines import pick_engine
from pagewalk.views.walk import Walk

SHARED = "The first sixty-four tokens of the two prompts here are the same"
PROMPTS = {
    "ant": SHARED + ", and then one goes on about ants",
    "bee": SHARED + "; the other is all about bees",
    "cow": "This one is alone.",
}


def main() -> None:
    """Run the engine under tracing, then read the trace."""
    options = arguments(__doc__)
    with tracing(options.out) as directory, small_engine(options.model) as llm:
        ask(llm, PROMPTS, max_tokens=40)

    engine = pick_engine(open_trace(directory), None)
    walk = Walk(engine)
    before: dict[str, tuple[tuple[int, ...], ...]] = {}
    for step in walk:
        view = blocks(engine, take(walk.machine, engine.number, step.step, SCHEDULED))
        if view.tables == before:
            continue
        before = view.tables
        (pool, *_) = view.pools
        shared = {block for block, count in pool.ref_counts.items() if count > 1}
        print(f"step {step.step}: {len(pool.free_queue)} of {pool.num_blocks} blocks are free")
        for request in view.requests:
            for table in request.tables:
                cells = (f"{block}*" if block in shared else str(block) for block in table)
                state = f"{request.computed:3} of {request.tokens:3} tokens"
                print(f"  {request.request:14} {state}  [{' '.join(cells)}]")
    print(f"\n* is held by more than one request. The trace is in {directory}")


if __name__ == "__main__":
    run_script(main)
