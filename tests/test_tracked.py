"""Watched block tables: they behave as the engine's own containers, and tell of each change."""

from __future__ import annotations

import copy
import pickle
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from pagewalk.capture.tracked import TrackedTable, TrackedTables
from pagewalk.trace import events as ev


@dataclass(frozen=True, order=True)
class Block:
    """As much of a `KVCacheBlock` as a table needs."""

    block_id: int


class Follower:
    """The tables as a reader of the events sees them."""

    def __init__(self) -> None:
        self.tables: dict[str, list[Any]] = {}
        self.told: list[tuple[Any, ...]] = []

    def __call__(self, reading: tuple[Any, ...]) -> None:
        self.told.append(reading)
        kind, table, request, *rest = reading
        assert table == 7
        row = self.tables.setdefault(request, [])
        if kind is ev.TableExtended:
            row.extend(rest[0])
        elif kind is ev.TableEntrySet:
            row[rest[0]] = rest[1]
        elif kind is ev.TableReplaced:
            row[:] = rest[0]
        elif kind is ev.TableDropped:
            del self.tables[request]

    def held(self) -> dict[str, list[Any]]:
        """Without empty tables, which nobody is told of."""
        return {request: row for request, row in self.tables.items() if row}


def table(follower: Follower, *ids: int) -> TrackedTable:
    follower.tables["r"] = list(ids)
    return TrackedTable(map(Block, ids), 7, "r", follower)


INDEX = st.integers(-9, 9)
SLICE = st.slices(8)
BLOCKS = st.lists(st.builds(Block, st.integers(0, 9)), max_size=5)
BLOCK = st.builds(Block, st.integers(0, 9))
CHANGES = st.one_of(
    st.tuples(st.just("append"), BLOCK),
    st.tuples(st.just("extend"), BLOCKS),
    st.tuples(st.just("__iadd__"), BLOCKS),
    st.tuples(st.just("__imul__"), st.integers(-1, 3)),
    st.tuples(st.just("insert"), INDEX, BLOCK),
    st.tuples(st.just("pop")),
    st.tuples(st.just("pop"), INDEX),
    st.tuples(st.just("remove"), BLOCK),
    st.tuples(st.just("__setitem__"), INDEX, BLOCK),
    st.tuples(st.just("__setitem__"), SLICE, BLOCKS),
    st.tuples(st.just("__delitem__"), INDEX),
    st.tuples(st.just("__delitem__"), SLICE),
    st.tuples(st.just("reverse")),
    st.tuples(st.just("sort")),
    st.tuples(st.just("clear")),
)


def outcome(thing: Any, change: tuple[Any, ...]) -> Any:
    """What a change returns or raises."""
    name, *arguments = change
    try:
        result = getattr(thing, name)(*arguments)
    except Exception as error:
        return type(error), str(error)
    return list(result) if result is thing else result


class TestTable:
    """A list that tells."""

    @given(BLOCKS, st.lists(CHANGES, max_size=12))
    def test_is_a_list(self, first: list[Block], changes: list[tuple[Any, ...]]) -> None:
        follower = Follower()
        follower.tables["r"] = [block.block_id for block in first]
        watched, plain = TrackedTable(first, 7, "r", follower), list(first)
        for change in changes:
            assert outcome(watched, change) == outcome(plain, change)
            assert watched == plain
            assert follower.tables["r"] == [block.block_id for block in plain]

    def test_every_change_of_a_list_is_watched(self) -> None:
        """A method of `list` that is new some day must be looked at."""
        reading = {"count", "copy", "index"}
        changing = {name for name in dir(list) if not name.startswith("_")} - reading
        in_place = {"__setitem__", "__delitem__", "__iadd__", "__imul__"}
        assert changing | in_place <= set(vars(TrackedTable))

    def test_nothing_is_told_of_nothing(self) -> None:
        follower = Follower()
        table(follower, 1, 2).extend([])
        assert follower.told == []

    def test_extends_by_an_iterator_once(self) -> None:
        follower = Follower()
        watched = table(follower, 1)
        watched.extend(Block(number) for number in (2, 3))
        assert [block.block_id for block in watched] == follower.tables["r"] == [1, 2, 3]

    def test_negative_index_is_told_as_a_place(self) -> None:
        follower = Follower()
        table(follower, 1, 2, 3)[-1] = Block(9)
        assert follower.told == [(ev.TableEntrySet, 7, "r", 2, 9)]

    @pytest.mark.parametrize(
        "duplicate",
        [copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one)), list.copy, list],
        ids=["copy", "deepcopy", "pickle", "list.copy", "list"],
    )
    def test_a_copy_is_plain(self, duplicate: Any) -> None:
        follower = Follower()
        twin = duplicate(table(follower, 1, 2))
        twin.append(Block(3))
        assert type(twin) is list
        assert [block.block_id for block in twin] == [1, 2, 3]
        assert follower.told == []

    def test_what_is_no_block_does_not_raise(self) -> None:
        """The engine goes on; the encoder refuses the reading and says so."""
        follower = Follower()
        watched = table(follower)
        watched.append("no block")
        watched.extend(["nor this", Block(1)])
        watched[0] = None
        assert watched == [None, "nor this", Block(1)]
        assert follower.told[0] == (ev.TableExtended, 7, "r", ["no block"])


