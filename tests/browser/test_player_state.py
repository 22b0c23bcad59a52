"""The player's state in a real browser is the state that replay has, field by field, at any step.

Steps are visited in random order, so that every way to reach a frame is used: change by change
forwards and backwards, and by search from far away.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from builder import busy_toy, write_trace
from conftest import Site
from engines.cases import CASES
from engines.run import Runs
from engines.workload import play, random_plan, settled
from mutate import mutated

from pagewalk.errors import PagewalkError
from pagewalk.replay.timeline import Timeline
from pagewalk.trace.codec import encode
from pagewalk.trace.read import open_trace
from pagewalk.views import payload_places
from pagewalk.views.engines import Engine, engines
from pagewalk.views.payload import payload
from pagewalk.views.walk import Walk

SHAPE: dict[str, Any] = {
    "groups": "full",
    "policy": "fcfs",
    "num_blocks": 30,
    "block_size": 8,
    "max_num_batched_tokens": 64,
    "max_num_seqs": 6,
    "async_scheduling": False,
    "prefix_caching": True,
    "watermark": 0.0,
    "chunked": True,
    "reserve_full_sequence": False,
    "long_prefill_token_threshold": 0,
    "num_spec_tokens": 0,
    "max_loras": 0,
    "defer_frees": False,
    "log_stats": False,
}
BEDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "uncached": {"prefix_caching": False},
    "priority": {"policy": "priority", "num_blocks": 16},
    "async": {"async_scheduling": True},
    "drafts": {"num_spec_tokens": 2},
    "drafts_async": {"num_spec_tokens": 2, "async_scheduling": True},
    "hybrid": {"groups": "hybrid", "num_blocks": 60},
    "hybrid_sizes": {"groups": "hybrid_sizes", "num_blocks": 60},
    "window": {"groups": "swa"},
    "mamba": {"groups": "mamba_align", "num_blocks": 60},
    "deferred": {"async_scheduling": True, "defer_frees": True},
    "whole": {"reserve_full_sequence": True, "chunked": False},
}
LOAD = """async (url) => {
  const { load } = await import('/player/model.js');
  window.model = await load(await (await fetch(url)).arrayBuffer());
}"""
# As text: what carries values out of the page drops the key "__proto__".
AT = """(steps) => JSON.stringify(steps.map((step) => {
  const m = model.seek(model.frameOfStep(step));
  return {
    step: m.step(m.frame), state: m.snapshot(), unknown: m.unknown, budget: m.budget,
    shares: m.shares().map((one) => [m.name(one.request), one.tokens, one.admission, one.drafts]),
    owned: Array.from(m.owner, (r, b) => r < 0 ? null : [b, m.name(r), m.slot[b]]).filter(Boolean),
    facts: m.facts(m.frame).map((one) => ({ ...one, request: m.name(one.request) ?? null,
      other: m.name(one.other) ?? null })),
  };
}))"""


def record(folder: Path, shape: dict[str, Any], seed: int = 0, digest: str = "off") -> Path:
    """A random workload on the real scheduler, traced."""
    from pagewalk.capture import tracing

    plan = replace(random_plan(seed, 70), shape=settled({**SHAPE, **shape}))
    with tracing(folder, digest=digest, strict=True):
        play(plan)
    return folder


def lose(folder: Path, seed: int) -> None:
    """Take lines away here and there, and all but a few of the dumps that bring certainty back."""
    rng = random.Random(seed)
    file = next(folder.glob("*.jsonl"))
    kept, dumps = [], 0
    for number, line in enumerate(file.read_bytes().splitlines(keepends=True)):
        if b'"e":"StateDumped"' in line:
            dumps += 1
            if dumps % 5:
                continue
        elif number > 100 and rng.random() < 0.004:
            continue
        kept.append(line)
    file.write_bytes(b"".join(kept))


def expected(state: dict[str, Any]) -> dict[str, Any]:
    """The state as the player tells it: a block is hashed or not, its hashes stay in the trace."""
    hashes = state.pop("hashes")
    hashed = {
        pool: sorted({b for bs in keys.values() for b in bs}) for pool, keys in hashes.items()
    }
    return {**state, "hashed": hashed}


class Compared:
    """One engine's player and replay, step by step."""

    def __init__(self, site: Site, engine: Engine, data: bytes) -> None:
        self.page = site.open()
        self.page.evaluate(LOAD, site.put("/data", data, "application/octet-stream"))
        self.engine = engine
        self.timeline = Timeline(engine.segment, engine.number)

    def visit(self, most: int = 150, seed: int = 7) -> tuple[int, int]:
        """Compare up to `most` steps, out of order; how many are known and how many are not."""
        steps = list(self.timeline.steps)
        random.Random(seed).shuffle(steps)
        # Neighbours, too: half of the way is gone back and forth by single steps.
        steps = [one for step in steps[:most] for one in (step, step + 1, step)]
        steps = [one for one in steps if one in set(self.timeline.steps)][:most]
        known = 0
        for found in json.loads(self.page.evaluate(AT, steps)):
            snapshot = self.timeline.at(found["step"], "scheduled")
            assert found["unknown"] == snapshot.lost, found["step"]
            if snapshot.lost:
                assert found["state"] is None
                continue
            known += 1
            wanted = expected(dict(snapshot.state))
            for field, value in wanted.items():
                assert found["state"][field] == value, (found["step"], field)
            assert set(found["state"]) == set(wanted)
            self._owners(found, snapshot.state["tables"])
        return known, len(steps) - known

    def _owners(self, found: dict[str, Any], tables: dict[str, Any]) -> None:
        """With one pool, each block in a table is owned by one who holds it at that place."""
        if len(self.engine.pools) > 1:
            return
        null = self.engine.pools[0].null_block
        held: dict[int, set[tuple[str, int]]] = {}
        for rows in tables.values():
            for name, row in rows.items():
                for slot, block in enumerate(row):
                    held.setdefault(block, set()).add((name, slot))
        held.pop(null, None)
        owned = {block: (name, slot) for block, name, slot in found["owned"]}
        assert set(owned) == set(held), found["step"]
        assert all(one in held[block] for block, one in owned.items()), found["step"]


