"""Why a request waited, lost its blocks or missed the cache: told from events, never guessed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from story import FILE, Core, crowded, error_of, lone, write

from pagewalk.trace import events as ev
from pagewalk.trace.read import Trace, open_trace
from pagewalk.views.why import Why, why


@pytest.fixture
def open_story(tmp_path: Path) -> Callable[..., Trace]:
    """Write processes down and open the trace."""
    return lambda *processes, **header: open_trace(write(tmp_path / "trace", *processes, **header))


class TestWhy:
    """Why not scheduled, why preempted, why no prefix hit."""

    def ask(self, trace: Trace, request: str, step: int | None = None) -> Why:
        """The answer about one request."""
        return why(lone(trace), request, step)

    def test_who_was_refused_blocks(self, open_story: Callable[..., Trace]) -> None:
        """Kind, both places in the source, and the inequality that failed."""
        (wait,) = self.ask(open_story(crowded()), "b").waits
        assert (wait.first, wait.last, wait.steps, wait.position) == (3, 4, 2, 1)
        assert wait.reason.kind == "full_sequence_blocks"
        assert not wait.reason.inferred
        assert [(one.file, one.line) for one in wait.reason.places] == [
            (FILE, 702),
            ("vllm/v1/core/kv_cache_manager.py", 539),
        ]
        compared = wait.reason.compared
        # The engine compares with all free blocks there: one, which replay knows.
        assert compared is not None
        assert (compared.left_value, compared.op, compared.right_value) == (3, ">", 1)

    def test_who_stood_behind(self, open_story: Callable[..., Trace]) -> None:
        """The head of the line and its reason are named; then comes the own one."""
        first, behind, own = self.ask(open_story(crowded()), "c").waits
        assert first.reason.kind == "preempted_this_step"
        assert (behind.first, behind.last, behind.position) == (3, 4, 2)
        assert (behind.reason.kind, behind.reason.head) == ("behind_head", "b")
        assert behind.reason.head_kind == "full_sequence_blocks"
        assert (own.reason.kind, own.reason.head) == ("full_sequence_blocks", None)

    def test_who_was_preempted(self, open_story: Callable[..., Trace]) -> None:
        """Victim, beneficiary, the numbers, what was lost and what came back."""
        (lost,) = self.ask(open_story(crowded()), "b").preemptions
        assert (lost.step, lost.by, lost.lost, lost.rule) == (2, "a", 8, "fcfs")
        assert lost.compared is not None
        assert (lost.compared.left_value, lost.compared.right_value) == (1, 0)
        assert (lost.resumed_step, lost.rehit, lost.recomputed) == (5, 4, 4)

    def test_what_was_evicted(self, open_story: Callable[..., Trace]) -> None:
        """The block, who put the hash there, when it went, and to whom."""
        first, second = self.ask(open_story(crowded()), "b").lookups
        assert (first.step, first.ended, first.hit) == (1, "never_cached", 0)
        assert (second.step, second.ended, second.hit) == (5, "evicted", 4)
        gone = second.eviction
        assert gone is not None
        assert (gone.block, gone.cached_by, gone.cached_step) == (4, "b", 1)
        assert (gone.gone_step, gone.gone_to) == (2, "a")

    def test_one_step_alone(self, open_story: Callable[..., Trace]) -> None:
        """Its own lookup; the wait still says how long it lasted."""
        told = self.ask(open_story(crowded()), "b", 4)
        (wait,), (story,) = told.waits, told.lookups
        assert (wait.first, wait.last) == (3, 4)
        assert (story.step, story.admitted, story.hit) == (4, False, 4)
        assert self.ask(open_story(crowded()), "b", 1).scheduled is not None

    def test_steps_it_was_not_there(self, open_story: Callable[..., Trace]) -> None:
        """One sentence that says when it was."""
        trace = open_story(crowded())
        assert "steps 1 to 4" in str(error_of(lambda: self.ask(trace, "a", 5)))
        assert error_of(lambda: self.ask(trace, "a", 77)).slug == "unknown-step"

    @pytest.mark.parametrize(
        ("kind", "left", "right"),
        [("token_budget", 6, 16), ("max_num_seqs", 1, 4)],
    )
    def test_numbers_that_were_compared(
        self, open_story: Callable[..., Trace], kind: str, left: int, right: int
    ) -> None:
        """The budget used against the budget, the running against the places."""
        core = Core()
        core.add("a")
        core.add("b")
        core.start()
        core.take("a", [1, 2])
        core.running.append("x")
        core.exit(kind)
        core.running.remove("x")
        core.end({"a": 6}, new={"a": 0})
        (wait,) = self.ask(open_story(core), "b").waits
        assert wait.reason.kind == kind
        assert wait.reason.compared is not None
        assert (wait.reason.compared.left_value, wait.reason.compared.right_value) == (left, right)

    def test_running_without_tokens(self, open_story: Callable[..., Trace]) -> None:
        """A running request that is passed over is not said to wait in a queue."""
        core = Core()
        core.add("a")
        core.start()
        core.take("a", [1, 2])
        core.end({"a": 6}, new={"a": 0})
        core.start()
        core.exit("nothing_to_schedule", "a", loop="running")
        core.end({})
        (wait,) = self.ask(open_story(core), "a").waits
        assert (wait.running, wait.position, wait.reason.kind) == (
            True,
            None,
            "nothing_to_schedule",
        )

    def test_preempting_itself(self, open_story: Callable[..., Trace]) -> None:
        """Victim and beneficiary are one."""
        core = Core(num_blocks=3)
        core.add("a", prompt=8)
        core.start()
        core.take("a", [1, 2])
        core.end({"a": 8}, new={"a": 0})
        core.update("a")
        core.start()
        core.refuse("a", 1, 0)
        core.preempt("a", 8, 9, [1, 2])
        core.exit("self_preempted", "a", loop="running")
        core.exit("no_blocks", "a", loop="running")
        core.exit("preempted_this_step")
        core.end({})
        told = self.ask(open_story(core), "a")
        assert (told.preemptions[0].by, told.preemptions[0].resumed_step) == ("a", None)

    def test_a_reset_takes_all(self, open_story: Callable[..., Trace]) -> None:
        """Also after the last step of the trace."""
        core = Core()
        core.add("a")
        core.start()
        core.take("a", [1, 2])
        core.end({"a": 6}, new={"a": 0})
        core.preempt("a", 6, 6, [1, 2])
        (lost,) = self.ask(open_story(core), "a").preemptions
        assert (lost.by, lost.rule, lost.inside, lost.step) == (None, "reset", False, 1)

    @pytest.mark.parametrize("state", ["PAUSED_NEW", "PAUSED_ALL"])
    def test_a_pause_is_told(self, state: str, open_story: Callable[..., Trace]) -> None:
        """Where the trace has the pause itself, nothing needs to be inferred."""
        core = Core()
        core.add("a")
        core.emit(ev.PauseStateSet, 0, state)
        core.start()
        core.end({})
        (wait,) = self.ask(open_story(core), "a").waits
        assert (wait.reason.kind, wait.reason.inferred) == ("paused", False)

    def test_after_a_pause(self, open_story: Callable[..., Trace]) -> None:
        """A scheduler that goes on again is no reason any more."""
        core = Core()
        core.add("a")
        core.emit(ev.PauseStateSet, 0, "PAUSED_NEW")
        core.emit(ev.PauseStateSet, 0, "UNPAUSED")
        core.start()
        core.end({})
        (wait,) = self.ask(open_story(core), "a").waits
        assert wait.reason.kind == "unknown"

    def test_a_paused_scheduler_leaves_no_mark(self, open_story: Callable[..., Trace]) -> None:
        """The one quiet way past a waiting request: said to be an inference."""
        core = Core()
        core.add("a")
        core.start()
        core.end({})
        (wait,) = self.ask(open_story(core), "a").waits
        assert (wait.reason.kind, wait.reason.inferred) == ("paused", True)

    def test_lost_events_give_no_reason(self, open_story: Callable[..., Trace]) -> None:
        """Unknown, and why, rather than a guess."""
        core = Core()
        core.add("a")
        core.start()
        core.exit("token_budget")
        core.end({})
        core.emit(ev.Dropped, 3, "buffer_full")
        core.start()
        core.end({})
        known, unknown = self.ask(open_story(core), "a").waits
        assert (known.reason.kind, unknown.reason.kind) == ("token_budget", "unknown")
        assert "dropped" in unknown.reason.sentence

    def test_without_marks(self, open_story: Callable[..., Trace]) -> None:
        """Inferred from the calls, without a line, and said so."""
        told = self.ask(open_story(crowded(marked=False)), "c")
        assert not told.marked
        assert [one.reason.head for one in told.waits][1] == "b"
        assert all(one.reason.inferred for one in told.waits)

    @pytest.mark.parametrize(
        ("reason", "ended"),
        [
            ("not_read", "not_read"),
            ("no_full_block_left", "no_full_block_left"),
            ("last_token_is_always_computed", "last_token_is_always_computed"),
            ("something new", "unknown"),
        ],
    )
    def test_lookups_that_ended_early(
        self, open_story: Callable[..., Trace], reason: str, ended: str
    ) -> None:
        """The reasons that need no history."""
        core = Core()
        core.add("a")
        core.start()
        core.look_up("a", 0, 6, None, reason)
        core.take("a", [1, 2])
        core.end({"a": 6}, new={"a": 0})
        (story,) = self.ask(open_story(core), "a").lookups
        assert story.ended == ended

    def test_caching_off(self, open_story: Callable[..., Trace]) -> None:
        """No lookup at all is said, once for each admission."""
        core = Core(caching=False)
        core.add("a")
        core.start()
        core.take("a", [1, 2])
        core.end({"a": 6}, new={"a": 0})
        (story,) = self.ask(open_story(core), "a").lookups
        assert story.ended == "off"

    def test_a_reset_of_the_cache(self, open_story: Callable[..., Trace]) -> None:
        """What was cached and is gone, but not by eviction."""
        core = Core()
        for name in ("a", "b"):
            core.add(name)
            core.start()
            core.look_up(name, 0, 6, "h-0")
            core.take(name, [1, 2] if name == "a" else [2, 1])
            core.hash(1, "h-0")
            core.end({name: 6}, new={name: 0})
            core.give_back(name, [1, 2] if name == "a" else [2, 1])
            core.finish(name)
            core.emit(ev.PrefixCacheReset, 0)
        (story,) = self.ask(open_story(core), "b").lookups
        assert story.ended == "reset"

    def test_identical_blocks_are_not_merged(self, open_story: Callable[..., Trace]) -> None:
        """A hash that is evicted from one block may be cached in another still."""
        core = Core()
        core.add("a")
        core.start()
        core.take("a", [1, 2])
        core.hash(1, "h-0")
        core.hash(2, "h-0")
        core.end({"a": 6}, new={"a": 0})
        core.emit(ev.HashRemoved, 0, 0, "h-0", 2)
        core.add("b")
        core.start()
        core.look_up("b", 0, 6, "h-0")
        core.end({"b": 6}, new={"b": 0})
        (story,) = self.ask(open_story(core), "b").lookups
        assert story.ended == "not_usable"

    def test_tokens_from_a_connector(self, open_story: Callable[..., Trace]) -> None:
        """More was computed at admission than the local lookup hit."""
        core = Core()
        core.add("a", prompt=8)
        core.start()
        core.look_up("a", 0, 8, "h-0")
        core.take("a", [1, 2])
        core.end({"a": 2}, new={"a": 6})
        (story,) = self.ask(open_story(core), "a").lookups
        assert (story.hit, story.external) == (0, 6)
