"""Queue events -> where each request stands, and a stamp that orders those who stand together.

Who enters at the end gets a growing stamp, who is put in front a shrinking one, and who leaves
reorders nobody. A priority queue is looked at itself: who enters it in the middle gets a stamp
between its neighbours.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pagewalk.replay.machine import Machine
from pagewalk.trace.events import (
    QueueAdded,
    QueuePopped,
    QueuePrepended,
    QueueRemoved,
    RequestEnqueued,
    RequestFinished,
    RequestPreempted,
    RequestSet,
)

NOWHERE, RUNNING, IN_HAND, FIRST_QUEUE = 0, 1, 2, 3
_GAP = 1 << 10
# Lines up to this length are compared with the machine's whenever somebody moved, longer ones
# every so many frames.
_SHORT, _EVERY = 64, 256

Index = Callable[[int], int]


class Places:
    """`of` maps a request's index to (place, stamp); `moved` are those whose entry changed."""

    def __init__(self, machine: Machine, engine: int, queues: Sequence[int], index: Index) -> None:
        self.of: dict[int, tuple[int, int]] = {}
        self.moved: set[int] = set()
        self.queues = {queue: FIRST_QUEUE + at for at, queue in enumerate(queues)}
        self.after: dict[type, Callable[[Any], None]] = {
            RequestEnqueued: self._left,
            QueueAdded: lambda event: self._enter(event.queue, event.request),
            QueuePopped: self._popped,
            QueuePrepended: self._prepended,
            QueueRemoved: self._removed,
            RequestSet: self._look,
            RequestPreempted: self._preempted,
            RequestFinished: self._left,
        }
        self._machine = machine
        self._engine = engine
        self._index = index
        self._back = self._front = 0
        self._stirred: set[int] = set()
        self._settled = 0

    def schedule(self) -> None:
        """A step is about to end: who is in hand runs from now on."""
        state = self._machine.engines.get(self._engine)
        for request in state.in_hand if state is not None else ():
            if self.of.get(self._index(request), (NOWHERE, 0))[0] != RUNNING:
                self._put(request, RUNNING)

    def settle(self) -> None:
        """Make the stamps those of the lines as they are now."""
        self._settled += 1
        every = self._settled % _EVERY == 0
        machine, engine = self._machine, self._machine.engines.get(self._engine)
        if engine is None:
            return
        if every or (RUNNING in self._stirred and len(engine.running) <= _SHORT):
            self._order(RUNNING, [self._index(one) for one in engine.running])
        for number, place in self.queues.items():
            queue = machine.queues.get(number)
            if queue is None or not (every or place in self._stirred):
                continue
            if every or queue.ranks or len(queue) <= _SHORT:
                self._order(place, [self._index(one) for one in queue])
        self._stirred.clear()

    def load(self) -> None:
        """Forget everything, and take over the machine's lines."""
        for at in list(self.of):
            self._set(at, NOWHERE, 0)
        for queue in self._machine.queues:
            known = self._machine.queues[queue].engine == self._engine
            if known and queue not in self.queues:
                self.queues[queue] = FIRST_QUEUE + len(self.queues)
        self._stirred = {RUNNING, *self.queues.values()}
        self._settled = -1
        self.settle()

    def _put(self, request: int, place: int) -> None:
        self._back += _GAP
        self._set(self._index(request), place, self._back if place else 0)

    def _set(self, at: int, place: int, stamp: int) -> None:
        self._stirred.add(self.of.get(at, (NOWHERE, 0))[0])
        self._stirred.add(place)
        self.of[at] = (place, stamp)
        self.moved.add(at)

    def _enter(self, queue: int, request: int) -> None:
        if queue in self.queues:
            self._put(request, self.queues[queue])

    def _popped(self, event: QueuePopped) -> None:
        if event.queue in self.queues:
            self._put(event.request, IN_HAND)

    def _prepended(self, event: QueuePrepended) -> None:
        place = self.queues.get(event.queue)
        if place is None:
            return
        for request in event.requests:
            self._front -= _GAP
            self._set(self._index(request), place, self._front)

    def _removed(self, event: QueueRemoved) -> None:
        place = self.queues.get(event.queue)
        for request in event.requests if place is not None else ():
            if self.of.get(self._index(request), (NOWHERE, 0))[0] == place:
                self._put(request, NOWHERE)

    def _left(self, event: RequestEnqueued | RequestFinished) -> None:
        if event.engine == self._engine:
            self._put(event.request, NOWHERE)

    def _preempted(self, event: RequestPreempted) -> None:
        """It may be in its queue already."""
        if event.engine != self._engine:
            return
        if self.of.get(self._index(event.request), (NOWHERE, 0))[0] == RUNNING:
            self._put(event.request, NOWHERE)

    def _look(self, event: RequestSet) -> None:
        """Its rank may have changed where it stands."""
        state = self._machine.requests.get(event.request)
        if state is not None and state.engine == self._engine:
            self._stirred.add(self.of.get(self._index(event.request), (NOWHERE, 0))[0])

    def _order(self, place: int, line: list[int]) -> None:
        """Give new stamps to the fewest that stand wrong, or to all where there is no room."""
        stamps = [self._stamp(place, at) for at in line]
        before: int | None = None
        for number, at in enumerate(line):
            stamp = stamps[number]
            if stamp is None or (before is not None and stamp <= before):
                stamp = self._between(before, stamps[number + 1 :])
                if stamp is None:
                    break
                self._set(at, place, stamp)
            before = stamp
        else:
            return
        for at in line:
            self._back += _GAP
            self._set(at, place, self._back)

    def _stamp(self, place: int, at: int) -> int | None:
        where, stamp = self.of.get(at, (NOWHERE, 0))
        return stamp if where == place else None

    def _between(self, before: int | None, after: Sequence[int | None]) -> int | None:
        """A stamp behind `before` and ahead of the next that may stay; None: there is no room."""
        following = next(
            (one for one in after if one is not None and (before is None or one > before)), None
        )
        if following is None:
            self._back += _GAP
            return self._back
        if before is None:
            self._front = min(self._front, following) - _GAP
            return self._front
        middle = (before + following) // 2
        return middle if middle > before else None


__all__ = ["FIRST_QUEUE", "IN_HAND", "NOWHERE", "RUNNING", "Places"]
