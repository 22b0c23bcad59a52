"""Segment -> replay held against what the live engine said of itself, snapshot by snapshot."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from pagewalk.errors import plain
from pagewalk.replay.machine import ADOPTED, Machine
from pagewalk.replay.snapshot import FIELDS, canonical
from pagewalk.trace.digest import digest
from pagewalk.trace.events import StateDigested, StateDumped
from pagewalk.trace.segment import Segment

_REPORTED = 1 << 13
_NOTHING = "nothing"

Report = Callable[[int, int], None]
"""Called with (events done, events in all)."""


@dataclass(frozen=True, slots=True)
class Divergence:
    """One field that differs: where in it (known from a dump only), and both values."""

    seq: int
    engine: int
    step: int
    at: str
    field: str
    path: str
    live: str
    replayed: str

    @property
    def message(self) -> str:
        """One sentence."""
        where = self.path or self.field
        return (
            f"step {self.step} ({self.at}), event {self.seq}: {where}: "
            f"live {self.live}, replay {self.replayed}"
        )


@dataclass(frozen=True, slots=True)
class Comparison:
    """`snapshots` were compared and `divergences` of them differ. `first` is the first that does,
    `located` the first for which a dump tells the very place. At `unknown` more the replayed
    state was not known; `resynced` of these were dumps that made it known again."""

    snapshots: int
    divergences: int
    unknown: int
    resynced: int
    first: Divergence | None
    located: Divergence | None
    by_field: dict[str, int]


@dataclass(slots=True)
class _Count:
    snapshots: int = 0
    divergences: int = 0
    unknown: int = 0
    resynced: int = 0
    first: Divergence | None = None
    located: Divergence | None = None
    by_field: dict[str, int] = field(default_factory=dict)
    digested: tuple[int, int, str] | None = None
    differed: bool = False


def compare(segment: Segment, report: Report | None = None) -> Comparison:
    """Replay the segment and compare at every `StateDigested` and `StateDumped`."""
    machine, count = Machine(), _Count()
    for index, event in enumerate(segment.events):
        kind = type(event)
        if kind is StateDigested or kind is StateDumped:
            _compare_one(machine, event, count)
        else:
            machine.apply(event)
        if report is not None and index % _REPORTED == 0:
            report(index, len(segment.events))
    return Comparison(
        count.snapshots,
        count.divergences,
        count.unknown,
        count.resynced,
        count.first,
        count.located,
        count.by_field,
    )


def compare_all(comparisons: list[Comparison]) -> Comparison:
    """The sum of the comparisons of several segments; `first` is that of the first to diverge."""
    by_field: dict[str, int] = {}
    for one in comparisons:
        for name, number in one.by_field.items():
            by_field[name] = by_field.get(name, 0) + number
    return Comparison(
        sum(one.snapshots for one in comparisons),
        sum(one.divergences for one in comparisons),
        sum(one.unknown for one in comparisons),
        sum(one.resynced for one in comparisons),
        next((one.first for one in comparisons if one.first), None),
        next((one.located for one in comparisons if one.located), None),
        by_field,
    )


def _compare_one(machine: Machine, event: StateDigested | StateDumped, count: _Count) -> None:
    again, count.digested = count.digested == _moment(event), None
    adopted = event.at == ADOPTED
    if adopted or machine.lost(event.engine):
        machine.apply(event)
        count.unknown += not adopted and not again
        count.resynced += not machine.lost(event.engine)
        return
    found = _by_dump(machine, event) if type(event) is StateDumped else _by_digest(machine, event)
    machine.apply(event)
    if type(event) is StateDigested:
        count.digested = _moment(event)
    # Mode `full` writes both for one moment: the dump says where, and is no second snapshot.
    count.snapshots += not again
    count.divergences += bool(found) and not (again and count.differed)
    count.differed = bool(found)
    if not found:
        return
    count.first = count.first or found[0]
    count.located = count.located or next((one for one in found if one.path), None)
    for one in found:
        count.by_field[one.field] = count.by_field.get(one.field, 0) + 1


def _moment(event: StateDigested | StateDumped) -> tuple[int, int, str]:
    return event.engine, event.step, event.at


def _by_digest(machine: Machine, event: StateDigested) -> list[Divergence]:
    state = canonical(machine, event.engine)
    found = []
    for name in FIELDS:
        live = event.fields.get(name)
        if live is None:
            continue
        replayed = digest(state[name])
        if live != replayed:
            found.append(_divergence(event, name, "", plain(live), replayed))
    return found


def _by_dump(machine: Machine, event: StateDumped) -> list[Divergence]:
    try:
        live = msgspec.json.decode(bytes(event.state))
    except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError):
        live = None
    if not isinstance(live, dict):
        return [_divergence(event, "state", "", "an unreadable dump", "a state")]
    state = canonical(machine, event.engine)
    found = []
    for name in FIELDS:
        if name in live and live[name] != state[name]:
            path, left, right = first_difference(live[name], state[name], name)
            found.append(_divergence(event, name, path, left, right))
    return found


def first_difference(live: Any, replayed: Any, path: str) -> tuple[str, str, str]:
    """The path of the first item that differs, and both sides there, in words."""
    if isinstance(live, dict) and isinstance(replayed, dict):
        for key in sorted({*live, *replayed}):
            left, right = live.get(key, _Absent), replayed.get(key, _Absent)
            if left != right:
                return first_difference(left, right, f"{path}/{plain(key)}")
    if isinstance(live, list) and isinstance(replayed, list):
        for index in range(max(len(live), len(replayed))):
            left = live[index] if index < len(live) else _Absent
            right = replayed[index] if index < len(replayed) else _Absent
            if left != right:
                return first_difference(left, right, f"{path} position {index}")
    return path, _value(live), _value(replayed)


class _Absent:
    """Stands for what is not there."""


def _value(value: Any) -> str:
    return _NOTHING if value is _Absent else plain(value)


def _divergence(event: Any, name: str, path: str, live: str, replayed: str) -> Divergence:
    return Divergence(
        event.seq, event.engine, event.step, plain(event.at), name, path, live, replayed
    )


__all__ = ["Comparison", "Divergence", "compare", "compare_all", "first_difference"]
