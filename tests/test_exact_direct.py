"""Exact on the real classes, driven by hand: what no engine on this machine reaches."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest
from engines.connected import Connected
from engines.pools import FINE, SIZE, Juggler, bench, request
from engines.wire import Wire
from hypothesis import given, settings
from hypothesis import strategies as st

from pagewalk.bed.scheduler import SchedulerBed
from pagewalk.replay.laws import verify
from pagewalk.trace.events import CopyQueued, Event

pytestmark = pytest.mark.engine
numbers = st.integers(0, 40)


def kinds(wire: Wire) -> Counter[str]:
    return Counter(type(event).__name__ for event in wire.events)


class TestBlockPool:
    """The pool alone: order of the free queue, counts and hashes after each call."""

    @settings(max_examples=120)
    @given(
        calls=st.lists(st.tuples(numbers, numbers, numbers), max_size=60),
        caching=st.booleans(),
        num_blocks=st.integers(2, 14),
    )
    def test_any_calls(
        self, wire: Wire, calls: list[tuple[int, int, int]], caching: bool, num_blocks: int
    ) -> None:
        juggler = Juggler(bench(wire, num_blocks, caching=caching))
        for call in calls:
            juggler.act(*call)

    def test_unhashed_blocks_go_to_the_front_and_hashed_ones_to_the_back(self, wire: Wire) -> None:
        on = bench(wire, 8)
        (pool,) = on.pools
        blocks = pool.get_new_blocks(4)
        pool.cache_full_blocks(request("r", range(8 * SIZE)), blocks[:2], 0, 2, SIZE, 0)
        pool.free_blocks(block for block in reversed(blocks))
        on.same()
        assert list(wire.machine.pools[pool._pagewalk].free) == [4, 3, 5, 6, 7, 2, 1]

    def test_the_null_block_is_counted_and_never_queued(self, wire: Wire) -> None:
        on = bench(wire)
        (pool,) = on.pools
        pool.touch([pool.null_block, pool.null_block, pool.blocks[3]])
        on.same()
        pool.free_blocks(iter([pool.null_block, pool.blocks[3], pool.null_block]))
        on.same()
        assert 0 not in wire.machine.pools[pool._pagewalk].free

    def test_blocks_of_another_pool_go_home(self, wire: Wire) -> None:
        """One call frees blocks of three pools; each pool tells of its own."""
        on = bench(wire, 8, pools=3)
        blocks = [block for pool in on.pools for block in pool.get_new_blocks(3)]
        random.Random(1).shuffle(blocks)
        on.pools[1].free_blocks(iter(blocks))
        on.same()
        assert kinds(wire)["BlocksFreed"] == 3
        assert all(pool.get_num_free_blocks() == 7 for pool in on.pools)

    def test_unpinned_blocks_join_the_tail_unhashed_or_not(self, wire: Wire) -> None:
        on = bench(wire, 8)
        (pool,) = on.pools
        blocks = pool.get_new_blocks(3)
        pool.touch(blocks[:1])
        reused: list[int] = []
        pool.unpin_blocks(iter(blocks), lambda block: reused.append(block.block_id))
        on.same()
        assert list(wire.machine.pools[pool._pagewalk].free)[-2:] == [2, 3]
        pool.get_new_blocks(pool.get_num_free_blocks())
        on.same()
        assert reused == [2, 3], "the engine's own callback was called as ever"


class TestManagers:
    """Block tables changed by the managers' own methods."""

    def test_copy_on_write(self, wire: Wire) -> None:
        """A hit inside a block: the request goes on with a copy, both ends stay pinned."""
        on = bench(wire)
        (pool,), (manager,) = on.pools, on.managers
        owner = request("owner", range(3 * SIZE))
        manager.allocate_new_blocks("owner", 3 * SIZE, 3 * SIZE)
        pool.cache_full_blocks(owner, manager.req_to_blocks["owner"], 0, 3, SIZE, 0)
        hit = list(manager.req_to_blocks["owner"][:2])
        manager.add_local_computed_blocks("hitter", hit, SIZE + FINE, 0)
        on.same()
        manager.allocate_new_blocks("hitter", 3 * SIZE, 3 * SIZE)
        on.same()
        (copied,) = [event for event in wire.events if isinstance(event, CopyQueued)]
        assert (copied.source, copied.pinned) == (hit[1].block_id, copied.copy)
        ((source, copy),) = manager.take_pending_cow_copies()
        pool.free_blocks([source, copy])
        manager.free("hitter")
        on.same()
        manager.free("owner")
        on.same()
        assert pool.get_num_free_blocks() == 11

    def test_a_manager_moves_to_a_pool_of_its_own(self, wire: Wire) -> None:
        """HiSparse: the group's pool is replaced by one on the host."""
        from unittest.mock import MagicMock

        import torch
        from vllm.v1.core.single_type_kv_cache_manager import HiSparseSourceManager
        from vllm.v1.kv_cache_interface import FullAttentionSpec

        on = bench(wire)
        spec = FullAttentionSpec(block_size=SIZE, num_kv_heads=1, head_size=8, dtype=torch.float32)
        source = HiSparseSourceManager(spec, on.pools[0], True, 1, SIZE)
        source.coordinator = MagicMock()
        source.bind_host_pool(20)
        on.pools.append(source.block_pool)
        on.managers.append(source)
        source.allocate_new_blocks("r", 5 * SIZE, 5 * SIZE)
        source.publish_blocks(request("r", range(5 * SIZE)), 5 * SIZE, replay_boundaries=())
        on.managers[0].allocate_new_blocks("r", 2 * SIZE, 2 * SIZE)
        on.same()
        # Freed through the device pool, as a coordinator with several pools does.
        on.pools[0].free_blocks(reversed(source.pop_blocks_for_free("r")))
        on.same()
        assert source.block_pool.get_num_free_blocks() == 19

    def test_lists_change_in_every_way(self, wire: Wire) -> None:
        """Whatever a manager of another release may do to its table, it is told."""
        on = bench(wire)
        (pool,), (manager,) = on.pools, on.managers
        blocks = pool.get_new_blocks(6)
        table = manager.req_to_blocks["r"]
        changes: list[Any] = [
            lambda: table.extend(iter(blocks[:4])),
            lambda: table.append(blocks[4]),
            lambda: table.__setitem__(-1, pool.null_block),
            lambda: table.__setitem__(slice(0, 2), blocks[4:6]),
            lambda: table.insert(1, blocks[0]),
            lambda: table.pop(),
            lambda: table.remove(blocks[0]),
            lambda: table.__delitem__(0),
            table.reverse,
            lambda: table.__iadd__(blocks[:1]),
            table.clear,
            lambda: manager.req_to_blocks.__setitem__("other", blocks[2:4]),
            lambda: manager.req_to_blocks.pop("other"),
            lambda: manager.req_to_blocks.pop("nobody", []),
        ]
        for change in changes:
            change()
            on.same()


