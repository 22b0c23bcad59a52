"""Events -> states: the machine against a toy engine that shares no code with it."""

from __future__ import annotations

import copy
from random import Random
from typing import Any

import msgspec
import pytest
from builder import SHAPES, busy_toy, renumbered, segment_of
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from toy import ToyEngine

from pagewalk.errors import PagewalkError
from pagewalk.replay.compare import compare
from pagewalk.replay.difference import difference
from pagewalk.replay.laws import verify
from pagewalk.replay.machine import Machine
from pagewalk.replay.pools import FreeQueue, Pool
from pagewalk.replay.snapshot import SCHEDULED, UPDATED, canonical
from pagewalk.replay.timeline import Timeline
from pagewalk.trace import events as ev
from pagewalk.trace.segment import Gap


def replayed(events: list[ev.Event | Gap]) -> Machine:
    machine = Machine()
    machine.feed(events)
    return machine


class FreeQueueModel(RuleBasedStateMachine):
    """The free queue does what a plain list does."""

    @initialize(stop=st.integers(0, 12))
    def begin(self, stop: int) -> None:
        self.queue, self.model = FreeQueue(0, stop), list(range(stop))
        self.out: list[int] = []

    @precondition(lambda self: self.model)
    @rule(at=st.integers(0, 100))
    def remove(self, at: int) -> None:
        block = self.model[at % len(self.model)]
        assert self.queue.remove(block)
        assert not self.queue.remove(block)
        self.model.remove(block)
        self.out.append(block)

    @precondition(lambda self: self.model)
    @rule(at=st.sampled_from((0, 0, 0, 5)))
    def take(self, at: int) -> None:
        block = self.model[at % len(self.model)]
        assert self.queue.take(block)
        self.model.remove(block)
        self.out.append(block)

    @precondition(lambda self: self.out)
    @rule(count=st.integers(1, 4), front=st.booleans())
    def put(self, count: int, front: bool) -> None:
        back, self.out = self.out[:count], self.out[count:]
        if front:
            self.queue.prepend(back)
            self.model[:0] = back
        else:
            self.queue.append(back)
            self.model += back

    @rule()
    def fork(self) -> None:
        self.queue = self.queue.copy()

    def teardown(self) -> None:
        if hasattr(self, "queue"):
            assert list(self.queue) == self.model
            assert len(self.queue) == len(self.model)
            assert self.queue.first(3) == self.model[:3]
            assert all(block in self.queue for block in self.model)
            assert not any(block in self.queue for block in [*self.out, -1, 99])


TestFreeQueue = FreeQueueModel.TestCase
TestFreeQueue.settings = settings(max_examples=150, stateful_step_count=30)


class ToyModel(RuleBasedStateMachine):
    """Whatever the toy does, replaying what it wrote gives its state."""

    @initialize(shape=SHAPES)
    def begin(self, shape: dict[str, Any]) -> None:
        self.toy = ToyEngine(**shape)
        self.machine = Machine()
        self.done = 0

    @rule(
        prompt=st.integers(1, 20),
        tokens=st.integers(1, 8),
        priority=st.integers(0, 2),
        family=st.sampled_from(("", "a", "b")),
    )
    def add(self, prompt: int, tokens: int, priority: int, family: str) -> None:
        self.toy.add("", prompt, tokens, priority, family)

    @rule()
    def schedule(self) -> None:
        if len(self.toy.flights) < 2:
            self.toy.schedule()

    @rule()
    def update(self) -> None:
        self.toy.update()

    @rule(turns=st.integers(1, 6))
    def turn(self, turns: int) -> None:
        for _ in range(turns):
            self.toy.turn()

    @precondition(lambda self: self.toy.requests)
    @rule(at=st.integers(0, 50))
    def abort(self, at: int) -> None:
        self.toy.abort(list(self.toy.requests.values())[at % len(self.toy.requests)])

    @rule()
    def reset(self) -> None:
        self.toy.reset_prefix_cache()

    @rule()
    def look(self) -> None:
        self.machine.feed(self.toy.events[self.done :])
        self.done = len(self.toy.events)
        assert self.machine.nonsense == []
        assert canonical(self.machine, 0) == self.toy.state()
        self.machine = self.machine.copy()

    def teardown(self) -> None:
        if hasattr(self, "toy"):
            self.look()


