"""Why a request was not scheduled, from the calls of a step alone."""

from __future__ import annotations

from typing import Any

import pytest

from pagewalk.trace.events import (
    Event,
    ExitSite,
    ExitTaken,
    PrefixLookedUp,
    QueuePopped,
    QueuePrepended,
    RequestPreempted,
    SlotsRefused,
    StepScheduled,
    StepStarted,
)
from pagewalk.views.agreement import disagreements
from pagewalk.views.inference import Before, Candidate, StepInference, in_look_order, infer

# A plain engine: no feature that could hold a request up but blocks, budget and places.
PLAIN: dict[str, Any] = {
    "max_num_active_reqs": 4,
    "enable_prefix_caching": True,
    "enable_chunked_prefill": True,
    "policy": "fcfs",
    "async_scheduling": False,
    "num_spec_tokens": 0,
    "draft_slots": 0,
    "max_loras": 0,
    "pipeline_parallel_size": 1,
    "data_parallel_size": 1,
    "connector": "",
    "ec_connector": "",
    "encoder": False,
    "mamba_align": False,
    "prefill_lookahead": 0,
}
BUDGET = 64


def waiting(*requests: int, status: str = "WAITING", **more: Any) -> tuple[Candidate, ...]:
    """Requests of twenty tokens of which none is computed."""
    return tuple(Candidate(one, status, 0, 20, **more) for one in requests)


def running(*requests: int) -> tuple[Candidate, ...]:
    """Requests of twenty tokens that decode."""
    return tuple(Candidate(one, "RUNNING", 19, 20, prompt=10, max_tokens=90) for one in requests)


def step(scheduled: dict[int, int], *events: Event, new: tuple[int, ...] = ()) -> list[Event]:
    """The events of one step."""
    end = StepScheduled(
        0,
        0,
        0,
        1,
        list(scheduled),
        list(scheduled.values()),
        BUDGET,
        dict.fromkeys(new, 0),
        input_budget=BUDGET,
    )
    return [StepStarted(0, 0, 0, 1), *events, end]


def kinds(inferred: StepInference) -> dict[int, set[str]]:
    """What is said of each request."""
    return {one.request: set(one.kinds) for one in inferred.verdicts}


