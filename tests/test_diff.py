"""Two traces compared: what was changed between two runs is what the diff says."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from builder import busy_toy, write_trace
from engines.workload import play, random_plan, settled
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from story import Core, Process, crowded, error_of, write
from test_exact_bed import PLAIN

from pagewalk.cli_diff import diff as command
from pagewalk.trace import events as ev
from pagewalk.trace.read import open_trace
from pagewalk.views.diff import diff
from pagewalk.views.diff_match import match
from pagewalk.views.diff_values import Diff, EngineDiff, Point, StepDiff
from pagewalk.views.identity import identities
from pagewalk.views.step import Preemption, Share

SHAPE: dict[str, Any] = {
    "num_blocks": 20,
    "block_size": 8,
    "max_num_batched_tokens": 32,
    "max_num_seqs": 4,
}
Record = Callable[..., Path]


@pytest.fixture(scope="module")
def record(warm: None, tmp_path_factory: pytest.TempPathFactory) -> Record:
    """Record the same four requests on a real scheduler, with other settings."""

    def run(suffix: str = "", **over: Any) -> Path:
        from pagewalk.bed.scheduler import SchedulerBed
        from pagewalk.capture.session import tracing

        trace = tmp_path_factory.mktemp("bed") / "trace"
        with tracing(trace, strict=True):
            bed = SchedulerBed(**SHAPE | over)
            bed.add("a" + suffix, range(40), 30)
            bed.add("b" + suffix, range(32), 30, priority=2)
            bed.step()
            bed.step()
            bed.add("c" + suffix, [*range(32), *range(60, 69)], 30, priority=1)
            bed.add("d" + suffix, range(100, 130), 8)
            bed.run()
        return trace

    return run


@pytest.fixture(scope="module")
def base(record: Record) -> Path:
    """The run that others are compared with."""
    return record()


def compare(a: Path, b: Path, engine: int | None = None) -> Diff:
    """Both traces, opened and compared."""
    return diff(open_trace(a), open_trace(b), engine)


def lone(told: Diff) -> EngineDiff:
    """The only engine."""
    (one,) = told.engines
    return one


def first(told: Diff) -> StepDiff:
    """The first step that differs."""
    found = lone(told).first
    assert found is not None
    return found


def of_kind(step: StepDiff, what: str, request: str = "") -> Point:
    """The one point of a kind."""
    (found,) = [one for one in step.points if one.what == what and one.request == request]
    return found


@pytest.mark.engine
class TestRealSchedulers:
    """Two real runs with one thing changed."""

    def test_recorded_twice_is_equal(self, base: Path, record: Record) -> None:
        """Only times are others, and times are no difference."""
        told = compare(base, record())
        assert (told.outcome, lone(told).settings, told.requests) == ("equal", (), ())
        assert (told.matched, lone(told).steps, lone(told).differing) == (4, 33, 0)

    def test_fewer_blocks(self, base: Path, record: Record) -> None:
        """The first request that finds no blocks, with the numbers that were compared."""
        told = compare(base, record(num_blocks=14))
        assert ("num_blocks", 20, 14) in {(x.name, x.a, x.b) for x in lone(told).settings}
        point = of_kind(first(told), "scheduled", "d")
        assert isinstance(point.a, Share)
        assert (point.a.tokens, point.b) == (21, None)
        assert point.why_b is not None
        assert point.why_b.reason is not None
        assert point.why_b.reason.kind == "full_sequence_blocks"
        compared = point.why_b.reason.compared
        assert compared is not None
        assert compared.left_value > compared.right_value
        step = first(told)
        assert step.b is not None
        assert compared.right_value == step.b.free_blocks
        waited = {one.name: (one.a.waited, one.b.waited) for one in told.requests}
        assert waited["d"][0] == 0 < waited["d"][1]

    def test_the_other_way_round(self, base: Path, record: Record) -> None:
        """A and B change places, and nothing else."""
        other = record(num_blocks=14)
        one, two = compare(base, other), compare(other, base)
        assert (first(one).a, first(one).b) == (first(two).b, first(two).a)
        assert [(x.a, x.b) for x in lone(one).counts] == [(x.b, x.a) for x in lone(two).counts]
        assert of_kind(first(two), "scheduled", "d").why_a is not None

    def test_a_smaller_budget(self, base: Path, record: Record) -> None:
        """The first step already gives fewer tokens."""
        step = first(compare(base, record(max_num_batched_tokens=24)))
        point = of_kind(step, "tokens", "a")
        assert (step.step, step.a.budget, step.b.budget) == (1, 32, 24)  # type: ignore[union-attr]
        assert isinstance(point.a, Share)
        assert isinstance(point.b, Share)
        assert (point.a.tokens, point.b.tokens) == (32, 24)

    def test_another_policy(self, base: Path, record: Record) -> None:
        """The request of less urgency that came first is the one that waits."""
        told = compare(base, record(policy="priority"))
        assert ("policy", "fcfs", "priority") in {(x.name, x.a, x.b) for x in lone(told).settings}
        assert first(told).step == 3
        point = of_kind(first(told), "scheduled", "c")
        assert point.why_b is not None
        assert point.why_b.reason is not None
        assert point.why_b.reason.kind == "token_budget"

    def test_no_prefix_cache(self, base: Path, record: Record) -> None:
        """The first hit that is not there any more."""
        point = of_kind(first(compare(base, record(prefix_caching=False))), "hit", "b")
        assert (point.a, point.b) == (24, 0)

    def test_asynchronous(self, base: Path, record: Record) -> None:
        """One more step is in flight when a request ends."""
        told = compare(base, record(async_scheduling=True))
        changed = {one.name for one in lone(told).settings}
        assert changed == {"scheduler", "async_scheduling"}
        assert of_kind(first(told), "finished", "d").b is None

    def test_a_preemption_in_one_only(self, record: Record) -> None:
        """Who lost blocks to whom, and at which refusal."""
        over = {"reserve_full_sequence": False, "prefix_caching": False}
        told = compare(record(num_blocks=40, **over), record(num_blocks=14, **over))
        point = next(one for one in first(told).points if one.what == "preempted")
        assert point.a is None
        assert isinstance(point.b, Preemption)
        assert point.b.refusal is not None
        counts = {one.name: (one.a, one.b) for one in lone(told).counts}
        assert counts["preemptions"][0] == 0 < counts["preemptions"][1]  # type: ignore[operator]

    def test_random_suffixes(self, base: Path, record: Record) -> None:
        """What a front end appends to ids is no difference, with or without its events."""
        one, two = record(suffix="-0123abcd"), record(suffix="-89abcdef")
        assert compare(one, two).outcome == "equal"
        assert compare(base, two).outcome == "equal"

    @pytest.mark.parametrize("seed", range(4))
    def test_random_runs(self, seed: int, tmp_path: Path, warm: None) -> None:
        """The same random workload twice is equal; with another budget, settings tell at least."""
        from pagewalk.capture import tracing

        traces = []
        for at, over in enumerate(({}, {}, {"max_num_batched_tokens": 40})):
            plan = replace(random_plan(seed, 60), shape=settled({**PLAIN, "groups": "full"} | over))
            with tracing(tmp_path / str(at), strict=True):
                play(plan)
            traces.append(tmp_path / str(at))
        assert compare(*traces[:2]).outcome == "equal"
        assert compare(*traces[1:]).outcome == "different"


@settings(max_examples=15)
@given(seed=st.integers(0, 10_000))
def test_a_trace_equals_itself(seed: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Whatever happened in it."""
    trace = open_trace(write_trace(tmp_path_factory.mktemp("toy"), busy_toy(seed).lines()))
    told = diff(trace, trace)
    assert told.requests == told.only_a == told.only_b == ()
    for one in told.engines:
        assert (one.settings, one.first, one.differing, one.blocks) == ((), None, 0, None)
        assert all(count.same for count in one.counts)
    assert told.outcome == "equal"


