"""Machines whose clocks differ: compared by a handshake, their events come in causal order."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from engines.child import start

from pagewalk.capture.handshake import ask, compare, parse_address, serving
from pagewalk.cli import main
from pagewalk.collect.merge import collect
from pagewalk.errors import PagewalkError
from pagewalk.trace.clocks import clocks
from pagewalk.trace.events import (
    SCHEMA_VERSION,
    ClocksCompared,
    RequestReceived,
    RequestSent,
    SegmentStarted,
)
from pagewalk.trace.read import open_trace
from pagewalk.views.clock import Clock

SECOND = 10**9
OFF = 3_600 * SECOND  # how far node-b's monotonic clock is ahead
WRONG = -7 * SECOND  # how far its wall clock is off: nobody set it right
MESSAGES = 40
Clocked = Callable[[], int]


def ahead() -> int:
    """The monotonic clock of another machine."""
    return time.monotonic_ns() + OFF


class TestHandshake:
    """What is measured is true within the error that is stated."""

    def test_two_clocks(self) -> None:
        with serving("node-b", now=ahead) as address:
            found = ask(address)
        assert found.reference == "node-b"
        assert abs(found.offset - OFF) <= found.error
        assert 0 < found.error < SECOND

    def test_the_quickest_answer_counts(self) -> None:
        """Slow ways there and back are noise; the middle of the shortest is taken."""
        times = iter([0, 1000, 2000, 2010, 3000, 3900])
        answers = iter([(900, 5), (10_002, 20_000), (12_000, 5)])
        assert compare(lambda: next(answers), 3, lambda: next(times)) == (7997, 5, 9998)

    @pytest.mark.parametrize("early", [0, 500, 1000])
    def test_the_bound_is_reached_and_not_passed(self, early: int) -> None:
        """All of the way may have been on one side: then the error is all that is stated."""
        times = iter([0, 1000])
        offset, error, _ = compare(lambda: (early, 0), 1, lambda: next(times))
        assert error == 500
        assert abs(offset) <= error

    def test_nobody_there(self, capsys: pytest.CaptureFixture[str]) -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            place = f"127.0.0.1:{silent.getsockname()[1]}"
            with pytest.raises(PagewalkError, match="Nobody serves a clock"):
                ask(parse_address(place), timeout=0.05)
        assert main(["clock", "ask", place]) == 2
        assert "pagewalk clock serve" in capsys.readouterr().err

    def test_another_service(self) -> None:
        """What greets otherwise is no clock."""
        with socket.create_server(("127.0.0.1", 0)) as other:
            address = other.getsockname()
            child = start("ssh", Path(os.devnull), lambda: other.accept()[0].sendall(b"SSH-2.0\n"))
            with pytest.raises(PagewalkError, match="something else"):
                ask(address)
            child.result()

    @pytest.mark.parametrize(
        ("text", "address"),
        [
            ("node:80", ("node", 80)),
            ("node", ("node", 7325)),
            ("[::1]:80", ("::1", 80)),
            ("::1", ("::1", 7325)),
            ("10.0.0.1:", ("10.0.0.1", 7325)),
        ],
    )
    def test_addresses(self, text: str, address: tuple[str, int]) -> None:
        assert parse_address(text) == address

    @pytest.mark.parametrize("text", ["", ":80", "node:99999"])
    def test_no_addresses(self, text: str) -> None:
        with pytest.raises(PagewalkError, match="no address"):
            parse_address(text)

    def test_commands(self, capsys: pytest.CaptureFixture[str]) -> None:
        """One process serves until it is interrupted, another one asks."""
        command = [sys.executable, "-m", "pagewalk.cli", "clock", "serve", "--host", "node-a"]
        with subprocess.Popen(
            [*command, "--bind", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True
        ) as served:
            assert served.stdout is not None
            told = re.search(r"served at (\S+)", served.stdout.readline())
            assert told
            assert main(["clock", "ask", told[1]]) == 0
            served.send_signal(2)
        assert served.returncode == 130
        assert re.search(r"clock of node-a is [+-][\d,]+ ns from", capsys.readouterr().out)


def record(folder: Path, host: str, clock: str, now: Clocked, play: Callable[[Any], None]) -> None:
    """Record as a process of that host; `play` begins when the clocks were compared."""
    from pagewalk.capture.recorder import Recorder
    from pagewalk.capture.settings import Settings

    recorder = Recorder(Settings(folder, host=host, clock=clock), clock=now)
    recorder.wake()
    (path,) = folder.glob("*.jsonl")
    while clock and b"ClocksCompared" not in path.read_bytes():
        recorder.flush()
    play(recorder)
    recorder.close()


def sender(folder: Path, clock: str, to: int, back: int) -> None:
    """node-a: sends, and waits for the answer."""

    def play(recorder: Any) -> None:
        for number in range(MESSAGES):
            recorder.emit((RequestSent, f"to-{number}", 0))
            os.write(to, b".")
            os.read(back, 1)
            recorder.emit((RequestReceived, f"back-{number}", 0))

    record(folder, "node-a", "", time.monotonic_ns, play)


def answerer(folder: Path, clock: str, to: int, back: int) -> None:
    """node-b: its clocks are other ones, and each message takes longer than a handshake."""
    address, wall = parse_address(clock), time.time_ns
    time.time_ns = lambda: wall() + WRONG

    def play(recorder: Any) -> None:
        for number in range(MESSAGES):
            os.read(to, 1)
            ask(address)
            recorder.emit((RequestReceived, f"to-{number}", 0))
            recorder.emit((RequestSent, f"back-{number}", 0))
            ask(address)
            os.write(back, b".")

    record(folder, "node-b", clock, ahead, play)


def told(trace: Any) -> list[tuple[str, str]]:
    """What was sent and received, in the order of the merged trace."""
    return [
        (type(one.event).__name__, one.segment.request_id(one.event.request))
        for one in trace.merged()
        if isinstance(one.event, RequestSent | RequestReceived)
    ]


def test_causal_order(tmp_path: Path) -> None:
    """Two processes answer each other; no answer comes before its question, nor off by more."""
    to, back = os.pipe(), os.pipe()
    with serving("node-a") as (host, port):
        clock = f"{host}:{port}"
        children = [
            start("a", tmp_path / "a.log", lambda: sender(tmp_path / "a", clock, to[1], back[0])),
            start("b", tmp_path / "b.log", lambda: answerer(tmp_path / "b", clock, to[0], back[1])),
        ]
        for child in children:
            child.result()
    for pipe in (*to, *back):
        os.close(pipe)
    found = collect([str(tmp_path / "a"), str(tmp_path / "b")], str(tmp_path / "all"))
    assert found.clocks.reference == "node-a"
    trace = open_trace(tmp_path / "all")
    want = []
    for number in range(MESSAGES):
        want += [("RequestSent", f"to-{number}"), ("RequestReceived", f"to-{number}")]
        want += [("RequestSent", f"back-{number}"), ("RequestReceived", f"back-{number}")]
    assert told(trace) == want

    # The error is stated, and it is true: what was measured is not further off than that.
    error = trace.clocks.error
    assert error is not None
    assert 0 < error < SECOND
    placed = {one.started.host: one for one in trace.segments if one.started}
    clock_of = Clock(trace)
    gap = clock_of.wall(placed["node-b"], OFF) - clock_of.wall(placed["node-a"], 0)
    assert abs(gap) <= error

    # By their own wall clocks they would have answered before they were asked.
    own = {host: one.started.wall_ns - one.started.t for host, one in placed.items() if one.started}
    assert abs(own["node-a"] - own["node-b"] - OFF) > 6 * SECOND


class TestAlignment:
    """From first lines and comparisons to one time."""

    @staticmethod
    def start(host: str, wall: int, pid: int = 1) -> SegmentStarted:
        return SegmentStarted(0, 0, SCHEMA_VERSION, "r", pid, 0, host, wall, "0", "3.11")

    def test_drift_between_two_comparisons(self) -> None:
        """The clock of b gains 60 us a minute on that of a; halfway it has gained half."""
        minute = 60 * SECOND
        seen = [
            ClocksCompared(1, 10 * minute, "a", -500, 10, 7, 16),
            ClocksCompared(2, 11 * minute, "a", -60_500, 20, 9, 16),
        ]
        found = clocks([(self.start("a", 1), []), (self.start("b", 2), seen)])
        b = found.hosts["b"]
        assert b.wall(21 * minute // 2) == 21 * minute // 2 - 30_500 + 7
        assert b.wall(0) == -500 + 7
        assert b.wall(12 * minute) == 12 * minute - 60_500 + 7
        # Surely no worse than the worse handshake and all of the drift.
        assert (b.error, found.error) == (20 + 60_000, 20 + 60_000)

    def test_an_hour_of_drift_is_not_an_error(self) -> None:
        """It was measured each minute: only what came between two comparisons is unsure."""
        minute = 60 * SECOND
        seen = [ClocksCompared(1, at * minute, "a", -50 * at, 10, 7, 16) for at in range(60)]
        found = clocks([(self.start("a", 1), []), (self.start("b", 2), seen)])
        assert found.error == 60

    def test_two_hosts_that_follow_a_third(self) -> None:
        one, two = (ClocksCompared(1, 5, "head", offset, 30, 7, 16) for offset in (10, 20))
        found = clocks([(self.start("a", 1), [one]), (self.start("b", 2), [two])])
        assert found.error == 60
        assert found.hosts["b"].wall(0) - found.hosts["a"].wall(0) == 10

    def test_a_host_that_did_not_ask(self) -> None:
        """It is placed by its own wall clock, and nobody can say how well."""
        seen = [ClocksCompared(1, 5, "a", 10, 30, 7, 16)]
        found = clocks([(self.start("b", 2), seen), (self.start("c", 3), [])])
        assert found.hosts["c"].wall(0) == 3
        assert found.hosts["c"].error is None
        assert found.error is None

    def test_one_host_has_no_error(self) -> None:
        assert clocks([(self.start("a", 1), [])]).error == 0

    def test_the_surest_of_a_minute(self) -> None:
        seen = [
            ClocksCompared(1, 5, "a", 10, 900, 7, 16),
            ClocksCompared(1, 6, "a", 13, 30, 7, 16),
        ]
        found = clocks([(self.start("a", 1), []), (self.start("b", 2), seen)])
        assert (found.hosts["b"].wall(0), found.error) == (20, 30)


def test_a_peer_that_comes_late(caplog: pytest.LogCaptureFixture) -> None:
    """It is asked again after a while, and its absence is said once."""
    from pagewalk.capture.peer import EVERY, Peer
    from pagewalk.capture.settings import Settings

    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    passed = [0]
    settings = Settings(Path(), host="b", clock=f"127.0.0.1:{port}")
    peer = Peer(settings, lambda: time.monotonic_ns() + passed[0])
    found: list[tuple[Any, ...]] = []
    for _ in range(3):
        passed[0] += EVERY
        peer.ask(found.append)
    assert (found, len(caplog.records)) == ([], 1)
    with serving("a", ("127.0.0.1", port)):
        peer.ask(found.append)
        assert found == []
        passed[0] += EVERY
        peer.ask(found.append)
    assert [one[:2] for one in found] == [(ClocksCompared, "a")]


def test_the_reference_does_not_ask_itself(caplog: pytest.LogCaptureFixture) -> None:
    """The processes on the machine that serves the clock share it."""
    from pagewalk.capture.peer import Peer
    from pagewalk.capture.settings import Settings

    found: list[tuple[Any, ...]] = []
    with serving("a") as (host, port):
        settings = Settings(Path(), host="a", clock=f"{host}:{port}")
        Peer(settings, time.monotonic_ns).ask(found.append)
    assert (found, caplog.records) == ([], [])


def test_a_peer_that_is_not_there_costs_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Recording goes on without comparing, and says so once."""
    from pagewalk.capture.recorder import Recorder
    from pagewalk.capture.settings import Settings

    with socket.create_server(("127.0.0.1", 0)) as gone:
        place = f"127.0.0.1:{gone.getsockname()[1]}"
    recorder = Recorder(Settings(tmp_path, host="a", clock=place))
    recorder.wake()
    recorder.emit((RequestSent, "x", 0))
    while not caplog.records:
        recorder.flush()
    recorder.close()
    assert [one.message for one in caplog.records if "without comparing" in one.message]
    (segment,) = open_trace(tmp_path).segments
    assert segment.ended
    assert [type(one).__name__ for one in segment.events if isinstance(one, RequestSent)]