class TestWaitingPass:
    """Requests in the queues."""

    def test_budget_used_up(self) -> None:
        """Nobody was looked at once the budget was gone."""
        inferred = infer(
            step({1: 64}, QueuePopped(0, 0, 0, 1), new=(1,)), Before((), waiting(1, 2, 3), PLAIN)
        )
        assert kinds(inferred) == {2: {"token_budget"}, 3: {"token_budget"}}
        assert inferred.waiting_end == {"token_budget"}

    def test_all_places_taken(self) -> None:
        """As many run as may; the head was not even looked up."""
        before = Before(running(1, 2, 3, 4), waiting(5, 6), PLAIN)
        assert kinds(infer(step({1: 1, 2: 1, 3: 1, 4: 1}), before)) == {
            5: {"max_num_seqs"},
            6: {"max_num_seqs"},
        }

    def test_a_streaming_session_holds_its_place(self) -> None:
        """It waits for input and counts among the running."""
        resting = waiting(4, status="WAITING_FOR_STREAMING_REQ")
        before = Before(running(1, 2, 3), resting + waiting(5), PLAIN)
        inferred = infer(step({1: 1, 2: 1, 3: 1}), before)
        assert inferred.waiting_end == {"max_num_seqs"}

    def test_the_head_was_refused_blocks(self) -> None:
        """Everything behind it waits behind it."""
        events = step({1: 1}, PrefixLookedUp(0, 0, 2, 0, 20), SlotsRefused(0, 0, 2, 20))
        inferred = infer(events, Before(running(1), waiting(2, 3, 4), PLAIN))
        assert kinds(inferred) == {2: {"no_blocks"}, 3: {"behind_head"}, 4: {"behind_head"}}
        assert [one.behind for one in inferred.verdicts] == [None, 2, 2]

    def test_a_preemption_shuts_the_queue(self) -> None:
        """No one is admitted in a step that preempted."""
        events = step({1: 1}, SlotsRefused(0, 0, 1, 1), RequestPreempted(0, 0, 0, 2, 5, 6, 1))
        inferred = infer(events, Before(running(1, 2), waiting(3), PLAIN))
        assert kinds(inferred) == {2: {"preempted"}, 3: {"preempted_this_step"}}

    def test_chunking_off(self) -> None:
        """The prompt is longer than the budget that is left."""
        settings = PLAIN | {"enable_chunked_prefill": False}
        events = step({1: 60}, QueuePopped(0, 0, 0, 1), PrefixLookedUp(0, 0, 2, 0, 20), new=(1,))
        inferred = infer(events, Before((), waiting(1, 2), settings))
        assert kinds(inferred) == {2: {"chunked_prefill_off"}}

    def test_a_prefix_hit_counts(self) -> None:
        """With its hit the prompt fits, so it cannot have been for the chunking."""
        settings = PLAIN | {"enable_chunked_prefill": False, "mamba_align": True}
        events = step({1: 60}, QueuePopped(0, 0, 0, 1), PrefixLookedUp(0, 0, 2, 16, 20), new=(1,))
        inferred = infer(events, Before((), waiting(1, 2), settings))
        assert kinds(inferred) == {2: {"mamba_align"}}

    @pytest.mark.parametrize(
        ("candidate", "after", "settings", "expected"),
        [
            (waiting(1, lora="a"), "WAITING", {"max_loras": 1}, {"max_loras"}),
            (
                waiting(1, status="PREEMPTED"),
                "PREEMPTED",
                {"async_scheduling": True},
                {"stale_output"},
            ),
            (waiting(1), "WAITING_FOR_REMOTE_KVS", {"connector": "C"}, {"async_kv_load"}),
            (
                waiting(1, status="WAITING_FOR_REMOTE_KVS"),
                "WAITING_FOR_REMOTE_KVS",
                {"connector": "C"},
                {"blocked_status"},
            ),
            (
                waiting(1, status="WAITING_FOR_STRUCTURED_OUTPUT_GRAMMAR"),
                "WAITING_FOR_STRUCTURED_OUTPUT_GRAMMAR",
                {},
                {"blocked_status"},
            ),
            (waiting(1), "WAITING", {"connector": "C"}, {"connector_undecided"}),
            (waiting(1), "WAITING", {}, {"unknown"}),
        ],
    )
    def test_skipped(
        self,
        candidate: tuple[Candidate, ...],
        after: str,
        settings: dict[str, Any],
        expected: set[str],
    ) -> None:
        """Popped and put back: what it is now, and what the engine has, tell why."""
        events = step({}, QueuePopped(0, 0, 0, 1), QueuePrepended(0, 0, 0, [1], [after], [0], [20]))
        assert kinds(infer(events, Before((), candidate, PLAIN | settings))) == {1: expected}

    def test_nothing_happened(self) -> None:
        """A request waits, all is free, and it was not looked at: the scheduler is paused."""
        inferred = infer(step({}), Before((), waiting(1), PLAIN))
        assert kinds(inferred) == {1: {"paused"}}

    @pytest.mark.parametrize(
        ("pause", "expected"),
        [
            ("", {"max_num_seqs"}),
            ("UNPAUSED", {"max_num_seqs"}),
            ("PAUSED_NEW", {"paused"}),
            ("PAUSED_ALL", {"paused"}),
        ],
    )
    def test_a_pause_comes_before_the_places(self, pause: str, expected: set[str]) -> None:
        """All places are taken; a scheduler that is paused for new requests does not count them."""
        before = Before(running(1, 2, 3, 4), waiting(5), PLAIN, pause)
        assert kinds(infer(step({1: 1, 2: 1, 3: 1, 4: 1}), before)) == {5: expected}

    def test_a_pause_lets_those_in_that_hold_blocks(self) -> None:
        """One of `kv_holding_waiting` is refused under PAUSED_NEW; the others are behind it."""
        queues = {"waiting": waiting(1), "kv_holding_waiting": waiting(2)}
        before = Before((), in_look_order(queues), PLAIN, "PAUSED_NEW")
        inferred = infer(step({}, SlotsRefused(0, 0, 2, 20)), before)
        assert kinds(inferred) == {2: {"no_blocks"}, 1: {"behind_head"}}

    def test_nothing_happened_and_no_pause(self) -> None:
        """Where the trace says that the scheduler was not paused, there is no answer."""
        inferred = infer(step({}), Before((), waiting(1), PLAIN, "UNPAUSED"))
        assert kinds(inferred) == {1: {"unknown"}}

    def test_running_requests_under_a_pause(self) -> None:
        """A pause for all stops them, one for new requests does not."""
        for pause, expected in (("PAUSED_ALL", {"paused", "token_budget"}), ("PAUSED_NEW", None)):
            scheduled = {} if expected else {1: 1}
            inferred = infer(step(scheduled), Before(running(1), (), PLAIN, pause))
            assert kinds(inferred) == ({1: expected} if expected else {})

    def test_order_of_the_queues(self) -> None:
        """Requests that hold blocks come first, whatever the order of the queues in the trace."""
        queues = {"waiting": waiting(1), "other": waiting(4), "kv_holding_waiting": waiting(2)}
        assert [one.request for one in in_look_order(queues)] == [2, 1, 4]


