"""Two machines -> how far their monotonic clocks are apart, as NTP finds it, over TCP.

One machine serves its clock, the others ask. A question is one byte, the answer is the time.
Half of the quickest round trip is the most that the result may be off: the answer was given at
some moment between question and answer, and the middle of them is taken.
"""

from __future__ import annotations

import socket
import socketserver
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pagewalk.errors import PagewalkError, plain

GREETING = b"pagewalk clock 1 "
ROUNDS = 16
PORT = 7325
_MOST = 256  # questions that one connection may ask
_ANSWER = struct.Struct(">qq")
_SECONDS = 1.0  # that a peer may take for one answer

Now = Callable[[], int]


@dataclass(frozen=True, slots=True)
class Compared:
    """What came of asking `reference`: see `trace.clock_events.ClocksCompared`."""

    reference: str
    offset: int
    error: int
    wall_ns: int
    rounds: int


def compare(ask: Callable[[], tuple[int, int]], rounds: int, now: Now) -> tuple[int, int, int]:
    """Ask so many times and keep the quickest answer: (offset, error, wall minus monotonic).

    `ask` returns the other side's (monotonic, wall) nanoseconds; it may be a socket, or a method
    of an actor on another machine.
    """
    best: tuple[int, int, int, int] | None = None
    for _ in range(rounds):
        sent = now()
        there, wall = ask()
        took = now() - sent
        if best is None or took < best[0]:
            best = took, there, wall, sent + took // 2
    if best is None:
        raise ValueError("no round trip was asked for")
    took, there, wall, middle = best
    return there - middle, took - took // 2, wall - there


def ask(
    address: tuple[str, int],
    rounds: int = ROUNDS,
    now: Now = time.monotonic_ns,
    timeout: float = _SECONDS,
) -> Compared:
    """Compare this machine's clock with the one served at `address`.

    Raises:
        PagewalkError: nobody serves a clock there, or not in time.
    """
    try:
        with socket.create_connection(address, timeout) as peer:
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            reference = _greeted(peer)

            def once() -> tuple[int, int]:
                peer.sendall(b"?")
                return _ANSWER.unpack(_exactly(peer, _ANSWER.size))

            offset, error, wall = compare(once, min(rounds, _MOST), now)
    except (OSError, ValueError) as error_:
        cause = getattr(error_, "strerror", None) or error_
        raise PagewalkError(
            "no-clock",
            f"Nobody serves a clock at {plain(address[0])}:{address[1]} ({plain(cause)}): start "
            "`pagewalk clock serve` on the machine that the others should follow.",
        ) from error_
    return Compared(reference, offset, error, wall, rounds)


@contextmanager
def serving(
    host: str, bind: tuple[str, int] = ("127.0.0.1", 0), now: Now = time.monotonic_ns
) -> Iterator[tuple[str, int]]:
    """Serve this machine's clock under the name `host` for the length of a block.

    Yields the address that it is served at; port 0 chooses a free one.
    """
    with _server(host, bind, now) as server:
        thread = threading.Thread(target=server.serve_forever, name="pagewalk-clock", daemon=True)
        thread.start()
        try:
            yield server.server_address[:2]
        finally:
            server.shutdown()
            thread.join()


def serve(host: str, bind: tuple[str, int], ready: Callable[[tuple[str, int]], None]) -> None:
    """Serve this machine's clock until the process is interrupted."""
    with _server(host, bind, time.monotonic_ns) as server:
        ready(server.server_address[:2])
        server.serve_forever()


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    greeting: bytes
    now: Now


class _Answering(socketserver.BaseRequestHandler):
    """One peer: it is told who speaks, and then the time as often as it asks."""

    server: _Server

    def handle(self) -> None:
        peer = self.request
        peer.settimeout(5.0)
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        now = self.server.now
        try:
            peer.sendall(self.server.greeting)
            for _ in range(_MOST):
                if not peer.recv(1):
                    return
                peer.sendall(_ANSWER.pack(now(), time.time_ns()))
        except OSError:
            return


def _server(host: str, bind: tuple[str, int], now: Now) -> _Server:
    try:
        server = _Server(bind, _Answering)
    except (OSError, OverflowError) as error:
        raise PagewalkError(
            "clock-not-served",
            f"The clock cannot be served at {plain(bind[0])}:{bind[1]} "
            f"({getattr(error, 'strerror', None) or error}): name another one with --bind.",
        ) from error
    # A name that holds a line break would end the greeting early.
    server.greeting = GREETING + plain(host, 200).encode() + b"\n"
    server.now = now
    return server


def _greeted(peer: socket.socket) -> str:
    line = b""
    while not line.endswith(b"\n") and len(line) < 300:
        part = peer.recv(1)
        if not part:
            break
        line += part
    if not line.startswith(GREETING) or not line.endswith(b"\n"):
        raise ValueError("it speaks of something else")
    return line[len(GREETING) : -1].decode("ascii", "replace")


def _exactly(peer: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = peer.recv(size - len(data))
        if not part:
            raise ValueError("it hung up")
        data += part
    return data


def parse_address(text: str, port: int = PORT) -> tuple[str, int]:
    """`HOST`, `HOST:PORT` or `[::1]:PORT` as an address.

    Raises:
        PagewalkError: it is none.
    """
    host, colon, number = text.rpartition(":")
    bare = text.count(":") > 1 and not text.startswith("[")
    if not colon or bare or not number.isdecimal():
        host, number = text.removesuffix(":") if not bare else text, ""
    host = host.strip("[]")
    if not host or (number and not 0 <= int(number) < 65536):
        raise PagewalkError("bad-address", f"{plain(text)} is no address: write HOST:{port}.")
    return host, int(number) if number else port


__all__ = ["PORT", "Compared", "ask", "compare", "parse_address", "serve", "serving"]
