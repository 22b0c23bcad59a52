"""Every law holds on legal runs, and a planted breach is named with its very event."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from builder import SHAPES, busy_toy, renumbered, segment_of
from hypothesis import given, settings
from hypothesis import strategies as st
from toy import ToyEngine

from pagewalk.replay.laws import LAWS, Verdict, Violation, judge, verify
from pagewalk.trace import events as ev
from pagewalk.trace.events import Event

Planted = tuple[list[Event], int]


def verdicts(events: list[Event]) -> dict[str, Verdict]:
    return {one.law.name: one for one in judge(segment_of(events))}


def change(toy: ToyEngine, kind: type[Event], which: int = 0, **fields: Any) -> Planted:
    """Change the fields of the toy's event number `which` of a type."""
    index = [i for i, event in enumerate(toy.events) if type(event) is kind][which]
    events = list(toy.events)
    events[index] = msgspec.structs.replace(events[index], **fields)
    return events, index


def leave_out(toy: ToyEngine, *indexes: int) -> list[Event]:
    """The toy's events without some, counted again."""
    return renumbered(event for i, event in enumerate(toy.events) if i not in indexes)


def running_toy(**shape: Any) -> ToyEngine:
    """Three requests: two run, one waits."""
    toy = ToyEngine(**({"num_blocks": 12, "max_running": 2} | shape))
    for _ in range(3):
        toy.add(prompt=6, max_tokens=20)
    toy.turn()
    return toy


def then(toy: ToyEngine, kind: type[Event], *fields: Any) -> Planted:
    """Emit a false event between two steps of a legal run."""
    seq = toy.emit(kind, *fields)
    toy.emit(ev.StepStarted, 0, toy.step + 1)
    return toy.events, seq


def tight_toy() -> ToyEngine:
    """Two requests that do not both fit: the second is preempted."""
    toy = ToyEngine(num_blocks=6, block_size=4, budget=16)
    toy.add(prompt=7, max_tokens=8)
    toy.add(prompt=7, max_tokens=8)
    toy.run()
    assert any(type(event) is ev.RequestPreempted for event in toy.events)
    return toy


def gap() -> Planted:
    toy = running_toy()
    return [event for event in toy.events if event.seq != 9], 9


def unfollowed() -> Planted:
    return then(running_toy(), ev.BlocksTaken, 0, [400])


def not_the_front() -> Planted:
    toy = running_toy()
    blocks = next(event.blocks for event in toy.events if type(event) is ev.BlocksTaken)
    return change(toy, ev.BlocksTaken, blocks=blocks[::-1])


def more_than_there_are() -> Planted:
    toy = running_toy()
    return then(toy, ev.BlocksTaken, 0, [*toy.free, 1])


def taken_with_hash() -> Planted:
    toy = ToyEngine(num_blocks=4, block_size=2)
    toy.add(prompt=4, max_tokens=1)
    toy.run()
    toy.add(prompt=5, max_tokens=1)
    toy.turn()
    removed = [i for i, event in enumerate(toy.events) if type(event) is ev.HashRemoved]
    taken = next(
        i for i, event in enumerate(toy.events) if i > removed[-1] and type(event) is ev.BlocksTaken
    )
    return leave_out(toy, *removed), taken - len(removed)


def freed_twice() -> Planted:
    toy = running_toy()
    return then(toy, ev.BlocksFreed, 0, [toy.free[2]])


def freed_twice_in_one_call() -> Planted:
    toy = running_toy()
    block = toy.tables[0][toy.running[0]][0]
    return then(toy, ev.BlocksFreed, 0, [block, block])


def null_taken() -> Planted:
    toy = running_toy()
    return then(toy, ev.BlocksTaken, 0, [toy.free[0], 0])


def null_dumped_as_free() -> Planted:
    toy = running_toy()
    state = toy.state()
    state["free_queue"]["0"].append(0)
    return dumped(toy, state)


