"""Hand-made processes -> trace directories: front ends, engine cores, workers, event by event.

The toy engine makes legal histories of its own choice; here a test says what happens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pagewalk.errors import PagewalkError
from pagewalk.trace import events as ev
from pagewalk.trace.codec import encode
from pagewalk.trace.read import Trace
from pagewalk.views.engines import Engine, pick_engine

FILE = "vllm/v1/core/sched/scheduler.py"
KINDS = (
    ("token_budget", "waiting", "token_budget <= 0"),
    ("max_num_seqs", "waiting", "num_running >= self.max_num_active_reqs"),
    ("no_blocks", "waiting", "new_blocks is None"),
    ("preempted_this_step", "waiting", "preempted_reqs"),
    ("max_loras", "waiting", "len(scheduled_loras) == self.lora_config.max_loras"),
    ("token_budget", "running", "token_budget <= 0"),
    ("nothing_to_schedule", "running", "num_new_tokens == 0"),
    ("no_blocks", "running", "new_blocks is None"),
    ("self_preempted", "running", "preempted_req == request"),
)
SITES = [
    ev.ExitSite(1000 + at, "Scheduler.schedule", 700 + at, guard, kind, loop, ["num_running"])
    for at, (kind, loop, guard) in enumerate(KINDS)
]
ALLOCATE = [
    ev.ExitSite(at, "KVCacheManager.allocate_slots", line, guard, kind, "allocate")
    for at, (line, guard, kind) in enumerate(
        (
            (539, "required_blocks > free", "full_sequence_blocks"),
            (579, "required_blocks > available_blocks", "no_blocks"),
        )
    )
]


class Process:
    """One process and its segment. Time runs on in microseconds unless a test sets it."""

    def __init__(self, pid: int, role: str, parent: int = 1, rank: int = 0, t: int = 0) -> None:
        self.pid = pid
        self.t = t
        self.events: list[ev.Event] = []
        self.numbers: dict[str, int] = {}
        self.emit(
            ev.SegmentStarted,
            1,
            "c0ffee",
            pid,
            parent,
            "host",
            10**18 + t,
            "0.1.0",
            "3.11.9",
            "0.32.0",
        )
        self.emit(ev.RoleTaken, role, rank)

    def emit(self, kind: type[ev.Event], *fields: Any) -> None:
        """Write an event down."""
        self.t += 1000
        self.events.append(kind(len(self.events), self.t, *fields))

    def number(self, name: str) -> int:
        """The number that stands for a request here."""
        if name not in self.numbers:
            self.numbers[name] = len(self.numbers) + 1
            self.emit(ev.RequestNamed, self.numbers[name], name)
        return self.numbers[name]

    def all(self, names: Iterable[str]) -> list[int]:
        """The numbers of several."""
        return [self.number(name) for name in names]


class Core(Process):
    """An engine core with one pool and one block table."""

    def __init__(
        self,
        pid: int = 200,
        parent: int = 100,
        dp_rank: int = 0,
        num_blocks: int = 12,
        marked: bool = True,
        caching: bool = True,
        t: int = 0,
        **settings: Any,
    ) -> None:
        super().__init__(pid, "engine_core", parent, t=t)
        self.step_count = 0
        self.running: list[str] = []
        if marked:
            self.emit(ev.ExitsDeclared, "vllm/v1/core/kv_cache_manager.py", ALLOCATE)
            self.emit(ev.ExitsDeclared, FILE, SITES)
        self.emit(ev.PoolCreated, 0, num_blocks, caching)
        self.emit(ev.TablesCreated, 0, 0, 0, 0, 4, "FullAttentionSpec")
        known = {"max_num_scheduled_tokens": 16, "max_num_active_reqs": 4, "policy": "fcfs"}
        known |= {"hash_block_size": 4, "enable_prefix_caching": caching} | settings
        self.emit(ev.EngineConfigured, 0, "Scheduler", "toy", "cpu", "0.32.0", known, dp_rank)
        self.emit(ev.QueueCreated, 0, 0, "waiting", "fcfs")
        self.emit(ev.QueueCreated, 1, 0, "kv_holding_waiting", "fcfs")

    def add(self, name: str, prompt: int = 6, max_tokens: int = 4, **fields: Any) -> None:
        """A request enters the waiting queue."""
        number = self.number(name)
        self.t += 1000
        self.events.append(
            ev.RequestEnqueued(
                len(self.events), self.t, 0, number, "WAITING", prompt, prompt, max_tokens, **fields
            )
        )
        self.emit(ev.QueueAdded, 0, number, "WAITING", 0, prompt)

    def start(self) -> None:
        """schedule() is entered."""
        self.step_count += 1
        self.emit(ev.StepStarted, 0, self.step_count)

    def exit(self, kind: str, request: str | None = None, loop: str = "waiting") -> None:
        """A marked exit is taken."""
        site = next(one for one in SITES if (one.kind, one.loop) == (kind, loop))
        number = None if request is None else self.number(request)
        self.emit(ev.ExitTaken, site.site, number, [len(self.running)])

    def look_up(self, name: str, hit: int, tokens: int, missed: str | None, why: str = "") -> None:
        """The prefix cache is asked."""
        self.emit(ev.PrefixLookedUp, self.number(name), hit, tokens, missed, why)

    def refuse(self, name: str, required: int, available: int | None, whole: bool = False) -> None:
        """`allocate_slots` says no."""
        self.emit(ev.SlotsRefused, self.number(name), 1, required, available, 0, whole)

    def take(self, name: str, blocks: list[int], evicts: Mapping[int, str] = {}) -> None:
        """New blocks for a request; `evicts`: the hashes they lose."""
        for block, block_hash in evicts.items():
            self.emit(ev.HashRemoved, 0, 0, block_hash, block)
        self.emit(ev.BlocksTaken, 0, blocks)
        self.emit(ev.TableExtended, 0, self.number(name), blocks)

    def hash(self, block: int, block_hash: str) -> None:
        """A full block is registered."""
        self.emit(ev.HashAdded, 0, 0, block_hash, block)

    def give_back(self, name: str, blocks: list[int]) -> None:
        """The block table goes, tail first."""
        self.emit(ev.TableDropped, 0, self.number(name))
        self.emit(ev.BlocksFreed, 0, blocks[::-1])

    def preempt(self, name: str, computed: int, tokens: int, blocks: list[int]) -> None:
        """A running request loses everything."""
        self.give_back(name, blocks)
        number = self.number(name)
        self.running.remove(name)
        self.emit(ev.QueuePrepended, 0, [number], ["PREEMPTED"], [0], [tokens])
        self.emit(ev.RequestPreempted, 0, number, computed, tokens, 1)

    def end(
        self,
        shares: Mapping[str, int],
        new: Mapping[str, int] = {},
        resumed: Mapping[str, int] = {},
    ) -> None:
        """schedule() returns; the admitted leave the queue first."""
        for name in (*new, *resumed):
            self.emit(ev.QueuePopped, 0, self.number(name))
            self.running.append(name)
        self.emit(
            ev.StepScheduled,
            0,
            self.step_count,
            self.all(shares),
            list(shares.values()),
            16,
            {self.number(name): computed for name, computed in new.items()},
            {self.number(name): computed for name, computed in resumed.items()},
        )

    def update(self, *names: str, tokens: int = 1) -> None:
        """update_from_output() of the last step."""
        self.emit(ev.UpdateStarted, 0, self.step_count)
        self.emit(ev.StepUpdated, 0, self.step_count, self.all(names), tokens)

    def finish(self, name: str, status: str = "FINISHED_STOPPED", tokens: int = 8) -> None:
        """The request is done."""
        self.running = [one for one in self.running if one != name]
        number = self.number(name)
        self.emit(ev.RequestFinished, 0, number, status, tokens - 1, tokens, tokens - 6)


def write(folder: Path, *processes: Process, **header: Any) -> Path:
    """The trace directory of these processes."""
    folder.mkdir(parents=True, exist_ok=True)
    facts = {"schema": 1, "run": "c0ffee", "pagewalk": "0.1.0", "wall_ns": 1, "level": "full"}
    (folder / "header.json").write_bytes(msgspec.json.encode(facts | {"digest": "off"} | header))
    for one in processes:
        text = b"".join(encode(event) for event in one.events)
        (folder / f"{one.pid}-0.jsonl").write_bytes(text)
    return folder


def crowded(**core: Any) -> Core:
    """Three requests in a pool for one and a half: b is preempted for a, c waits behind it.

    Step 1 admits a and b. Step 2 preempts b so that a can grow; a gets block 4 and with it b's
    second hash. Steps 3 and 4 refuse b, and c stands behind it. a finishes; step 5 resumes b with
    its first block still cached, and refuses c.
    """
    it = Core(num_blocks=5, **core)
    it.add("a", prompt=8)
    it.add("b", prompt=8)
    it.start()
    it.look_up("a", 0, 8, "h-a0")
    it.take("a", [1, 2])
    it.hash(1, "h-a0")
    it.hash(2, "h-a1")
    it.look_up("b", 0, 8, "h-b0")
    it.take("b", [3, 4])
    it.hash(3, "h-b0")
    it.hash(4, "h-b1")
    it.exit("token_budget")
    it.end({"a": 8, "b": 8}, new={"a": 0, "b": 0})
    it.update("a", "b")
    it.add("c", prompt=6)
    it.start()
    it.refuse("a", 1, 0)
    it.preempt("b", 8, 9, [3, 4])
    it.take("a", [4], evicts={4: "h-b1"})
    it.exit("preempted_this_step")
    it.end({"a": 1})
    it.update("a")
    for _ in range(2):
        it.start()
        it.look_up("b", 4, 9, "h-b1")
        it.refuse("b", 3, None, whole=True)
        it.exit("no_blocks", "b")
        it.end({"a": 1})
        it.update("a")
    it.give_back("a", [1, 2, 4])
    it.finish("a", "FINISHED_LENGTH_CAPPED", 12)
    it.start()
    it.look_up("b", 4, 9, "h-b1")
    it.emit(ev.BlocksTouched, 0, [3])
    it.emit(ev.TableExtended, 0, it.number("b"), [3])
    it.take("b", [4, 2], evicts={2: "h-a1"})
    it.look_up("c", 0, 6, "h-c0")
    it.refuse("c", 2, None, whole=True)
    it.exit("no_blocks", "c")
    it.end({"b": 5}, resumed={"b": 4})
    it.update("b")
    return it


def full_story() -> tuple[Process, Core, Process]:
    """One request over three processes, from arrival to delivery."""
    front = Process(100, "front_end")
    core = Core(pid=200, parent=100)
    worker = Process(300, "worker", parent=200)
    core.t = worker.t = front.t = 100_000
    user, own = front.number("chat"), front.number("chat-aaaa")
    front.emit(ev.InputProcessed, user, front.t - 500, 6, 4)
    front.emit(ev.RequestArrived, own, "chat")
    front.emit(ev.RequestSent, own)
    core.t = 200_000
    number = core.number("chat-aaaa")
    core.emit(ev.RequestReceived, number, core.t - 500, 6, 0.0)
    core.emit(ev.RequestDequeued, number)
    core.add("chat-aaaa")
    core.start()
    core.look_up("chat-aaaa", 0, 6, "h-0")
    core.take("chat-aaaa", [1, 2])
    core.end({"chat-aaaa": 4}, new={"chat-aaaa": 0})
    for at, tokens in enumerate((0, 1, 1, 1)):
        if at:
            core.start()
            core.end({"chat-aaaa": 2 if at == 1 else 1})
        worker.t = core.t
        worker.emit(ev.ExecutionStarted, at + 1, 0, 1, 1)
        worker.emit(ev.ExecutionEnded, at + 1, 0, "execute_model", 0)
        worker.emit(ev.ExecutionEnded, -1, 0, "sample_tokens", worker.t)
        core.t = worker.t
        core.update(*(["chat-aaaa"] if tokens else []))
        if tokens:
            front.t = core.t
            front.emit(ev.OutputReceived, [own], [1])
    core.finish("chat-aaaa", "FINISHED_LENGTH_CAPPED", 9)
    front.t = core.t
    front.emit(ev.Delivered, user, True, "chat")
    return front, core, worker


def lone(trace: Trace) -> Engine:
    """The only engine of a trace."""
    return pick_engine(trace, None)


def error_of(action: Callable[[], object]) -> PagewalkError:
    """The error that a user would see."""
    with pytest.raises(PagewalkError) as caught:
        action()
    return caught.value


__all__ = [
    "ALLOCATE",
    "FILE",
    "SITES",
    "Core",
    "Process",
    "crowded",
    "error_of",
    "full_story",
    "lone",
    "write",
]
