"""Results -> `summary.json` and `summary.txt`, and the traces that are kept, side by side."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from gpu_recordings.make import TRACE, Result

KEEP = "keep"


def write_summary(out: Path, results: Sequence[Result]) -> str:
    """Write both files, copy what is to be kept, and return the text."""
    text = told(results)
    (out / "summary.json").write_text(
        json.dumps([asdict(one) for one in results], indent=1) + "\n", encoding="utf-8"
    )
    (out / "summary.txt").write_text(text, encoding="utf-8")
    for one in results:
        if one.facts.get("kept"):
            place = out / KEEP / one.name
            shutil.rmtree(place, ignore_errors=True)
            shutil.copytree(out / one.name / TRACE, place)
    return text


def told(results: Sequence[Result]) -> str:
    """One line a recording, then the figures of each overhead table."""
    lines = [_line(one) for one in results]
    for one in results:
        if "modes" in one.facts:
            lines += ["", f"{one.name}, throughput traced / untraced", *_table(one)]
    counts = {name: sum(one.outcome == name for one in results) for name in _ORDER}
    told = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    machines = dict.fromkeys(_place(one) for one in results if one.machine)
    return "\n".join([*lines, "", *machines, told, ""])


_ORDER = ("recorded", "failed", "skipped", "owed")


def _line(one: Result) -> str:
    words = [f"{one.name:27} {one.outcome:9}", _facts(one) if one.outcome == "recorded" else ""]
    return " ".join(word for word in (*words, one.why) if word).rstrip()


def _facts(one: Result) -> str:
    facts = one.facts
    time = f"{one.seconds:.0f} s"
    if "check" not in facts:
        return f"its table is below ({time})"
    check = facts["check"]
    size = f"{facts['bytes'] / 1000:.0f} kB{', kept' if facts['kept'] else ''}"
    lost = f", probes that failed: {len(facts['failed_probes'])}" if facts["failed_probes"] else ""
    held = sum(rank["steps"] - rank["unknown"] for rank in check["ranks"])
    exact = f"{check['snapshots']} snapshots exact, {held} batches agree"
    graphs = [f"{count} {mode}" for mode, count in facts["graphs"].items() if mode != "NONE"]
    how = [*facts["runners"], *facts["backends"], *["async"] * facts["async_scheduling"], *graphs]
    return f"{check['steps']} steps, {exact}{lost}; {', '.join(how)}; {size} ({time})"


def _table(one: Result) -> list[str]:
    return [
        f"  {mode:6} {row['throughput_ratio']:.3f} ({row['lowest']:.3f} to {row['highest']:.3f}), "
        f"{row['ms_per_step']:.2f} ms a step, {row['events_per_step']:.1f} events"
        for mode, row in one.facts["modes"].items()
    ]


def _place(one: Result) -> str:
    machine = one.machine
    return f"{machine.name}, vLLM {machine.release}, torch {machine.torch}" if machine else ""


__all__ = ["KEEP", "told", "write_summary"]
