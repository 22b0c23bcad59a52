"""Random workloads on the real scheduler: after each step, replay is the live state."""

from __future__ import annotations

from typing import Any

import pytest
from engines.agree import agreement
from engines.wire import Wire
from engines.workload import GROUPS, POOLS, Abort, Add, Pause, Plan, Reset, Steps, play, settled
from hypothesis import given, settings
from hypothesis import strategies as st

from pagewalk.replay.laws import verify

pytestmark = pytest.mark.engine

EXAMPLES = 300


@st.composite
def shapes(draw: st.DrawFn) -> dict[str, Any]:
    """Schedulers of every kind, small enough for things to go wrong."""
    groups = draw(st.sampled_from(GROUPS))
    fewest = POOLS.get(groups, 12)
    shape = {
        "groups": groups,
        "policy": draw(st.sampled_from(("fcfs", "priority"))),
        "num_blocks": draw(st.integers(fewest, 3 * fewest)),
        "block_size": draw(st.sampled_from((4, 8, 16))),
        "max_num_batched_tokens": draw(st.sampled_from((64, 16, 24))),
        "max_num_seqs": draw(st.sampled_from((8, 4, 2, 1))),
        "async_scheduling": draw(st.booleans()),
        "prefix_caching": draw(st.sampled_from((True, True, False))),
        "watermark": draw(st.sampled_from((0.0, 0.3))),
        "chunked": draw(st.sampled_from((True, True, False))),
        "reserve_full_sequence": draw(st.booleans()),
        "long_prefill_token_threshold": draw(st.sampled_from((0, 8))),
        "num_spec_tokens": draw(st.sampled_from((0, 2))),
        "max_loras": draw(st.sampled_from((0, 1, 2))),
        "defer_frees": draw(st.booleans()),
    }
    return settled(shape)


small = st.integers(0, 3)
adds = st.builds(
    Add,
    family=small,
    length=st.integers(1, 12).map(lambda count: 17 * count),
    max_tokens=st.sampled_from((60, 20, 5, 1)),
    priority=small,
    lora=small,
    stops=st.booleans(),
    salted=st.booleans(),
)
actions = st.one_of(
    adds,
    adds,
    st.builds(Steps, st.sampled_from((5, 1, 2, 20))),
    st.builds(Steps, st.sampled_from((5, 1, 2, 20))),
    st.builds(Abort, which=st.integers(0, 5), in_flight=st.booleans()),
    st.builds(Reset, running=st.booleans()),
    st.builds(Pause, st.sampled_from((0, 0, 1, 2))),
)
plans = st.builds(Plan, shapes(), st.lists(actions, min_size=25, max_size=60))


@settings(max_examples=EXAMPLES)
@given(plan=plans)
def test_replay_is_the_live_state(wire: Wire, plan: Plan) -> None:
    """The wire compares at each dump; the laws and both methods of naming exits come after."""
    wire.begin()
    play(plan)
    segment = wire.segment()
    assert verify(segment) == []
    assert agreement(segment).wrong == []


def test_much_was_compared_and_much_happened(wire: Wire) -> None:
    """Runs after the test above, in the same module: its counts are still on the wire."""
    assert wire.compared > 8_000
    for name in (
        "RequestPreempted",
        "BlocksTouched",
        "HashRemoved",
        "CopyQueued",
        "TableEntrySet",
        "PrefixCacheReset",
        "QueuePrepended",
        "QueueRemoved",
        "SlotsRefused",
    ):
        assert wire.seen[name] > 50, (name, wire.seen)
