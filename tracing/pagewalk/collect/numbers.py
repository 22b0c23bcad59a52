"""Segments of several hosts -> numbers that no two processes share.

A process number means something on its own machine alone, and a host's name is only as good as
whoever gave it. Where two machines clash, the later one's numbers are raised by a round amount,
so that 123 of the second machine is 10000123: still to be read, and never lost in the other.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import msgspec

from pagewalk.trace.events import SegmentStarted

RAISE = 10_000_000  # above the largest process number that Linux gives
_SAME_CLOCK = 1_000_000_000  # nanoseconds: machines do not start within the same second


@dataclass(frozen=True, slots=True)
class Group:
    """The processes of one host as one source has them; `number` 0 is as they called themselves.

    `name` stands for the host where two machines have the same name.
    """

    host: str
    anchor: int
    pids: frozenset[int]
    parents: frozenset[int]
    files: frozenset[str]
    number: int = 0
    name: str = ""

    def pid(self, pid: int) -> int:
        """The number that stands for a process of this group."""
        return pid + self.number * RAISE if 0 <= pid < RAISE else pid

    def start(self, start: SegmentStarted) -> SegmentStarted:
        """The first line of one of its segments, with its numbers and its name."""
        pid, parent = self.pid(start.pid), self.pid(start.parent_pid)
        return msgspec.structs.replace(start, pid=pid, parent_pid=parent, host=self.name)


def group(starts: Iterable[tuple[str, SegmentStarted]]) -> dict[str, Group]:
    """The groups of one source by host, from the file names and first lines of its segments."""
    hosts: dict[str, list[tuple[str, SegmentStarted]]] = {}
    for name, start in starts:
        hosts.setdefault(start.host, []).append((name, start))
    return {host: _group(host, found) for host, found in hosts.items()}


def settle(one: Group, earlier: list[Group]) -> Group:
    """The group with a name and numbers of its own among those that came before it."""
    one = replace(one, name=_name(one, earlier))
    number = 0
    while any(_clash(replace(one, number=number), other) for other in earlier):
        number += 1
    return replace(one, number=number)


def _group(host: str, found: list[tuple[str, SegmentStarted]]) -> Group:
    first = min((start for _, start in found), key=lambda one: one.t)
    return Group(
        host,
        first.wall_ns - first.t,
        frozenset(start.pid for _, start in found),
        frozenset(start.parent_pid for _, start in found),
        frozenset(name for name, _ in found),
        name=host,
    )


def _name(one: Group, earlier: list[Group]) -> str:
    """Its own, unless a machine with another clock has that: one name is one clock."""
    taken: dict[str, int] = {}
    for other in earlier:
        taken.setdefault(other.name, other.anchor)
    name, count = one.host, 1
    while name in taken and abs(taken[name] - one.anchor) > _SAME_CLOCK:
        count += 1
        name = f"{one.host} ({count})"
    return name


def _clash(one: Group, other: Group) -> bool:
    """Whether a number of one would mean a process of the other.

    Two sources of one machine may hold an engine and its workers: there, only two files of one
    name are two processes (of two containers, which count their processes apart).
    """
    if one.name == other.name:
        return one.number == other.number and bool(one.files & other.files)
    ours, theirs = _numbers(one, one.pids), _numbers(other, other.pids)
    return not (
        ours.isdisjoint(theirs | _numbers(other, other.parents))
        and theirs.isdisjoint(_numbers(one, one.parents))
    )


def _numbers(one: Group, pids: frozenset[int]) -> set[int]:
    return {one.pid(pid) for pid in pids}


__all__ = ["Group", "group", "settle"]
