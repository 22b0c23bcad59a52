"""Exports hold the numbers of the views, in a form that the official readers of a format accept."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable, Iterator
from itertools import zip_longest
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from builder import busy_toy, write_trace
from hypothesis import given, settings
from hypothesis import strategies as st
from story import Core, Process, crowded, full_story, write

from pagewalk.cli import main
from pagewalk.trace import events as ev
from pagewalk.trace.read import Trace, open_trace
from pagewalk.views.engines import engines
from pagewalk.views.identity import identities
from pagewalk.views.life import life
from pagewalk.views.perfetto import perfetto
from pagewalk.views.perfetto_tracks import lanes_for
from pagewalk.views.spans_all import Telling
from pagewalk.views.spans_otlp import otlp
from pagewalk.views.steps import steps

FORMATS = ("perfetto", "parquet", "otlp-json")
AT_THE_SOCKET = ("arrived", "received", "dequeued", "abort received", "engine failed")
HOSTILE = "\u202e<b>'\"\\{}\x1b[31m\x00\n" + "x" * 10_000
Say = Callable[..., SimpleNamespace]


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Say:
    """Run a command line; its exit code, stdout and stderr."""

    def run(*words: str | Path) -> SimpleNamespace:
        code = main([str(word) for word in words])
        out, err = capsys.readouterr()
        return SimpleNamespace(code=code, out=out, err=err)

    return run


def two_engines() -> tuple[Process, ...]:
    """Two ranks, each with a worker and a request of its own."""
    found: list[Process] = []
    for rank in (0, 1):
        core = Core(pid=200 + rank, dp_rank=rank)
        core.add(f"r{rank}")
        core.start()
        core.take(f"r{rank}", [1, 2])
        core.end({f"r{rank}": 6}, new={f"r{rank}": 0})
        worker = Process(300 + rank, "worker", parent=200 + rank)
        worker.emit(ev.ExecutionStarted, 1, 0, 1, 6)
        worker.emit(ev.ExecutionEnded, 1, 0, "execute_model", 0)
        core.update(f"r{rank}")
        found += [core, worker]
    return tuple(found)


def busy_front_end() -> tuple[Process, ...]:
    """Two samples of one request, an id used again, a stop string, an abort, an engine's death."""
    front, core = Process(100, "front_end"), Core(num_blocks=40)
    rounds = (("pair", ("0_pair-aa", "1_pair-aa")), ("one", ("one-bb",)), ("one", ("one-cc",)))
    for external, names in rounds:
        front.t = core.t = max(front.t, core.t)
        front.emit(ev.InputProcessed, front.number(external), front.t - 100, 6, 4)
        for name in names:
            front.emit(ev.RequestArrived, front.number(name), external, front.t - 50)
            front.emit(ev.RequestSent, front.number(name), 0, front.t - 10)
            core.t = max(front.t, core.t)
            core.emit(ev.RequestReceived, core.number(name), core.t - 100, 6, 0.0)
            core.emit(ev.RequestDequeued, core.number(name))
            core.add(name)
        for at in range(3):
            core.start()
            core.end(
                dict.fromkeys(names, 1 if at else 6), new={} if at else dict.fromkeys(names, 0)
            )
            core.update(*names)
            front.t = core.t
            front.emit(ev.OutputReceived, front.all(names), [1] * len(names))
            front.emit(ev.Detokenized, front.all(names), front.t - 10, front.all(names[at:][:1]))
            front.emit(ev.Delivered, front.number(external), False, external)
        front.emit(ev.AbortSent, front.all(names))
        # A request with several samples may be given up under the id that they share.
        front.emit(ev.RequestAborted, [front.number(names[0].partition("_")[2] or names[0])])
        core.t = front.t
        core.emit(ev.AbortReceived, core.all(names))
        for name in names:
            core.finish(name, "FINISHED_ABORTED")
        front.t = core.t
        front.emit(ev.Delivered, front.number(external), True, external)
    core.emit(ev.EngineFailed, "log_error_detail")
    return front, core


def skewed() -> tuple[Process, ...]:
    """A front end on a host whose clock is ahead: the core seems to receive what is not sent."""
    front, *others = full_story()
    first = front.events[0]
    assert isinstance(first, ev.SegmentStarted)
    front.events[0] = msgspec.structs.replace(first, host="far", wall_ns=first.wall_ns + 10**6)
    return front, *others


