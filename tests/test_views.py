"""Views: what a person reads is what the events say, for legal, odd and broken traces."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from builder import SHAPES, busy_toy, renumbered, write_trace
from hypothesis import given, settings
from hypothesis import strategies as st
from story import Core, Process, crowded, error_of, lone, write
from toy import ToyEngine

from pagewalk.trace import events as ev
from pagewalk.trace.codec import encode
from pagewalk.trace.read import Trace, open_trace
from pagewalk.views import blocks as blocks_view
from pagewalk.views.engines import engines, pick_engine, summary
from pagewalk.views.identity import identities, resolve
from pagewalk.views.life import life
from pagewalk.views.requests import requests
from pagewalk.views.step import Step
from pagewalk.views.steps import exit_kinds, steps
from pagewalk.views.verdict import check
from pagewalk.views.walk import Walk
from pagewalk.views.why import why


@pytest.fixture
def open_story(tmp_path: Path) -> Callable[..., Trace]:
    """Write processes down and open the trace."""
    return lambda *processes, **header: open_trace(write(tmp_path / "trace", *processes, **header))


def trace_of(folder: Path, toy: ToyEngine) -> Trace:
    """The toy's history as a trace."""
    return open_trace(write_trace(folder, toy.lines()))


class TestEngines:
    """Which engine is which."""

    def test_are_counted_by_rank(self, open_story: Callable[..., Trace]) -> None:
        """The process that happens to come first is not the first engine."""
        trace = open_story(Core(pid=200, dp_rank=1), Core(pid=300, dp_rank=0))
        assert [(one.index, one.segment.pid) for one in engines(trace)] == [(0, 300), (1, 200)]

    def test_several_must_be_told_apart(self, open_story: Callable[..., Trace]) -> None:
        """Step numbers are each engine's own, so no engine is picked silently."""
        trace = open_story(Core(pid=200, dp_rank=0), Core(pid=300, dp_rank=1))
        assert "--engine 0 to --engine 1" in str(error_of(lambda: pick_engine(trace, None)))
        assert "--engine 0 to 1" in str(error_of(lambda: pick_engine(trace, 2)))
        assert pick_engine(trace, 1).segment.pid == 300

    def test_none_is_said(self, open_story: Callable[..., Trace]) -> None:
        """A trace of front ends alone has nothing to replay."""
        trace = open_story(Process(100, "front_end"))
        assert error_of(lambda: pick_engine(trace, None)).slug == "no-engine"

    def test_summary_is_what_was_configured(self, open_story: Callable[..., Trace]) -> None:
        """Model, release, blocks and budget."""
        told = summary(lone(open_story(Core(num_blocks=9))))
        assert (told.release, told.num_blocks, told.block_sizes, told.budget) == (
            "0.32.0",
            9,
            (4,),
            16,
        )