@pytest.fixture
def compared(site: Site) -> Callable[[Path], list[Compared]]:
    """Load each engine of a trace into the player."""

    def begin(path: Path) -> list[Compared]:
        trace = open_trace(path)
        return [Compared(site, one, payload(trace, one)) for one in engines(trace)]

    return begin


Compare = Callable[[Path], list[Compared]]


@pytest.mark.engine
@pytest.mark.usefixtures("vllm_imported")
class TestRealScheduler:
    """The engine's own scheduler, with made-up tokens."""

    @pytest.mark.parametrize("name", BEDS)
    def test_every_kind_of_engine(self, name: str, compared: Compare, tmp_path: Path) -> None:
        """Caching on and off, policies, drafts, windows, hybrid groups: no field differs."""
        (player,) = compared(record(tmp_path / "trace", BEDS[name], [*BEDS].index(name)))
        known, unknown = player.visit()
        assert (known > 60, unknown) == (True, 0)

    @pytest.mark.parametrize("policy", ["fcfs", "priority"])
    def test_long_lines_are_not_looked_through(
        self, policy: str, compared: Compare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The order of long queues comes from the events alone, and is as exact."""
        monkeypatch.setattr(payload_places, "_SHORT", -1)
        (player,) = compared(record(tmp_path / "trace", {"policy": policy, "num_blocks": 14}, 5))
        assert player.visit()[1] == 0

    def test_preemptions_and_hits_are_among_what_is_compared(
        self, compared: Compare, tmp_path: Path
    ) -> None:
        """What the other tests compare is no quiet life."""
        (player,) = compared(record(tmp_path / "trace", BEDS["plain"], 0))
        marks = player.page.evaluate("Object.entries(model.marks).map(([k, v]) => [k, v.length])")
        assert all(count > 0 for _, count in marks), marks

    def test_lost_events_are_said_and_nothing_else_is(
        self, compared: Compare, tmp_path: Path
    ) -> None:
        """After a loss the player claims no state until a dump, and is exact from there on."""
        folder = record(tmp_path / "trace", BEDS["plain"], 3, digest="full")
        lose(folder, 1)
        (player,) = compared(folder)
        known, unknown = player.visit(400)
        assert known > 20
        assert unknown > 20

    @pytest.mark.parametrize("name", ["plain", "async", "drafts", "priority"])
    def test_facts_and_shares_are_those_of_the_steps(
        self, name: str, compared: Compare, tmp_path: Path
    ) -> None:
        """Who got tokens, who was preempted for whom, who was refused, which exits were taken."""
        (player,) = compared(record(tmp_path / "trace", BEDS[name], [*BEDS].index(name)))
        steps = list(Walk(player.engine))
        found = json.loads(player.page.evaluate(AT, [one.step for one in steps]))
        for step, told in zip(steps, found, strict=True):
            shares = [
                [one.request, one.tokens, one.admission, one.drafts] for one in step.scheduled
            ]
            assert told["shares"] == shares, step.step
            assert told["budget"] == {"used": step.used, "budget": step.budget}
            facts = {kind: [] for kind in ("preempted", "refused", "exit", "hit", "missed")}
            for fact in told["facts"]:
                facts.setdefault(fact["kind"], []).append(fact)
            wanted = [(one.request, one.by) for one in (*step.preempted_before, *step.preempted)]
            assert [(one["request"], one["other"]) for one in facts["preempted"]] == wanted
            assert [one["values"]["required"] for one in facts["refused"]] == [
                one.required for one in step.refused
            ]
            assert [(one["values"]["kind_name"], one["request"]) for one in facts["exit"]] == [
                (one.kind, one.request) for one in step.exits
            ]
            lookups = [one for one in told["facts"] if one["kind"] in ("hit", "missed")]
            assert [one["values"]["hit"] for one in lookups] == [one.hit for one in step.lookups]


@pytest.mark.engine
class TestRealEngine:
    """An engine with a model, one process."""

    def test_no_field_differs(self, runs: Runs, request: pytest.FixtureRequest) -> None:
        """Preemption with a real model; the browser starts only after the engine has ended."""
        path = runs.trace(next(one for one in CASES if one.name == "uncached"))
        (player,) = request.getfixturevalue("compared")(path)
        known, unknown = player.visit(100)
        assert (known > 50, unknown) == (True, 0)


class TestToyEngine:
    """Histories that no engine of the matrix makes."""

    def test_two_engines_in_one_process(self, compared: Compare, tmp_path: Path) -> None:
        """Each has its own pools, tables, queues and step numbers."""
        first = busy_toy(1, steps=30)
        second = busy_toy(2, steps=30, engine=1, events=first.events, policy="priority")
        players = compared(write_trace(tmp_path / "trace", second.lines()))
        assert len(players) == 2
        assert all(player.visit(80)[1] == 0 for player in players)

    @pytest.mark.parametrize("windows", [(0,), (0, 6), (5,)])
    def test_windows(self, windows: tuple[int, ...], compared: Compare, tmp_path: Path) -> None:
        """Tables whose entries become the null block."""
        toy = busy_toy(4, steps=50, windows=windows, num_blocks=24)
        (player,) = compared(write_trace(tmp_path / "trace", toy.lines()))
        assert player.visit(100)[1] == 0

    def test_damaged_histories(self, compared: Compare, tmp_path: Path) -> None:
        """Lines lost, doubled, swapped and falsified: what replay can follow, the player can."""
        known = unknown = 0
        for seed in range(30):
            toy = busy_toy(seed % 5, steps=20, windows=((0,), (0, 6))[seed % 2], num_blocks=24)
            _, text = mutated([encode(one) for one in toy.events], seed)
            try:
                players = compared(write_trace(tmp_path / str(seed), [text]))
            except PagewalkError:
                continue
            for player in players:
                more = player.visit(12)
                known, unknown = known + more[0], unknown + more[1]
        assert known > 100
        assert unknown > 20

    def test_hostile_ids_come_through(self, compared: Compare, tmp_path: Path) -> None:
        """Ids that are markup, quotes, marks that turn the text round, or very long."""
        toy = busy_toy(0, steps=5)
        names = ["</script><b>", "\"'`\\", "\u202eid\u2066", "x" * 10_000, "\x00\n", "__proto__"]
        for name in names:
            toy.add(name=name)
        toy.run(200)
        (player,) = compared(write_trace(tmp_path / "trace", toy.lines()))
        player.visit(100)
        assert set(names) <= set(player.page.evaluate("model.header.names"))
        found = player.page.evaluate(
            "model.find('x'.repeat(9000)).map((r) => model.name(r).length)"
        )
        assert found == [10_000]


class TestDamage:
    """Files that are no payload."""

    @pytest.mark.parametrize(
        ("what", "change"),
        [
            ("not a recording", lambda _: b"<html>"),
            ("damaged", lambda data: data[: len(data) // 2]),
            ("damaged", lambda data: data[:200] + bytes(50) + data[250:]),
        ],
    )
    def test_is_told_in_one_sentence(
        self, what: str, change: Callable[[bytes], bytes], site: Site, tmp_path: Path
    ) -> None:
        """An Error with a sentence, and no half-made model."""
        trace = open_trace(write_trace(tmp_path / "trace", busy_toy(0, steps=20).lines()))
        data = change(payload(trace, engines(trace)[0]))
        url = site.put("/data", data, "application/octet-stream")
        told = site.open().evaluate(f"(url) => ({LOAD})(url).catch((error) => error.message)", url)
        assert what in told
        assert told.endswith(".")