TestToy = ToyModel.TestCase
TestToy.settings = settings(max_examples=120, stateful_step_count=40)


class TestTwoEngines:
    """Two engines in one process write one segment, turn about."""

    def toys(self, dumps: str = "off") -> list[ToyEngine]:
        first = ToyEngine(dumps=dumps, policy="priority", windows=(0, 5), num_blocks=20)
        second = ToyEngine(dumps=dumps, num_blocks=9, engine=1, events=first.events)
        rng = Random(5)
        for _ in range(60):
            toy = rng.choice((first, second))
            if rng.random() < 0.4:
                toy.add(prompt=rng.randint(1, 12), max_tokens=6, priority=rng.randint(0, 1))
            toy.schedule()
            toy.update()
        return [first, second]

    def test_each_is_replayed_apart(self) -> None:
        toys = self.toys()
        machine = replayed(toys[0].events)
        assert machine.nonsense == []
        for toy in toys:
            assert canonical(machine, toy.engine) == toy.state()
            timeline = Timeline(segment_of(toy.events), toy.engine, every=4)
            assert timeline.steps == tuple(range(1, toy.step + 1))
            for moment in (toy.step, 2):
                assert timeline.at(moment).fields() == toy.states[moment, UPDATED]

    def test_laws_hold_and_nothing_diverges(self) -> None:
        toys = self.toys("digest")
        segment = segment_of(toys[0].events)
        assert segment.engines == (0, 1)
        assert verify(segment) == []
        assert compare(segment).divergences == 0

    def test_a_dump_brings_back_its_own_engine_only(self) -> None:
        toys = self.toys()
        toys[0].emit(ev.Dropped, 3, "disk full")
        toys[1].dump()
        machine = replayed(toys[0].events)
        assert machine.lost(0)
        assert canonical(machine, 1) == toys[1].state()


