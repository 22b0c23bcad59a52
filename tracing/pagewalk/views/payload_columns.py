"""Lists of integers -> little-endian columns, small after gzip, and the one file they make.

A payload is, before gzip: `PGWK`, the schema and the length of the header (both u32), the header
as JSON, and the columns, each beginning at a multiple of eight bytes from the start. The header's
`columns` lists `name`, `dtype`, `length`, `offset` and how values were turned into bytes: `delta`
(each value minus the one before), `zigzag` (signs folded away), `split` (all low bytes first).
"""

from __future__ import annotations

import gzip
import json
import struct
import sys
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

MAGIC = b"PGWK"
SCHEMA = 1
# u8 to u32 hold whole numbers below the bound; what is larger is a double, exact below 2**53.
_MOST = 1 << 51
_WIDTHS = ((1 << 8, "u8", "B"), (1 << 16, "u16", "H"), (1 << 32, "u32", "I"))


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its bytes, and what the header says of it."""

    name: str
    dtype: str
    length: int
    delta: bool
    zigzag: bool
    data: bytes

    @property
    def split(self) -> bool:
        """Whether the bytes of a value lie apart."""
        return self.dtype in ("u16", "u32")


def column(
    name: str, values: Sequence[int], *, delta: bool = False, signed: bool = False
) -> Column:
    """Encode whole numbers; `signed` where some may be negative (of `delta` they always may)."""
    length = len(values)
    values = [min(max(value, -_MOST), _MOST) for value in values] if _strange(values) else values
    if delta:
        values = [*values[:1], *(b - a for a, b in pairwise(values))]
    # What cannot be negative may be so in a damaged trace.
    signed = signed or delta or min(values, default=0) < 0
    if signed:
        values = folded(values)
    most = max(values, default=0)
    for bound, dtype, code in _WIDTHS:
        if most < bound:
            return Column(name, dtype, length, delta, signed, _bytes(array(code, values)))
    return Column(name, "f64", length, delta, signed, _bytes(array("d", values)))


def folded(values: Iterable[int]) -> list[int]:
    """Zigzag: 0, -1, 1, -2, ... become 0, 1, 2, 3, ..."""
    return [value << 1 if value >= 0 else (-value << 1) - 1 for value in values]


def pack(header: Mapping[str, Any], columns: Sequence[Column]) -> bytes:
    """The whole payload, the same bytes for the same content."""
    listed: list[dict[str, Any]] = []
    offset = 0
    for one in columns:
        listed.append(
            {
                "name": one.name,
                "dtype": one.dtype,
                "length": one.length,
                "offset": offset,
                "delta": one.delta,
                "zigzag": one.zigzag,
                "split": one.split,
            }
        )
        offset += _padded(len(one.data))
    text = json.dumps({**header, "columns": listed}, separators=(",", ":")).encode()
    # Offsets count from the end of the padded header.
    text += b" " * (_padded(len(text) + 12) - len(text) - 12)
    parts = [MAGIC, struct.pack("<II", SCHEMA, len(text)), text]
    parts += [one.data.ljust(_padded(len(one.data)), b"\0") for one in columns]
    return gzip.compress(b"".join(parts), compresslevel=9, mtime=0)


def _strange(values: Sequence[int]) -> bool:
    """Whether some are so large that only a damaged trace can say them: they are cut."""
    return bool(values) and (max(values) > _MOST or min(values) < -_MOST)


def _padded(length: int) -> int:
    return -(-length // 8) * 8


def _bytes(values: array[Any]) -> bytes:
    if sys.byteorder == "big":
        values.byteswap()
    data = values.tobytes()
    if values.typecode in "HI":
        return b"".join(data[at :: values.itemsize] for at in range(values.itemsize))
    return data


__all__ = ["MAGIC", "SCHEMA", "Column", "column", "folded", "pack"]
