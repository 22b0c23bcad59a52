"""The life of a request over all processes, and the list of all requests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from builder import write_trace
from story import Core, Process, crowded, full_story, write
from toy import ToyEngine

from pagewalk.trace import events as ev
from pagewalk.trace.read import Trace, open_trace
from pagewalk.views.engines import engines
from pagewalk.views.identity import identities, resolve
from pagewalk.views.life import Life, life
from pagewalk.views.requests import requests


@pytest.fixture
def open_story(tmp_path: Path) -> Callable[..., Trace]:
    """Write processes down and open the trace."""
    return lambda *processes, **header: open_trace(write(tmp_path / "trace", *processes, **header))


class TestLife:
    """One request over all processes."""

    def live(self, trace: Trace, request: str) -> Life:
        """Its life."""
        known = identities(trace)
        place = known.requests[request].engine
        engine = next(
            (one for one in engines(trace) if (one.segment.name, one.number) == place), None
        )
        return life(trace, engine, known, request)

    def test_from_arrival_to_delivery(self, open_story: Callable[..., Trace]) -> None:
        """Every station, in order, with the process it was in."""
        told = self.live(open_story(*full_story()), "chat-aaaa")
        assert [(one.what, one.pid) for one in told.moments] == [
            ("arrived", 100),
            ("input processed", 100),
            ("sent", 100),
            ("received", 200),
            ("dequeued", 200),
            ("enqueued", 200),
            ("admitted", 200),
            ("prefill", 200),
            ("decode", 200),
            ("first output received", 100),
            ("finished", 200),
            ("last output received", 100),
            ("delivered", 100),
        ]
        assert told.front_end
        assert (told.external, told.output_tokens, told.status) == (
            "chat",
            3,
            "FINISHED_LENGTH_CAPPED",
        )

    def test_steps_are_grouped(self, open_story: Callable[..., Trace]) -> None:
        """Prefill chunks in one, decodes in one, each with the model's time."""
        told = self.live(open_story(*full_story()), "chat-aaaa")
        (prefill,) = [one for one in told.moments if one.what == "prefill"]
        (decode,) = [one for one in told.moments if one.what == "decode"]
        assert (prefill.step, prefill.last_step, prefill.facts["chunks"]) == (1, 2, "4+2")
        assert (decode.step, decode.last_step, decode.facts["output"]) == (3, 4, 2)
        assert prefill.facts["model"] == 2 * 2000

    def test_durations_fit_together(self, open_story: Callable[..., Trace]) -> None:
        """They are what lies between the moments."""
        told = self.live(open_story(*full_story()), "chat-aaaa")
        parts = told.durations
        by = {one.what: one for one in told.moments}
        assert parts["total"] == by["delivered"].t - by["arrived"].start
        assert parts["to_engine"] == by["enqueued"].t - by["arrived"].start
        assert parts["queued"] == by["admitted"].start - by["enqueued"].t
        assert parts["first_token"] == parts["to_engine"] + parts["queued"] + parts["prefill"]
        assert all(value >= 0 for value in parts.values())

    def test_two_samples_share_their_front_end(self, open_story: Callable[..., Trace]) -> None:
        """The prompt is processed once; delivery names the request as a whole."""
        front, core = Process(100, "front_end"), Core()
        user = front.number("pair")
        front.emit(ev.InputProcessed, user, 1, 6, 4)
        for name in ("0_pair-cccc", "1_pair-cccc"):
            front.emit(ev.RequestArrived, front.number(name), "pair")
            core.add(name)
        front.emit(ev.Delivered, front.number("pair-cccc"), True, "pair")
        trace = open_story(front, core)
        for name in ("0_pair-cccc", "1_pair-cccc"):
            what = [one.what for one in self.live(trace, name).moments]
            assert {"arrived", "input processed", "enqueued", "delivered"} <= set(what)

    def test_an_id_used_again_is_another_request(self, open_story: Callable[..., Trace]) -> None:
        """What the front end says of the user's id belongs to the request of that time."""
        front, core = Process(100, "front_end"), Core()
        user = front.number("chat")
        for name, tokens in (("chat-aaaa", 5), ("chat-bbbb", 7)):
            front.emit(ev.InputProcessed, user, front.t, tokens, 4)
            front.emit(ev.RequestArrived, front.number(name), "chat")
            front.emit(ev.Delivered, user, True, "chat")
            core.add(name, prompt=tokens)
        trace = open_story(front, core)
        assert resolve(identities(trace), "chat") == ("chat-aaaa", "chat-bbbb")
        for name, tokens in (("chat-aaaa", 5), ("chat-bbbb", 7)):
            told = self.live(trace, name).moments
            assert [one.facts["tokens"] for one in told if one.what == "input processed"] == [
                tokens
            ]
            assert sum(one.what == "delivered" for one in told) == 1

    def test_without_a_python_front_end(self, open_story: Callable[..., Trace]) -> None:
        """A Rust front end leaves no event: the life is complete from the engine core on, and
        the arrival is known by its wall clock."""
        _, core, worker = full_story()
        at = next(i for i, e in enumerate(core.events) if isinstance(e, ev.RequestReceived))
        wall = (10**18 + core.events[at].t - core.events[0].t) / 1e9 - 0.25
        core.events[at] = msgspec.structs.replace(core.events[at], arrival=wall)
        told = self.live(open_story(core, worker), "chat-aaaa")
        assert not told.front_end
        assert (told.moments[0].what, told.moments[0].facts["clock"]) == ("arrived", "wall")
        assert abs(told.durations["to_engine"] - 250_000_000) < 1_000_000
        assert [one.what for one in told.moments][-1] == "finished"

    def test_a_clock_that_cannot_be_right_is_not_used(
        self, open_story: Callable[..., Trace]
    ) -> None:
        """An arrival years ago, or after the receipt, is no arrival."""
        for arrival in (1.0, 4e9):
            _, core, _ = full_story()
            at = next(i for i, e in enumerate(core.events) if isinstance(e, ev.RequestReceived))
            core.events[at] = msgspec.structs.replace(core.events[at], arrival=arrival)
            told = self.live(open_story(core), "chat-aaaa")
            assert told.moments[0].what == "received"

    def test_preempted_and_resumed(self, open_story: Callable[..., Trace]) -> None:
        """In the order of a life, each with its numbers."""
        told = self.live(open_story(crowded()), "b")
        assert [one.what for one in told.moments] == [
            "enqueued",
            "admitted",
            "prefill",
            "preempted",
            "waiting",
            "resumed",
            "prefill",
        ]
        lost = next(one for one in told.moments if one.what == "preempted").facts
        assert (lost["by"], lost["lost"], lost["rehit"], lost["recomputed"]) == ("a", 8, 4, 4)
        assert told.status == "unfinished"
        assert told.durations["preempted"] > 0

    def test_never_reached_an_engine(self, open_story: Callable[..., Trace]) -> None:
        """A request that was only ever in the front end."""
        front = Process(100, "front_end")
        front.emit(ev.RequestArrived, front.number("x-aaaa"), "x")
        front.emit(ev.RequestAborted, [front.number("x-aaaa")])
        told = self.live(open_story(front, Core()), "x-aaaa")
        assert told.engine is None
        assert [one.what for one in told.moments] == ["arrived", "given up by the client"]

    def test_stop_string(self, open_story: Callable[..., Trace]) -> None:
        """The front end finds it and has the core abort: both are told."""
        front, core = Process(100, "front_end"), Core()
        own = front.number("x-aaaa")
        front.emit(ev.RequestArrived, own, "x")
        core.add("x-aaaa")
        front.emit(ev.Detokenized, [own], front.t, [own])
        front.emit(ev.AbortSent, [own])
        core.emit(ev.AbortReceived, [core.number("x-aaaa")])
        core.finish("x-aaaa", "FINISHED_ABORTED")
        trace = open_story(front, core)
        what = [one.what for one in self.live(trace, "x-aaaa").moments]
        assert {"stop string found", "abort sent", "abort received", "finished"} <= set(what)
        assert [one.stop_string for one in requests(trace)] == [True]


class TestRequests:
    """The list of all requests."""

    def test_one_row_each(self, open_story: Callable[..., Trace]) -> None:
        """With what happened to it, whether it finished or not."""
        rows = {one.request: one for one in requests(open_story(crowded()))}
        assert list(rows) == ["a", "b", "c"]
        assert (rows["a"].status, rows["b"].status) == ("FINISHED_LENGTH_CAPPED", "unfinished")
        assert [rows[name].num_preemptions for name in "abc"] == [0, 1, 0]
        assert (rows["a"].first_step, rows["a"].last_step) == (1, 4)
        assert rows["c"].first_step is None

    def test_numbers_may_change(self, tmp_path: Path) -> None:
        """After a loss the recorder numbers ids anew: the row is still one."""
        toy = ToyEngine()
        toy.add("x", prompt=6, max_tokens=6)
        toy.turn()
        toy.name_again()
        toy.run()
        (row,) = requests(open_trace(write_trace(tmp_path / "t", toy.lines())))
        assert (row.status, row.first_step) == ("FINISHED_LENGTH_CAPPED", 1)
        assert (row.last_step or 0) > 1
