"""Operations on blocks and rows, one after the other -> columns, a stretch for each frame."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pagewalk.views.payload_columns import Column, column

# The player's `model_replay.js` says what each reads.
CODES = (
    "take",  # n blocks from the head of the pool's free queue; they lose their hashes
    "take_listed",  # the listed blocks, wherever they stand; they keep their hashes
    "touch",  # the listed blocks
    "free",  # the listed blocks, in call order
    "free_back",  # the same, all to the tail
    "unpin",
    "pin",
    "extend",  # the row by the listed blocks
    "share",  # touch the listed blocks, and extend the row by them
    "grow",  # take n, and extend the row by them
    "drop",  # the row
    "drop_free",  # the row, and free its blocks, the last one first
    "set",  # entry n of the row becomes the listed block
    "replace",  # the row by the listed blocks
    "cache",  # the listed blocks become cached
    "uncache",
    "cache_row",  # the next n blocks of the row become cached
    "reset",  # no block of the pool is cached any more
    "load",  # the whole pool: its free queue, cached blocks and reference counts
    "clear",  # all rows are gone
)
_CODE = {name: number for number, name in enumerate(CODES)}


class Operations:
    """`write` adds one. `changes` is at least the number of changes of single blocks that the
    player will make of them."""

    def __init__(self) -> None:
        self.changes = 0
        self._codes: list[int] = []
        self._rows: list[int] = []
        self._nums: list[int] = []
        self._blocks: list[int] = []
        self._frames: list[int] = []
        self._closed = 0

    def write(
        self,
        code: str,
        row: int,
        nums: Iterable[int] = (),
        blocks: Sequence[int] = (),
        changes: int = 0,
    ) -> None:
        """Add an operation on a row (or a pool): its numbers, the blocks it lists, and how many
        blocks change, where they are not listed."""
        self._codes.append(_CODE[code])
        self._rows.append(row)
        self._nums += nums
        self._blocks += blocks
        self.changes += changes or len(blocks)

    def close_frame(self) -> None:
        """All operations since the last call belong to one frame."""
        self._frames.append(len(self._codes) - self._closed)
        self._closed = len(self._codes)

    def columns(self) -> list[Column]:
        """The operations as columns."""
        return [
            column("op_count", self._frames),
            column("op_code", self._codes),
            column("op_row", self._rows),
            column("op_num", self._nums),
            column("op_block", self._blocks),
        ]


__all__ = ["CODES", "Operations"]
