"""Sample an engine's processes with py-spy: a flame graph, and samples beside pagewalk's steps.

    python scripts/flamegraph_pyspy.py [--model MODEL] [--out DIR]

It changes nothing in the engine, stops a process only for the length of a sample, and sees all
threads. DIR/samples.json.gz has samples and pagewalk's tracks on one clock: open it in
https://ui.perfetto.dev. DIR/speedscope.json has the flame graphs: https://www.speedscope.app, or
any reader of that format. py-spy reads the memory of other processes: run as root, or set
kernel.yama.ptrace_scope to 0.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from profile_viztracer import engine_apart, play

from pagewalk.bed.engine import arguments, run_script
from pagewalk.capture import tracing
from pagewalk.profile.functions import Call, merged, write
from pagewalk.profile.samples import anchor, read_samples, speedscope
from pagewalk.trace.read import open_trace
from pagewalk.views.clock import Clock
from pagewalk.views.engines import pick_engine
from pagewalk.views.walk import Walk

RATE = 100  # samples a second
ROUNDS = 4  # of the same requests: what is sampled must last


@contextmanager
def sampled(out: Path) -> Iterator[None]:
    """Let py-spy watch this process and its children, while the block runs."""
    spy = subprocess.Popen(
        [
            Path(sys.executable).with_name("py-spy"),
            *("record", "--pid", str(os.getpid()), "--subprocesses", "--idle"),
            *("--rate", str(RATE), "--format", "chrometrace", "--output", out),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    said = next((line for line in spy.stdout if "Sampling" in line or "rror" in line), "nothing")
    if "Sampling" not in said:
        sys.exit(f"py-spy cannot sample: {said.strip()}. Run as root.")
    try:
        yield
    finally:
        spy.send_signal(signal.SIGINT)
        spy.communicate()


def main() -> None:
    """Run the engine under both, place the samples, merge."""
    options = arguments(__doc__)
    # What py-spy writes itself is full of this machine's paths: it does not stay.
    with tempfile.TemporaryDirectory(prefix="pagewalk-samples-") as raw:
        out = Path(raw) / "samples.json"
        with tracing(options.out / "trace") as directory, engine_apart(options.model) as llm:
            # The first round is slower than any other: it is not looked at.
            _, plain = play(llm, 0, 100), play(llm, 1, 100)
            with sampled(out):
                moments = anchor()
                took = [play(llm, 2 + number, 100) for number in range(ROUNDS)]
                moments += anchor()
        samples = read_samples(out, os.getpid(), moments)

    trace = open_trace(directory)
    engine = pick_engine(trace, None)
    pid = engine.segment.pid
    steps = [Call(f"step {one.step}", pid, 0, one.began, one.t) for one in Walk(engine)]
    late = [one / 1e6 for one in samples.late]
    print(
        f"py-spy's clock is placed by {len(late)} known moments: against the one seen soonest, "
        f"half of them were seen {late[len(late) // 2]:.1f} ms late at most, all {late[-1]:.1f} ms"
    )
    print(f"A round took {plain:.2f} s, and {sum(took) / ROUNDS:.2f} s with py-spy on")
    for segment in trace.segments:
        threads = Counter(one.thread for one in samples.calls if one.pid == segment.pid)
        # The thread that did most different things; the others wait most of the time.
        main = threads.most_common(1)[0][0]
        mine = [one for one in samples.calls if one.thread == main and one.pid == segment.pid]
        roles = ", ".join(segment.roles).replace("_", " ")
        print(f"\n{roles} {segment.pid}, its busiest thread, time in a function itself:")
        for name, took in busiest(mine):
            print(f"  {took / 1e6:9.1f} ms  {name}")
    told = {"clock": "CLOCK_MONOTONIC", "samples_late_ns": samples.late}
    write(options.out / "samples.json.gz", merged(trace, samples.calls, "samples"), told)
    # Since the same first moment as in the other file.
    first = Clock(trace).zero - Clock(trace).wall(engine.segment, 0)
    graph = speedscope(samples.calls, steps, first)
    (options.out / "speedscope.json").write_text(json.dumps(graph))
    print(f"\nFlame graphs and merged samples are in {options.out}, the trace in {directory}")


def busiest(calls: list[Call]) -> list[tuple[str, int]]:
    """The functions in which most time was spent, without what they called."""
    own: Counter[str] = Counter()
    around: list[Call] = []
    for call in calls:
        while around and around[-1].ended <= call.began:
            around.pop()
        if around:
            own[around[-1].name] -= call.took
        own[call.name] += call.took
        around.append(call)
    return own.most_common(8)


if __name__ == "__main__":
    run_script(main)