def dumped(toy: ToyEngine, state: dict[str, Any]) -> Planted:
    toy.emit(ev.Dropped, 1, "disk full")
    text = msgspec.Raw(msgspec.json.encode(state))
    return toy.events, toy.emit(ev.StateDumped, 0, toy.step, "updated", text)


def pinned_while_free() -> Planted:
    toy = running_toy()
    first, second = (toy.tables[0][one][0] for one in toy.running)
    return then(toy, ev.CopyQueued, 0, first, second, toy.free[3])


def dumped_with_a_block_gone() -> Planted:
    toy = running_toy()
    state = toy.state()
    del state["free_queue"]["0"][2]
    return dumped(toy, state)


def two_owners() -> Planted:
    toy = running_toy()
    block = toy.tables[0][toy.running[0]][0]
    return then(toy, ev.TableExtended, 0, toy.running[1].number, [block])


def freed_under_the_owner() -> Planted:
    toy = running_toy()
    return then(toy, ev.BlocksFreed, 0, [toy.tables[0][toy.running[0]][0]])


def leaked() -> Planted:
    toy = running_toy()
    return then(toy, ev.BlocksTaken, 0, toy.free[:2])


def touched_by_nobody() -> Planted:
    toy = running_toy()
    return then(toy, ev.BlocksTouched, 0, [toy.tables[0][toy.running[0]][0]])


def hash_of_a_free_block() -> Planted:
    toy = running_toy()
    return then(toy, ev.HashAdded, 0, 0, "feed", toy.free[0])


def hash_of_the_null_block() -> Planted:
    return then(running_toy(), ev.HashAdded, 0, 0, "feed", 0)


def hash_removed_that_was_not_there() -> Planted:
    return then(running_toy(), ev.HashRemoved, 0, 0, "feed", 1)


def copy_to_a_free_block() -> Planted:
    toy = running_toy()
    block = toy.tables[0][toy.running[0]][0]
    return then(toy, ev.CopyQueued, 0, block, toy.free[0], block)


def step_left_out() -> Planted:
    toy = running_toy()
    return toy.events, toy.emit(ev.StepStarted, 0, toy.step + 2)


def step_ends_as_another() -> Planted:
    toy = running_toy()
    toy.emit(ev.StepStarted, 0, 2)
    return toy.events, toy.emit(ev.StepScheduled, 0, 3, [], [], 16)


def update_of_the_future() -> Planted:
    toy = running_toy()
    return toy.events, toy.emit(ev.StepUpdated, 0, 9, [], [])


def update_twice() -> Planted:
    toy = running_toy()
    return toy.events, toy.emit(ev.StepUpdated, 0, 1, [], [])


def over_budget() -> Planted:
    return change(running_toy(), ev.StepScheduled, budget=11)


def over_input_budget() -> Planted:
    return change(running_toy(), ev.StepScheduled, input_budget=11)


def scheduled_with_nothing() -> Planted:
    toy = running_toy()
    toy.emit(ev.StepStarted, 0, 2)
    return toy.events, toy.emit(ev.StepScheduled, 0, 2, [1], 0, 16)


def scheduled_while_waiting() -> Planted:
    toy = running_toy()
    toy.emit(ev.StepStarted, 0, 2)
    return toy.events, toy.emit(ev.StepScheduled, 0, 2, [1, 3], 1, 16)


def scheduled_twice() -> Planted:
    toy = running_toy()
    toy.emit(ev.StepStarted, 0, 2)
    return toy.events, toy.emit(ev.StepScheduled, 0, 2, [1, 1], 1, 16)


def popped_out_of_turn() -> Planted:
    toy = running_toy()
    toy.add()
    return toy.events, toy.emit(ev.QueuePopped, 0, 4)


def popped_out_of_priority() -> Planted:
    toy = running_toy(policy="priority")
    toy.add(priority=-1)
    return toy.events, toy.emit(ev.QueuePopped, 0, 3)


def queued_twice() -> Planted:
    toy = running_toy()
    return then(toy, ev.QueueAdded, 0, 3, "WAITING", 0, 6)