class TestRunningPass:
    """Requests that run."""

    def test_behind_the_budget(self) -> None:
        """The pass ended with the budget."""
        inferred = infer(step({1: 63, 2: 1}), Before(running(1, 2, 3), (), PLAIN))
        assert kinds(inferred) == {3: {"token_budget"}}

    def test_self_preemption_ends_the_pass(self) -> None:
        """It was refused, and it was itself the next victim."""
        events = step({1: 1}, SlotsRefused(0, 0, 2, 1), RequestPreempted(0, 0, 0, 2, 5, 6, 1))
        inferred = infer(events, Before(running(1, 2), (), PLAIN))
        assert kinds(inferred) == {2: {"self_preempted"}}

    def test_refused_without_a_victim(self) -> None:
        """It stays, and so do those behind it."""
        events = step({1: 1}, SlotsRefused(0, 0, 2, 1))
        inferred = infer(events, Before(running(1, 2, 3), (), PLAIN))
        assert kinds(inferred) == {2: {"victim_not_freeable"}, 3: {"behind_head"}}

    def test_what_was_admitted_later_does_not_count(self) -> None:
        """The waiting pass used up the budget; the running pass ended for another reason."""
        events = step({1: 1, 4: 63}, SlotsRefused(0, 0, 2, 1), QueuePopped(0, 0, 0, 4), new=(4,))
        inferred = infer(events, Before(running(1, 2), waiting(4), PLAIN))
        assert kinds(inferred) == {2: {"victim_not_freeable"}}
        assert inferred.running_end == set()

    @pytest.mark.parametrize(
        ("tokens", "expected"), [(99, {"max_tokens_in_flight"}), (50, {"nothing_to_schedule"})]
    )
    def test_passed_over(self, tokens: int, expected: set[str]) -> None:
        """Async: its last token is in flight, or it is at the end for another reason."""
        one = Candidate(1, "RUNNING", tokens, tokens, prompt=10, max_tokens=90)
        before = Before((one, *running(2)), (), PLAIN | {"async_scheduling": True})
        assert kinds(infer(step({2: 1}), before)) == {1: expected}

    @pytest.mark.parametrize("tokens", [99, 50])
    def test_passed_over_in_a_pipeline(self, tokens: int) -> None:
        """No token is promised to it there: also at its very end it only has none to compute."""
        one = Candidate(1, "RUNNING", tokens, tokens, prompt=10, max_tokens=90)
        before = Before((one, *running(2)), (), PLAIN | {"pipeline_parallel_size": 2})
        wanted = {"nothing_to_schedule", "pp_not_eligible"}
        assert kinds(infer(step({2: 1}), before)) == {1: wanted}

    def test_settings_that_are_not_known_rule_nothing_out(self) -> None:
        """An old trace says less, so more remains possible."""
        inferred = infer(step({2: 1}), Before(running(1, 2), ()))
        assert kinds(inferred) == {1: {"nothing_to_schedule", "pp_not_eligible", "ec_transfer"}}


def taken(kind: str, loop: str, request: int | None) -> tuple[ExitSite, ExitTaken]:
    """A mark."""
    return ExitSite(0, "f", 1, "", kind, loop), ExitTaken(0, 0, 0, request)


class TestAgreement:
    """The two methods side by side."""

    def inferred(self) -> StepInference:
        """One refused request and one behind it."""
        events = step({1: 1}, PrefixLookedUp(0, 0, 2, 0, 20), SlotsRefused(0, 0, 2, 20))
        return infer(events, Before(running(1), waiting(2, 3), PLAIN))

    def test_agree(self) -> None:
        """Marks inside `allocate_slots` have no say."""
        marks = [taken("no_blocks", "waiting", 2), taken("full_sequence_blocks", "allocate", 2)]
        assert disagreements(self.inferred(), marks) == []

    @pytest.mark.parametrize(
        ("mark", "text"),
        [
            (
                taken("max_loras", "waiting", 2),
                "request 2 (waiting): marked max_loras, inferred no_blocks",
            ),
            (
                taken("no_blocks", "waiting", 1),
                "request 1 (waiting): marked no_blocks, inferred nothing",
            ),
            (
                taken("token_budget", "running", None),
                "the pass (running): marked token_budget, inferred nothing",
            ),
        ],
    )
    def test_a_mark_that_was_not_inferred(self, mark: Any, text: str) -> None:
        """Each is named with both answers."""
        marks = [taken("no_blocks", "waiting", 2), mark]
        assert [str(one) for one in disagreements(self.inferred(), marks)] == [text]

    def test_a_verdict_without_a_mark(self) -> None:
        """A mark that did not fire is noticed too."""
        (one,) = disagreements(self.inferred(), [])
        assert str(one) == "request 2 (waiting): marked nothing, inferred no_blocks"
