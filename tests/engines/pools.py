"""Calls on vLLM's real block pools and managers, by hand -> replay, held against them each time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from engines.wire import Wire
from pagewalk.capture.live import free_queue, hashes, ref_counts, tables
from pagewalk.probes.spec import NUMBER

SIZE = 4
"""Tokens in a block; block hashes are made for half a block, so that hits inside one exist."""
FINE = SIZE // 2


@dataclass
class Bench:
    """Pools and managers built under the probes, and the wire that replays what they do."""

    wire: Wire
    pools: list[Any]
    managers: list[Any]

    def same(self) -> None:
        """Every pool and block table is, field by field, what replay has come to."""
        machine = self.wire.machine
        assert not machine.nonsense, machine.nonsense
        names = machine.names
        for pool in self.pools:
            replayed = machine.pools[getattr(pool, NUMBER)]
            assert list(replayed.free) == free_queue(pool)
            assert {str(block): count for block, count in replayed.refs.items()} == ref_counts(pool)
            known = {key: list(blocks) for key, blocks in replayed.hashes.items()}
            assert known == hashes(pool, self.wire.salted)
        for manager in self.managers:
            rows = machine.tables[getattr(manager, NUMBER)].rows
            assert {names[one]: row for one, row in rows.items() if row} == tables(manager)


def bench(wire: Wire, num_blocks: int = 12, *, caching: bool = True, pools: int = 1) -> Bench:
    """Pools of their own, and a manager of full attention on the first."""
    from vllm.v1.core.block_pool import BlockPool

    wire.begin()
    made = [BlockPool(num_blocks, caching, FINE) for _ in range(pools)]
    return Bench(wire, made, [manager(made[0], caching)])


def manager(pool: Any, caching: bool = True) -> Any:
    """A real `FullAttentionManager` on a pool."""
    import torch
    from vllm.v1.core.single_type_kv_cache_manager import FullAttentionManager
    from vllm.v1.kv_cache_interface import FullAttentionSpec

    spec = FullAttentionSpec(block_size=SIZE, num_kv_heads=1, head_size=8, dtype=torch.float32)
    return FullAttentionManager(spec, pool, caching, 0, SIZE)


def request(name: str, tokens: Sequence[int]) -> Any:
    """A request whose blocks can be hashed."""
    from vllm.sampling_params import SamplingParams
    from vllm.utils.hashing import get_hash_fn_by_name
    from vllm.v1.core.kv_cache_utils import get_request_block_hasher, init_none_hash
    from vllm.v1.request import Request

    hashing = get_hash_fn_by_name("sha256")
    init_none_hash(hashing)
    return Request(
        request_id=name,
        prompt_token_ids=list(tokens),
        sampling_params=SamplingParams(max_tokens=4),
        pooling_params=None,
        block_hasher=get_request_block_hasher(FINE, hashing),
    )


class Juggler:
    """Turns numbers into calls that a pool allows at that moment."""

    def __init__(self, on: Bench) -> None:
        self.bench = on
        self.pool = on.pools[0]
        self._held: list[Any] = []
        self._requests = [request(f"r{i}", range(i, i + 4 * SIZE)) for i in range(3)]

    def act(self, call: int, pick: int, many: int) -> None:
        """One call; `pick` and `many` choose what it is made with."""
        calls = (
            self._take,
            self._touch,
            self._free,
            self._unpin,
            self._hash,
            self._hash_in_part,
            self._move,
            self._evict,
            self._reset,
        )
        calls[call % len(calls)](pick, 1 + many % 4)
        self.bench.same()

    def _take(self, pick: int, many: int) -> None:
        count = min(many, self.pool.get_num_free_blocks())
        self._held += self.pool.get_new_blocks(count)

    def _touch(self, pick: int, many: int) -> None:
        blocks = self._some(self.pool.blocks, pick, many)
        self.pool.touch(blocks)
        self._held += blocks

    def _free(self, pick: int, many: int) -> None:
        # As the engine does: an iterator, not a list.
        self.pool.free_blocks(self._let_go(pick, many))

    def _unpin(self, pick: int, many: int) -> None:
        blocks = list(self._let_go(pick, many))
        real = [block for block in blocks if not block.is_null]
        self._held += [block for block in blocks if block.is_null]
        self.pool.unpin_blocks(iter(real), lambda block: None)

    def _hash(self, pick: int, many: int) -> None:
        """Blocks become full: `cache_full_blocks`, several under the same hash."""
        blocks = [block for block in self._some(self._held, pick, many) if self._bare(block)]
        if blocks:
            self.pool.cache_full_blocks(self._request(pick), blocks, 0, len(blocks), SIZE, 0)

    def _hash_in_part(self, pick: int, many: int) -> None:
        """A block can be hit at a boundary inside it, in addition to or instead of its own."""
        for block in self._some(self._held, pick, 1):
            if not block.is_null:
                self.pool.cache_partial_block(
                    request=self._request(pick),
                    block=block,
                    num_tokens=FINE * many,
                    kv_cache_group_id=many % 2,
                    block_size=SIZE,
                    replace_existing_hashes=bool(pick % 2),
                )

    def _move(self, pick: int, many: int) -> None:
        """What Mamba's "align" mode does: the cache keeps a copy, the writer keeps its block."""
        hashed = [one for one in self._held if one.block_hash is not None]
        source = self._some(hashed, pick, 1)
        if source and self.pool.get_num_free_blocks():
            copy = self.pool.get_new_blocks(1)[0]
            self.pool.move_block_hashes(source[0], copy)
            source[0].ref_cnt += 1
            self._held += [copy, source[0]]

    def _evict(self, pick: int, many: int) -> None:
        self.pool.evict_blocks({block.block_id for block in self._some(self.pool.blocks, pick, 3)})

    def _reset(self, pick: int, many: int) -> None:
        if pick % 3 == 0:
            self.pool.free_blocks(reversed(self._held))
            self._held = []
        done = self.pool.reset_prefix_cache()
        assert done == (self.pool.get_num_free_blocks() == self.pool.num_gpu_blocks - 1)

    def _let_go(self, pick: int, many: int) -> Iterator[Any]:
        for _ in range(min(many, len(self._held))):
            yield self._held.pop(pick % len(self._held))

    def _request(self, pick: int) -> Any:
        return self._requests[pick % len(self._requests)]

    @staticmethod
    def _bare(block: Any) -> bool:
        return block.block_hash is None and not block.is_null

    @staticmethod
    def _some(blocks: Sequence[Any], pick: int, many: int) -> list[Any]:
        """Different ones, from a place that `pick` chooses."""
        count = min(many, len(blocks))
        return [blocks[(pick + step) % len(blocks)] for step in range(count)]