def nowhere() -> Planted:
    return then(running_toy(), ev.QueueRemoved, 0, [3])


def more_computed_than_there_are() -> Planted:
    return then(running_toy(), ev.RequestSet, 1, "RUNNING", 8, 7)


def more_computed_by_a_step() -> Planted:
    toy = running_toy()
    toy.emit(ev.StepStarted, 0, 2)
    return toy.events, toy.emit(ev.StepScheduled, 0, 2, [1], 2, 16)


def computed_below_zero() -> Planted:
    return then(running_toy(), ev.RequestSet, 3, "WAITING", -1, 6)


def table_too_short_for_the_step() -> Planted:
    toy = ToyEngine(block_size=4)
    toy.add(prompt=8, max_tokens=9)
    toy.turn()
    toy.emit(ev.StepStarted, 0, 2)
    return toy.events, toy.emit(ev.StepScheduled, 0, 2, [1], 1, 16)


def table_cut_between_steps() -> Planted:
    toy = running_toy()
    row = toy.tables[0][toy.running[0]]
    return then(toy, ev.TableReplaced, 0, 1, row[:1])


def preempted_with_computed_tokens() -> Planted:
    return change(tight_toy(), ev.QueuePrepended, computed=[3])


def preempted_with_a_table() -> Planted:
    toy = tight_toy()
    at = next(i for i, event in enumerate(toy.events) if type(event) is ev.RequestPreempted)
    dropped = max(i for i in range(at) if type(toy.events[i]) is ev.TableDropped)
    return leave_out(toy, dropped), at - 1


def preempted_into_no_queue() -> Planted:
    toy = tight_toy()
    at = next(i for i, event in enumerate(toy.events) if type(event) is ev.QueuePrepended)
    return leave_out(toy, at), at


def finished_with_a_table() -> Planted:
    toy = tight_toy()
    toy.emit(ev.StepStarted, 0, toy.step + 1)
    at = next(i for i, event in enumerate(toy.events) if type(event) is ev.RequestFinished)
    dropped = max(i for i in range(at) if type(toy.events[i]) is ev.TableDropped)
    return leave_out(toy, dropped), at - 1


def fed_after_it_finished() -> Planted:
    toy = running_toy()
    first = toy.running[0].number
    toy.abort(toy.running[0])
    return then(toy, ev.TableExtended, 0, first, [0])


PLANTS: list[tuple[str, Callable[[], Planted]]] = [
    ("seq-gapless", gap),
    ("every-event-can-be-followed", unfollowed),
    ("taken-from-front", not_the_front),
    ("taken-from-front", more_than_there_are),
    ("taken-has-no-hash", taken_with_hash),
    ("ref-never-negative", freed_twice),
    ("ref-never-negative", freed_twice_in_one_call),
    ("null-block-never-queued", null_taken),
    ("null-block-never-queued", null_dumped_as_free),
    ("free-queue-holds-no-referenced-block", pinned_while_free),
    ("free-plus-owned-is-all", dumped_with_a_block_gone),
    ("no-double-owner", two_owners),
    ("no-double-owner", freed_under_the_owner),
    ("every-reference-has-a-holder", leaked),
    ("every-reference-has-a-holder", touched_by_nobody),
    ("hash-points-to-live-block", hash_of_a_free_block),
    ("hash-points-to-live-block", hash_of_the_null_block),
    ("removed-hash-was-there", hash_removed_that_was_not_there),
    ("copy-holds-both-ends", copy_to_a_free_block),
    ("step-counts-up", step_left_out),
    ("step-counts-up", step_ends_as_another),
    ("step-counts-up", update_of_the_future),
    ("step-counts-up", update_twice),
    ("budget-not-exceeded", over_budget),
    ("budget-not-exceeded", over_input_budget),
    ("budget-not-exceeded", scheduled_with_nothing),
    ("every-scheduled-request-is-running", scheduled_while_waiting),
    ("every-scheduled-request-is-running", scheduled_twice),
    ("popped-from-front", popped_out_of_turn),
    ("popped-from-front", popped_out_of_priority),
    ("one-place-per-request", queued_twice),
    ("one-place-per-request", nowhere),
    ("computed-within-tokens", more_computed_than_there_are),
    ("computed-within-tokens", more_computed_by_a_step),
    ("computed-within-tokens", computed_below_zero),
    ("tables-cover-computed-tokens", table_too_short_for_the_step),
    ("tables-cover-computed-tokens", table_cut_between_steps),
    ("preempted-starts-over", preempted_with_computed_tokens),
    ("preempted-starts-over", preempted_with_a_table),
    ("preempted-starts-over", preempted_into_no_queue),
    ("finished-owns-nothing", finished_with_a_table),
    ("finished-owns-nothing", fed_after_it_finished),
]