def toy(folder: Path, seed: int = 1, depth: int = 2) -> Trace:
    """A toy engine that preempts, hits and aborts, with steps in flight."""
    made = busy_toy(seed, depth=depth, num_blocks=10)
    return open_trace(write_trace(folder / f"toy{seed}", made.events))


def traces(folder: Path) -> Iterator[Trace]:
    """Traces of all shapes."""
    yield toy(folder)
    yield toy(folder, seed=2, depth=1)
    yield open_trace(write(folder / "crowd", crowded()))
    yield open_trace(write(folder / "full", *full_story()))
    yield open_trace(write(folder / "busy", *busy_front_end()))
    core = Core(t=10_000_000)
    core.emit(ev.RequestReceived, core.number("rust"), core.t, 6, (10**18 + 8_000_000) / 1e9)
    core.add("rust")
    core.start()
    core.take("rust", [1, 2])
    core.end({"rust": 6}, new={"rust": 0})
    core.update("rust")
    yield open_trace(write(folder / "rust", core))
    yield open_trace(write(folder / "skew", *skewed()))
    front, core, _ = full_story()
    front.events = [
        one for one in front.events if type(one) not in (ev.OutputReceived, ev.Delivered)
    ]
    yield open_trace(write(folder / "unanswered", front, core))
    yield open_trace(write(folder / "two", *two_engines()))


def parsed(requests: list[dict[str, Any]]) -> list[Any]:
    """The spans, parsed by OpenTelemetry's own message types.

    The generic JSON reader of protobuf takes bytes as base64. OTLP alone has ids in hexadecimal.
    """
    service = pytest.importorskip("opentelemetry.proto.collector.trace.v1.trace_service_pb2")
    json_format = pytest.importorskip("google.protobuf.json_format")
    found = []
    for request in requests:
        loose = json.loads(json.dumps(request))
        for span in loose["resourceSpans"][0]["scopeSpans"][0]["spans"]:
            for name in ("traceId", "spanId", "parentSpanId"):
                if name in span:
                    span[name] = base64.b64encode(bytes.fromhex(span[name])).decode()
        message = service.ExportTraceServiceRequest()
        json_format.ParseDict(loose, message)
        found.append(message)
    return found


def spans_of(message: Any) -> list[Any]:
    """All spans of an export request."""
    return [
        span
        for resource in message.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


def facts_of(span: Any) -> dict[str, Any]:
    """A span's attributes."""
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in span.attributes}


class TestPhases:
    """The one walk over all requests tells of each what `life` does."""

    def test_durations_and_moments_are_those_of_life(self, tmp_path: Path) -> None:
        """For every request of traces of all shapes."""
        compared = 0
        seen: dict[str, dict[str, int]] = {}
        for trace in traces(tmp_path):
            known, telling = identities(trace), Telling(trace)
            for engine in telling.chosen:
                assert list(telling.steps(engine)) == list(steps(engine))
            for told in telling.requests():
                truth = life(trace, told.engine, known, told.request)
                assert told.durations == truth.durations
                seen[told.request] = told.durations
                assert told.stay is not None
                assert told.stay.num_preemptions == truth.num_preemptions
                assert told.stay.output_tokens == truth.output_tokens
                assert sorted((one.what, one.t, one.start) for one in told.outside) == sorted(
                    (one.what, one.t, one.start)
                    for one in truth.moments
                    if one.role == "front end" or one.what in AT_THE_SOCKET
                )
                groups = [one for one in truth.moments if one.what in ("prefill", "decode")]
                mine = [one for one in told.stay.phases if one.steps]
                assert [(one.kind, one.began, one.first, one.last) for one in mine] == [
                    (one.what, one.start, one.step, one.last_step) for one in groups
                ]
                ends = {(one.what, one.start): one.t for one in groups}
                for one, following in zip_longest(told.stay.phases, told.stay.phases[1:]):
                    edge = following.began if following is not None else one.ended
                    assert one.ended <= edge
                    if one.steps:
                        assert one.ended == min(ends[one.kind, one.began], edge)
                compared += 1
        assert compared > 50
        assert "to_engine" in seen["rust"]

    @given(
        spans=st.lists(
            st.tuples(st.integers(0, 40), st.integers(0, 9)).map(lambda one: (one[0], sum(one)))
        )
    )
    @settings(max_examples=200)
    def test_requests_that_share_a_lane_were_never_there_together(
        self, spans: list[tuple[int, int]]
    ) -> None:
        """And no more lanes are used than requests were there at once."""
        numbers = lanes_for(spans, own=0)
        together = [sum(a <= t <= b for a, b in spans) for t, _ in spans]
        assert len(set(numbers)) == max(together, default=0)
        for at, (began, ended) in enumerate(spans):
            for other in range(at):
                apart = spans[other][1] < began or ended < spans[other][0]
                assert apart or numbers[at] != numbers[other]


