"""A trace -> everything that must be true of it, counted, as plain data."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

from engines.agree import agreement
from pagewalk.replay.compare import compare
from pagewalk.replay.laws import judge
from pagewalk.trace.events import StepScheduled
from pagewalk.trace.read import Trace, open_trace
from pagewalk.trace.segment import Gap, Segment
from pagewalk.views.engines import engines as engines_of
from pagewalk.views.executed import executed


def examine(path: Path | Trace) -> dict[str, Any]:
    """Compare replay with the live state, judge the laws, and hold exits against inference."""
    trace = path if isinstance(path, Trace) else open_trace(path)
    engines = [examine_engine(segment) for segment in trace.segments if segment.engines]
    ranks = [rank for engine in engines_of(trace) for rank in executed(trace, engine)]
    events: Counter[str] = Counter()
    for segment in trace.segments:
        events.update(type(event).__name__ for event in segment.events)
    return {
        "problems": list(trace.header.problems),
        "gaps": sum(type(event) is Gap for one in trace.segments for event in one.events),
        "failed": dict(trace.header.failed),
        "absent": dict(trace.header.absent),
        "ended": [segment.ended for segment in trace.segments],
        "roles": sorted(role for segment in trace.segments for role in segment.roles),
        "events": dict(events),
        "engines": engines,
        "ranks": [asdict(rank) for rank in ranks],
    }


def examine_engine(segment: Segment) -> dict[str, Any]:
    """The same of one segment that has an engine."""
    compared, verdicts = compare(segment), judge(segment)
    exits = agreement(segment)
    return {
        "snapshots": compared.snapshots,
        "divergences": compared.divergences,
        "unknown": compared.unknown,
        "first": compared.first.message if compared.first else "",
        "located": compared.located.message if compared.located else "",
        "broken": [
            f"{one.law} at {one.seq}, step {one.step}: {one.message}"
            for verdict in verdicts
            for one in verdict.violations[:5]
        ],
        "unjudged": [one.law.name for one in verdicts if one.outcome == "unknown"],
        "judged": sum(one.judged for one in verdicts),
        "steps": sum(type(event) is StepScheduled for event in segment.events),
        "named": exits.steps,
        "telling": exits.telling,
        "kinds": dict(exits.kinds),
        "disagreements": exits.wrong[:10],
    }


def must_hold(found: dict[str, Any]) -> int:
    """Assert that nothing diverged, broke or disagreed; how many snapshots were compared."""
    assert not found["problems"], found["problems"]
    assert found["gaps"] == 0
    assert not found["failed"], found["failed"]
    assert found["engines"], "no engine is in the trace"
    for engine in found["engines"]:
        assert engine["divergences"] == 0, (engine["located"], engine["first"])
        assert engine["unknown"] == 0
        assert engine["broken"] == [], engine["broken"]
        assert engine["unjudged"] == [], engine["unjudged"]
        assert engine["disagreements"] == [], engine["disagreements"]
    for rank in found["ranks"]:
        assert rank["differing"] == 0, rank["first"]
        assert rank["unknown"] == 0
        assert rank["entries"]
        # Each batch is told to a backend, where this release lets that be seen.
        assert rank["lengths"] or not found["events"].get("AttentionPrepared")
    return sum(engine["snapshots"] for engine in found["engines"])
