"""Readings of the engine's threads -> the writer thread: bounded, and exact about what was lost."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

Timed = tuple[int, tuple[Any, ...]]  # (monotonic ns, reading)

BUFFER_LIMIT = 400_000  # readings kept while the writer cannot keep up or the disk refuses


class Buffer:
    """A deque with a limit. `emit` is the hot path: a length, a clock, an append.

    Once full it takes nothing more until the writer has emptied it and asked how many were
    refused: so what is missing is missing in one place, and the count stands at that place.
    """

    def __init__(self, clock: Callable[[], int], limit: int = BUFFER_LIMIT) -> None:
        self._limit = limit
        self._room = limit
        self._refused = 0
        self._readings: deque[Timed] = deque()
        self.emit = self._make_emit(clock)

    def __len__(self) -> int:
        return len(self._readings)

    def _make_emit(self, now: Callable[[], int]) -> Callable[[tuple[Any, ...]], None]:
        readings, append = self._readings, self._readings.append

        def emit(reading: tuple[Any, ...]) -> None:
            if len(readings) < self._room:
                append((now(), reading))
            else:
                self._room = 0
                self._refused += 1

        return emit

    def take(self, most: int) -> list[Timed]:
        """The oldest readings, at most `most`, out of the buffer."""
        pop = self._readings.popleft
        return [pop() for _ in range(min(most, len(self._readings)))]

    def refused(self) -> int:
        """How many were refused since the last answer; 0 as long as older ones are in here."""
        if not self._refused or self._readings:
            return 0
        # Room first: what is refused from here on is refused after the place that is told now.
        self._room = self._limit
        count, self._refused = self._refused, 0
        return count

    def identities(self) -> set[int]:
        """The `id` of each reading in here; copying a deque is one step for other threads."""
        return {id(reading) for _, reading in list(self._readings)}

    def shut(self) -> None:
        """Take nothing more and forget what is in here: nobody will ever write it."""
        self._room = 0
        self._readings.clear()

    def restart(self) -> None:
        """In a forked child: what was in here is the parent's affair."""
        self._readings.clear()
        self._room, self._refused = self._limit, 0


__all__ = ["BUFFER_LIMIT", "Buffer", "Timed"]