class TestSchedulers:
    """The real scheduler with what a CPU engine does not turn on."""

    def test_mamba_align_copies_both_ways(self, wire: Wire) -> None:
        """Hits inside a block (`_apply_cow`) and tails that are still written to (moved hashes)."""
        wire.begin()
        bed = SchedulerBed(groups="mamba_align", num_blocks=40, block_size=8)
        rng = random.Random(3)
        for i in range(40):
            bed.add(f"r{i}", range(rng.randrange(8, 90)), max_tokens=rng.randrange(2, 20))
            for _ in range(rng.randrange(8)):
                bed.step()
        bed.run()
        copies = [event for event in wire.events if isinstance(event, CopyQueued)]
        assert {event.pinned == event.copy for event in copies} == {True, False}
        assert verify(wire.segment()) == []

    def test_frees_wait_for_the_batch_in_flight(self, wire: Wire) -> None:
        """An aborted request's table is gone at once, its blocks are free a step later."""
        wire.begin()
        bed = SchedulerBed(num_blocks=24, async_scheduling=True, defer_frees=True)
        for i in range(6):
            bed.add(f"r{i}", range(60 + i), max_tokens=30)
        for step in range(40):
            bed.step()
            if step % 6 == 2:
                bed.abort(f"r{step // 6}")
        assert _apart(wire.events) >= 3
        bed.run()
        assert verify(wire.segment()) == []

    @pytest.mark.parametrize("seed", range(10))
    def test_loads_from_a_connector(self, wire: Wire, seed: int) -> None:
        """Loads in the background and at once, invalid blocks, failures, sends after the end."""
        wire.begin()
        rng = random.Random(seed)
        connected = Connected(
            seed,
            recompute=seed % 3 != 0,
            num_blocks=20,
            block_size=8,
            max_num_batched_tokens=48,
            policy=("fcfs", "priority")[seed % 2],
            prefix_caching=seed % 5 != 0,
            defer_frees=seed % 4 == 1,
        )
        bed = connected.bed
        for i in range(25):
            start = (i % 3) * 7
            bed.add(
                f"r{i}",
                range(start, start + rng.randrange(3, 100)),
                max_tokens=rng.randrange(1, 12),
                priority=rng.randrange(3),
            )
            for _ in range(rng.randrange(6)):
                connected.step()
            if rng.random() < 0.2:
                bed.abort(f"r{rng.randrange(i + 1)}")
        for _ in range(100):
            connected.step()
        assert kinds(wire)["StateDumped"] > 150
        # The scheduler was declared before it was given its connector, for which this law makes
        # an exception: blocks that are still being sent outlive their request.
        broken = {one.law for one in verify(wire.segment())}
        assert broken <= {"finished-owns-nothing"}

    @pytest.mark.parametrize("seed", range(12))
    def test_streaming_sessions(self, wire: Wire, seed: int) -> None:
        """A request that goes on when more input comes, waits for it in between, and ends."""
        wire.begin()
        bed = SchedulerBed(
            num_blocks=24,
            block_size=8,
            max_num_batched_tokens=48,
            max_num_seqs=4,
            async_scheduling=seed % 3 == 0,
            policy=("fcfs", "priority")[seed % 2],
        )
        rng = random.Random(seed)
        left = {f"s{i}": 3 for i in range(5)}
        for step in range(150):
            name = f"s{rng.randrange(5)}"
            if left[name] and rng.random() < 0.3 and (left[name] == 3 or _open(bed, name)):
                left[name] -= 1
                _chunk(bed, name, rng.randrange(2, 30), step, more=left[name] > 0)
            if step % 10 == 0:
                bed.add(f"r{step}", range(40 + step // 2), max_tokens=20, priority=step % 3)
            bed.step()
        for name in left:
            bed.abort(name)
        bed.run()
        assert any(getattr(event, "cause", "") == "session" for event in wire.events)
        assert verify(wire.segment()) == []


def _apart(events: list[Event]) -> int:
    """How often a step was scheduled between a table's end and the return of its blocks."""
    found, waiting = 0, False
    for event in events:
        name = type(event).__name__
        if name == "TableDropped":
            waiting = True
        elif name == "BlocksFreed":
            waiting = False
        elif name in ("StepStarted", "UpdateStarted") and waiting:
            found, waiting = found + 1, False
    return found


def _open(bed: SchedulerBed, name: str) -> bool:
    return name in bed.scheduler.requests


def _chunk(bed: SchedulerBed, name: str, length: int, step: int, more: bool) -> None:
    bed.outputs.setdefault(name, [])
    bed.scheduler.add_request(
        bed._make_request(
            name,
            list(range(length)),
            max_tokens=4,
            priority=int(name[1:]) % 3,
            arrival_time=float(step),
            stop_token_ids=[],
            cache_salt=None,
            lora=0,
            resumable=more,
        )
    )