class TestIdentity:
    """Which request a user means."""

    @pytest.fixture
    def trace(self, open_story: Callable[..., Trace]) -> Trace:
        """A front end with user ids, two samples of one request, and a core that has them all."""
        front, core = Process(100, "front_end"), Core()
        for name, user in (
            ("chat-1-aaaa", "chat-1"),
            ("chat-2-bbbb", "chat-2"),
            ("0_pair-cccc", "pair"),
            ("1_pair-cccc", "pair"),
        ):
            front.emit(ev.RequestArrived, front.number(name), user)
            core.add(name)
        core.add("alone")
        return open_story(front, core)

    @pytest.mark.parametrize(
        ("wanted", "meant"),
        [
            ("chat-1-aaaa", ("chat-1-aaaa",)),
            ("chat-1", ("chat-1-aaaa",)),
            ("pair", ("0_pair-cccc", "1_pair-cccc")),
            ("pa", ("0_pair-cccc", "1_pair-cccc")),
            ("1_", ("1_pair-cccc",)),
            ("alone", ("alone",)),
            ("al", ("alone",)),
        ],
    )
    def test_resolves(self, trace: Trace, wanted: str, meant: tuple[str, ...]) -> None:
        """Internal ids, user ids, samples, and unique beginnings of either."""
        assert resolve(identities(trace), wanted) == meant

    def test_ambiguous_names_some(self, trace: Trace) -> None:
        """A beginning that several share is not guessed at."""
        error = error_of(lambda: resolve(identities(trace), "chat"))
        assert error.slug == "ambiguous-request"
        assert "chat-1" in str(error)

    @pytest.mark.parametrize("wanted", ["chat-3", "", "zzz"])
    def test_unknown_says_how_to_list(self, trace: Trace, wanted: str) -> None:
        """The nearest, if any is near, and the command that lists all."""
        error = error_of(lambda: resolve(identities(trace), wanted))
        assert error.slug == "unknown-request"
        assert "pagewalk requests" in str(error)
        assert ("chat-1" in str(error)) == (wanted == "chat-3")

    def test_no_request_at_all(self, open_story: Callable[..., Trace]) -> None:
        """Said as such, not as an unknown id."""
        trace = open_story(Core())
        assert error_of(lambda: resolve(identities(trace), "x")).slug == "no-requests"

    def test_hostile_ids_are_exact_in_data_and_plain_in_messages(
        self, open_story: Callable[..., Trace]
    ) -> None:
        """No escape sequence reaches a terminal by way of an error."""
        core, evil = Core(), "\x1b[31m\u202e" + "x" * 10_000
        core.add(evil + "1")
        core.add(evil + "2")
        known = identities(open_story(core))
        assert resolve(known, evil + "2") == (evil + "2",)
        text = str(error_of(lambda: resolve(known, evil)))
        assert text.isprintable()
        assert len(text) < 500


