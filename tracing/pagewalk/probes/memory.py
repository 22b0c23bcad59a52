"""What readers remember between two calls: of an engine object while it lives, and of the step."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Memory(Generic[T]):
    """Engine object -> what a reader keeps of it, by identity and for as long as it lives.

    A `WeakKeyDictionary` does the same by hash and equality, ten times slower.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._kept: dict[int, tuple[weakref.ref[Any], T]] = {}

    def of(self, thing: Any) -> T:
        """What is kept of it, made anew for one that was not seen before."""
        kept = self._kept.get(id(thing))
        if kept is not None and kept[0]() is thing:
            return kept[1]
        self._kept = {key: one for key, one in self._kept.items() if one[0]() is not None}
        made = self._make()
        self._kept[id(thing)] = (weakref.ref(thing), made)
        return made

    def clear(self) -> None:
        """Start anew."""
        self._kept.clear()


class Executing:
    """The step that this process is executing, -1 outside one; its rank; the layers called in it.

    Engines also run made-up batches, for warming up and measuring: what they call is not told.
    `told` has, for each rank, the layers of its last event.
    """

    __slots__ = ("layers", "rank", "step", "told")

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Start anew."""
        self.step, self.rank = -1, 0
        self.layers: list[str] = []
        self.told: dict[int, list[str]] = {}


executing = Executing()

__all__ = ["Executing", "Memory", "executing"]