class TestTimeline:
    """Any step, from any side."""

    @settings(max_examples=25)
    @given(st.integers(0, 10_000), SHAPES, st.integers(1, 2), st.integers(1, 9), st.data())
    def test_every_moment_is_the_state_the_engine_had(
        self, seed: int, shape: dict[str, Any], depth: int, every: int, data: st.DataObject
    ) -> None:
        toy = busy_toy(seed, 15, depth, **shape)
        timeline = Timeline(segment_of(toy.lines()), 0, every)
        assert timeline.steps == tuple(range(1, toy.step + 1))
        moments = [moment for moment in toy.states if moment[1] != "finished"]
        for step, at in data.draw(st.lists(st.sampled_from(moments), max_size=12)):
            snapshot = timeline.at(step, at)
            assert snapshot.fields() == toy.states[step, at]
            assert (snapshot.step, snapshot.at, snapshot.known) == (step, at, True)

    def test_copies_of_big_pools_are_kept_more_rarely(self, monkeypatch) -> None:
        toy = busy_toy(3, 60, num_blocks=40)
        segment = segment_of(toy.lines())
        all_kept = Timeline(segment, 0, every=2)
        monkeypatch.setattr("pagewalk.replay.timeline.KEPT_ENTRIES", 400)
        few = Timeline(segment, 0, every=2)
        assert 0 < len(few._kept) < len(all_kept._kept)
        assert sum(one.size() for one in few._kept) <= 800
        for step in (toy.step, 7, 30, 8, 1):
            assert few.at(step).fields() == toy.states[step, UPDATED]

    def test_slice_walks_the_steps_in_order(self) -> None:
        toy = busy_toy(2)
        timeline = Timeline(segment_of(toy.lines()), 0)
        found = [(one.step, one.fields()) for one in timeline.slice(3, 9)]
        assert found == [(step, toy.states[step, UPDATED]) for step in range(3, 10)]
        assert len(list(timeline.slice(at=SCHEDULED))) == toy.step

    def test_snapshots_are_apart_from_the_timeline(self) -> None:
        toy = busy_toy(2)
        timeline = Timeline(segment_of(toy.lines()), 0)
        first = timeline.at(4)
        kept = copy.deepcopy(first.fields())
        timeline.at(toy.step)
        timeline.at(2)
        assert first.fields() == kept

    def test_a_snapshot_knows_sizes_and_the_budget(self) -> None:
        toy = ToyEngine(num_blocks=10, block_size=4, budget=16, windows=(0, 6))
        toy.add(prompt=6)
        toy.turn()
        snapshot = Timeline(segment_of(toy.lines()), 0).at(1)
        assert (snapshot.budget, snapshot.used) == (16, 6)
        assert snapshot.pools[0].num_blocks == 10
        assert snapshot.pools[0].num_free == len(toy.free)
        assert [table.block_size for table in snapshot.tables.values()] == [4, 4]
        assert snapshot.tables[1].kind == "SlidingWindowSpec"
        assert snapshot.policies == {"waiting": "fcfs"}

    def test_a_step_that_is_not_there_is_one_sentence(self) -> None:
        toy = busy_toy(0)
        timeline = Timeline(segment_of(toy.lines()), 0)
        with pytest.raises(PagewalkError, match=f"engine 0 has steps 1 to {toy.step}") as caught:
            timeline.at(999)
        assert caught.value.slug == "unknown-step"
        with pytest.raises(PagewalkError, match="engine 3 scheduled no step"):
            Timeline(segment_of(toy.lines()), 3).at(1)

    def test_a_moment_that_is_not_there_is_one_sentence(self) -> None:
        toy = ToyEngine()
        toy.add()
        toy.schedule()
        timeline = Timeline(segment_of(toy.lines()), 0)
        with pytest.raises(PagewalkError, match=r"ask for 'scheduled'$"):
            timeline.at(1)
        with pytest.raises(PagewalkError, match="no moment 'lunch'"):
            timeline.at(1, "lunch")
        assert timeline.last(1).at == SCHEDULED

    def test_events_of_a_step_are_from_start_to_end_of_schedule(self) -> None:
        toy = busy_toy(5)
        timeline = Timeline(segment_of(toy.lines()), 0)
        for step in timeline.steps:
            events = timeline.events(step)
            assert (type(events[0]), type(events[-1])) == (ev.StepStarted, ev.StepScheduled)
            span = timeline.span(step)
            assert type(timeline.segment.events[span.updated]) is ev.StepUpdated

    def test_the_walk_is_followed(self) -> None:
        seen: list[tuple[int, int]] = []
        segment = segment_of(busy_toy(0).lines())
        Timeline(segment, 0, report=lambda done, total: seen.append((done, total)))
        assert seen == [(0, len(segment.events))]


