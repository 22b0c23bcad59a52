"""Request events -> where each unfinished request of an engine stands, and its counters."""

from __future__ import annotations

import heapq
from collections import Counter, deque
from collections.abc import Collection, Iterator

# Where a request stands in a priority queue: priority, arrival, id, number.
Rank = tuple[int, float, str, int]


class RequestState:
    """One unfinished request; `places` counts the queues it stands in (one, in a sane engine)."""

    __slots__ = ("arrival", "computed", "engine", "places", "priority", "status", "tokens")

    def __init__(
        self,
        engine: int,
        status: str,
        computed: int,
        tokens: int,
        priority: int | None = None,
        arrival: float = 0.0,
    ) -> None:
        self.engine = engine
        self.status = status
        self.computed = computed
        self.tokens = tokens
        self.priority = priority
        self.arrival = arrival
        self.places = 0

    def set(self, status: str, computed: int, tokens: int) -> None:
        """Take over absolute values."""
        self.status = status
        self.computed = computed
        self.tokens = tokens

    def copy(self) -> RequestState:
        """An independent copy."""
        other = RequestState(
            self.engine, self.status, self.computed, self.tokens, self.priority, self.arrival
        )
        other.places = self.places
        return other


class _Entry:
    """A request in a priority queue. Its rank can change while it stands there."""

    __slots__ = ("rank",)

    def __init__(self, rank: Rank) -> None:
        self.rank = rank

    def __lt__(self, other: _Entry) -> bool:
        return self.rank < other.rank


class WaitingQueue:
    """A waiting queue: requests in the order the policy would hand them out.

    A priority queue is the engine's heap, moved by the same calls on the same list. A sorted
    list would not do: the next chunk of a streaming session changes the arrival of a request
    that stands in the heap, and the engine leaves the heap as it is.
    """

    __slots__ = ("_fcfs", "_heap", "engine", "name", "policy", "ranks", "unranked")

    def __init__(self, engine: int, name: str, policy: str) -> None:
        self.engine = engine
        self.name = name
        self.policy = policy
        # Whether the order is by priority, so that there is no front to put a request at.
        self.ranks = policy == "priority"
        # Whether it holds requests whose priority was lost: where a new one goes is unknown.
        self.unranked = False
        self._fcfs: deque[int] = deque()
        self._heap: list[_Entry] = []

    def __len__(self) -> int:
        return len(self._heap) if self.ranks else len(self._fcfs)

    def __iter__(self) -> Iterator[int]:
        return self._by_rank() if self.ranks else iter(self._fcfs)

    def head(self) -> int | None:
        """The request that would be handed out next."""
        if self.ranks:
            return self._heap[0].rank[3] if self._heap else None
        return self._fcfs[0] if self._fcfs else None

    def append(self, rank: Rank) -> None:
        """`add_request`."""
        if self.ranks:
            heapq.heappush(self._heap, _Entry(rank))
        else:
            self._fcfs.append(rank[3])

    def prepend(self, rank: Rank) -> None:
        """`prepend_request`: a priority queue just adds."""
        if self.ranks:
            heapq.heappush(self._heap, _Entry(rank))
        else:
            self._fcfs.appendleft(rank[3])

    def pop(self, request: int) -> int:
        """Take one entry of the request, from the head or from wherever; how many were taken."""
        if self.head() != request:
            return self.remove((request,))[request]
        if self.ranks:
            heapq.heappop(self._heap)
        else:
            self._fcfs.popleft()
        return 1

    def remove(self, requests: Collection[int]) -> Counter[int]:
        """Take every entry of the requests out; how many there were of each."""
        gone = set(requests)
        taken = Counter(one for one in self._entries() if one in gone)
        if self.ranks:
            self._heap = [one for one in self._heap if one.rank[3] not in gone]
            heapq.heapify(self._heap)
        elif taken:
            self._fcfs = deque(one for one in self._fcfs if one not in gone)
        return taken

    def holds(self, request: int) -> bool:
        """Whether a priority queue already holds this request; an FCFS queue holds none."""
        return any(one.rank[3] == request for one in self._heap)

    def rerank(self, request: int, rank: Rank) -> None:
        """Change the rank of a request where it stands, and nothing else."""
        for one in self._heap:
            if one.rank[3] == request:
                one.rank = rank

    def rename(self, old: int, new: int) -> None:
        """Call a request by another number, where it stands."""
        if old in self._fcfs:
            self._fcfs = deque(new if one == old else one for one in self._fcfs)
        for one in self._heap:
            if one.rank[3] == old:
                one.rank = (*one.rank[:3], new)

    def replace(self, ranks: list[Rank]) -> None:
        """Forget everything and hold these, in this order."""
        self._heap = [_Entry(rank) for rank in ranks] if self.ranks else []
        self._fcfs = deque() if self.ranks else deque(rank[3] for rank in ranks)

    def copy(self) -> WaitingQueue:
        """An independent queue with the same content."""
        other = WaitingQueue(self.engine, self.name, self.policy)
        other._fcfs = self._fcfs.copy()
        other._heap = [_Entry(one.rank) for one in self._heap]
        other.unranked = self.unranked
        return other

    def _entries(self) -> Iterator[int]:
        return (one.rank[3] for one in self._heap) if self.ranks else iter(self._fcfs)

    def _by_rank(self) -> Iterator[int]:
        heap = self._heap.copy()
        while heap:
            yield heapq.heappop(heap).rank[3]