class TestSteps:
    """One line a step."""

    @settings(max_examples=30)
    @given(shape=SHAPES, seed=st.integers(0, 40))
    def test_counts_are_those_of_the_engine(
        self, shape: dict[str, Any], seed: int, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        """Waiting, running and free blocks after each schedule(), and what it gave out."""
        toy = busy_toy(seed, steps=20, **shape)
        trace = trace_of(tmp_path_factory.mktemp("toy"), toy)
        for step in steps(lone(trace)):
            state = toy.states[step.step, "scheduled"]
            assert step.waiting == len(state["queues"]["waiting"])
            assert step.running == len(state["running"])
            assert step.free_blocks == len(state["free_queue"]["0"])
            assert step.used == sum(one.tokens for one in step.scheduled) <= step.budget
            for share in step.scheduled:
                assert share.computed is not None
                assert state["requests"][share.request][1] == share.computed + share.tokens

    def test_the_crowd(self, open_story: Callable[..., Trace]) -> None:
        """New, resumed, preempted, and the exits, step by step."""
        found = list(steps(lone(open_story(crowded()))))
        assert [one.admitted("new") for one in found] == [("a", "b"), (), (), (), ()]
        assert found[4].admitted("resumed") == ("b",)
        assert [len(one.preempted) for one in found] == [0, 1, 0, 0, 0]
        assert (found[1].preempted[0].by, found[1].preempted[0].computed) == ("a", 8)
        assert exit_kinds(found[1]) == {"preempted_this_step": [None]}
        assert exit_kinds(found[2]) == {"full_sequence_blocks": ["b"]}
        assert found[4].finished_before == ("a",)

    def test_a_resumed_request_may_be_sent_as_new(self, open_story: Callable[..., Trace]) -> None:
        """Model runner V2 is told of it like that; it is a resumption all the same."""
        core = crowded()
        at = next(i for i, e in enumerate(core.events) if getattr(e, "resumed", None))
        step = core.events[at]
        core.events[at] = msgspec.structs.replace(step, new=step.resumed, resumed={})
        assert list(steps(lone(open_story(core))))[4].admitted("resumed") == ("b",)

    def test_ranges(self, open_story: Callable[..., Trace]) -> None:
        """First and last are included, either may be open, and an empty range is an error."""
        engine = lone(open_story(crowded()))
        numbers = lambda *ends: [one.step for one in steps(engine, *ends)]  # noqa: E731
        assert numbers(2, 4) == [2, 3, 4]
        assert numbers(4, None) == [4, 5]
        assert numbers(None, 2) == [1, 2]
        assert "steps 1 to 5" in str(error_of(lambda: numbers(7, 9)))

    def test_after_a_loss_nothing_is_guessed(self, open_story: Callable[..., Trace]) -> None:
        """Counts are unknown from the loss on, and the step says why."""
        core = crowded()
        at = next(i for i, e in enumerate(core.events) if isinstance(e, ev.BlocksTouched))
        core.events.insert(at, ev.Dropped(0, core.events[at].t, 3, "buffer_full"))
        core.events = renumbered(core.events)
        last = list(steps(lone(open_story(core))))[-1]
        assert (last.free_blocks, last.waiting, last.running) == (None, None, None)
        assert "dropped" in last.unknown

    def test_without_marks_exits_are_inferred(self, open_story: Callable[..., Trace]) -> None:
        """And say that they are."""
        marked = list(steps(lone(open_story(crowded()))))
        inferred = list(steps(lone(open_story(crowded(marked=False)))))
        assert all(one.inferred for step in inferred for one in step.exits)
        for one, other in zip(marked, inferred, strict=True):
            assert set(exit_kinds(one)) == set(exit_kinds(other))

    def test_a_reset_preempts_between_steps(self, open_story: Callable[..., Trace]) -> None:
        """Nobody grew: it is told with the step that follows."""
        core = Core()
        core.add("a")
        core.start()
        core.take("a", [1, 2])
        core.end({"a": 6}, new={"a": 0})
        core.update("a")
        core.preempt("a", 6, 7, [1, 2])
        core.start()
        core.exit("token_budget")
        core.end({})
        found = list(steps(lone(open_story(core))))
        assert found[1].preempted == ()
        assert [(one.request, one.by, one.inside) for one in found[1].preempted_before] == [
            ("a", None, False)
        ]


class TestBlocks:
    """The block tables of one moment."""

    @settings(max_examples=30)
    @given(shape=SHAPES, seed=st.integers(0, 40), pick=st.integers(0, 1000))
    def test_is_the_engines_own_state(
        self, shape: dict[str, Any], seed: int, pick: int, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        """Every key of the JSON object, at both moments of a step."""
        toy = busy_toy(seed, steps=15, **shape)
        engine = lone(trace_of(tmp_path_factory.mktemp("toy"), toy))
        moments = [one for one in toy.states if one[1] in ("scheduled", "updated")]
        step, at = moments[pick % len(moments)]
        snapshot = blocks_view.snapshot_at(engine, step, at)
        told = blocks_view.as_json(blocks_view.blocks(engine, snapshot))
        state = toy.states[step, at]
        assert told["free_queue"] == state["free_queue"]["0"]
        refs = {block: n for block, n in state["ref_counts"]["0"].items() if block != "0"}
        assert told["ref_counts"] == refs
        cached = {block for blocks in state["hashes"]["0"].values() for block in blocks}
        assert told["hashed"] == sorted(cached)
        assert told["waiting"] == state["queues"]["waiting"]
        assert told["running"] == state["running"]
        assert told["block_sizes"] == [toy.block_size] * len(toy.windows)
        groups = [state["tables"][str(group)] for group in range(len(toy.windows))]
        owners = {request for group in groups for request in group}
        assert told["tables"] == {
            request: [group.get(request, []) for group in groups] for request in owners
        }
        assert (told["step"], told["at"], told["num_blocks"]) == (step, at, toy.num_blocks)

    def test_has_exactly_these_keys(self, open_story: Callable[..., Trace]) -> None:
        """Scripts read this object: its keys are a promise."""
        engine = lone(open_story(crowded()))
        view = blocks_view.blocks(engine, blocks_view.snapshot_at(engine, 3, "scheduled"))
        told = blocks_view.as_json(view)
        assert list(told) == [
            "release",
            "step",
            "at",
            "num_blocks",
            "block_sizes",
            "free_queue",
            "ref_counts",
            "hashed",
            "tables",
            "waiting",
            "kv_holding_waiting",
            "running",
        ]
        assert told["waiting"] == ["b", "c"]
        assert told["tables"] == {"a": [[1, 2, 4]]}

    def test_other_pools_stand_apart(self, open_story: Callable[..., Trace]) -> None:
        """A second pool (offloading) changes nothing in the main keys."""
        core = Core()
        core.emit(ev.PoolCreated, 1, 4, True, 0, "CPU")
        core.add("a")
        core.start()
        core.take("a", [1, 2])
        core.emit(ev.BlocksTaken, 1, [1])
        core.end({"a": 6}, new={"a": 0})
        engine = lone(open_story(core))
        view = blocks_view.blocks(engine, blocks_view.snapshot_at(engine, 1, "scheduled"))
        told = blocks_view.as_json(view)
        assert told["ref_counts"] == {"1": 1, "2": 1}
        (other,) = told["other_pools"]
        assert (other["pool"], other["medium"], other["free_queue"]) == (1, "CPU", [2, 3])
        assert other["ref_counts"] == {"1": 1}

    def test_old_releases_have_a_queue_of_skipped_ones(
        self, open_story: Callable[..., Trace]
    ) -> None:
        """Up to 0.30: it is told under its own name."""
        core = Core()
        core.emit(ev.QueueCreated, 2, 0, "skipped_waiting", "fcfs")
        core.add("a")
        core.start()
        core.end({})
        engine = lone(open_story(core))
        view = blocks_view.blocks(engine, blocks_view.snapshot_at(engine, 1, "scheduled"))
        assert blocks_view.as_json(view)["skipped_waiting"] == []

    @pytest.mark.parametrize(
        ("step", "at", "slug"),
        [(99, "scheduled", "unknown-step"), (6, "updated", "no-such-moment")],
    )
    def test_no_such_moment(
        self, open_story: Callable[..., Trace], step: int, at: str, slug: str
    ) -> None:
        """One sentence: which steps there are, or which moment to ask for."""
        core = crowded()
        core.start()
        core.end({})
        engine = lone(open_story(core))
        assert error_of(lambda: blocks_view.snapshot_at(engine, step, at)).slug == slug

    def test_no_state_after_a_loss(self, open_story: Callable[..., Trace]) -> None:
        """A gap is shown as one."""
        core = crowded()
        core.events.insert(30, ev.Dropped(0, core.events[30].t, 3, "buffer_full"))
        core.events = renumbered(core.events)
        engine = lone(open_story(core))
        snapshot = blocks_view.snapshot_at(engine, 4, "scheduled")
        assert error_of(lambda: blocks_view.blocks(engine, snapshot)).slug == "state-unknown"


class TestCheck:
    """The verdict on a trace."""

    def test_a_sound_trace(self, tmp_path: Path) -> None:
        """All laws hold, all snapshots are equal."""
        toy = busy_toy(3, steps=20, dumps="digest")
        told = check(trace_of(tmp_path / "t", toy))
        assert (told.outcome, told.diverging, told.losses) == ("holds", 0, ())
        assert told.snapshots == len(toy.states)
        assert told.steps == toy.step

    def test_a_broken_law_is_named_with_its_event(self, tmp_path: Path) -> None:
        """A block that is not the front of the queue is handed out."""
        toy = busy_toy(3, steps=20)
        events = list(toy.events)
        at = next(i for i, e in enumerate(events) if isinstance(e, ev.BlocksTaken))
        events[at] = msgspec.structs.replace(events[at], blocks=[*events[at].blocks[::-1], 7])
        told = check(open_trace(write_trace(tmp_path / "t", events)))
        assert told.outcome == "broken"
        broken = next(one for one in told.laws if one.law == "taken-from-front")
        assert broken.first is not None
        assert broken.first.seq == at

    def test_a_differing_digest(self, tmp_path: Path) -> None:
        """The first field that differs is named."""
        toy = busy_toy(3, steps=20, dumps="digest")
        events = list(toy.events)
        at = [i for i, e in enumerate(events) if isinstance(e, ev.StateDigested)][5]
        fields = {**events[at].fields, "running": "0" * 16}
        events[at] = msgspec.structs.replace(events[at], fields=fields)
        told = check(open_trace(write_trace(tmp_path / "t", events)))
        assert (told.outcome, told.diverging) == ("broken", 1)
        first = next(one.first for one in told.segments if one.first)
        assert first.field == "running"

    def test_a_loss_makes_it_unknown(self, tmp_path: Path) -> None:
        """Not broken and not sound: what was lost is said."""
        lines = busy_toy(3, steps=20).lines()
        del lines[60]
        told = check(open_trace(write_trace(tmp_path / "t", lines)))
        assert told.outcome in ("unknown", "broken")
        assert any("60" in one for one in told.losses)

    def test_dropped_events_are_counted(self, open_story: Callable[..., Trace]) -> None:
        """As the recorder said."""
        core = crowded()
        core.emit(ev.Dropped, 12, "buffer_full")
        told = check(open_story(core))
        assert told.outcome == "unknown"
        assert told.segments[0].dropped == 12

    def test_a_torn_end_is_no_loss(self, tmp_path: Path) -> None:
        """A killed process has done nothing that the trace does not tell."""
        lines = busy_toy(3, steps=20).lines()
        lines[-1] = lines[-1][:20]
        told = check(open_trace(write_trace(tmp_path / "t", lines)))
        assert told.outcome == "holds"
        assert told.segments[0].torn

    def test_nothing_to_check(self, open_story: Callable[..., Trace]) -> None:
        """A trace without an engine core is not sound, it is unknown."""
        assert check(open_story(Process(100, "front_end"))).outcome == "unknown"


class TestAllViews:
    """What holds for every view."""

    @pytest.mark.parametrize("hostile", ["\x1b[2J\u202e\n", "[bold]x[/]", "x" * 10_000, "\u0000"])
    def test_are_data_that_can_become_json(
        self, open_story: Callable[..., Trace], hostile: str
    ) -> None:
        """And hold request ids exactly as the engine had them."""
        core = Core()
        core.add(hostile)
        core.start()
        core.take(hostile, [1, 2])
        core.end({hostile: 6}, new={hostile: 0})
        core.start()
        core.refuse(hostile, 1, 0)
        core.preempt(hostile, 6, 7, [1, 2])
        core.exit("self_preempted", hostile, loop="running")
        core.end({})
        trace = open_story(core)
        engine, known = lone(trace), identities(trace)
        views: Sequence[object] = (
            summary(engine),
            list(steps(engine)),
            why(engine, hostile),
            life(trace, engine, known, hostile),
            requests(trace),
            check(trace),
            blocks_view.as_json(
                blocks_view.blocks(engine, blocks_view.snapshot_at(engine, 1, "scheduled"))
            ),
        )
        for view in views[1:]:
            text = json.dumps(msgspec.to_builtins(view, str_keys=True))
            assert json.dumps(hostile)[1:-1] in text or view is views[5]

    def test_report_how_far_they_are(self, tmp_path: Path) -> None:
        """A long walk can be followed."""
        toy = busy_toy(1, steps=60)
        seen: list[tuple[int, int]] = []
        for _ in Walk(lone(trace_of(tmp_path / "t", toy)), lambda *at: seen.append(at)):
            pass
        assert seen[0][1] == len(toy.events)

    @settings(max_examples=30)
    @given(seed=st.integers(0, 200), cut=st.integers(5, 200))
    def test_survive_a_missing_line(
        self, seed: int, cut: int, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        """With any line gone each view answers, or says in one sentence why it cannot."""
        lines = busy_toy(seed % 7, steps=12, num_blocks=8).lines()
        del lines[cut % len(lines)]
        trace = open_trace(write_trace(tmp_path_factory.mktemp("cut"), lines))
        known = identities(trace)
        check(trace)
        requests(trace)
        for engine in engines(trace):
            list(steps(engine))
            for name in list(known.requests)[:3]:
                why(engine, name)
                life(trace, engine, known, name)


def test_every_step_is_a_frozen_value(open_story: Callable[..., Trace]) -> None:
    """Values cannot be changed under a reader."""
    step: Step = next(steps(lone(open_story(crowded()))))
    with pytest.raises(AttributeError):
        step.used = 3  # type: ignore[misc]


def test_lines_are_events(tmp_path: Path) -> None:
    """The story helper writes what the codec writes."""
    core = crowded()
    folder = write(tmp_path / "t", core)
    assert (folder / "200-0.jsonl").read_bytes() == b"".join(encode(one) for one in core.events)