class TestLoss:
    """After a loss nothing is guessed until a dump tells."""

    @pytest.mark.parametrize("policy", ["fcfs", "priority"])
    @pytest.mark.parametrize("named_first", [True, False])
    def test_a_gap_loses_the_state_until_the_next_dump(
        self, policy: str, named_first: bool
    ) -> None:
        toy = busy_toy(3, 20, policy=policy, num_blocks=16)
        step = toy.step
        for _ in range(3):
            toy.add(prompt=9, max_tokens=9)
        toy.turn()
        torn = len(toy.events)
        toy.add(prompt=5)
        toy.turn()
        if named_first:
            toy.name_again()
        toy.dump()
        if not named_first:
            toy.name_again()
        for _ in range(4):
            toy.turn()
        lines = toy.lines()
        timeline = Timeline(segment_of(lines[:torn] + lines[torn + 3 :]), 0)
        assert timeline.at(step + 1).fields() == toy.states[step + 1, UPDATED]
        lost = timeline.at(step + 2)
        assert not lost.known
        assert lost.state == {}
        with pytest.raises(PagewalkError, match=f"lines from seq {torn} to {torn + 2}") as caught:
            lost.fields()
        assert caught.value.slug == "state-unknown"
        if policy == "fcfs":
            assert timeline.at(step + 5).fields() == toy.states[step + 5, UPDATED]

    def test_dropped_events_lose_the_state(self) -> None:
        toy = busy_toy(1, 10)
        toy.emit(ev.Dropped, 12, "disk full")
        machine = replayed(toy.events)
        assert "12 events before event" in machine.lost(0)
        toy.dump()
        assert replayed(toy.events).lost(0) == ""
        assert canonical(replayed(toy.events), 0) == toy.state()

    def test_a_dump_of_a_known_state_is_not_believed(self) -> None:
        toy = busy_toy(1, 10)
        before = canonical(replayed(toy.events), 0)
        false = toy.state() | {"running": ["somebody"]}
        toy.emit(ev.StateDumped, 0, 1, "updated", msgspec.Raw(msgspec.json.encode(false)))
        assert canonical(replayed(toy.events), 0) == before

    @pytest.mark.parametrize(
        "state",
        [
            {},
            [],
            {"free_queue": {"0": [5, 99]}},
            {"free_queue": {"zero": []}},
            {"free_queue": {"0": [-1]}},
            {"ref_counts": {}},
            {"running": 5},
        ],
    )
    def test_a_damaged_dump_does_not_resynchronise(self, state: Any) -> None:
        toy = busy_toy(1, 10)
        toy.emit(ev.Dropped, 1, "x")
        full = toy.state() | state if isinstance(state, dict) and state else state
        toy.emit(ev.StateDumped, 0, 1, "updated", msgspec.Raw(msgspec.json.encode(full)))
        assert replayed(toy.events).lost(0)

    def test_a_dump_can_introduce_what_was_lost_before_it(self) -> None:
        toy = busy_toy(4, 12, windows=(0, 6), num_blocks=24)
        toy.add(prompt=9)
        toy.schedule()
        toy.dump(SCHEDULED)
        machine = replayed([Gap("x", 0, "gone"), *toy.events[-1:]])
        state = canonical(machine, 0)
        expected = toy.state()
        assert {**state, "queues": None} == {**expected, "queues": None}

    def test_a_priority_queue_without_priorities_is_unknown_when_somebody_enters(self) -> None:
        toy = ToyEngine(policy="priority", max_running=1)
        toy.add()
        toy.add()
        toy.turn()
        toy.emit(ev.Dropped, 1, "x")
        toy.dump()
        structure = [one for one in toy.events if not isinstance(one, ev.RequestEnqueued)]
        machine = replayed(renumbered(structure))
        assert machine.lost(0) == ""
        toy.add(priority=-1)
        machine.feed(toy.events[-3:])
        assert "the place of a request in queue waiting" in machine.lost(0)

    def test_order_in_a_dump_keeps_a_priority_queue_known(self) -> None:
        toy = ToyEngine(policy="priority", max_running=1)
        for priority in (3, 1, 2):
            toy.add(priority=priority)
        toy.turn()
        order = {one.name: [one.priority, one.arrival] for one in toy.requests.values()}
        toy.emit(ev.Dropped, 1, "x")
        state = toy.state() | {"order": order}
        toy.emit(ev.StateDumped, 0, 1, "updated", msgspec.Raw(msgspec.json.encode(state)))
        structure = [one for one in toy.events if not isinstance(one, ev.RequestEnqueued)]
        machine = replayed(renumbered(structure))
        toy.add(priority=2)
        machine.feed(toy.events[-3:])
        assert canonical(machine, 0) == toy.state()

    def test_a_failed_probe_of_state_blinds_for_good(self) -> None:
        toy = busy_toy(1, 10)
        toy.emit(ev.ProbeFailed, "vllm.v1.core.block_pool:BlockPool.touch", "KeyError")
        toy.dump()
        assert "probe of a state change failed" in replayed(toy.events).lost(0)

    def test_a_failed_probe_of_something_else_costs_no_state(self) -> None:
        toy = busy_toy(1, 10)
        toy.emit(ev.ProbeFailed, "vllm.v1.engine.core:EngineCore.add_request", "KeyError")
        assert replayed(toy.events).lost(0) == ""

    def test_a_torn_end_loses_only_what_comes_after(self) -> None:
        toy = busy_toy(6, 10)
        lines = toy.lines()
        timeline = Timeline(segment_of([*lines, lines[5][:10]]), 0)
        assert timeline.at(toy.step).fields() == toy.states[toy.step, UPDATED]


