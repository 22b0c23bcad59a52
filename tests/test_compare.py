"""Replay held against what the engine said of itself: no difference, or the very first one."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from builder import SHAPES, busy_toy, renumbered, segment_of
from hypothesis import given, settings
from hypothesis import strategies as st
from toy import ToyEngine

from pagewalk.replay.compare import compare, compare_all, first_difference
from pagewalk.trace import events as ev


def counted(toy: ToyEngine) -> int:
    return sum(type(event) in (ev.StateDigested, ev.StateDumped) for event in toy.events)


@settings(max_examples=40)
@given(st.integers(0, 100_000), SHAPES, st.integers(1, 3), st.sampled_from(("digest", "full")))
def test_a_legal_run_has_no_divergence(
    seed: int, shape: dict[str, Any], depth: int, dumps: str
) -> None:
    toy = busy_toy(seed, 15, depth, dumps=dumps, **shape)
    found = compare(segment_of(toy.lines()))
    assert (found.snapshots, found.divergences, found.first) == (counted(toy), 0, None)
    assert (found.unknown, found.resynced) == (0, 0)


LEFT_OUT = {
    ev.BlocksTaken: "free_queue",
    ev.BlocksFreed: "free_queue",
    ev.BlocksTouched: "free_queue",
    ev.HashAdded: "hashes",
    ev.HashRemoved: "hashes",
    ev.TableExtended: "tables",
    ev.TableDropped: "tables",
    ev.QueueAdded: "queues",
    ev.QueuePrepended: "queues",
    ev.QueuePopped: "queues",
    ev.StepUpdated: "requests",
    ev.RequestFinished: "requests",
}


@pytest.mark.parametrize("kind", LEFT_OUT, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("dumps", ["digest", "full"])
def test_an_event_left_out_is_found_at_the_next_snapshot(kind: type[ev.Event], dumps: str) -> None:
    toy = busy_toy(5, 30, dumps=dumps, num_blocks=12)
    found = []
    for out in [i for i, event in enumerate(toy.events) if type(event) is kind][:12]:
        events = renumbered(event for i, event in enumerate(toy.events) if i != out)
        comparison = compare(segment_of(events))
        assert comparison.snapshots + comparison.unknown == counted(toy)
        if comparison.divergences:
            assert comparison.first.seq >= out
            found.append(comparison)
    assert any(LEFT_OUT[kind] in one.by_field for one in found)
    assert all(bool(one.located) == (dumps == "full") for one in found)


def test_the_first_difference_of_a_dump_is_told_to_the_item() -> None:
    toy = busy_toy(5, 20, num_blocks=12)
    state = toy.state()
    queue = state["free_queue"]["0"]
    queue[2], queue[5] = queue[5], queue[2]
    text = msgspec.Raw(msgspec.json.encode(state))
    seq = toy.emit(ev.StateDumped, 0, toy.step, "updated", text)
    toy.emit(ev.StateDumped, 0, toy.step, "updated", text)
    found = compare(segment_of(toy.events))
    assert (found.snapshots, found.divergences, found.by_field) == (2, 2, {"free_queue": 2})
    first = found.first
    assert first is found.located
    assert (first.seq, first.step, first.at) == (seq, toy.step, "updated")
    assert first.path == "free_queue/0 position 2"
    assert (first.live, first.replayed) == (str(queue[2]), str(queue[5]))
    assert first.message == (
        f"step {toy.step} (updated), event {seq}: free_queue/0 position 2: "
        f"live {queue[2]}, replay {queue[5]}"
    )


def test_a_digest_names_the_field_and_a_later_dump_the_place() -> None:
    toy = ToyEngine(dumps="digest")
    toy.add()
    toy.turn()
    toy.emit(ev.QueueAdded, 0, 1, "WAITING", 0, 6)
    toy.turn()
    toy.dump()
    found = compare(segment_of(toy.events))
    assert (found.first.field, found.first.path) == ("queues", "")
    assert found.located.path == "queues/waiting position 0"
    assert (found.located.live, found.located.replayed) == ("nothing", "request-1")
    assert set(found.by_field) >= {"queues", "running"}


@pytest.mark.parametrize(
    ("live", "replayed", "expected"),
    [
        ({"0": [1, 2]}, {"0": [1]}, ("f/0 position 1", "2", "nothing")),
        ({"0": {"5": 1}}, {"0": {}}, ("f/0/5", "1", "nothing")),
        ({"0": {}}, {"0": {"5": 2}}, ("f/0/5", "nothing", "2")),
        (["a"], ["b"], ("f position 0", "a", "b")),
        ({"a": ["RUNNING", 3, 4]}, {"a": ["RUNNING", 3, 5]}, ("f/a position 2", "4", "5")),
        ({"\x1b[2J": 1}, {}, ("f/\\x1b[2J", "1", "nothing")),
        (5, {}, ("f", "5", "{}")),
    ],
)
def test_first_difference(live: Any, replayed: Any, expected: tuple[str, str, str]) -> None:
    assert first_difference(live, replayed, "f") == expected


def test_nothing_is_compared_while_the_state_is_not_known() -> None:
    toy = busy_toy(1, 10, dumps="full")
    lines = toy.lines()
    cut = len(lines) // 2
    later = [one for one in toy.events[cut + 1 :] if type(one) is ev.StateDumped]
    found = compare(segment_of(lines[:cut] + lines[cut + 1 :]))
    assert found.divergences == 0
    assert found.resynced >= 1
    assert found.snapshots + found.unknown >= counted(toy) - 1
    assert found.unknown < len(later)


def test_a_dump_that_cannot_be_read_is_a_divergence() -> None:
    toy = busy_toy(1, 5)
    toy.emit(ev.StateDumped, 0, 1, "updated", msgspec.Raw(b"[1,2]"))
    found = compare(segment_of(toy.events))
    assert (found.divergences, found.first.field) == (1, "state")


def test_fields_of_a_newer_pagewalk_are_not_compared() -> None:
    toy = busy_toy(1, 5)
    toy.emit(ev.StateDigested, 0, 1, "updated", {"mood": "good"})
    assert compare(segment_of(toy.events)).divergences == 0


def test_comparisons_of_several_segments_add_up() -> None:
    one, two = (compare(segment_of(busy_toy(i, 5, dumps="full").lines())) for i in (1, 2))
    both = compare_all([one, two])
    assert both.snapshots == one.snapshots + two.snapshots
    assert (both.divergences, both.first, both.by_field) == (0, None, {})
    assert compare_all([]).snapshots == 0
