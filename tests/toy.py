"""Workload -> legal events and the state they belong to, from a toy engine written apart.

The toy follows vLLM's rules for block pool, block tables, queues and steps with the plainest data
there is (lists, searched and rebuilt), so that replay can be compared with something that shares
no code with it. It knows nothing of models: a request that has computed all its tokens gets one.
"""

from __future__ import annotations

from typing import Any

import msgspec

from pagewalk.trace import events as ev
from pagewalk.trace.codec import encode
from pagewalk.trace.digest import digest_fields

NULL = 0


class ToyRequest:
    """One request: `family` decides with whom it shares its first `shared` blocks' content."""

    def __init__(
        self, number: int, name: str, prompt: int, max_tokens: int, priority: int, family: str
    ) -> None:
        self.number, self.name, self.family = number, name, family
        self.prompt, self.limit, self.priority = prompt, prompt + max_tokens, priority
        self.status, self.computed, self.tokens = "WAITING", 0, prompt
        self.arrival = float(number)
        self.preemptions = 0
        self.cached = 0

    @property
    def rank(self) -> tuple[int, float, str]:
        """Who goes first in a priority queue."""
        return self.priority, self.arrival, self.name


class ToyEngine:
    """A scheduler with one block pool; `windows` holds one block table per entry (0: no window)."""

    def __init__(
        self,
        num_blocks: int = 12,
        block_size: int = 4,
        budget: int = 16,
        max_running: int = 4,
        policy: str = "fcfs",
        caching: bool = True,
        windows: tuple[int, ...] = (0,),
        dumps: str = "off",
        connector: str = "",
        engine: int = 0,
        events: list[ev.Event] | None = None,
    ) -> None:
        # Several engines may write one segment: all their numbers follow from the engine's.
        self.engine = engine
        self.block_size, self.budget, self.max_running = block_size, budget, max_running
        self.policy, self.caching, self.windows, self.dumps = policy, caching, windows, dumps
        self.num_blocks = num_blocks
        self.events: list[ev.Event] = [] if events is None else events
        self.free = list(range(1, num_blocks))
        self.refs = [0] * num_blocks
        self.hashes: dict[str, list[int]] = {}
        self.keys: dict[int, list[str]] = {}
        self.tables: list[dict[ToyRequest, list[int]]] = [{} for _ in windows]
        self.waiting: list[ToyRequest] = []
        self.running: list[ToyRequest] = []
        self.requests: dict[str, ToyRequest] = {}
        self.step = 0
        self.numbered = 1000 * engine
        self.states: dict[tuple[int, str], dict[str, Any]] = {}
        self.flights: list[tuple[int, list[tuple[ToyRequest, int]]]] = []
        self._begin(connector)

    # What a user does

    def add(
        self,
        name: str = "",
        prompt: int = 6,
        max_tokens: int = 4,
        priority: int = 0,
        family: str = "",
    ) -> ToyRequest:
        """A request enters the waiting queue."""
        self.numbered += 1
        name = name or f"request-{self.numbered}"
        request = ToyRequest(
            self.numbered, name, prompt, max_tokens, priority, family or f"own-{self.numbered}"
        )
        self.requests[name] = request
        self.emit(ev.RequestNamed, request.number, name)
        self.emit(
            ev.RequestEnqueued,
            self.engine,
            request.number,
            "WAITING",
            prompt,
            prompt,
            max_tokens,
            0,
            priority,
            request.arrival,
        )
        self._enqueue(request)
        return request

    def abort(self, request: ToyRequest) -> None:
        """A request is finished from outside."""
        if request.name not in self.requests:
            return
        if request in self.waiting:
            self.waiting.remove(request)
            self.emit(ev.QueueRemoved, self.engine, [request.number])
        elif request in self.running:
            self.running.remove(request)
        self._finish(request, "FINISHED_ABORTED")
        self._snapshot("finished")

    def reset_prefix_cache(self) -> bool:
        """All hashes are forgotten, if no block is in use."""
        if len(self.free) != self.num_blocks - 1:
            return False
        self.hashes.clear()
        self.keys.clear()
        self.emit(ev.PrefixCacheReset, self.engine)
        return True

    def turn(self) -> None:
        """One step and its update."""
        self.schedule()
        self.update()

    def run(self, limit: int = 200) -> None:
        """Until nothing is left, or step `limit`."""
        while self.requests and self.step < limit:
            self.turn()

    # schedule()

    def schedule(self) -> None:
        """Running requests first, then waiting ones, as far as budget and blocks go."""
        self.step += 1
        self.emit(ev.StepStarted, self.engine, self.step)
        budget = self.budget
        given: dict[ToyRequest, int] = {}
        new: dict[int, int] = {}
        resumed: dict[int, int] = {}
        preempted = False
        for request in list(self.running):
            if request not in self.running or not budget:
                continue
            flying = sum(request == one for _, batch in self.flights for one, _ in batch)
            count = min(request.tokens + flying - request.computed, budget)
            if count <= 0 or request.tokens + flying >= request.limit:
                continue
            while not self._fits(request, count):
                preempted = True
                victim = (
                    max(self.running, key=lambda one: one.rank)
                    if self.policy == "priority"
                    else self.running[-1]
                )
                budget += given.pop(victim, 0)
                self.running.remove(victim)
                self._preempt(victim)
                if victim is request:
                    break
            if request not in self.running:
                break
            self._allocate(request, count)
            given[request] = count
            budget -= count
        while not preempted and budget and self.waiting and len(self.running) < self.max_running:
            request = self._head()
            hits = self._lookup(request)
            computed = len(hits[0]) * self.block_size
            count = min(request.tokens - computed, budget)
            if not self._fits(request, computed + count, hits):
                break
            self._adopt(request, hits)
            resumes = request.status == "PREEMPTED"
            self._allocate(request, computed + count)
            self.waiting.remove(request)
            self.emit(ev.QueuePopped, self.engine, request.number)
            self.running.append(request)
            (resumed if resumes else new)[request.number] = computed
            request.status, request.computed = "RUNNING", computed
            given[request] = count
            budget -= count
        for request, count in given.items():
            request.computed += count
        self.flights.append((self.step, list(given.items())))
        counts = list(given.values())
        self.emit(
            ev.StepScheduled,
            self.engine,
            self.step,
            [one.number for one in given],
            counts[0] if counts and len(set(counts)) == 1 else counts,
            self.budget,
            new,
            resumed,
        )
        self._snapshot("scheduled")

    # update_from_output()

    def update(self) -> None:
        """The oldest step in flight brings a token to each request that computed all it has."""
        if not self.flights:
            return
        step, batch = self.flights.pop(0)
        self.emit(ev.UpdateStarted, self.engine, step)
        got: list[int] = []
        for request, _ in batch:
            if request not in self.running or request.computed < request.tokens:
                continue
            request.tokens += 1
            got.append(request.number)
            if request.tokens >= request.limit:
                self.running.remove(request)
                self._finish(request, "FINISHED_LENGTH_CAPPED")
        self.emit(ev.StepUpdated, self.engine, step, got, 1 if got else [])
        self._snapshot("updated", step)

    # Blocks

    def _fits(self, request: ToyRequest, count: int, hits: list[list[int]] | None = None) -> bool:
        need = 0
        for index, table in enumerate(self.tables):
            row = table.get(request, [])
            held = len(row) or len(hits[index] if hits else [])
            total = (count if hits else request.computed + count) + self.block_size - 1
            need += max(total // self.block_size - held, 0)
            need += len(
                {one for one in (hits[index] if hits else []) if one and not self.refs[one]}
            )
        return need <= len(self.free)

    def _lookup(self, request: ToyRequest) -> list[list[int]]:
        """Cached blocks for all but the last token, the same number in every group."""
        most = (request.tokens - 1) // self.block_size if self.caching else 0
        found: list[list[int]] = [[] for _ in self.tables]
        for index in range(most):
            hits = [
                self.hashes.get(self._key(group, request, index), [])
                for group in range(len(self.tables))
            ]
            if not all(hits):
                break
            for group, hit in enumerate(hits):
                found[group].append(hit[0])
        return found

    def _adopt(self, request: ToyRequest, hits: list[list[int]]) -> None:
        for group, blocks in enumerate(hits):
            if not blocks:
                continue
            for block in blocks:
                if self.refs[block] == 0:
                    self.free.remove(block)
                self.refs[block] += 1
            self.emit(ev.BlocksTouched, self.engine, list(blocks))
            self.tables[group][request] = list(blocks)
            self.emit(ev.TableExtended, self.table(group), request.number, list(blocks))
        request.cached = len(hits[0])

    def _allocate(self, request: ToyRequest, count: int) -> None:
        start = request.computed if request.status == "RUNNING" else 0
        total = (start + count + self.block_size - 1) // self.block_size
        for group, window in enumerate(self.windows):
            row = self.tables[group].setdefault(request, [])
            if window:
                self._slide(group, request, row, start, window)
            short = total - len(row)
            if short > 0:
                self._take(group, request, row, short)
        if not self.caching:
            return
        full = min(start + count, request.tokens) // self.block_size
        for group in range(len(self.tables)):
            row = self.tables[group][request]
            for index in range(request.cached, full):
                if row[index] != NULL:
                    self._hash(group, self._key(group, request, index), row[index])
        request.cached = max(request.cached, full)

    def _take(self, group: int, request: ToyRequest, row: list[int], count: int) -> None:
        blocks, self.free = self.free[:count], self.free[count:]
        for block in blocks:
            for key in self.keys.pop(block, []):
                self.hashes[key].remove(block)
                if not self.hashes[key]:
                    del self.hashes[key]
                which, name = key.split(":", 1)
                self.emit(ev.HashRemoved, self.engine, int(which), name, block)
            self.refs[block] += 1
        self.emit(ev.BlocksTaken, self.engine, blocks)
        row.extend(blocks)
        self.emit(ev.TableExtended, self.table(group), request.number, list(blocks))

    def _slide(
        self, group: int, request: ToyRequest, row: list[int], computed: int, window: int
    ) -> None:
        last = min(max(computed - window + 1, 0) // self.block_size, len(row))
        dropped = []
        for index in range(last - 1, -1, -1):
            if row[index] == NULL:
                break
            dropped.append(row[index])
            row[index] = NULL
            self.emit(ev.TableEntrySet, self.table(group), request.number, index, NULL)
        if dropped:
            self._free(dropped)

    def _hash(self, group: int, key: str, block: int) -> None:
        if block in self.hashes.setdefault(key, []) or self.keys.get(block):
            return
        self.hashes[key].append(block)
        self.keys.setdefault(block, []).append(key)
        self.emit(ev.HashAdded, self.engine, group, key.split(":", 1)[1], block)

    def _free(self, blocks: list[int]) -> None:
        first, last = [], []
        for block in blocks:
            self.refs[block] -= 1
            if self.refs[block] == 0 and block != NULL:
                (last if self.keys.get(block) and self.caching else first).append(block)
        self.free = first + self.free + last
        self.emit(ev.BlocksFreed, self.engine, blocks)

    def _key(self, group: int, request: ToyRequest, index: int) -> str:
        shared = (index + 1) * self.block_size <= request.prompt
        return f"{group}:{request.family if shared else request.name}-{index}"

    # Requests

    def _head(self) -> ToyRequest:
        if self.policy == "priority":
            return min(self.waiting, key=lambda one: one.rank)
        return self.waiting[0]

    def _enqueue(self, request: ToyRequest) -> None:
        self.waiting.append(request)
        self.emit(
            ev.QueueAdded,
            self.engine,
            request.number,
            request.status,
            request.computed,
            request.tokens,
        )

    def _preempt(self, request: ToyRequest) -> None:
        before = request.computed
        self._drop_tables(request)
        request.status, request.computed, request.cached = "PREEMPTED", 0, 0
        request.preemptions += 1
        self.flights = [
            (step, [one for one in batch if one[0] is not request]) for step, batch in self.flights
        ]
        self.waiting.insert(0, request)
        self.emit(
            ev.QueuePrepended, self.engine, [request.number], ["PREEMPTED"], [0], [request.tokens]
        )
        self.emit(
            ev.RequestPreempted,
            self.engine,
            request.number,
            before,
            request.tokens,
            request.preemptions,
        )

    def _finish(self, request: ToyRequest, status: str) -> None:
        self._drop_tables(request)
        del self.requests[request.name]
        self.emit(
            ev.RequestFinished,
            self.engine,
            request.number,
            status,
            request.computed,
            request.tokens,
        )

    def _drop_tables(self, request: ToyRequest) -> None:
        for group, table in enumerate(self.tables):
            row = table.pop(request, None)
            if row:
                self.emit(ev.TableDropped, self.table(group), request.number)
                self._free(row[::-1])

    # What is written

    def table(self, group: int) -> int:
        """The number of the block tables of a group."""
        return 10 * self.engine + group

    def emit(self, kind: type[ev.Event], *fields: Any) -> int:
        """Write an event down; its `seq`."""
        seq = len(self.events)
        self.events.append(kind(seq, 1000 + 10 * seq, *fields))
        return seq

    def state(self) -> dict[str, Any]:
        """The canonical state, from the toy's own data."""
        queue = self.waiting
        if self.policy == "priority":
            queue = sorted(queue, key=lambda one: one.rank)
        pool = str(self.engine)
        return {
            "free_queue": {pool: list(self.free)},
            "ref_counts": {pool: {str(i): count for i, count in enumerate(self.refs) if count}},
            "hashes": {pool: {key: list(blocks) for key, blocks in self.hashes.items() if blocks}},
            "tables": {
                str(self.table(group)): {one.name: list(row) for one, row in table.items() if row}
                for group, table in enumerate(self.tables)
            },
            "queues": {"waiting": [one.name for one in queue]},
            "running": [one.name for one in self.running],
            "requests": {
                one.name: [one.status, one.computed, one.tokens] for one in self.requests.values()
            },
        }

    def dump(self, at: str = "updated", step: int | None = None) -> None:
        """Say the whole state, as the recorder does after a loss."""
        text = msgspec.json.encode(self.state())
        self.emit(ev.StateDumped, self.engine, step or self.step, at, msgspec.Raw(text))

    def name_again(self) -> None:
        """Give every unfinished request a new number, as the recorder does after a loss."""
        for request in self.requests.values():
            self.numbered += 1
            request.number = self.numbered
            self.emit(ev.RequestNamed, request.number, request.name)

    def lines(self) -> list[bytes]:
        """The segment as the recorder would write it."""
        return [encode(event) for event in self.events]

    def _snapshot(self, at: str, step: int | None = None) -> None:
        step = step or self.step
        self.states[step, at] = self.state()
        if self.dumps == "digest":
            self.emit(ev.StateDigested, self.engine, step, at, digest_fields(self.state()))
        elif self.dumps == "full":
            self.dump(at, step)

    def _begin(self, connector: str) -> None:
        if not self.events:
            self._begin_segment()
        self.emit(ev.PoolCreated, self.engine, self.num_blocks, self.caching, NULL)
        for group, window in enumerate(self.windows):
            kind = "SlidingWindowSpec" if window else "FullAttentionSpec"
            self.emit(
                ev.TablesCreated,
                self.table(group),
                self.engine,
                group,
                self.engine,
                self.block_size,
                kind,
            )
        self.emit(
            ev.EngineConfigured,
            self.engine,
            "Scheduler",
            "toy",
            "cpu",
            "0.32.0",
            {"max_num_scheduled_tokens": self.budget, "connector": connector},
        )
        self.emit(ev.QueueCreated, self.engine, self.engine, "waiting", self.policy)

    def _begin_segment(self) -> None:
        self.emit(
            ev.SegmentStarted,
            1,
            "c0ffee",
            4711,
            1,
            "host",
            1_700_000_000_000_000_000,
            "0.1.0",
            "3.11.9",
            "0.32.0",
            "full",
            self.dumps,
        )
        self.emit(ev.RoleTaken, "engine_core")
