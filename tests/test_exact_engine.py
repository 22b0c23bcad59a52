"""Exact on the real engine: replay of a trace is the state the engine had, in every case."""

from __future__ import annotations

from typing import Any

import pytest
from engines.cases import CASES, Case
from engines.run import Runs
from engines.verify import must_hold

from pagewalk.replay.compare import compare
from pagewalk.trace.read import open_trace

pytestmark = pytest.mark.engine
each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
CROWD = next(case for case in CASES if case.name == "crowd")
HYBRID = next(case for case in CASES if case.name == "hybrid")


class TestExact:
    """Compared with the live state after every schedule, update and outside finish."""

    @each_case
    def test_no_divergence_no_broken_law(self, case: Case, runs: Runs) -> None:
        found = runs.traced(case)["trace"]
        assert must_hold(found) >= case.snapshots

    @each_case
    def test_what_the_case_is_for_happens(self, case: Case, runs: Runs) -> None:
        found = runs.traced(case)["trace"]
        happened = {*found["events"], *(kind for one in found["engines"] for kind in one["kinds"])}
        assert {*case.happens} <= happened

    def test_the_trace_is_whole(self, runs: Runs) -> None:
        """One process with all three roles, its segment ended in order, no probe absent."""
        found = runs.traced(CROWD)["trace"]
        assert found["ended"] == [True]
        assert found["roles"] == ["engine_core", "front_end", "worker"]
        # What another release calls differently; nothing that this one has is missing.
        assert {*found["absent"]} == {
            "vllm.v1.core.sched.scheduler:Scheduler._try_promote_blocked_waiting_request"
        }

    def test_life_of_every_request(self, runs: Runs) -> None:
        """From arrival to delivery, every request left each of its events once."""
        events = runs.traced(CROWD)["trace"]["events"]
        for name in (
            "RequestArrived",
            "InputProcessed",
            "RequestSent",
            "RequestReceived",
            "RequestDequeued",
            "RequestEnqueued",
            "RequestFinished",
            "Delivered",
        ):
            assert events[name] == 10, name
        assert events["StepScheduled"] == events["StepUpdated"] == events["ExecutionStarted"]


class TestTheComparisonBites:
    """A comparison that cannot fail proves nothing: without any one kind of event it does.

    (`RequestPreempted` alone is not missed: `QueuePrepended` tells the state of who comes back.)
    """

    @pytest.mark.parametrize(
        "kind",
        [
            "BlocksTaken",
            "BlocksTouched",
            "BlocksFreed",
            "HashAdded",
            "HashRemoved",
            "TableExtended",
            "TableEntrySet",
            "TableDropped",
            "QueueAdded",
            "QueuePopped",
            "QueuePrepended",
            "RequestEnqueued",
            "RequestFinished",
            "StepScheduled",
            "StepUpdated",
        ],
    )
    def test_without_one_kind_of_event(self, kind: str, runs: Runs) -> None:
        assert _without(runs, kind)["divergences"] or _without(runs, kind)["unknown"]

    def test_with_all_of_them(self, runs: Runs) -> None:
        assert not _without(runs, "NoSuchEvent")["divergences"]


def _without(runs: Runs, kind: str) -> dict[str, Any]:
    """The comparison of the hybrid case's trace, one kind of event left out of it."""
    segment = open_trace(runs.trace(HYBRID)).segments[0]
    events = segment.events
    kept = [event for event in events if type(event).__name__ != kind]
    segment.events[:] = kept
    compared = compare(segment)
    return {"divergences": compared.divergences, "unknown": compared.unknown}