@pytest.mark.parametrize(("law", "plant"), PLANTS, ids=lambda one: getattr(one, "__name__", one))
def test_a_planted_breach_is_named_with_its_event(law: str, plant: Callable[[], Planted]) -> None:
    events, seq = plant()
    found = verdicts(events)[law]
    assert found.outcome == "broken"
    assert found.violations[0].seq == seq
    assert found.violations[0].law == law
    assert found.violations[0].message.isprintable()
    assert found.violations[0] in verify(segment_of(events))


def test_every_law_is_planted_against() -> None:
    assert {law.name for law in LAWS} == {law for law, _ in PLANTS}


def test_laws_have_names_sentences_and_sources() -> None:
    assert len({law.name for law in LAWS}) == len(LAWS)
    for law in LAWS:
        assert law.name.replace("-", "").isalpha()
        assert law.sentence.endswith((".", ":", ")")), law.sentence
        module, symbol = law.reads.split(":")
        assert module.startswith(("vllm.v1.core.", "pagewalk."))
        assert symbol


@settings(max_examples=60)
@given(st.integers(0, 100_000), SHAPES, st.integers(1, 3), st.sampled_from(("off", "full")))
def test_all_laws_hold_on_legal_runs(
    seed: int, shape: dict[str, Any], depth: int, dumps: str
) -> None:
    toy = busy_toy(seed, 20, depth, dumps=dumps, **shape)
    for verdict in judge(segment_of(toy.lines())):
        assert verdict.outcome == "holds", (verdict.violations, verdict.since)
        assert verdict.skipped == 0
    assert verify(segment_of(toy.lines())) == []


class TestUnknown:
    """What was not seen is not said to hold."""

    def test_after_a_gap_laws_are_unknown_not_kept(self) -> None:
        toy = busy_toy(4, 20)
        lines = toy.lines()
        found = {one.law.name: one for one in judge(segment_of(lines[:200] + lines[201:]))}
        assert found["seq-gapless"].outcome == "broken"
        # Nothing of that kind was to be judged in the part that is not known.
        idle = {name for name, one in found.items() if one.outcome == "holds"}
        assert idle <= {"copy-holds-both-ends", "preempted-starts-over"}
        assert found["taken-from-front"].outcome == "unknown"
        assert found["taken-from-front"].judged > 0
        assert found["taken-from-front"].since == "the line with seq 200 is missing"

    def test_after_the_next_dump_laws_judge_again(self) -> None:
        toy = busy_toy(4, 20)
        toy.emit(ev.Dropped, 3, "disk full")
        toy.dump()
        toy.add(prompt=9)
        toy.turn()
        seq = toy.emit(ev.BlocksTaken, 0, toy.free[1:2])
        toy.emit(ev.StepStarted, 0, toy.step + 1)
        found = verdicts(toy.events)
        assert found["taken-from-front"].violations[0].seq == seq
        assert {one.outcome for one in found.values()} >= {"broken", "holds"}

    def test_a_resynchronised_engine_breaks_no_law(self) -> None:
        for seed in range(6):
            toy = busy_toy(seed, 10, num_blocks=16, windows=(0, 5))
            for _ in range(3):
                toy.add(prompt=9, max_tokens=6)
            toy.schedule()
            toy.schedule()
            toy.emit(ev.Dropped, 3, "disk full")
            toy.update()
            toy.name_again()
            toy.dump()
            toy.update()
            toy.run()
            assert verify(segment_of(toy.lines())) == []

    def test_a_torn_end_leaves_what_was_recorded_standing(self) -> None:
        lines = busy_toy(4, 20).lines()
        found = judge(segment_of([*lines, lines[3][:9]]))
        assert {one.outcome for one in found} == {"holds"}

    def test_a_failed_probe_makes_all_that_follows_unknown(self) -> None:
        toy = busy_toy(4, 5)
        toy.emit(ev.ProbeFailed, "vllm.v1.core.block_pool:BlockPool.touch", "KeyError")
        toy.add()
        toy.turn()
        found = verdicts(toy.events)
        assert found["taken-from-front"].outcome == "unknown"
        assert "probe of a state change failed" in found["taken-from-front"].since


