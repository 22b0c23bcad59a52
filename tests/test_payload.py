"""The player's file: what its header says, the same bytes each time, whatever the trace holds."""

from __future__ import annotations

import gzip
import json
import struct
from pathlib import Path
from typing import Any

import pytest
from builder import busy_toy, renumbered, write_trace
from hypothesis import given
from hypothesis import strategies as st
from mutate import mutated
from story import Core, full_story, lone, write
from toy import ToyEngine
from toy_workers import with_workers

from pagewalk.errors import PagewalkError
from pagewalk.trace import events as ev
from pagewalk.trace.codec import encode
from pagewalk.trace.read import Trace, open_trace
from pagewalk.views.engines import engines
from pagewalk.views.executed import held
from pagewalk.views.identity import identities
from pagewalk.views.moments import moments
from pagewalk.views.payload import payload
from pagewalk.views.payload_columns import MAGIC, SCHEMA, column, pack
from pagewalk.views.payload_workers import SAME


def parts(data: bytes) -> tuple[dict[str, Any], bytes]:
    """The header of a payload and what follows it."""
    raw = gzip.decompress(data)
    magic, (schema, length) = raw[:4], struct.unpack("<II", raw[4:12])
    assert (magic, schema) == (MAGIC, SCHEMA)
    return json.loads(raw[12 : 12 + length]), raw[12 + length :]


