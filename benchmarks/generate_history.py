"""A workload by a seed -> the events of a big engine that keeps the rules of the real one.

No engine runs here: a made-up scheduler admits, decodes, preempts and finishes requests on the
block pool of the replay, and writes down the events that vLLM would.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field
from typing import Any

from pagewalk.replay.pools import Pool
from pagewalk.trace import events as ev

BLOCK = 16
BUDGET = 2048
MOST_RUNNING = 384
NULL = 0
KEEP_FREE = 8
EXITS = (
    ("max_num_seqs", "num_running >= self.max_num_active_reqs", 795),
    ("no_blocks", "new_blocks is None", 1002),
    ("token_budget", "token_budget <= 0", 778),
)


@dataclass(eq=False)
class Request:
    """One made-up request. `family` says whose first tokens it shares."""

    number: int
    prompt: int
    limit: int
    family: int
    tokens: int
    computed: int = 0
    hashed: int = 0
    preemptions: int = 0
    row: list[int] = field(default_factory=list)


class Generator:
    """Call `run` once; `events` is the history."""

    def __init__(self, steps: int, blocks: int, requests: int, seed: int = 0) -> None:
        self.steps, self.blocks, self.requests = steps, blocks, requests
        self.events: list[ev.Event] = []
        self._random = random.Random(seed)
        self._pool = Pool(blocks, NULL, caching=True)
        self._keys: dict[int, str] = {}
        self._waiting: list[Request] = []
        self._running: list[Request] = []
        self._made = 0
        self._now = 0
        self._begin()

    def run(self) -> list[ev.Event]:
        """Make the history."""
        for step in range(1, self.steps + 1):
            self._arrive(step)
            self._step(step)
        return self.events

    def _emit(self, kind: type[ev.Event], *fields: Any) -> None:
        self._now += 1000
        self.events.append(kind(len(self.events), self._now, *fields))

    def _begin(self) -> None:
        self._emit(ev.SegmentStarted, 1, "made", 1, 0, "host", 1, "0", "3", "0.32.0")
        self._emit(ev.RoleTaken, "engine_core")
        sites = [
            ev.ExitSite(at, "Scheduler.schedule", line, guard, kind, "waiting", ["num_running"])
            for at, (kind, guard, line) in enumerate(EXITS)
        ]
        self._emit(ev.ExitsDeclared, "vllm/v1/core/sched/scheduler.py", sites)
        settings = {"max_num_scheduled_tokens": BUDGET, "max_num_seqs": MOST_RUNNING}
        self._emit(ev.EngineConfigured, 0, "Scheduler", "made up", "none", "0.32.0", settings)
        self._emit(ev.QueueCreated, 0, 0, "waiting", "fcfs")
        self._emit(ev.PoolCreated, 0, self.blocks, True, NULL)
        self._emit(ev.TablesCreated, 0, 0, 0, 0, BLOCK, "FullAttentionSpec")

    def _arrive(self, step: int) -> None:
        """Requests come in waves, so that the pool is now full and now half empty."""
        wave = 4000 * math.cos(step / 900)
        share = (step - wave) / (0.95 * self.steps)
        due = min(self.requests, round(self.requests * max(0.0, share)))
        while self._made < due:
            self._made += 1
            rng = self._random
            prompt = rng.choice((40, 100, 200, 300, 500, 1500))
            answer = rng.randrange(100, 1000)
            one = Request(self._made, prompt, prompt + answer, rng.randrange(60), prompt)
            self._emit(ev.RequestNamed, one.number, f"cmpl-{rng.getrandbits(64):016x}-0")
            sizes = (one.prompt, one.prompt, one.limit - one.prompt)
            self._emit(ev.RequestEnqueued, 0, one.number, "WAITING", *sizes, 0, 0, float(step))
            self._emit(ev.QueueAdded, 0, one.number, "WAITING", 0, one.tokens)
            self._waiting.append(one)

    def _step(self, step: int) -> None:
        self._emit(ev.StepStarted, 0, step)
        given: dict[Request, int] = {}
        budget, preempted = BUDGET, False
        at = 0
        while at < len(self._running):
            one = self._running[at]
            count = min(one.tokens - one.computed, budget)
            if count <= 0:
                self._emit(ev.ExitTaken, 2, one.number, [len(self._running)])
                break
            while not self._grow(one, count):
                preempted = True
                victim = self._running.pop()
                budget += given.pop(victim, 0)
                self._preempt(victim)
                if victim is one:
                    break
            else:
                given[one] = count
                budget -= count
                at += 1
                continue
            break
        new, resumed = ({}, {}) if preempted else self._admit(given, budget)
        for one, count in given.items():
            one.computed += count
        counts = list(given.values())
        even = counts[0] if counts and len(set(counts)) == 1 else counts
        numbers = [one.number for one in given]
        self._emit(ev.StepScheduled, 0, step, numbers, even, BUDGET, new, resumed)
        self._update(step, given)
        self._now += 8_000_000

    def _admit(
        self, given: dict[Request, int], budget: int
    ) -> tuple[dict[int, int], dict[int, int]]:
        new: dict[int, int] = {}
        resumed: dict[int, int] = {}
        while self._waiting and budget > 0:
            if len(self._running) >= MOST_RUNNING:
                self._emit(ev.ExitTaken, 0, None, [len(self._running)])
                break
            one = self._waiting[0]
            hits = self._lookup(one)
            self._emit(ev.PrefixLookedUp, one.number, len(hits) * BLOCK, one.tokens)
            free = len(self._pool.free)
            need = -(-one.tokens // BLOCK)
            if need + KEEP_FREE > free:
                self._emit(ev.SlotsRefused, one.number, one.tokens, need, free)
                self._emit(ev.ExitTaken, 1, one.number, [len(self._running)])
                break
            self._waiting.pop(0)
            self._emit(ev.QueuePopped, 0, one.number)
            if hits:
                self._pool.touch(hits)
                self._emit(ev.BlocksTouched, 0, hits)
                self._emit(ev.TableExtended, 0, one.number, hits)
                one.row = list(hits)
            one.computed, one.hashed = len(hits) * BLOCK, len(hits)
            (resumed if one.preemptions else new)[one.number] = one.computed
            count = min(one.tokens - one.computed, budget)
            assert self._grow(one, count)
            self._running.append(one)
            given[one] = count
            budget -= count
        return new, resumed

    def _grow(self, one: Request, count: int) -> bool:
        """Take the blocks that `count` more tokens need, and hash those that become full."""
        total = one.computed + count
        need = -(-total // BLOCK) - len(one.row)
        pool = self._pool
        if need > len(pool.free):
            self._emit(ev.SlotsRefused, one.number, count, need, len(pool.free))
            return False
        if need > 0:
            blocks = pool.free.first(need)
            for block in blocks:
                key = self._keys.pop(block, None)
                if key is not None:
                    pool.remove_hash(key, block)
                    self._emit(ev.HashRemoved, 0, 0, key, block)
            pool.take(blocks)
            self._emit(ev.BlocksTaken, 0, blocks)
            self._emit(ev.TableExtended, 0, one.number, blocks)
            one.row += blocks
        full = min(total, one.tokens) // BLOCK
        for slot in range(one.hashed, full):
            key, block = self._key(one, slot), one.row[slot]
            # A block that is hashed already (a hit, or the same content twice) stays as it is.
            if block not in self._keys:
                pool.add_hash(key, block)
                self._keys[block] = key
                self._emit(ev.HashAdded, 0, 0, key, block)
        one.hashed = max(one.hashed, full)
        return True

    def _lookup(self, one: Request) -> list[int]:
        found: list[int] = []
        for slot in range((one.tokens - 1) // BLOCK):
            known = self._pool.hashes.get(self._key(one, slot))
            if not known:
                break
            found.append(known[0])
        return found

    def _key(self, one: Request, slot: int) -> str:
        """Half of a prompt is that of its family."""
        shared = (slot + 1) * BLOCK * 2 <= one.prompt
        return f"{one.family if shared else one.number + 1000:08x}{slot:08x}"

    def _preempt(self, one: Request) -> None:
        lost = one.computed
        self._give_back(one)
        one.preemptions += 1
        one.computed = one.hashed = 0
        self._emit(ev.QueuePrepended, 0, [one.number], ["PREEMPTED"], [0], [one.tokens])
        self._emit(ev.RequestPreempted, 0, one.number, lost, one.tokens, one.preemptions)
        self._waiting.insert(0, one)

    def _give_back(self, one: Request) -> None:
        blocks = one.row[::-1]
        self._emit(ev.TableDropped, 0, one.number)
        self._pool.release(blocks)
        self._emit(ev.BlocksFreed, 0, blocks)
        one.row = []

    def _update(self, step: int, given: dict[Request, int]) -> None:
        self._emit(ev.UpdateStarted, 0, step)
        got = []
        ended = []
        for one in given:
            if one.computed >= one.tokens:
                one.tokens += 1
                got.append(one.number)
                if one.tokens >= one.limit:
                    ended.append(one)
        for one in ended:
            self._running.remove(one)
            self._give_back(one)
            counts = (one.computed, one.tokens, one.tokens - one.prompt)
            self._emit(ev.RequestFinished, 0, one.number, "FINISHED_LENGTH_CAPPED", *counts)
        self._emit(ev.StepUpdated, 0, step, got, 1 if got else [])