class TestMatching:
    """Which request is which."""

    @staticmethod
    def known(folder: Path, *names: tuple[str, str]) -> Any:
        front, core = Process(100, "front_end"), Core()
        for name, user in names:
            if user:
                front.emit(ev.RequestArrived, front.number(name), user)
            core.add(name)
        return identities(open_trace(write(folder, front, core)))

    def test_by_the_users_id_in_order(self, tmp_path: Path) -> None:
        """An id used twice is told by the order of arrival; the rest is listed."""
        a = self.known(tmp_path / "a", ("chat-aaaaaaaa", "chat"), ("chat-bbbbbbbb", "chat"))
        b = self.known(
            tmp_path / "b",
            ("chat-cccccccc", "chat"),
            ("chat-dddddddd", "chat"),
            ("chat-eeeeeeee", "chat"),
        )
        assert [(one.name, one.a, one.b) for one in match(a, b)] == [
            ("chat", "chat-aaaaaaaa", "chat-cccccccc"),
            ("chat no. 2", "chat-bbbbbbbb", "chat-dddddddd"),
            ("chat no. 3", None, "chat-eeeeeeee"),
        ]

    def test_samples_by_their_number(self, tmp_path: Path) -> None:
        """Not by who came first."""
        a = self.known(tmp_path / "a", ("0_pair-aaaaaaaa", "pair"), ("1_pair-aaaaaaaa", "pair"))
        b = self.known(tmp_path / "b", ("1_pair-bbbbbbbb", "pair"), ("0_pair-bbbbbbbb", "pair"))
        assert [(one.name, one.a, one.b) for one in match(a, b)] == [
            ("0_pair", "0_pair-aaaaaaaa", "0_pair-bbbbbbbb"),
            ("1_pair", "1_pair-aaaaaaaa", "1_pair-bbbbbbbb"),
        ]

    def test_names_are_never_shared(self, tmp_path: Path) -> None:
        """Even where a user thinks of the name that we would."""
        rows = [("x-aaaaaaaa", "x"), ("x-bbbbbbbb", "x"), ("y-cccccccc", "x no. 2")]
        a, b = self.known(tmp_path / "a", *rows), self.known(tmp_path / "b", *rows)
        names = [one.name for one in match(a, b)]
        assert len(set(names)) == len(names) == 3