def values(data: bytes, name: str) -> list[int]:
    """A column, decoded as its description in the header says."""
    header, body = parts(data)
    spec = next(one for one in header["columns"] if one["name"] == name)
    width = {"u8": 1, "u16": 2, "u32": 4, "f64": 8}[spec["dtype"]]
    raw = body[spec["offset"] : spec["offset"] + width * spec["length"]]
    if spec["dtype"] == "f64":
        out = [int(one) for one in struct.unpack(f"<{spec['length']}d", raw)]
    else:
        planes = [raw[at * spec["length"] : (at + 1) * spec["length"]] for at in range(width)]
        out = [
            sum(byte << 8 * at for at, byte in enumerate(one)) for one in zip(*planes, strict=True)
        ]
    if spec["zigzag"]:
        out = [one >> 1 if one % 2 == 0 else -(one + 1) // 2 for one in out]
    if spec["delta"]:
        for at in range(1, len(out)):
            out[at] += out[at - 1]
    return out


def opened(folder: Path, toy: ToyEngine) -> Trace:
    """The toy's history as a trace."""
    return open_trace(write_trace(folder, toy.lines()))


def first(trace: Trace, **options: Any) -> bytes:
    """The payload of the first engine."""
    return payload(trace, engines(trace)[0], **options)


class TestColumns:
    """Numbers and bytes."""

    @given(
        st.lists(st.integers(-(2**51), 2**51), max_size=40),
        st.sampled_from(({"signed": True}, {"delta": True})),
    )
    def test_any_numbers_come_back(self, numbers: list[int], how: dict[str, bool]) -> None:
        """However they were folded."""
        assert values(pack({}, [column("a", numbers, **how)]), "a") == numbers

    @given(st.lists(st.integers(0, 2**40), max_size=40))
    def test_the_smallest_width_holds_all(self, numbers: list[int]) -> None:
        """Whole numbers as they are, and every column begins at a multiple of eight."""
        data = pack({"odd": "é" * len(numbers)}, [column("a", numbers), column("b", [1, 2, 3])])
        assert values(data, "a") == numbers
        assert values(data, "b") == [1, 2, 3]
        header, body = parts(data)
        begin = len(gzip.decompress(data)) - len(body)
        assert [(begin + one["offset"]) % 8 for one in header["columns"]] == [0, 0]


class TestHeader:
    """What a page can say without looking at a frame."""

    def test_frames_are_the_steps_and_two_ends(self, tmp_path: Path) -> None:
        """Frame 0, one for each step, and the end of the trace."""
        toy = busy_toy(0, steps=30)
        data = first(opened(tmp_path / "trace", toy))
        steps = values(data, "step")
        assert steps == [0, *range(1, toy.step + 1), toy.step]
        assert parts(data)[0]["frames"] == len(steps)
        assert sorted(values(data, "time")) == values(data, "time")

    def test_pools_tables_and_queues_are_named(self, tmp_path: Path) -> None:
        """With what the player needs to know of each."""
        toy = ToyEngine(num_blocks=9, windows=(0, 6), policy="priority")
        header = parts(first(opened(tmp_path / "trace", toy)))[0]
        (pool,) = header["pools"]
        assert (pool["first"], pool["size"], pool["null_block"]) == (0, 9, 0)
        assert [one["group"] for one in header["tables"]] == [0, 1]
        assert ("waiting", "priority") in [(one["name"], one["policy"]) for one in header["queues"]]

    def test_verdict_is_passed_on(self, tmp_path: Path) -> None:
        """The player shows what the report judged."""
        verdict = {"laws": [], "digests": {"compared": 3, "divergences": 0}}
        trace = opened(tmp_path / "trace", busy_toy(0, steps=3))
        assert parts(first(trace, verdict=verdict))[0]["verdict"] == verdict
        assert parts(first(trace))[0]["verdict"] is None

    def test_sources_have_the_lines_of_the_engine_that_ran(self, tmp_path: Path) -> None:
        """A line where the trace knows it, 0 where it does not."""
        target = "vllm.v1.core.block_pool:BlockPool.touch"
        core = Core()
        core.emit(ev.ProbesInstalled, "blocks", [target], {}, {target: 321})
        sources = {"BlocksTouched": target, "BlocksFreed": "vllm.a:B.c"}
        trace = open_trace(write(tmp_path / "trace", core))
        told = parts(payload(trace, lone(trace), sources=sources))[0]["sources"]
        assert told == {
            "BlocksTouched": {
                "symbol": "BlockPool.touch",
                "file": "vllm/v1/core/block_pool.py",
                "line": 321,
            },
            "BlocksFreed": {"symbol": "B.c", "file": "vllm/a.py", "line": 0},
        }


class TestBytes:
    """One trace, one file."""

    def test_are_the_same_each_time(self, tmp_path: Path) -> None:
        """Also from another copy of the trace: no time and no path is in them."""
        toy = busy_toy(3, steps=30)
        one = first(opened(tmp_path / "here", toy))
        other = first(opened(tmp_path / "there", toy))
        assert one == other
        assert str(tmp_path).encode() not in gzip.decompress(one)

    def test_steady_decoding_costs_next_to_nothing(self, tmp_path: Path) -> None:
        """Ten times as many steps of the same requests write no segment more."""
        counts = []
        for tokens in (20, 200):
            toy = ToyEngine(num_blocks=400, budget=64)
            for _ in range(4):
                toy.add(prompt=4, max_tokens=tokens)
            toy.run(400)
            trace = opened(tmp_path / str(tokens), toy)
            counts.append(sum(values(first(trace), "seg_count")))
        assert counts[0] == counts[1]


class TestWorkers:
    """Batches of workers cost what they tell, and nothing where there are none."""

    def test_without_batches_nothing_is_said_of_them(self, tmp_path: Path) -> None:
        """Neither in the header nor as columns."""
        header, _ = parts(first(opened(tmp_path / "trace", busy_toy(0, steps=20))))
        assert "workers" not in header
        assert not [one for one in header["columns"] if one["name"].startswith("worker")]

    def test_steady_decoding_lists_no_row(self, tmp_path: Path) -> None:
        """Neither rows nor slots: both follow from the batch before and the scheduler's table."""
        listed = []
        for tokens in (20, 200):
            toy = ToyEngine(num_blocks=400, budget=64)
            for _ in range(4):
                toy.add(prompt=4, max_tokens=tokens)
            toy.run(400)
            path = with_workers(tmp_path / str(tokens), toy, troubles=(), moves=0)
            data = first(open_trace(path))
            assert values(data, "worker_odd_at") == []
            assert set(values(data, "worker_verdict")) == {SAME}
            listed.append(len(values(data, "worker_row")))
        assert listed[0] == listed[1] > 0

    def test_batches_of_steps_that_nobody_scheduled_are_counted(self, tmp_path: Path) -> None:
        """They are in no frame, and not forgotten."""
        path = with_workers(tmp_path / "trace", busy_toy(0, steps=20), ranks=1, troubles=())
        file = path / "5000-0.jsonl"
        text = file.read_bytes()
        file.write_bytes(text.replace(b'"step":3,', b'"step":90000,'))
        data = first(open_trace(path))
        (lane,) = parts(data)[0]["workers"]
        assert (lane["rank"], lane["process"], lane["lost"]) == (0, 5000, 1)
        assert values(data, "worker_count")[3] == 0

    def test_what_differs_is_said_in_the_words_of_the_check(self, tmp_path: Path) -> None:
        """One sentence for each batch that differs, however long the ids in it are."""
        toy = busy_toy(0, steps=3)
        toy.add(name="x" * 10_000, prompt=9)
        toy.run(60)
        path = with_workers(tmp_path / "trace", toy, ranks=1, troubles=("slots",))
        trace = open_trace(path)
        data = first(trace)
        words = parts(data)[0]["words"]
        said = [words[one] for one in values(data, "worker_said")]
        wanted = [one.found[1] for one in held(trace, engines(trace)[0]) if one.found]
        assert said
        assert [one for one in said if len(one) < 400] == [one for one in wanted if len(one) < 400]
        assert all(len(one) <= 401 for one in said)
        assert max(map(len, wanted)) > 10_000


class TestAnyTrace:
    """A payload comes out of every trace that has an engine."""

    def test_without_a_step(self, tmp_path: Path) -> None:
        """Two frames: the beginning and the end."""
        data = first(opened(tmp_path / "trace", ToyEngine()))
        assert values(data, "step") == [0, 0]
        assert parts(data)[0]["names"] == []

    def test_with_hostile_ids(self, tmp_path: Path) -> None:
        """Ids come through as they are: who shows them must see to them."""
        names = ["</script>", "\u202e\u2066", "'\"\\", "x" * 10_000, "\U0001f600", "__proto__"]
        toy = ToyEngine()
        for name in names:
            toy.add(name=name)
        toy.run()
        assert parts(first(opened(tmp_path / "trace", toy)))[0]["names"] == names

    def test_with_several_engines(self, tmp_path: Path) -> None:
        """Each engine has its own file with its own requests."""
        one = busy_toy(1, steps=20)
        two = busy_toy(2, steps=20, engine=1, events=one.events)
        trace = open_trace(write_trace(tmp_path / "trace", two.lines()))
        heads = [parts(payload(trace, engine))[0] for engine in engines(trace)]
        assert [head["engine"] for head in heads] == [0, 1]
        assert [head["pools"][0]["pool"] for head in heads] == [0, 1]
        assert [len(head["pools"]) for head in heads] == [1, 1]
        assert [len(head["names"]) for head in heads] == [one.numbered, two.numbered - 1000]

    def test_with_lost_lines(self, tmp_path: Path) -> None:
        """Frames from the loss on say why they are not known, those before it say nothing."""
        events = busy_toy(0, steps=30).events
        at = [n for n, one in enumerate(events) if type(one) is ev.StepScheduled][10]
        lines = [encode(one) for one in events[: at + 1]] + [
            encode(one) for one in events[at + 3 :]
        ]
        trace = open_trace(write_trace(tmp_path / "trace", lines))
        data = first(trace)
        words = parts(data)[0]["words"]
        unknown = [words[one] for one in values(data, "unknown")]
        assert unknown[:12] == [""] * 12
        assert all("missing" in one for one in unknown[12:])
        assert len(unknown) > 20

    @pytest.mark.parametrize("seed", range(6))
    def test_with_nonsense(self, seed: int, tmp_path: Path) -> None:
        """Events that name what does not exist end the known part, and nothing else."""
        events = busy_toy(seed, steps=20).events
        strange = [
            ev.BlocksTaken(0, 0, 0, [99_999]),
            ev.TableEntrySet(0, 0, 0, 1, 77, 3),
            ev.TableExtended(0, 0, 5, 1, [1]),
            ev.QueuePopped(0, 0, 9, 1),
            ev.RequestFinished(0, 0, 0, 12_345, "FINISHED_STOPPED", 1, 1),
            ev.BlocksFreed(0, 0, 0, [-1]),
        ][seed]
        middle = len(events) // 2
        mixed = renumbered([*events[:middle], strange, *events[middle:]])
        trace = open_trace(write_trace(tmp_path / "trace", mixed))
        data = first(trace)
        assert parts(data)[0]["words"][values(data, "unknown")[-1]] != ""
        assert values(data, "unknown")[1] == values(data, "unknown")[0]

    @pytest.mark.parametrize("seed", range(80))
    def test_with_any_damage(self, seed: int, tmp_path: Path) -> None:
        """A trace that can be read at all can be played; engines may be gone, nothing else."""
        toy = busy_toy(seed % 4, steps=20, windows=((0,), (0, 6))[seed % 2], num_blocks=24)
        lines = [encode(one) for one in toy.events]
        _, text = mutated(lines, seed)
        try:
            trace = open_trace(write_trace(tmp_path / "trace", [text]))
        except PagewalkError:
            return
        for engine in engines(trace):
            frames = values(payload(trace, engine), "step")
            assert len(frames) >= 2

    def test_with_a_dump_after_a_loss(self, tmp_path: Path) -> None:
        """Known again, and the pool is written whole."""
        toy = busy_toy(2, steps=30, dumps="full")
        events = toy.events
        at = [n for n, one in enumerate(events) if type(one) is ev.StepScheduled][8]
        kept = [*events[:at], *events[at + 1 :]]
        trace = open_trace(write_trace(tmp_path / "trace", [encode(one) for one in kept]))
        data = first(trace)
        head = parts(data)[0]
        assert head["codes"].index("load") in values(data, "op_code")
        unknown = [head["words"][one] for one in values(data, "unknown")]
        assert unknown[-1] == ""


class TestMoments:
    """What happened to a request in all processes."""

    def test_are_those_of_the_view(self, tmp_path: Path) -> None:
        """Looked up in one pass over the trace, for all requests at once."""
        trace = open_trace(write(tmp_path / "trace", *full_story()))
        data, known = first(trace), identities(trace)
        head = parts(data)[0]
        counts, what = values(data, "moment_count"), values(data, "moment_what")
        when = values(data, "moment_time")
        start = min(one.events[0].t for one in trace.segments)
        assert head["names"]
        at = 0
        for name, count in zip(head["names"], counts, strict=True):
            told = [(head["moment_words"][what[n]], when[n] + start) for n in range(at, at + count)]
            at += count
            outside = [one for one in told if one[0] not in ("enqueued", "finished")]
            wanted = moments(trace, name, known.external(name))
            assert outside == [(one.what, one.t) for one in wanted]
            assert wanted
            assert "enqueued" in dict(told)


def test_every_kind_of_fact_has_an_event() -> None:
    """The names that the player looks for in the source are names of events."""
    from pagewalk.views.payload_facts import KINDS

    assert {event for event, _ in KINDS.values()} <= set(ev.BY_NAME)


def test_exits_are_declared_with_their_places(tmp_path: Path) -> None:
    """An exit leads to its own line of the source."""
    trace = open_trace(write(tmp_path / "trace", Core()))
    sites = parts(payload(trace, lone(trace)))[0]["sites"]
    declared = [
        one for event in engines(trace)[0].segment.facts_of(ev.ExitsDeclared) for one in event.sites
    ]
    assert [(one["line"], one["kind"]) for one in sites] == [
        (one.line, one.kind) for one in declared
    ]
    assert sites