class TablesMachine(RuleBasedStateMachine):
    """Watched tables and a plain `defaultdict(list)`, changed alike."""

    def __init__(self) -> None:
        super().__init__()
        self.follower = Follower()
        start = {"a": [Block(1)], "b": []}
        self.follower.tables = {"a": [1], "b": []}
        self.original = defaultdict(list, {name: list(row) for name, row in start.items()})
        self.watched: Any = TrackedTables(self.original, 7, self.follower)
        self.plain: Any = defaultdict(list, {name: list(row) for name, row in start.items()})

    names = st.sampled_from("abc")

    def both(self, change: Any) -> None:
        results = []
        for tables in (self.watched, self.plain):
            try:
                results.append(change(tables))
            except KeyError as error:
                results.append(repr(error))
        assert results[0] == results[1]

    @rule(name=names, change=CHANGES)
    def change_a_table(self, name: str, change: tuple[Any, ...]) -> None:
        self.both(lambda tables: outcome(tables[name], change))

    @rule(name=names, blocks=BLOCKS)
    def add_in_place(self, name: str, blocks: list[Block]) -> None:
        def change(tables: Any) -> bool:
            before = tables[name]
            tables[name] += blocks
            return tables[name] is before

        self.both(change)

    @rule(name=names, blocks=BLOCKS)
    def set_a_table(self, name: str, blocks: list[Block]) -> None:
        self.both(lambda tables: tables.__setitem__(name, list(blocks)))

    @rule(name=names)
    def delete(self, name: str) -> None:
        self.both(lambda tables: tables.__delitem__(name))

    @rule(name=names)
    def pop(self, name: str) -> None:
        self.both(lambda tables: tables.pop(name))

    @rule(name=names)
    def pop_or(self, name: str) -> None:
        self.both(lambda tables: tables.pop(name, None))

    @rule()
    def popitem(self) -> None:
        self.both(lambda tables: tables.popitem())

    @rule(name=names, blocks=BLOCKS)
    def setdefault(self, name: str, blocks: list[Block]) -> None:
        self.both(lambda tables: tables.setdefault(name, list(blocks)))

    @rule(name=names, blocks=BLOCKS)
    def update(self, name: str, blocks: list[Block]) -> None:
        self.both(lambda tables: tables.update({name: list(blocks)}, c=list(blocks)))

    @rule(name=names, blocks=BLOCKS)
    def merge_in_place(self, name: str, blocks: list[Block]) -> None:
        def change(tables: Any) -> bool:
            before = tables
            tables |= {name: list(blocks)}
            return tables is before

        self.both(change)

    @rule(name=names)
    def read(self, name: str) -> None:
        self.both(lambda tables: (tables.get(name), name in tables, len(tables)))

    @rule()
    def clear(self) -> None:
        self.both(lambda tables: tables.clear())

    @invariant()
    def are_the_same(self) -> None:
        assert self.watched == self.plain
        assert list(self.watched) == list(self.plain)
        ids = {n: [block.block_id for block in row] for n, row in self.plain.items() if row}
        assert self.follower.held() == ids

    def teardown(self) -> None:
        restored = self.watched.restored()
        assert restored is self.original
        assert type(restored) is defaultdict
        assert restored == self.plain
        assert all(type(row) is list for row in restored.values())


TestTables = TablesMachine.TestCase


class TestTablesCopied:
    """A copy tells nobody."""

    @staticmethod
    def tables(follower: Follower) -> TrackedTables:
        follower.tables["r"] = [1]
        return TrackedTables({"r": [Block(1)]}, 7, follower)

    @pytest.mark.parametrize(
        "duplicate", [copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))]
    )
    def test_deep(self, duplicate: Any) -> None:
        follower = Follower()
        twin = duplicate(self.tables(follower))
        assert type(twin) is defaultdict
        assert type(twin["r"]) is list
        twin["r"].append(Block(2))
        twin["s"].append(Block(3))
        assert follower.told == []

    @pytest.mark.parametrize("duplicate", [copy.copy, defaultdict.copy, TrackedTables.copy])
    def test_shallow_shares_the_tables(self, duplicate: Any) -> None:
        """As of any dictionary: the copy is another one, the lists in it are the same."""
        follower = Follower()
        watched = self.tables(follower)
        twin = duplicate(watched) if duplicate is not defaultdict.copy else watched.copy()
        assert type(twin) is defaultdict
        assert twin["r"] is watched["r"]
        del twin["r"]
        twin["s"].append(Block(3))
        assert follower.told == []
        assert "r" in watched

    def test_every_change_of_a_dictionary_is_watched(self) -> None:
        reading = {"copy", "fromkeys", "get", "items", "keys", "values", "default_factory"}
        changing = {name for name in dir(defaultdict) if not name.startswith("_")} - reading
        in_place = {"__setitem__", "__delitem__", "__ior__", "__missing__"}
        assert changing | in_place <= set(vars(TrackedTables))