class TestLegal:
    """Legal histories that look like breaches."""

    def test_blocks_of_a_deferred_free_belong_to_nobody_for_a_while(self) -> None:
        toy = running_toy()
        victim = toy.running[0]
        row = toy.tables[0][victim]
        toy.emit(ev.TableDropped, 0, victim.number)
        toy.emit(ev.RequestFinished, 0, victim.number, "FINISHED_ABORTED", 6, 7)
        for step in (2, 3):
            toy.emit(ev.StepStarted, 0, step)
            toy.emit(ev.StepScheduled, 0, step, [2], 1, 16)
            toy.emit(ev.UpdateStarted, 0, step)
            toy.emit(ev.StepUpdated, 0, step, [2], 1)
        toy.emit(ev.BlocksFreed, 0, row[::-1])
        toy.emit(ev.StepStarted, 0, 4)
        assert verify(segment_of(toy.events)) == []

    def test_copy_on_write_keeps_both_ends_until_it_ran(self) -> None:
        toy = running_toy(block_size=8)
        owner = toy.running[0]
        source = toy.tables[0][owner][0]
        copy = toy.free[0]
        toy.emit(ev.BlocksTouched, 0, [source])
        toy.emit(ev.TableExtended, 0, 3, [source])
        toy.emit(ev.BlocksTaken, 0, [copy])
        toy.emit(ev.TableEntrySet, 0, 3, 0, copy)
        toy.emit(ev.CopyQueued, 0, source, copy, copy)
        toy.emit(ev.StepStarted, 0, 2)
        toy.emit(ev.StepScheduled, 0, 2, [], [], 16)
        toy.emit(ev.BlocksFreed, 0, [copy, source])
        toy.emit(ev.StepStarted, 0, 3)
        assert verify(segment_of(toy.events)) == []

    def test_a_copy_that_the_cache_keeps_is_in_no_table(self) -> None:
        toy = running_toy()
        source, copy = toy.tables[0][toy.running[0]][0], toy.free[0]
        toy.emit(ev.BlocksTaken, 0, [copy])
        toy.emit(ev.HashRemoved, 0, 0, "own-1-0", source)
        toy.emit(ev.HashAdded, 0, 0, "own-1-0", copy)
        toy.emit(ev.CopyQueued, 0, source, copy, source)
        toy.emit(ev.StepStarted, 0, 2)
        toy.emit(ev.StepScheduled, 0, 2, [], [], 16)
        toy.emit(ev.BlocksFreed, 0, [source, copy])
        toy.emit(ev.StepStarted, 0, 3)
        assert verify(segment_of(toy.events)) == []

    def test_a_speculative_block_that_moves_within_a_table(self) -> None:
        toy = running_toy()
        row = toy.tables[0][toy.running[0]]
        toy.emit(ev.TableExtended, 0, 1, [row[1]])
        toy.emit(ev.TableEntrySet, 0, 1, 1, 0)
        toy.emit(ev.StepStarted, 0, 2)
        assert verify(segment_of(toy.events)) == []

    def test_the_null_block_may_be_freed_below_zero_and_shared_without_end(self) -> None:
        toy = running_toy()
        toy.emit(ev.TableExtended, 0, 1, [0, 0, 0])
        toy.emit(ev.BlocksFreed, 0, [0, 0])
        toy.emit(ev.StepStarted, 0, 2)
        assert verify(segment_of(toy.events)) == []

    def test_a_connector_may_hold_what_no_event_tells(self) -> None:
        toy = running_toy(connector="OffloadingConnector")
        toy.emit(ev.BlocksTouched, 0, [toy.tables[0][toy.running[0]][0]])
        toy.emit(ev.QueueRemoved, 0, [3])
        toy.emit(ev.RequestFinished, 0, 3, "FINISHED_ABORTED", 0, 6)
        toy.emit(ev.TableExtended, 0, 3, [])
        toy.emit(ev.StepStarted, 0, 2)
        assert verify(segment_of(toy.events)) == []

    def test_a_request_may_wait_where_no_queue_shows_it(self) -> None:
        toy = running_toy()
        toy.emit(ev.QueueRemoved, 0, [3])
        toy.emit(ev.RequestSet, 3, "WAITING_FOR_REMOTE_KVS", 0, 6)
        toy.emit(ev.StepStarted, 0, 2)
        assert verify(segment_of(toy.events)) == []

    def test_tables_of_other_lengths_need_not_cover(self) -> None:
        toy = running_toy()
        toy.emit(ev.TablesCreated, 1, 0, 1, 0, 4, "CrossAttentionSpec")
        toy.turn()
        assert verify(segment_of(toy.events)) == []

    def test_drafts_may_run_ahead_of_the_tokens(self) -> None:
        toy = ToyEngine(block_size=16)
        toy.add(prompt=6, max_tokens=20)
        toy.turn()
        toy.emit(ev.StepStarted, 0, 2)
        toy.emit(ev.StepScheduled, 0, 2, [1], 4, 16, {}, {}, {1: 3})
        toy.emit(ev.UpdateStarted, 0, 2)
        toy.emit(ev.StepUpdated, 0, 2, [1], 2, {1: 8})
        toy.emit(ev.StepStarted, 0, 3)
        assert verify(segment_of(toy.events)) == []


