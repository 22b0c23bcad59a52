"""Print what the attention backend is told of one step, field by field, beside the batch.

    python scripts/attention_metadata.py [--model MODEL] [--step N] [--out DIR]

A backend knows no requests. It gets a flat row of tokens, and metadata: where each request begins
in it (query_start_loc), how many tokens of each have keys and values when this step is done
(seq_lens), in which blocks these lie (block_table), and where the new ones go (slot_mapping). All
follows from the batch; here the lengths are worked out by hand and held against what was told.
"""

from __future__ import annotations

from pagewalk.bed.engine import arguments, ask, run_script, small_engine
from pagewalk.capture import tracing
from pagewalk.errors import PagewalkError
from pagewalk.replay.batches import Batch
from pagewalk.replay.prepared import Prepared
from pagewalk.views.evidence import Run, replayed
from pagewalk.views.executed import executed

PROMPTS = {
    "crane": "A bird with long legs, that stands in the water.",
    "heron": "Another one, that stands in the water and waits for fish. " * 2,
    "stork": "And one that brings luck.",
}


def main() -> None:
    """Run the engine under tracing, then read one step of its worker."""
    options = arguments(__doc__, step=int)
    with tracing(options.out) as directory, small_engine(options.model) as llm:
        ask(llm, PROMPTS, max_tokens=12)

    run = replayed(directory)
    for one in run.attention():
        print(
            f"group {one.group}: {one.num_layers} layers, {one.backend} by {one.builder}, "
            f"{one.spec}, blocks of {one.block_size} tokens (kernel: {one.kernel_block_size}), "
            f"CUDA graphs: {one.cudagraph}"
        )
    batch = chosen(run, options.step)
    print(f"\nstep {batch.step}\n")
    for line in rows(run, batch, run.prepared()[batch.step][0]):
        print(line)
    for one in run.prepared()[batch.step]:
        print(f"\ngroup {one.group}, {one.kind}")
        for name, what in (one.fields or {}).items():
            print(f"  {name:20} {what}")

    (rank,) = executed(run.trace, run.engine)
    print(
        f"\nIn all {rank.steps} steps of the run: {rank.lengths} rows compared, "
        f"{rank.differing} steps differ. The trace is in {directory}"
    )


def chosen(run: Run, step: int | None) -> Batch:
    """The step asked for, else one in which prompts are read while others decode."""
    batches = run.batches()
    if step is None:
        return max(
            batches.values(), key=lambda one: (len({row.tokens for row in one.rows}), -one.step)
        )
    if step not in batches:
        raise PagewalkError("unknown-step", f"No batch of a step {step} is in the trace.")
    return batches[step]


def rows(run: Run, batch: Batch, told: Prepared) -> list[str]:
    """One line for each row of the batch, and what the backend is told of it below."""
    lines, start = [], 0
    for row in batch.rows:
        seq = told.seq_lens[row.row] if told.seq_lens else "on the device only"
        begin = sum(told.query_lens[: row.row])
        lines += [
            f"row {row.row}  {run.name(row.request):8} {row.computed} computed, {row.tokens} now",
            f"       told     query_start_loc {begin:3}, "
            f"query {told.query_lens[row.row]}, seq {seq}",
            f"       by hand  query_start_loc {start:3}, query {row.tokens}, "
            f"seq {row.computed + row.tokens}",
        ]
        start += row.tokens
    lines.append(
        f"all    num_reqs {told.num_reqs}, num_actual_tokens {told.num_tokens}, max_query_len "
        f"{told.max_query_len}, max_seq_len {told.max_seq_len}, lengths read from {told.source}"
    )
    return lines


if __name__ == "__main__":
    run_script(main)
