"""A dumped live state -> the machine, after events were lost: the only way back to certainty."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pagewalk.errors import PagewalkError
from pagewalk.replay.pools import MAX_BLOCKS, Pool
from pagewalk.replay.requests import EngineState, Rank, RequestState
from pagewalk.replay.tables import TableState
from pagewalk.trace.events import StateDumped

if TYPE_CHECKING:
    from pagewalk.replay.machine import Machine


class Dump(msgspec.Struct, frozen=True):
    """The canonical state of an engine, as `StateDumped.state` holds it.

    `order` (request -> priority and arrival) and `pause` are not part of the compared state;
    without `order`, a priority queue is unknown again as soon as a request enters it.
    """

    free_queue: dict[str, list[int]]
    ref_counts: dict[str, dict[str, int]]
    hashes: dict[str, dict[str, list[int]]]
    tables: dict[str, dict[str, list[int]]]
    queues: dict[str, list[str]]
    running: list[str]
    requests: dict[str, tuple[str, int, int]]
    order: dict[str, tuple[int, float]] = {}
    pause: str = ""


def parse_dump(event: StateDumped) -> Dump:
    """The state in a dump, or a clear error."""
    try:
        return msgspec.json.decode(bytes(event.state), type=Dump)
    except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError):
        raise PagewalkError(
            "damaged-dump", f"the state dumped at event {event.seq} is not a state of this schema"
        ) from None


def resync(machine: Machine, event: StateDumped) -> None:
    """Make the engine's state that of the dump; where the dump is damaged, it stays lost."""
    try:
        dump = parse_dump(event)
        pools = {int(number): blocks for number, blocks in dump.free_queue.items()}
        tables = {int(number): rows for number, rows in dump.tables.items()}
        for number, free in pools.items():
            key = str(number)
            _load_pool(machine, number, event.engine, free, dump.ref_counts[key], dump.hashes[key])
    except PagewalkError as error:
        machine.refuse(event, str(error), event.engine)
        return
    except (KeyError, ValueError):
        machine.refuse(event, "a dump whose parts do not fit together", event.engine)
        return
    numbers = {name: number for number, name in machine.names.items()}
    # An id may have been given a second number; the one in use counts.
    for request in machine.engines[event.engine].requests:
        numbers[machine.request_id(request)] = request
    for number, rows in tables.items():
        _load_table(machine, number, event.engine, rows, numbers)
    _load_requests(machine, event.engine, dump, numbers)
    machine.engines[event.engine].lost = ""


def rename(machine: Machine, old: int, new: int) -> None:
    """A request got a second number, as after a loss all do: what the first stood for moves."""
    state = machine.requests.pop(old, None)
    if state is not None:
        engine = machine.engines[state.engine]
        engine.catch_up()
        engine.requests.pop(old, None)
        machine.requests[new] = engine.requests[new] = state
        for line in (engine.running, engine.in_hand):
            if old in line:
                order = [new if one == old else one for one in line]
                line.clear()
                line.update(dict.fromkeys(order))
        for queue in machine.queues.values():
            queue.rename(old, new)
    for table in machine.tables.values():
        if old in table.rows:
            table.rows[new] = table.rows.pop(old)


def _load_pool(
    machine: Machine,
    number: int,
    engine: int,
    free: list[int],
    counts: dict[str, int],
    hashes: dict[str, list[int]],
) -> None:
    refs = {int(block): count for block, count in counts.items()}
    used = [block for blocks in hashes.values() for block in blocks]
    top = max((*free, *refs, *used), default=0)
    pool = machine.pools.get(number)
    if pool is None:
        # Its creation was lost. Every block is free or referenced, so the ids tell the size.
        if top >= MAX_BLOCKS:
            raise ValueError(number)
        pool = machine.pools[number] = Pool(top + 1, 0, caching=True)
    if top >= pool.num_blocks or min((0, *free, *refs, *used)) < 0:
        raise ValueError(number)
    pool.engine = engine
    pool.free.replace(free)
    pool.refs = {block: count for block, count in refs.items() if count}
    pool.reset_hashes()
    for key, blocks in hashes.items():
        for block in blocks:
            pool.add_hash(key, block)


def _load_table(
    machine: Machine,
    number: int,
    engine: int,
    rows: dict[str, list[int]],
    numbers: dict[str, int],
) -> None:
    table = machine.tables.get(number)
    if table is None:
        # Its creation was lost: which group it is and how long its blocks are stays unknown.
        pools = [one for one, pool in machine.pools.items() if pool.engine == engine]
        pool = pools[0] if len(pools) == 1 else -1
        table = machine.tables[number] = TableState(engine, -1, pool, 0, "")
    table.rows = {_number(machine, numbers, name): list(row) for name, row in rows.items()}


def _load_requests(machine: Machine, engine: int, dump: Dump, numbers: dict[str, int]) -> None:
    before = machine.engines[engine]
    for request in before.requests:
        machine.requests.pop(request, None)
    state = machine.engines[engine] = EngineState()
    state.step, state.scheduled, state.updated = before.step, before.scheduled, before.updated
    state.budget, state.input_budget = before.budget, before.input_budget
    state.pause = dump.pause
    for name, (status, computed, tokens) in dump.requests.items():
        request = _number(machine, numbers, name)
        known = before.requests.get(request)
        priority, arrival = (known.priority, known.arrival) if known else (None, 0.0)
        if name in dump.order:
            priority, arrival = dump.order[name]
        one = RequestState(engine, status, computed, tokens, priority, arrival)
        state.requests[request] = machine.requests[request] = one
    state.running = dict.fromkeys(_number(machine, numbers, name) for name in dump.running)
    for queue in machine.queues.values():
        if queue.engine == engine:
            names = dump.queues.get(queue.name, [])
            ranks = [_rank(machine, _number(machine, numbers, name), name) for name in names]
            queue.replace(ranks)
            queue.unranked = any(
                (one := machine.requests.get(rank[3])) is None or one.priority is None
                for rank in ranks
            )


def _rank(machine: Machine, request: int, name: str) -> Rank:
    state = machine.requests.get(request)
    if state is None:
        return (0, 0.0, name, request)
    state.places += 1
    return (state.priority or 0, state.arrival, name, request)


def _number(machine: Machine, numbers: dict[str, int], name: str) -> int:
    """The number of a request; a new negative one where its name was lost."""
    known = numbers.get(name)
    if known is None:
        known = numbers[name] = -1 - len(numbers)
        while known in machine.names:
            known -= 1
        machine.names[known] = name
    return known


__all__ = ["Dump", "parse_dump", "rename", "resync"]