def test_hostile_names_are_safe_in_messages() -> None:
    toy = ToyEngine(max_running=1)
    toy.add("\x1b[2Jcleared\n" * 50)
    toy.add("two")
    toy.turn()
    toy.emit(ev.StepStarted, 0, 2)
    toy.emit(ev.BlocksFreed, 0, [toy.tables[0][toy.running[0]][0]])
    toy.emit(ev.TableReplaced, 0, 1, [])
    toy.emit(ev.StepScheduled, 0, 2, [1, 2], 1, 1)
    found: list[Violation] = verify(segment_of(toy.events))
    assert found
    for one in found:
        assert one.message.isprintable()
        assert len(one.message) < 200
        assert all(name.isprintable() for name in one.objects)


def test_the_walk_is_followed() -> None:
    seen: list[tuple[int, int]] = []
    verify(segment_of(busy_toy(0).lines()), lambda done, total: seen.append((done, total)))
    assert seen[0][0] == 0


def test_laws_read_symbols_that_this_release_has() -> None:
    spec = importlib.util.find_spec("vllm")
    if spec is None or spec.origin is None:
        pytest.skip("vLLM is not importable here: `make install` brings the CPU build")
    root = Path(spec.origin).parent.parent
    for law in LAWS:
        module, symbol = law.reads.split(":")
        if module.startswith("pagewalk."):
            assert importlib.util.find_spec(module), law.reads
            continue
        tree = ast.parse(root.joinpath(*module.split(".")).with_suffix(".py").read_text())
        for name in symbol.split("."):
            tree = next(one for one in tree.body if getattr(one, "name", None) == name)