class TestPerfetto:
    """The events of the Chrome trace file; the browser tests read them with Perfetto itself."""

    def test_slices_nest_and_arrows_go_forward(self, tmp_path: Path) -> None:
        """Whatever the clocks say; Perfetto drops what does not nest."""
        for trace in traces(tmp_path):
            events = list(perfetto(trace))
            ends: dict[tuple[int, int], list[float]] = {}
            slices = [one for one in events if one["ph"] == "X"]
            for one in sorted(slices, key=lambda one: (one["ts"], -one["dur"])):
                stack = ends.setdefault((one["pid"], one["tid"]), [])
                begin, end = round(one["ts"] * 1000), round((one["ts"] + one["dur"]) * 1000)
                while stack and stack[-1] <= begin:
                    stack.pop()
                assert not stack or end <= stack[-1]
                stack.append(end)
            at: dict[int, float] = {}
            for one in events:
                if one["ph"] in "stf":
                    assert (one["ph"] == "s") == (one["id"] not in at)
                    assert at.get(one["id"], 0) <= one["ts"]
                    at[one["id"]] = one["ts"]

    def test_the_way_to_the_core_is_measured_between_two_clocks(self, tmp_path: Path) -> None:
        """From the sending to the receiving, in the wall time of both hosts."""
        front, core, worker = full_story()
        first = front.events[0]
        assert isinstance(first, ev.SegmentStarted)
        front.events[0] = msgspec.structs.replace(first, host="far", wall_ns=first.wall_ns - 700)
        trace = open_trace(write(tmp_path / "far", front, core, worker))
        (slept,) = (one for one in perfetto(trace) if one["name"] == "in transit")
        sent = next(one.t for one in front.events if type(one) is ev.RequestSent)
        received = next(one.began for one in core.events if type(one) is ev.RequestReceived)
        assert round(slept["dur"] * 1000) == received - sent + 700

    def test_many_requests_share_lanes(self, tmp_path: Path) -> None:
        """A thousand requests, two at a time, are not a thousand lanes."""
        core = Core(num_blocks=12)
        for at in range(1000):
            name = f"r{at}"
            core.add(name)
            core.start()
            core.take(name, [1 + at % 2])
            core.end({name: 6}, new={name: 0})
            core.update(name)
            core.finish(name)
            core.give_back(name, [1 + at % 2])
        events = list(perfetto(open_trace(write(tmp_path / "many", core))))
        lanes = {one["args"]["name"] for one in events if one["name"] == "thread_name"}
        assert lanes == {"steps", "requests, lane 1"}
        names = {one["name"] for one in events if one["ph"] == "X"}
        assert {f"r{at}" for at in range(1000)} <= names

    def test_lanes_of_two_engines_stay_with_their_processes(self, tmp_path: Path) -> None:
        """And --engine leaves the other engine's processes out."""
        trace = open_trace(write(tmp_path / "two", *two_engines()))
        whole = list(perfetto(trace))
        assert {one["pid"] for one in whole} == {200, 201, 300, 301}
        one = list(perfetto(trace, (engines(trace)[1],)))
        assert {event["pid"] for event in one} == {201, 301}
        assert all(event in whole or "tid" in event for event in one)

    def test_a_loss_is_marked(self, tmp_path: Path, say: Say) -> None:
        """What was dropped, and from where on the state is not known; no counter guesses."""
        core = crowded()
        cut = next(at for at, one in enumerate(core.events) if type(one) is ev.BlocksTaken)
        del core.events[cut]
        trace = open_trace(write(tmp_path / "gap", core))
        events = list(perfetto(trace))
        names = [one["name"] for one in events if one["ph"] == "i"]
        assert "events lost" in names
        assert "state unknown" in names
        counted = [one for one in events if one["ph"] == "C" and one["name"] == "free"]
        assert len(counted) == sum(one.free_blocks is not None for one in steps(*engines(trace)))
        said = say("export", trace.path, "--to", "perfetto", "--out", tmp_path / "gap.json")
        assert said.code == 0
        assert "pagewalk: the trace is not whole: 200-0.jsonl has 1 gap(s)" in said.err