class TestRules:
    """What no toy run reaches: rules of rare events, by hand."""

    def machine(self, *events: ev.Event, policy: str = "fcfs") -> Machine:
        toy = ToyEngine(num_blocks=8, policy=policy)
        for index in range(3):
            toy.add(prompt=5, priority=2 - index)
        base = len(toy.events)
        kept = [msgspec.structs.replace(event, seq=base + i) for i, event in enumerate(events)]
        return replayed([*toy.events, *kept])

    def test_free_puts_unhashed_in_front_in_call_order_and_hashed_behind(self) -> None:
        machine = self.machine(
            ev.BlocksTaken(0, 0, 0, [1, 2, 3, 4]),
            ev.HashAdded(0, 0, 0, 0, "aa", 2),
            ev.BlocksFreed(0, 0, 0, [4, 2, 1]),
        )
        assert canonical(machine, 0)["free_queue"]["0"] == [4, 1, 5, 6, 7, 2]
        assert canonical(machine, 0)["ref_counts"]["0"] == {"3": 1}

    def test_unpin_puts_behind_hashed_or_not(self) -> None:
        machine = self.machine(
            ev.BlocksTaken(0, 0, 0, [1, 2]),
            ev.HashAdded(0, 0, 0, 0, "aa", 2),
            ev.BlocksUnpinned(0, 0, 0, [2, 1]),
        )
        assert canonical(machine, 0)["free_queue"]["0"] == [3, 4, 5, 6, 7, 2, 1]

    def test_touch_takes_out_of_the_middle_and_counts_the_null_block(self) -> None:
        machine = self.machine(ev.BlocksTouched(0, 0, 0, [4, 0, 4]))
        assert canonical(machine, 0)["free_queue"]["0"] == [1, 2, 3, 5, 6, 7]
        assert canonical(machine, 0)["ref_counts"]["0"] == {"4": 2, "0": 1}
        machine.apply(ev.BlocksFreed(99, 0, 0, [0, 0, 0, 4, 4]))
        assert canonical(machine, 0)["free_queue"]["0"] == [4, 1, 2, 3, 5, 6, 7]
        assert canonical(machine, 0)["ref_counts"]["0"] == {"0": -2}

    def test_a_block_stays_hashed_while_any_key_points_to_it(self) -> None:
        machine = self.machine(
            ev.BlocksTaken(0, 0, 0, [1]),
            ev.HashAdded(0, 0, 0, 0, "aa", 1),
            ev.HashAdded(0, 0, 0, 1, "aa", 1),
            ev.HashAdded(0, 0, 0, 0, "aa", 1),
            ev.HashRemoved(0, 0, 0, 0, "aa", 1),
            ev.BlocksFreed(0, 0, 0, [1]),
        )
        assert canonical(machine, 0)["free_queue"]["0"][-1] == 1
        assert canonical(machine, 0)["hashes"]["0"] == {"1:aa": [1]}

    def test_copy_on_write_pins_one_end_more(self) -> None:
        machine = self.machine(
            ev.BlocksTaken(0, 0, 0, [1]),
            ev.TableExtended(0, 0, 0, 1, [1]),
            ev.BlocksTaken(0, 0, 0, [2]),
            ev.TableEntrySet(0, 0, 0, 1, 0, 2),
            ev.CopyQueued(0, 0, 0, 1, 2, 2),
            ev.BlocksFreed(0, 0, 0, [1, 2]),
        )
        assert canonical(machine, 0)["ref_counts"]["0"] == {"2": 1}
        assert canonical(machine, 0)["tables"]["0"] == {"request-1": [2]}

    def test_tables_of_a_manager_that_moves_to_its_own_pool(self) -> None:
        machine = self.machine(
            ev.PoolCreated(0, 0, 1, 4, True),
            ev.TablesCreated(0, 0, 0, 0, 0, 1, 4, "HiSparseSourceSpec"),
        )
        assert set(canonical(machine, 0)["free_queue"]) == {"0", "1"}
        assert machine.nonsense == []

    def test_prepending_to_fcfs_is_one_by_one_and_to_priority_is_adding(self) -> None:
        prepended = ev.QueuePrepended(0, 0, 0, [1, 2], ["WAITING"] * 2, [0] * 2, [5] * 2)
        popped = (ev.QueuePopped(0, 0, 0, 1), ev.QueuePopped(0, 0, 0, 2))
        queues = canonical(self.machine(*popped, prepended), 0)["queues"]
        assert queues == {"waiting": ["request-2", "request-1", "request-3"]}
        removed = ev.QueueRemoved(0, 0, 0, [1, 2])
        queues = canonical(self.machine(removed, prepended, policy="priority"), 0)["queues"]
        assert queues == {"waiting": ["request-3", "request-2", "request-1"]}

    def test_priority_prepend_that_was_also_written_as_an_add_counts_once(self) -> None:
        machine = self.machine(
            ev.QueueRemoved(0, 0, 0, [2]),
            ev.QueueAdded(0, 0, 0, 2, "WAITING", 0, 5),
            ev.QueuePrepended(0, 0, 0, [2], ["PREEMPTED"], [0], [7]),
            policy="priority",
        )
        state = canonical(machine, 0)
        assert state["queues"]["waiting"] == ["request-3", "request-2", "request-1"]
        assert state["requests"]["request-2"] == ["PREEMPTED", 0, 7]

    def test_absolute_values_set_during_an_update_win_over_its_increments(self) -> None:
        machine = self.machine(
            ev.UpdateStarted(0, 0, 0, 1),
            ev.RequestSet(0, 0, 1, "WAITING", 3, 9, "session"),
            ev.StepUpdated(0, 0, 0, 1, [1, 2], 1),
        )
        requests = canonical(machine, 0)["requests"]
        assert requests["request-1"] == ["WAITING", 3, 9]
        assert requests["request-2"] == ["WAITING", 0, 6]

    def test_drafts_that_were_rejected_come_as_absolute_values(self) -> None:
        machine = self.machine(
            ev.QueuePopped(0, 0, 0, 1),
            ev.StepStarted(0, 0, 0, 1),
            ev.StepScheduled(0, 0, 0, 1, [1], [7], 64, {1: 0}, {}, {1: 2}),
            ev.UpdateStarted(0, 0, 0, 1),
            ev.StepUpdated(0, 0, 0, 1, [1], [2], {1: 6}),
        )
        assert canonical(machine, 0)["requests"]["request-1"] == ["RUNNING", 6, 7]
        assert canonical(machine, 0)["running"] == ["request-1"]

    def test_steady_steps_paid_in_one_sum_are_paid_right(self) -> None:
        toy = ToyEngine(num_blocks=64, budget=64, max_running=8)
        for _ in range(5):
            toy.add(prompt=3, max_tokens=40)
        machine = Machine()
        done = 0
        for _ in range(30):
            toy.turn()
            machine.feed(toy.events[done:])
            done = len(toy.events)
        assert canonical(machine, 0) == toy.state()
        assert canonical(machine.copy(), 0) == toy.state()

    @pytest.mark.parametrize(
        "event",
        [
            ev.BlocksTaken(0, 0, 0, [99]),
            ev.BlocksTaken(0, 0, 0, [-1]),
            ev.BlocksTaken(0, 0, 7, [1]),
            ev.BlocksFreed(0, 0, 0, [10**30]),
            ev.HashAdded(0, 0, 0, 0, "aa", 8),
            ev.CopyQueued(0, 0, 0, 1, 2, 99),
            ev.TableExtended(0, 0, 9, 1, [1]),
            ev.TableExtended(0, 0, 0, 77, [1]),
            ev.TableEntrySet(0, 0, 0, 1, 5, 0),
            ev.TableEntrySet(0, 0, 0, 1, -1, 0),
            ev.TableReplaced(0, 0, 0, 1, [8]),
            ev.PoolCreated(0, 0, 5, 10**18, True),
            ev.PoolCreated(0, 0, 5, -3, True),
            ev.PoolCreated(0, 0, 5, 3, True, 3),
            ev.TablesCreated(0, 0, 5, 0, 0, 99, 4, "x"),
            ev.QueueAdded(0, 0, 9, 1, "WAITING", 0, 5),
            ev.QueueAdded(0, 0, 0, 99, "WAITING", 0, 5),
            ev.QueuePopped(0, 0, 0, 99),
            ev.QueuePrepended(0, 0, 0, [1], [], [0], [5]),
            ev.QueuePrepended(0, 0, 0, [99], ["WAITING"], [0], [5]),
            ev.QueueRemoved(0, 0, 9, [1]),
            ev.RequestEnqueued(0, 0, 9, 1, "WAITING", 5, 5, 1),
            ev.RequestEnqueued(0, 0, 0, 99, "WAITING", 5, 5, 1),
            ev.RequestEnqueued(0, 0, 0, 1, "WAITING", 5, 5, 1),
            ev.RequestSet(0, 0, 99, "WAITING", 0, 5),
            ev.RequestPreempted(0, 0, 0, 99, 0, 5, 1),
            ev.RequestFinished(0, 0, 0, 99, "FINISHED_STOPPED", 0, 5),
            ev.StepStarted(0, 0, 9, 1),
            ev.StepScheduled(0, 0, 0, 1, [99], 1, 16),
            ev.StepScheduled(0, 0, 0, 1, [1, 2], [1], 16),
            ev.StepScheduled(0, 0, 0, 1, [], 1, 16, {99: 0}),
            ev.StepUpdated(0, 0, 0, 1, [1, 2], [1]),
        ],
        ids=lambda event: type(event).__name__,
    )
    def test_nonsense_is_said_and_the_state_is_lost_from_there(self, event: ev.Event) -> None:
        machine = self.machine(event)
        assert len(machine.nonsense) == 1
        assert machine.nonsense[0].message.startswith(f"{type(event).__name__}: ")
        if event not in (ev.StepStarted(0, 0, 9, 1),):
            assert machine.lost(0)

    def test_a_huge_pool_costs_nothing_until_it_is_listed(self) -> None:
        pool = Pool(1 << 24, 0, caching=True)
        pool.take([1, 2, 3])
        pool.touch([9_000_000])
        pool.release([9_000_000, 3])
        assert len(pool.free) == (1 << 24) - 3
        assert pool.free.first(3) == [9_000_000, 3, 4]


