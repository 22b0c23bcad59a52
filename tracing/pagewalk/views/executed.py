"""Engine and its workers -> whether each rank ran what the scheduler meant, slot by slot.

For each step and rank: the same requests with as many tokens; for each request and KV-cache group,
the worker's block table as far as the step reads or writes it; and the slot of every token, worked
out by hand from the scheduler's table. Entries that the scheduler has emptied (the null block) are
not compared: nobody reads them. What the attention backends are told of a batch is held against it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pagewalk.replay.batches import Batch, Row, batches
from pagewalk.replay.prepared import Prepared, prepared
from pagewalk.trace.read import Trace
from pagewalk.trace.segment import Segment
from pagewalk.views.engines import Engine
from pagewalk.views.execution import workers
from pagewalk.views.lengths import compare_lengths
from pagewalk.views.step import Step
from pagewalk.views.walk import Report, Walk

Tables = Mapping[str, tuple[tuple[int, ...], ...]]


@dataclass(frozen=True, slots=True)
class Disagreement:
    """The first thing that differs in a step on a rank; `slot` counts tokens of the request."""

    step: int
    rank: int
    segment: str
    request: str
    message: str


@dataclass(frozen=True, slots=True)
class RankVerdict:
    """One rank: `entries` of block tables and `slots` were compared in `steps` batches.

    `lengths` rows of attention metadata were too. `unknown` batches could not be compared in full:
    something was lost on one of the two sides. `unmet` of them are of steps that the scheduler's
    segment does not hold.
    """

    engine: int
    rank: int
    segment: str
    steps: int
    entries: int
    slots: int
    unknown: int
    differing: int
    first: Disagreement | None
    lengths: int = 0
    unmet: int = 0


@dataclass(frozen=True, slots=True)
class Held:
    """One batch held against what was meant: `found` is (request, what differs), None where all
    that could be compared is the same; `complete`: all could be; `met`: the scheduler's segment
    holds the step."""

    segment: Segment
    batch: Batch
    entries: int
    slots: int
    lengths: int
    complete: bool
    found: tuple[str, str] | None
    met: bool = True


class _Rank:
    """The running count of one rank."""

    def __init__(self, engine: int, rank: int, segment: str) -> None:
        self.key = (engine, rank, segment)
        self.steps = self.entries = self.slots = self.unknown = self.differing = 0
        self.lengths = self.unmet = 0
        self.first: Disagreement | None = None

    def add(self, one: Held) -> None:
        self.steps += 1
        self.entries += one.entries
        self.slots += one.slots
        self.lengths += one.lengths
        self.unknown += not one.complete
        self.unmet += not one.met
        if one.found is None:
            return
        self.differing += 1
        if self.first is None:
            request, message = one.found
            step, rank = one.batch.step, one.batch.rank
            self.first = Disagreement(
                step, rank, one.segment.name, request, f"step {step}, rank {rank}: {message}"
            )

    def verdict(self) -> RankVerdict:
        engine, rank, segment = self.key
        return RankVerdict(
            engine, rank, segment, self.steps, self.entries, self.slots,
            self.unknown, self.differing, self.first, self.lengths, self.unmet,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Ran:
    """What a rank ran, and what its attention backends were told of it."""

    segment: Segment
    batch: Batch
    told: list[Prepared]


@dataclass(frozen=True, slots=True)
class _Intent:
    """What the scheduler meant with a step."""

    step: Step
    tables: Tables
    block_sizes: tuple[int, ...]
    null_blocks: tuple[int, ...]
    in_order: bool
    drafts: bool


def executed(trace: Trace, engine: Engine, report: Report | None = None) -> tuple[RankVerdict, ...]:
    """A verdict for each rank that recorded batches of this engine."""
    ranks: dict[tuple[str, int], _Rank] = {}
    for one in held(trace, engine, report):
        name, rank = one.segment.name, one.batch.rank
        found = ranks.setdefault((name, rank), _Rank(engine.index, rank, name))
        found.add(one)
    return tuple(ranks[key].verdict() for key in sorted(ranks))


def held(trace: Trace, engine: Engine, report: Report | None = None) -> Iterator[Held]:
    """Every batch of the engine's ranks, in the order of the scheduler's steps.

    Those of steps that the scheduler's segment does not have come last, and are not complete.
    """
    ran: dict[int, list[_Ran]] = defaultdict(list)
    for segment in workers(trace, engine):
        told: dict[tuple[int, int], list[Prepared]] = defaultdict(list)
        for one in prepared(segment.events):
            told[one.step, one.rank].append(one)
        for batch in batches(segment.events, segment.names):
            ran[batch.step].append(_Ran(segment, batch, told[batch.step, batch.rank]))
    if not ran:
        return
    for intent in _intents(engine, report, ran.keys()):
        for one in ran.pop(intent.step.step):
            yield _hold(intent, one)
    for left in ran.values():
        for one in left:
            yield Held(one.segment, one.batch, 0, 0, 0, False, None, met=False)


def _intents(engine: Engine, report: Report | None, wanted: object) -> Iterator[_Intent]:
    walk = Walk(engine, report)
    # With steps in flight the worker may know less of a request than the scheduler has promised.
    # It may also run fewer drafts than were scheduled.
    drafts = engine.setting("num_spec_tokens") != 0
    in_order = not engine.setting("async_scheduling") and not drafts
    numbers = [one.table for one in engine.tables]
    nulls = {pool.pool: pool.null_block for pool in engine.pools}
    null_blocks = tuple(nulls.get(one.pool, 0) for one in engine.tables)
    for step in walk:
        if step.step not in wanted:  # type: ignore[operator]
            continue
        machine = walk.machine
        scheduled = {share.request for share in step.scheduled}
        tables: dict[str, tuple[tuple[int, ...], ...]] = {}
        if not step.unknown:
            for number, name in engine.segment.names.items():
                if name in scheduled and number in machine.requests:
                    tables[name] = tuple(
                        tuple(machine.tables[table].rows.get(number, ())) for table in numbers
                    )
        yield _Intent(step, tables, engine.block_sizes, null_blocks, in_order, drafts)


def _hold(intent: _Intent, ran: _Ran) -> Held:
    """Hold one batch against what was meant."""
    batch = ran.batch
    if intent.step.unknown:
        return Held(ran.segment, batch, 0, 0, 0, False, None)
    found: tuple[str, str] | None = _membership(intent, batch)
    complete, all_entries, all_slots = True, 0, 0
    for row in batch.rows:
        if found is not None:
            break
        name = row.request
        for group in range(min(len(row.tables), len(intent.block_sizes))):
            said, entries, slots, known = _row(intent, batch, row, name, group)
            all_entries += entries
            all_slots += slots
            complete = complete and known
            if said and found is None:
                found = (name, said)
    lengths = compare_lengths(batch, ran.told)
    complete = complete and lengths.complete
    found = found or lengths.first
    return Held(ran.segment, batch, all_entries, all_slots, lengths.rows, complete, found)


def _membership(intent: _Intent, batch: Batch) -> tuple[str, str] | None:
    meant = {share.request: share for share in intent.step.scheduled}
    ran = {row.request: row for row in batch.rows}
    for name in meant.keys() - ran.keys():
        return name, f"{name} was scheduled and is not in the worker's batch"
    for name, row in ran.items():
        share = meant.get(name)
        if share is None:
            return name, f"{name} is in row {row.row} of the worker's batch and was not scheduled"
        if share.tokens != row.tokens and not (intent.drafts and row.tokens < share.tokens):
            return name, f"{name} was given {share.tokens} tokens, the worker has {row.tokens}"
        if intent.in_order and share.computed is not None and share.computed != row.computed:
            return name, (
                f"{name} has {share.computed} computed tokens, the worker counts {row.computed}"
            )
    return None


def _row(
    intent: _Intent, batch: Batch, row: Row, name: str, group: int
) -> tuple[str, int, int, bool]:
    """What differs in a request's table of one group, "" if nothing; how many entries and slots
    were compared; whether all could be."""
    meant = intent.tables.get(name, ())
    ours = row.tables[group]
    if group >= len(meant) or ours is None or not batch.block_sizes:
        return "", 0, 0, False
    size, theirs = intent.block_sizes[group], batch.block_sizes[group]
    # A kernel may want smaller blocks than the manager hands out: each is several of its own.
    parts = size // theirs if theirs and size % theirs == 0 else 0
    if not parts:
        return "", 0, 0, False
    end = row.computed + row.tokens
    null, entries = intent.null_blocks[group], 0
    for index in range(min(-(-end // theirs), len(meant[group]) * parts)):
        block = meant[group][index // parts]
        if block == null:
            continue
        want = block * parts + index % parts
        entries += 1
        got = ours[index] if index < len(ours) else None
        if got != want:
            place = f"row {row.row} ({name})"
            if row.state is not None:
                place = f"row {row.row} ({name}, state {row.state})"
            return (
                f"{place}, group {group}, entry {index} of its block table: the "
                f"scheduler has block {want}, the worker {'none' if got is None else got}",
                entries, 0, True,
            )  # fmt: skip
    slots = row.slots[group] if group < len(row.slots) else None
    if slots is None:
        return "", entries, 0, True
    for offset, slot in enumerate(slots):
        position = row.computed + offset
        block = meant[group][position // size] if position // size < len(meant[group]) else null
        want = block * size + position % size
        if slot != want:
            return (
                f"row {row.row} ({name}), group {group}, token {position}: its slot is {want} by "
                f"the scheduler's table ({block} x {size} + {position % size}), the worker "
                f"writes to {slot}",
                entries, offset + 1, True,
            )  # fmt: skip
    return "", entries, len(slots), True


__all__ = ["Disagreement", "Held", "RankVerdict", "executed", "held"]