class TestOtlp:
    """Spans, read back with OpenTelemetry's message types."""

    def test_parents_exist_times_nest_and_no_request_is_missing(self, tmp_path: Path) -> None:
        """In traces of all shapes."""
        for trace in traces(tmp_path):
            messages = parsed(list(otlp(trace)))
            told = []
            ids: set[bytes] = set()
            for message in messages:
                spans = spans_of(message)
                root = spans[0]
                assert root.parent_span_id == b""
                assert (len(root.trace_id), len(root.span_id)) == (16, 8)
                assert root.start_time_unix_nano <= root.end_time_unix_nano
                told.append(facts_of(root)["pagewalk.request.id"])
                for one in spans[1:]:
                    assert one.parent_span_id == root.span_id
                    assert one.trace_id == root.trace_id
                    assert root.start_time_unix_nano <= one.start_time_unix_nano
                    assert one.start_time_unix_nano <= one.end_time_unix_nano
                    assert one.end_time_unix_nano <= root.end_time_unix_nano
                for event in root.events:
                    assert root.start_time_unix_nano <= event.time_unix_nano
                    assert event.time_unix_nano <= root.end_time_unix_nano
                assert ids.isdisjoint(one.span_id for one in spans)
                ids |= {one.span_id for one in spans}
            assert told == list(identities(trace).requests)

    def test_a_request_over_three_processes(self, tmp_path: Path) -> None:
        """The span lasts from arrival to delivery, in wall time, with the conventions' names."""
        trace = open_trace(write(tmp_path / "full", *full_story()))
        root, *children = spans_of(parsed(list(otlp(trace)))[0])
        truth = life(trace, engines(trace)[0], identities(trace), "chat-aaaa")
        assert root.end_time_unix_nano - root.start_time_unix_nano == truth.durations["total"]
        first = trace.segments[0].started
        assert first is not None
        arrived = next(one.start for one in truth.moments if one.what == "arrived")
        assert root.start_time_unix_nano == first.wall_ns + arrived - first.t
        assert [one.name for one in children] == ["queued", "prefill", "decode"]
        queued = children[0]
        assert queued.end_time_unix_nano - queued.start_time_unix_nano == truth.durations["queued"]
        facts = facts_of(root)
        for name, value in {
            "gen_ai.request.model": "toy",
            "gen_ai.request.max_tokens": 4,
            "gen_ai.request.id": "chat",
            "gen_ai.usage.input_tokens": 6,
            "gen_ai.usage.output_tokens": 3,
            "gen_ai.usage.cache_read.input_tokens": 0,
            "pagewalk.request.id": "chat-aaaa",
        }.items():
            assert facts[name] == value
        reasons = facts["gen_ai.response.finish_reasons"].values
        assert [one.string_value for one in reasons] == ["length"]
        for name, took in truth.durations.items():
            assert facts[f"pagewalk.duration.{name}_ns"] == took

    def test_names_are_those_of_the_conventions(self, tmp_path: Path) -> None:
        """Every `gen_ai` name but vLLM's own is in the published list."""
        names = pytest.importorskip("opentelemetry.semconv._incubating.attributes")
        del names
        from opentelemetry.semconv._incubating.attributes import gen_ai_attributes as known

        published = {one for one in vars(known).values() if isinstance(one, str)}
        trace = open_trace(write(tmp_path / "full", *full_story()))
        written = set(facts_of(spans_of(parsed(list(otlp(trace)))[0])[0]))
        ours = {one for one in written if one.startswith("gen_ai.")}
        assert ours - published == {"gen_ai.request.id"}

    def test_preemption_and_resumption_are_events(self, tmp_path: Path) -> None:
        """In the order in which they came, with the numbers of the views."""
        trace = open_trace(write(tmp_path / "crowd", crowded()))
        messages = parsed(list(otlp(trace)))
        root = next(
            spans_of(one)[0]
            for one in messages
            if facts_of(spans_of(one)[0])["pagewalk.request.id"] == "b"
        )
        names = [one.name for one in root.events]
        assert names == ["first_token", "preempted", "resumed", "prefix_hit"]
        assert facts_of(root.events[1]) == {
            "pagewalk.by": "a",
            "pagewalk.lost_tokens": 8,
            "pagewalk.step": 2,
        }

    def test_each_line_is_one_request_and_the_same_each_time(
        self, tmp_path: Path, say: Say
    ) -> None:
        """As the collector's file receiver reads it; ids depend on the trace only."""
        trace = toy(tmp_path)
        for name in ("one.jsonl", "two.jsonl"):
            assert (
                say("export", trace.path, "--to", "otlp-json", "--out", tmp_path / name).code == 0
            )
        text = (tmp_path / "one.jsonl").read_bytes()
        assert text == (tmp_path / "two.jsonl").read_bytes()
        lines = [json.loads(line) for line in text.splitlines()]
        assert len(lines) == len(identities(trace).requests)
        assert all(list(one) == ["resourceSpans"] for one in lines)


