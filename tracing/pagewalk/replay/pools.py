"""Block events -> the free queue, reference counts and hashes of one `BlockPool`."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator

# A pool beyond this is damage, not a device: a trace must not make its reader run out of memory.
MAX_BLOCKS = 1 << 24


class FreeQueue:
    """Free block ids in the order they will be taken: all operations but listing are O(1).

    Blocks that were never touched stand in id order between the two ends and are kept as a range,
    so that a pool of a million blocks costs nothing until its blocks are used.
    """

    __slots__ = ("_back", "_front", "_holes", "_next", "_stop")

    def __init__(self, start: int, stop: int) -> None:
        self._front: OrderedDict[int, None] = OrderedDict()
        self._next = start
        self._stop = stop
        self._holes: set[int] = set()
        self._back: OrderedDict[int, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._front) + self._stop - self._next - len(self._holes) + len(self._back)

    def __contains__(self, block: int) -> bool:
        return block in self._front or block in self._back or self._is_fresh(block)

    def __iter__(self) -> Iterator[int]:
        yield from self._front
        if self._holes:
            yield from (one for one in range(self._next, self._stop) if one not in self._holes)
        else:
            yield from range(self._next, self._stop)
        yield from self._back

    def first(self, count: int) -> list[int]:
        """The blocks that would be taken next, at most `count`."""
        return [block for block, _ in zip(self, range(count), strict=False)]

    def take(self, block: int) -> bool:
        """Take a block, from the front or from wherever it stands; whether it was free."""
        if self._front:
            head, _ = self._front.popitem(last=False)
            if head == block:
                return True
            self._front[head] = None
            self._front.move_to_end(head, last=False)
        elif block == self._next < self._stop and not self._holes:
            self._next += 1
            return True
        return self.remove(block)

    def remove(self, block: int) -> bool:
        """Take a block out of the middle; whether it was there."""
        if block in self._front:
            del self._front[block]
        elif block in self._back:
            del self._back[block]
        elif self._is_fresh(block):
            self._holes.add(block)
            self._close_up()
        else:
            return False
        return True

    def prepend(self, blocks: list[int]) -> None:
        """Put blocks in front, the first of them at the very front."""
        for block in reversed(blocks):
            self.remove(block)
            self._front[block] = None
            self._front.move_to_end(block, last=False)

    def append(self, blocks: Iterable[int]) -> None:
        """Put blocks at the tail, in order."""
        for block in blocks:
            self.remove(block)
            self._back[block] = None

    def replace(self, blocks: Iterable[int]) -> None:
        """Forget everything and hold these, in order."""
        self._front = OrderedDict.fromkeys(blocks)
        self._next = self._stop = 0
        self._holes = set()
        self._back = OrderedDict()

    def size(self) -> int:
        """Blocks that are kept one by one and not as a range."""
        return len(self._front) + len(self._holes) + len(self._back)

    def copy(self) -> FreeQueue:
        """An independent queue with the same content."""
        other = FreeQueue(self._next, self._stop)
        other._front = self._front.copy()
        other._holes = self._holes.copy()
        other._back = self._back.copy()
        return other

    def _is_fresh(self, block: int) -> bool:
        return self._next <= block < self._stop and block not in self._holes

    def _close_up(self) -> None:
        while self._next in self._holes:
            self._holes.remove(self._next)
            self._next += 1


class Pool:
    """One block pool: who is free in which order, who is referenced how often, who is hashed."""

    __slots__ = (
        "caching",
        "engine",
        "free",
        "hashed",
        "hashes",
        "medium",
        "null_block",
        "num_blocks",
        "refs",
    )

    def __init__(self, num_blocks: int, null_block: int, caching: bool, medium: str = "") -> None:
        self.num_blocks = num_blocks
        self.null_block = null_block
        self.caching = caching
        self.medium = medium
        self.engine: int | None = None
        # The null block is taken at the start and never comes back.
        self.free = FreeQueue(0, num_blocks)
        self.free.remove(null_block)
        self.refs: dict[int, int] = {}
        # key -> blocks in insertion order; tuples, so that a copy may share them.
        self.hashes: dict[str, tuple[int, ...]] = {}
        self.hashed: dict[int, int] = {}

    def has(self, block: int) -> bool:
        """Whether the pool has a block of this id."""
        return 0 <= block < self.num_blocks

    def take(self, blocks: list[int]) -> None:
        """`get_new_blocks`: off the queue, one reference more."""
        refs, free = self.refs, self.free
        for block in blocks:
            free.take(block)
            self._set(block, refs.get(block, 0) + 1)

    def touch(self, blocks: list[int]) -> None:
        """`touch`: a free block leaves the queue; one reference more, the null block's too."""
        for block in blocks:
            count = self.refs.get(block, 0)
            if count == 0 and block != self.null_block:
                self.free.remove(block)
            self._set(block, count + 1)

    def pin(self, block: int) -> None:
        """One reference more and nothing else: what copy-on-write does to one of its ends."""
        self._set(block, self.refs.get(block, 0) + 1)

    def release(self, blocks: list[int], back: bool = False) -> None:
        """`free_blocks`: those left without reference go to the front, hashed ones (or, with
        `back`, all) to the back."""
        first: list[int] = []
        last: list[int] = []
        for block in blocks:
            count = self.refs.get(block, 0) - 1
            self._set(block, count)
            if count == 0 and block != self.null_block:
                keep = back or (self.caching and block in self.hashed)
                (last if keep else first).append(block)
        self.free.prepend(first)
        self.free.append(last)

    def unpin(self, blocks: list[int]) -> None:
        """`unpin_blocks`: at no reference, to the tail, hashed or not."""
        released: list[int] = []
        for block in blocks:
            count = self.refs.get(block, 0) - 1
            self._set(block, count)
            if count == 0 and block != self.null_block:
                released.append(block)
        self.free.append(released)

    def add_hash(self, key: str, block: int) -> None:
        """Make the block a hit under `key`, behind those that are one already."""
        known = self.hashes.get(key, ())
        if block not in known:
            self.hashes[key] = (*known, block)
            self.hashed[block] = self.hashed.get(block, 0) + 1

    def remove_hash(self, key: str, block: int) -> bool:
        """Make the block no hit under `key` any more; whether it was one."""
        known = self.hashes.get(key, ())
        if block not in known:
            return False
        left = tuple(one for one in known if one != block)
        if left:
            self.hashes[key] = left
        else:
            del self.hashes[key]
        count = self.hashed[block] - 1
        if count:
            self.hashed[block] = count
        else:
            del self.hashed[block]
        return True

    def reset_hashes(self) -> None:
        """`reset_prefix_cache`: no block can be hit any more."""
        self.hashes.clear()
        self.hashed.clear()

    def size(self) -> int:
        """About how many entries a copy of this pool holds."""
        return self.free.size() + len(self.refs) + len(self.hashes) + len(self.hashed)

    def copy(self) -> Pool:
        """An independent pool in the same state."""
        other = Pool.__new__(Pool)
        other.num_blocks, other.null_block = self.num_blocks, self.null_block
        other.caching, other.medium, other.engine = self.caching, self.medium, self.engine
        other.free = self.free.copy()
        other.refs = self.refs.copy()
        other.hashes = self.hashes.copy()
        other.hashed = self.hashed.copy()
        return other

    def _set(self, block: int, count: int) -> None:
        if count:
            self.refs[block] = count
        else:
            self.refs.pop(block, None)


__all__ = ["MAX_BLOCKS", "FreeQueue", "Pool"]