class EngineState:
    """One scheduler: its unfinished requests, the running ones in order, and its last step.

    While the same requests get the same number of tokens step after step, their counters are not
    touched one by one: what they are owed is counted, and paid by `catch_up` before anybody looks.
    """

    __slots__ = (
        "_owed",
        "_owed_computed",
        "_owed_tokens",
        "budget",
        "in_hand",
        "input_budget",
        "lost",
        "pause",
        "requests",
        "running",
        "scheduled",
        "settled",
        "step",
        "updated",
        "used",
    )

    def __init__(self) -> None:
        self.requests: dict[int, RequestState] = {}
        self.running: dict[int, None] = {}
        # Popped from a queue, and not yet put back or seen to be scheduled.
        self.in_hand: dict[int, None] = {}
        # Set to absolute values since the update began: its increments are in them already.
        self.settled: set[int] = set()
        self.step = self.scheduled = self.updated = 0
        self.budget = self.input_budget = self.used = 0
        # Why the state is not known, or empty.
        self.lost = ""
        # The scheduler's PauseState by name; empty where it is not known.
        self.pause = ""
        self._owed: list[int] = []
        self._owed_computed = self._owed_tokens = 0

    def owe(self, requests: list[int], computed: int = 0, tokens: int = 0) -> bool:
        """Note what each of the requests gets, if they are the ones of the step before."""
        if requests != self._owed:
            return False
        self._owed_computed += computed
        self._owed_tokens += tokens
        return True

    def owe_from_now(self, requests: list[int]) -> None:
        """From here on these may get their tokens in one sum; they must all be known."""
        self._owed = requests

    def catch_up(self) -> None:
        """Pay what is owed, so that every counter is what the events say."""
        if self._owed_computed or self._owed_tokens:
            for request in self._owed:
                state = self.requests[request]
                state.computed += self._owed_computed
                state.tokens += self._owed_tokens
            self._owed_computed = self._owed_tokens = 0
        self._owed = []

    def copy(self) -> EngineState:
        """An independent copy."""
        self.catch_up()
        other = EngineState()
        other.requests = {number: one.copy() for number, one in self.requests.items()}
        other.running = self.running.copy()
        other.in_hand = self.in_hand.copy()
        other.settled = self.settled.copy()
        other.step, other.scheduled, other.updated = self.step, self.scheduled, self.updated
        other.budget, other.input_budget = self.budget, self.input_budget
        other.used, other.lost, other.pause = self.used, self.lost, self.pause
        return other


__all__ = ["EngineState", "Rank", "RequestState", "WaitingQueue"]
