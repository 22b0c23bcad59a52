"""Table events -> the block tables of one KV-cache group."""

from __future__ import annotations


class TableState:
    """The block tables of one KV-cache group: `rows` maps a request to its blocks."""

    __slots__ = ("block_size", "engine", "group", "kind", "pool", "rows")

    def __init__(self, engine: int, group: int, pool: int, block_size: int, kind: str) -> None:
        self.engine = engine
        self.group = group
        self.pool = pool
        self.block_size = block_size
        self.kind = kind
        self.rows: dict[int, list[int]] = {}

    def copy(self) -> TableState:
        """An independent copy."""
        other = TableState(self.engine, self.group, self.pool, self.block_size, self.kind)
        other.rows = {request: row.copy() for request, row in self.rows.items()}
        return other


__all__ = ["TableState"]