class TestTheCommand:
    """`pagewalk export`."""

    @pytest.mark.parametrize("to", FORMATS)
    def test_hostile_ids_are_data_and_nothing_else(self, tmp_path: Path, say: Say, to: str) -> None:
        """They come back whole, and the file itself is plain ASCII."""
        core = Core()
        core.add(HOSTILE)
        core.start()
        core.take(HOSTILE, [1, 2])
        core.end({HOSTILE: 6}, new={HOSTILE: 0})
        trace, out = write(tmp_path / "trace", core), tmp_path / "out"
        assert say("export", trace, "--to", to, "--out", out).code == 0
        if to == "parquet":
            parquet = pytest.importorskip("pyarrow.parquet")
            table = parquet.read_table(out / "requests.parquet").to_pylist()
            assert [one["request"] for one in table] == [HOSTILE]
        else:
            text = out.read_bytes()
            assert text.isascii()
            assert text.replace(b"\n", b"").decode().isprintable()
        if to == "otlp-json":
            (message,) = parsed([json.loads(out.read_bytes())])
            assert facts_of(spans_of(message)[0])["pagewalk.request.id"] == HOSTILE

    @pytest.mark.parametrize("to", FORMATS)
    def test_a_trace_that_was_killed_can_be_exported(
        self, tmp_path: Path, say: Say, to: str
    ) -> None:
        """Cut at any event or in a line: an export, or one sentence, never a traceback."""
        whole = write(tmp_path / "whole", *full_story()[:2])
        text = (whole / "200-0.jsonl").read_bytes()
        for cut in (0, 5, *range(200, len(text), len(text) // 25), len(text)):
            (whole / "200-0.jsonl").write_bytes(text[:cut])
            said = say("export", whole, "--to", to, "--out", tmp_path / f"out-{to}")
            assert said.code in (0, 2)
            assert said.code == 0 or said.err.count("\n") == 1
            assert "internal" not in said.err

    @pytest.mark.parametrize("to", FORMATS)
    def test_a_lean_trace_has_no_front_end(self, tmp_path: Path, say: Say, to: str) -> None:
        """What is left is the engine, and that is exported."""
        _, core, _ = full_story()
        trace = write(tmp_path / "lean", core, level="lean")
        assert say("export", trace, "--to", to, "--out", tmp_path / "out").code == 0

    def test_a_gz_name_compresses(self, tmp_path: Path, say: Say) -> None:
        """The same text in both."""
        trace = write(tmp_path / "crowd", crowded())
        for name in ("a.json", "a.json.gz"):
            assert say("export", trace, "--to", "perfetto", "--out", tmp_path / name).code == 0
        plain, packed = (tmp_path / "a.json").read_bytes(), (tmp_path / "a.json.gz").read_bytes()
        assert packed[:2] == b"\x1f\x8b"
        assert gzip.decompress(packed) == plain
        assert json.loads(plain)["otherData"]["vllm"] == "0.32.0"

    def test_an_engine_can_be_chosen(self, tmp_path: Path, say: Say) -> None:
        """One that is not there is a mistake; without --engine all are in."""
        trace = write(tmp_path / "two", *two_engines())
        for words, count in (((), 2), (("--engine", "1"), 1)):
            out = tmp_path / "out.jsonl"
            assert say("export", trace, "--to", "otlp-json", "--out", out, *words).code == 0
            assert len(out.read_bytes().splitlines()) == count
        said = say("export", trace, "--to", "otlp-json", "--engine", "7")
        assert (said.code, said.err.count("\n")) == (2, 1)
        assert "--engine 0 to 1" in said.err

    @pytest.mark.parametrize(
        ("words", "sentence"),
        [
            (("--to", "svg"), "svg is no format: write --to perfetto, parquet, otlp-json"),
            (("--to", "perfetto", "--out", "."), "is a directory: --out names a file"),
            (("--to", "perfetto", "--out", "/proc/no/x.json"), "Cannot write /proc/no/x.json"),
            (("--to", "parquet", "--out", "/dev/null"), "Cannot write /dev/null"),
        ],
    )
    def test_mistakes_are_one_sentence(
        self, tmp_path: Path, say: Say, words: tuple[str, ...], sentence: str
    ) -> None:
        """With what to do instead."""
        said = say("export", write(tmp_path / "crowd", crowded()), *words)
        assert (said.code, said.out, said.err.count("\n")) == (2, "", 1)
        assert sentence.lower() in said.err.lower()

    @pytest.mark.parametrize("to", FORMATS)
    def test_the_trace_itself_is_never_written_to(self, tmp_path: Path, say: Say, to: str) -> None:
        """A slip in --out does not cost the trace."""
        trace = write(tmp_path / "crowd", crowded())
        before = {one.name: one.read_bytes() for one in trace.iterdir()}
        said = say("export", trace, "--to", to, "--out", trace / "200-0.jsonl")
        assert (said.code, said.err.count("\n")) == (2, 1)
        assert {one.name: one.read_bytes() for one in trace.iterdir()} == before

    @pytest.mark.parametrize("to", FORMATS)
    def test_absurd_numbers_end_in_a_sentence_or_an_export(
        self, tmp_path: Path, say: Say, to: str
    ) -> None:
        """Times and tokens beyond what a table holds, and ids that are no text."""
        core = crowded()
        last = core.events[-1]
        core.events[-1] = msgspec.structs.replace(last, t=2**64 - 1)
        core.emit(ev.RequestEnqueued, 0, core.number("z"), "WAITING", 2**64 - 1, 2**64 - 1, 1)
        trace = write(tmp_path / "crowd", core)
        text = (trace / "200-0.jsonl").read_bytes()
        (trace / "200-0.jsonl").write_bytes(text.replace(b'"id":"c"', b'"id":"\\ud800"'))
        said = say("export", trace, "--to", to, "--out", tmp_path / "out")
        assert said.code == (2 if to == "parquet" else 0)
        assert "internal" not in said.err
        assert not list(tmp_path.glob("**/*.part"))
        assert to != "parquet" or not list((tmp_path / "out").iterdir())

    def test_a_trace_without_an_engine_is_a_mistake(self, tmp_path: Path, say: Say) -> None:
        """Nothing is written."""
        out = tmp_path / "out.json"
        front = Process(100, "front_end")
        said = say("export", write(tmp_path / "t", front), "--to", "perfetto", "--out", out)
        assert said.code == 2
        assert "no engine core" in said.err
        assert not out.exists()

    def test_nothing_half_written_is_left(
        self, tmp_path: Path, say: Say, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """If writing ends in the middle, the file of before is still there."""
        from pagewalk import cli_export

        def breaks(*_: Any) -> Iterator[dict[str, Any]]:
            yield {"ph": "M"}
            raise KeyboardInterrupt

        trace, out = write(tmp_path / "crowd", crowded()), tmp_path / "out.json"
        out.write_text("before")
        monkeypatch.setattr(cli_export, "perfetto", breaks)
        assert say("export", trace, "--to", "perfetto", "--out", out).code == 130
        assert out.read_text() == "before"
        assert [one.name for one in tmp_path.iterdir() if one.name.endswith(".part")] == []


def test_numbers_of_other_hosts_are_placed_by_their_own_anchor(tmp_path: Path) -> None:
    """A worker on another host, whose monotonic clock began at another time."""
    core = Core()
    core.start()
    core.end({})
    far = Process(300, "worker", parent=200, t=5_000_000_000)
    far.events[0] = msgspec.structs.replace(far.events[0], host="far", wall_ns=10**18 + 9_000_000)
    far.emit(ev.ExecutionStarted, 1, 0, 1, 6)
    far.emit(ev.ExecutionEnded, 1, 0, "execute_model", 0)
    trace = open_trace(write(tmp_path / "far", core, far))
    (ran,) = (one for one in perfetto(trace) if one["name"] == "execute_model")
    started = core.events[0]
    assert isinstance(started, ev.SegmentStarted)
    begin = 9_000_000 + (far.events[2].t - far.events[0].t) - (started.wall_ns - 10**18)
    assert round(ran["ts"] * 1000) == begin
