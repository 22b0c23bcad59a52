"""A manager's `req_to_blocks` -> events: containers that tell of each change and cost nothing else.

`TrackedTables` stands in for the manager's `defaultdict(list)`, `TrackedTable` for the lists in
it. Reading is the built-in's own; only what changes a table runs Python code.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from pagewalk.trace.events import TableDropped, TableEntrySet, TableExtended, TableReplaced

Emit = Callable[[tuple[Any, ...]], None]
_ABSENT = object()


def _ids(blocks: Iterable[Any]) -> list[Any]:
    try:
        return [block.block_id for block in blocks]
    except AttributeError:
        # No block of this engine: the encoder will refuse it and say so, the engine goes on.
        return list(blocks)


class TrackedTable(list[Any]):
    """The blocks of one request in one KV-cache group."""

    __slots__ = ("_emit", "_request", "_table")

    def __init__(self, blocks: Iterable[Any], table: int, request: str, emit: Emit) -> None:
        super().__init__(blocks)
        self._table, self._request, self._emit = table, request, emit

    def extend(self, blocks: Iterable[Any]) -> None:
        """Append several; nothing is told of nothing."""
        more = list(blocks)
        super().extend(more)
        if more:
            self._emit((TableExtended, self._table, self._request, _ids(more)))

    def append(self, block: Any) -> None:
        """Append one."""
        super().append(block)
        self._emit((TableExtended, self._table, self._request, _ids((block,))))

    def __iadd__(self, blocks: Iterable[Any]) -> TrackedTable:  # type: ignore[override,misc]
        self.extend(blocks)
        return self

    def __setitem__(self, index: Any, value: Any) -> None:
        super().__setitem__(index, value)
        if isinstance(index, int):
            place = index if index >= 0 else len(self) + index
            self._emit((TableEntrySet, self._table, self._request, place, *_ids((value,))))
        else:
            self._replaced()

    def __delitem__(self, index: Any) -> None:
        super().__delitem__(index)
        self._replaced()

    def insert(self, index: Any, block: Any) -> None:
        """Insert one; told as the whole table."""
        super().insert(index, block)
        self._replaced()

    def pop(self, index: Any = -1) -> Any:
        """Take one out; told as the whole table."""
        block = super().pop(index)
        self._replaced()
        return block

    def remove(self, block: Any) -> None:
        """Take out the first that is equal; told as the whole table."""
        super().remove(block)
        self._replaced()

    def clear(self) -> None:
        """Take all out; told as the whole table."""
        super().clear()
        self._replaced()

    def reverse(self) -> None:
        """Turn round; told as the whole table."""
        super().reverse()
        self._replaced()

    def __imul__(self, times: Any) -> TrackedTable:  # type: ignore[override,misc]
        super().__imul__(times)
        self._replaced()
        return self

    def sort(self, **options: Any) -> None:
        """Sort; told as the whole table."""
        super().sort(**options)
        self._replaced()

    def _replaced(self) -> None:
        self._emit((TableReplaced, self._table, self._request, _ids(self)))

    def __reduce__(self) -> Any:
        # A copy or a pickle is nobody's table: it must not go on telling.
        return (list, (list(self),))


class TrackedTables(defaultdict[str, Any]):
    """All block tables of one manager, by internal request id."""

    def __init__(self, original: dict[str, Any], table: int, emit: Emit) -> None:
        super().__init__(list)
        self.original = original
        self._table, self._emit = table, emit
        for request, blocks in original.items():
            super().__setitem__(request, TrackedTable(blocks, table, request, emit))

    def __missing__(self, request: str) -> TrackedTable:
        table = TrackedTable((), self._table, request, self._emit)
        super().__setitem__(request, table)
        return table

    def __setitem__(self, request: str, blocks: Any) -> None:
        if blocks is self.get(request):
            return  # `tables[request] += ...` stores the same list again
        table = TrackedTable(blocks, self._table, request, self._emit)
        super().__setitem__(request, table)
        table._replaced()

    def setdefault(self, request: str, default: Any = None) -> Any:
        """The table of the request, made from `default` if there is none."""
        if request not in self:
            self[request] = default or ()
        return self[request]

    def pop(self, request: str, default: Any = _ABSENT) -> Any:
        """Take a request's table away."""
        if request in self:
            table = super().pop(request)
            self._emit((TableDropped, self._table, request))
            return table
        if default is _ABSENT:
            raise KeyError(request)
        return default

    def __delitem__(self, request: str) -> None:
        super().__delitem__(request)
        self._emit((TableDropped, self._table, request))

    def popitem(self) -> tuple[str, Any]:
        """Take the table away that came last."""
        request, table = super().popitem()
        self._emit((TableDropped, self._table, request))
        return request, table

    def update(self, *others: Any, **more: Any) -> None:
        """Set several tables."""
        for request, blocks in dict(*others, **more).items():
            self[request] = blocks

    def __ior__(self, other: Any) -> TrackedTables:  # type: ignore[override,misc]
        self.update(other)
        return self

    def copy(self) -> defaultdict[str, Any]:  # type: ignore[override]
        """A plain dictionary of the same tables, as a shallow copy is."""
        return defaultdict(list, self)

    __copy__ = copy

    def clear(self) -> None:
        """Take all tables away."""
        for request in list(self):
            del self[request]

    def restored(self) -> dict[str, Any]:
        """The engine's own container again, with what the tables hold now."""
        self.original.clear()
        for request, table in self.items():
            self.original[request] = list(table)
        return self.original

    def __reduce__(self) -> Any:
        return (defaultdict, (list, dict(self)))