class TestDifference:
    """What changed between two moments."""

    def test_a_step_that_takes_extends_and_admits(self) -> None:
        toy = ToyEngine(num_blocks=10, block_size=4)
        toy.add("a", prompt=4, max_tokens=8)
        toy.turn()
        toy.add("b", prompt=3)
        toy.turn()
        timeline = Timeline(segment_of(toy.lines()), 0)
        assert difference(timeline.at(1), timeline.at(2)) == {
            "from": {"step": 1, "at": "updated"},
            "to": {"step": 2, "at": "updated"},
            "pools": {"0": {"taken": [2, 3], "ref_counts": {"2": [0, 1], "3": [0, 1]}}},
            "tables": {
                "0": {
                    "a": {"at": 1, "old": [], "new": [2]},
                    "b": {"at": 0, "old": [], "new": [3]},
                }
            },
            "running": {"entered": ["b"]},
            "requests": {
                "new": ["b"],
                "changed": {"a": [["RUNNING", 4, 5], ["RUNNING", 5, 6]]},
            },
        }

    def test_nothing_changed_is_nothing(self) -> None:
        timeline = Timeline(segment_of(busy_toy(1).lines()), 0)
        assert set(difference(timeline.at(5), timeline.at(5))) == {"from", "to"}

    @settings(max_examples=20)
    @given(st.integers(0, 10_000), SHAPES, st.data())
    def test_it_is_json_and_turning_it_round_swaps_what_came_and_went(
        self, seed: int, shape: dict[str, Any], data: st.DataObject
    ) -> None:
        toy = busy_toy(seed, 15, **shape)
        timeline = Timeline(segment_of(toy.lines()), 0)
        first, second = (
            timeline.at(data.draw(st.sampled_from(timeline.steps)), SCHEDULED) for _ in range(2)
        )
        there, back = difference(first, second), difference(second, first)
        assert msgspec.json.decode(msgspec.json.encode(there)) == there
        for number, pool in there.get("pools", {}).items():
            other = back["pools"][number]
            assert sorted(pool.get("taken", [])) == sorted(other.get("freed", []))
            assert pool.get("hashed") == other.get("unhashed")
        assert there.get("running", {}).get("entered") == back.get("running", {}).get("left")
        assert there.get("requests", {}).get("new") == back.get("requests", {}).get("gone")