class TestOddTraces:
    """Losses, engines, models, ids."""

    def test_lost_events_are_never_compared(self, tmp_path: Path) -> None:
        """Steps of unknown state are left out and said; so are counts and requests."""
        core = Core(num_blocks=5)
        core.add("a", prompt=8)
        core.emit(ev.Dropped, 7, "buffer_full")
        core.start()
        core.end({"a": 5}, new={"a": 0})
        whole = write(tmp_path / "whole", crowded())
        told = compare(whole, write(tmp_path / "lost", core))
        assert lone(told).first is None
        assert (lone(told).counts, told.requests) == ((), ())
        assert any("B lost events" in one for one in told.doubts)
        assert any("the state is not known in B" in one for one in told.doubts)
        assert compare(whole, whole).outcome == "equal"

    @pytest.mark.parametrize("ended", [True, False])
    def test_a_trace_that_just_stops(self, tmp_path: Path, ended: bool) -> None:
        """Steps behind its end are no difference, unless it was closed in order."""
        long, short = crowded(), Core(num_blocks=5)
        at = next(i for i, one in enumerate(long.events) if type(one) is ev.StepScheduled)
        short.events = long.events[: at + 1]
        if ended:
            short.emit(ev.SegmentEnded)
        told = compare(write(tmp_path / "a", long), write(tmp_path / "b", short))
        assert told.outcome == ("different" if ended else "unknown")
        assert bool(told.doubts) is not ended
        if ended:
            assert (first(told).step, first(told).b) == (2, None)

    def test_engines_are_paired_by_number(self, tmp_path: Path) -> None:
        """One engine more is a difference, and --engine leaves the others out."""
        cores = [crowded(pid=200, dp_rank=0), crowded(pid=300, dp_rank=1, policy="priority")]
        two, one = write(tmp_path / "two", *cores), write(tmp_path / "one", crowded())
        assert compare(two, two).outcome == "equal"
        told = compare(two, one)
        assert (told.engines_a, told.engines_b, told.outcome) == (2, 1, "different")
        assert lone(told).first is None
        assert error_of(lambda: compare(two, one, 1)).slug == "no-such-engine"
        assert lone(compare(two, two, 1)).engine == 1

    def test_no_engine_says_in_which_trace(self, tmp_path: Path) -> None:
        """One sentence."""
        nothing = write(tmp_path / "none", Process(100, "front_end"))
        error = error_of(lambda: compare(write(tmp_path / "some", crowded()), nothing))
        assert error.slug == "no-engine"
        assert str(error).startswith("B: ")

    def test_a_setting_that_one_does_not_tell(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """An older pagewalk does not write them all down: that is no difference."""
        old, new = write(tmp_path / "a", crowded()), write(tmp_path / "b", crowded(news=7))
        told = compare(old, new)
        assert (told.outcome, lone(told).settings) == ("equal", ())
        assert [(one.name, one.a, one.b) for one in lone(told).untold] == [("news", None, 7)]
        assert command(old, new) == 0
        assert "Told by one trace alone: news 7 in B." in capsys.readouterr().out

    def test_another_model(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Said first, and all is compared."""
        other = crowded()
        other.events = [
            msgspec.structs.replace(one, model="oak") if type(one) is ev.EngineConfigured else one
            for one in other.events
        ]
        a, b = write(tmp_path / "a", crowded()), write(tmp_path / "b", other)
        told = compare(a, b)
        assert (told.outcome, lone(told).steps, lone(told).differing) == ("different", 5, 0)
        assert command(a, b) == 1
        assert "The models differ" in capsys.readouterr().out

    def test_inferred_exits_are_not_held_against_marks(self, tmp_path: Path) -> None:
        """Said, and the rest is compared; two traces without marks are like any others."""
        marked = write(tmp_path / "a", crowded())
        unmarked = write(tmp_path / "b", crowded(marked=False))
        told = compare(marked, unmarked)
        assert not any(
            one.what == "exit" for one in (lone(told).first or StepDiff(0, None, None)).points
        )
        assert any("in B they are inferred" in one for one in told.doubts)
        assert compare(unmarked, unmarked).outcome == "equal"

    def test_no_step_at_all(self, tmp_path: Path) -> None:
        """Two engines that did nothing are equal."""
        trace = write(tmp_path / "idle", Core())
        assert compare(trace, trace).outcome == "equal"


class TestCommand:
    """What is printed, and the exit code."""

    def test_exit_codes(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """0 equal, 1 different, 3 not all compared."""
        crowd = write(tmp_path / "a", crowded())
        other = write(tmp_path / "b", crowded(policy="priority"))
        core = crowded()
        core.emit(ev.Dropped, 7, "buffer_full")
        lossy = write(tmp_path / "c", core)
        codes = [command(crowd, crowd), command(crowd, other), command(crowd, lossy)]
        assert codes == [0, 1, 3]
        out = capsys.readouterr().out
        assert "equal: 5 steps and 3 requests" in out
        assert "priority" in out

    @pytest.mark.engine
    def test_is_narrow_and_plain(
        self, base: Path, record: Record, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """100 columns, no escape sequence, the numbers and the place of the reason."""
        assert command(base, record(num_blocks=14)) == 1
        out = capsys.readouterr().out
        assert "\x1b" not in out
        assert all(cell_len(one) <= 100 and one == one.rstrip() for one in out.splitlines())
        assert "d gets 21 tokens (new) in A, and none in B." in out
        assert "required_blocks 4 > available_blocks 3" in out
        assert "vllm/v1/core/kv_cache_manager.py:" in out
        assert "\n\n\n" not in out

    def test_json(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """One object on one line."""
        crowd = write(tmp_path / "a", crowded())
        assert command(crowd, crowd, as_json=True) == 0
        out = capsys.readouterr().out
        assert out.count("\n") == 1
        assert json.loads(out)["outcome"] == "equal"

    @pytest.mark.parametrize(
        "name", ["<script>\x1b[2J", "\u202eevil\u2066", 'a"b\nc', "x" * 10_000, "[red]b[/red]"]
    )
    def test_hostile_ids(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
    ) -> None:
        """Nothing moves the cursor, and lines stay short."""
        a, b = Core(), Core()
        for core, tokens in ((a, 6), (b, 4)):
            core.add(name)
            core.start()
            core.refuse(name, 3, 1)
            core.end({name: tokens}, new={name: 0})
        b.add("only" + name)
        assert command(write(tmp_path / "a", a), write(tmp_path / "b", b)) == 1
        out = capsys.readouterr().out
        assert all(one.isprintable() and cell_len(one) <= 100 for one in out.splitlines())
        assert "6 tokens" in out
