"""Batches of the workers -> their rows, slots and verdicts, as columns for the player.

A row is listed where it is not what the batch before lets expect: the same request, further by the
tokens of that batch, with as many tokens again. Slots are listed where they are not those of the
scheduler's block table. Neither is, where another rank ran the same. A trace without batches has
none of these columns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pagewalk.replay.batches import Batch, Row
from pagewalk.trace.read import Trace
from pagewalk.views.engines import Engine
from pagewalk.views.executed import Held, held
from pagewalk.views.payload_columns import Column, column
from pagewalk.views.payload_words import Words

SAME, DIFFERS, IN_PART = 1, 2, 3
_COLUMNS = (
    "count",  # of each frame: its batches
    "lane",  # of each batch, as the next six
    "like",  # 1: its rows and slots are those of the batch before it, which is of the same frame
    "verdict",
    "source",  # 1: some slots were worked out from the worker's own block table
    "rows",
    "changed",  # how many rows are listed
    "odd",  # how many slots of a row in a group are listed
    "said",  # of each batch that differs, as the next
    "about",
    "row",  # of each listed row, as the next four: rows between it and the one before
    "from",  # 0: not in the batch before; else how far from its row there, 1 for the same row
    "computed",  # these three less what its row in the batch before lets expect
    "tokens",
    "state",  # its row of the block tables, where the runner keeps one for it
    "request",  # of each listed row that was not in the batch before
    "odd_at",  # of each listed slots, as the next: row x groups + group, as above
    "odd_runs",
    "run_first",  # of each run of slots, as the next: from the end of the run before
    "run_many",
)
_SIGNED = ("from", "computed", "tokens", "state", "run_first")
# A sentence names requests, whose ids may be of any length.
_LONGEST = 400

Tables = Callable[[int], Sequence[Sequence[int]] | None]
"""Index of a request -> its block tables, one for each group; None where they are not known."""


@dataclass(frozen=True, slots=True)
class Lane:
    """One rank of one worker process; `lost` batches belong to steps that the trace lacks."""

    rank: int
    segment: str
    process: int
    runner: str
    groups: int
    lost: int


@dataclass(frozen=True, slots=True)
class _Line:
    """A row as it is told: request -1 is one that the scheduler never named, state -1 is none."""

    request: int
    computed: int
    tokens: int
    state: int


class BatchLog:
    """Batches of one engine, frame by frame; `lanes` is empty where none was recorded."""

    def __init__(
        self, trace: Trace, engine: Engine, known: Mapping[str, int], words: Words
    ) -> None:
        self._known, self._words = known, words
        self._sizes = engine.block_sizes
        self._of_step: dict[int, dict[tuple[int, str], Held]] = {}
        for one in held(trace, engine):
            place = (one.batch.rank, one.segment.name)
            self._of_step.setdefault(one.batch.step, {})[place] = one
        every = [(place, one) for of in self._of_step.values() for place, one in of.items()]
        self._processes = {place: (one.segment.pid, one.batch.runner) for place, one in every}
        self._groups: dict[tuple[int, str], int] = {}
        for place, one in every:
            groups = max((len(row.tables) for row in one.batch.rows), default=0)
            self._groups[place] = max(groups, self._groups.get(place, 0))
        self._places = {place: at for at, place in enumerate(sorted(self._processes))}
        self._before: dict[int, list[_Line]] = {}
        self._columns: dict[str, list[int]] = {name: [] for name in _COLUMNS}

    @property
    def lanes(self) -> list[Lane]:
        """The ranks in order; to be asked when all frames are closed."""
        left = [place for of in self._of_step.values() for place in of]
        return [
            Lane(*place, *self._processes[place], self._groups[place], left.count(place))
            for place in self._places
        ]

    def close_frame(self, step: int | None, tables: Tables) -> None:
        """A frame without a step has no batches; a step has its own once."""
        if not self._places:
            return
        ran = self._of_step.pop(step, {}) if step is not None else {}
        self._columns["count"].append(len(ran))
        other: tuple[int, Batch] | None = None
        for place in sorted(ran):
            groups, batch = self._groups[place], ran[place].batch
            like = other is not None and other[0] == groups and _alike(other[1], batch)
            self._batch(self._places[place], groups, ran[place], None if like else tables)
            other = groups, batch

    def columns(self) -> list[Column]:
        """All batches as columns, none of them where there is no batch."""
        if not self._places:
            return []
        return [
            column(f"worker_{name}", values, signed=name in _SIGNED)
            for name, values in self._columns.items()
        ]

    def header(self) -> dict[str, Any]:
        """What the header of the payload says of the lanes; nothing where there are none."""
        lanes = [
            {
                "rank": one.rank,
                "process": one.process,
                "runner": one.runner,
                "groups": one.groups,
                "lost": one.lost,
            }
            for one in self.lanes
        ]
        return {"workers": lanes} if lanes else {}

    def _batch(self, lane: int, groups: int, one: Held, tables: Tables | None) -> None:
        to, batch = self._columns, one.batch
        to["lane"].append(lane)
        to["like"].append(int(tables is None))
        to["verdict"].append(DIFFERS if one.found else SAME if one.complete else IN_PART)
        if one.found is not None:
            request, said = one.found
            to["said"].append(self._words(_short(said)))
            to["about"].append(self._known.get(request, -1) + 1)
        to["source"].append(int(any(_worked_out(row) for row in batch.rows)))
        to["rows"].append(len(batch.rows))
        lines = [self._line(one) for one in batch.rows]
        before, self._before[lane] = self._before.get(lane, []), lines
        if tables is None:
            to["changed"].append(0)
            to["odd"].append(0)
            return
        self._lines(before, lines)
        self._slots(batch, groups, tables)

    def _lines(self, before: Sequence[_Line], lines: Sequence[_Line]) -> None:
        to = self._columns
        was = {one.request: at for at, one in enumerate(before) if one.request >= 0}
        changed, last = 0, -1
        for at, line in enumerate(lines):
            if at < len(before) and line == _further(before[at]):
                continue
            to["row"].append(at - last - 1)
            source = was.get(line.request)
            if source is None:
                to["request"].append(line.request + 1)
                to["from"].append(0)
                hoped = _Line(line.request, 0, 0, -1)
            else:
                to["from"].append(source - at + (source >= at))
                hoped = _further(before[source])
            to["computed"].append(line.computed - hoped.computed)
            to["tokens"].append(line.tokens - hoped.tokens)
            to["state"].append(line.state - hoped.state)
            changed, last = changed + 1, at
        to["changed"].append(changed)

    def _line(self, row: Row) -> _Line:
        state = -1 if row.state is None else row.state
        return _Line(self._known.get(row.request, -1), row.computed, row.tokens, state)

    def _slots(self, batch: Batch, groups: int, tables: Tables) -> None:
        to, odd, last, reach = self._columns, 0, -1, 0
        for row in batch.rows:
            index = self._known.get(row.request)
            meant = tables(index) if index is not None else None
            for group in range(groups):
                slots = slots_of(batch, row, group)
                if slots is not None and slots == self._meant(meant, row, group):
                    continue
                at = row.row * groups + group
                runs = runs_of(slots or ())
                to["odd_at"].append(at - last - 1)
                to["odd_runs"].append(len(runs))
                for first, many in runs:
                    to["run_first"].append(first - reach)
                    to["run_many"].append(many)
                    reach = first + many
                odd, last = odd + 1, at
        to["odd"].append(odd)

    def _meant(
        self, tables: Sequence[Sequence[int]] | None, row: Row, group: int
    ) -> tuple[int, ...] | None:
        if tables is None or group >= len(tables):
            return None
        return _through(tables[group], self._sizes[group], row)


def slots_of(batch: Batch, row: Row, group: int) -> tuple[int, ...] | None:
    """Where a row's tokens go in a group: as recorded, else by the worker's own block table.

    None where neither is known.
    """
    recorded = row.slots[group] if group < len(row.slots) else None
    if recorded is not None:
        return recorded
    table = row.tables[group] if group < len(row.tables) else None
    if table is None or group >= len(batch.block_sizes):
        return None
    return _through(table, batch.block_sizes[group], row)


def runs_of(slots: Iterable[int]) -> list[tuple[int, int]]:
    """Slots in order -> (first, how many) of each stretch without a break."""
    runs: list[tuple[int, int]] = []
    for slot in slots:
        if runs and slot == sum(runs[-1]):
            runs[-1] = (runs[-1][0], runs[-1][1] + 1)
        else:
            runs.append((slot, 1))
    return runs


def _alike(one: Batch, other: Batch) -> bool:
    return one.block_sizes == other.block_sizes and one.rows == other.rows


def _through(table: Sequence[int], size: int, row: Row) -> tuple[int, ...] | None:
    """The slots of a row's tokens by a block table; None where the table is too short."""
    end = row.computed + row.tokens
    if size <= 0 or end > len(table) * size:
        return None
    return tuple(table[at // size] * size + at % size for at in range(row.computed, end))


def _worked_out(row: Row) -> bool:
    return any(
        (row.slots[at] if at < len(row.slots) else None) is None for at in range(len(row.tables))
    )


def _further(line: _Line) -> _Line:
    return _Line(line.request, line.computed + line.tokens, line.tokens, line.state)


def _short(said: str) -> str:
    return said if len(said) <= _LONGEST else f"{said[: _LONGEST // 2]}…{said[-_LONGEST // 2 :]}"


__all__ = ["DIFFERS", "IN_PART", "SAME", "BatchLog", "Lane", "runs_of", "slots_of"]
