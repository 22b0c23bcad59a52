"""Readings -> a segment: a bounded buffer on the engine's threads, a writer thread beside them."""

from __future__ import annotations

import atexit
import logging
import os
import platform
import secrets
import socket
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

from pagewalk import __version__
from pagewalk.capture.buffer import BUFFER_LIMIT, Buffer
from pagewalk.capture.encoder import Encoder
from pagewalk.capture.header import claim_directory, release
from pagewalk.capture.peer import Peer
from pagewalk.capture.segment import SegmentFile
from pagewalk.capture.settings import Settings
from pagewalk.trace import events as ev

logger = logging.getLogger("pagewalk")

# Each round costs the engine a wake-up and cold caches: at 0.05 s the writer took half as much
# processor time again. A kill -9 loses what came since.
FLUSH_SECONDS = 0.2
IDLE_SECONDS = 0.25
BATCH = 20_000  # readings encoded at a time
ENGINE_FACTS = (ev.EngineConfigured, ev.PoolCreated, ev.TablesCreated, ev.QueueCreated)
PATIENCE = 5.0  # seconds that the engine waits, at its end, for a disk that hangs


class Recorder:
    """One per process. `emit` is the hot path; everything else happens off the step path.

    It opens its segment on the first `wake`, that is when the process takes a role: processes
    that merely load the plugin leave no file. After a fork the child starts afresh.
    """

    def __init__(
        self,
        settings: Settings,
        clock: Callable[[], int] = time.monotonic_ns,
        limit: int = BUFFER_LIMIT,
    ) -> None:
        self.settings = settings
        self.now = clock
        self.lost = 0  # grows with each loss: what replay knew before it is no longer so
        self.salt = secrets.token_bytes(16)
        self.broken: str | None = None
        self._buffer = Buffer(clock, limit)
        self._encoder = Encoder(self.salt)
        self._file: SegmentFile | None = None
        self._thread: threading.Thread | None = None
        self._wanted = threading.Event()
        self._stopping = False
        self._lock = threading.Lock()
        self._segments = 0
        self._refusals: dict[int, tuple[str, ...]] = {}
        self._prologue: list[tuple[Any, ...]] = []
        self._inherited: list[tuple[Any, ...]] = []
        self._muted = False
        self._finalizer: Any = None
        self._born = (clock(), time.time_ns())
        self.emit = self._buffer.emit

    def declare(self, reading: tuple[Any, ...]) -> None:
        """Emit a fact that every further segment of this process must repeat (a fork's child)."""
        self._prologue.append(reading)
        self.emit(reading)

    def refusal_sites(self, sites: dict[int, tuple[str, ...]]) -> None:
        """Sites whose marks mean that `allocate_slots` refused, with the names of their values."""
        self._refusals.update(sites)

    def wake(self) -> bool:
        """Open the segment and start the writer, if that has not happened in this process."""
        if self._thread is not None and self._thread.is_alive():
            return True
        with self._lock:
            if self.broken is not None or self._stopping:
                return False
            if self._thread is not None and self._thread.is_alive():
                return True
            try:
                if self._muted:
                    self._buffer.restart()
                    self._muted = False
                self._open()
                self._start()
            except Exception as error:
                self._break(getattr(error, "strerror", None) or str(error))
                return False
        return True

    def flush(self) -> None:
        """Write everything emitted so far; a disk that hangs holds the caller up no longer."""
        if self._lock.acquire(timeout=PATIENCE):
            try:
                self._drain()
            finally:
                self._lock.release()

    def close(self, reason: str = "closed") -> None:
        """Write what is left and end the segment in order."""
        if self._file is None or self._stopping:
            return
        self._stopping = True
        self._wanted.set()
        thread, self._thread = self._thread, None
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout=PATIENCE)
        if self._lock.acquire(timeout=PATIENCE):
            try:
                self._finish(reason)
            finally:
                self._lock.release()
        self._buffer.shut()
        atexit.unregister(self.close)
        if self._finalizer is not None:
            self._finalizer.cancel()

    def follow_forks(self) -> None:
        """Start afresh in forked children. The handler holds the recorder only weakly."""
        reference = weakref.ref(self)

        def in_child() -> None:
            recorder = reference()
            if recorder is not None:
                recorder.forked()

        os.register_at_fork(after_in_child=in_child)

    def forked(self) -> None:
        """In the child: what the parent buffered is the parent's; start afresh when woken."""
        self._lock = threading.Lock()
        self._wanted = threading.Event()
        # A child that never takes a role must not gather what nobody will write.
        self._buffer.shut()
        self._muted = True
        self._thread = self._finalizer = None
        self._stopping = False
        self._segments = 0
        self._born = (self.now(), time.time_ns())
        if self._file is not None:
            self._file.forget()
            self._file = None
        self._inherited += [one for one in self._prologue if one[0] in ENGINE_FACTS]
        self._prologue = [one for one in self._prologue if one[0] not in ENGINE_FACTS]
        if self._inherited:
            self.lost += 1

    def inherit(self) -> None:
        """In a child that goes on with an engine of its parent: introduce it, its state unknown."""
        inherited, self._inherited = self._inherited, []
        if self.wake() and inherited:
            for fact in inherited:
                self.declare(fact)
            self.emit((ev.Dropped, 0, "forked"))

    def _start(self) -> None:
        from multiprocessing.util import Finalize

        self._thread = threading.Thread(target=self._run, name="pagewalk", daemon=True)
        self._thread.start()
        atexit.register(self.close)
        # A process forked by multiprocessing ends without atexit.
        self._finalizer = Finalize(None, self.close, exitpriority=0)

    def _open(self) -> None:
        """A new segment: who speaks, and all that was declared before."""
        directory, run = claim_directory(self.settings)
        while True:
            path = directory / f"{os.getpid()}-{self._segments}.jsonl"
            self._segments += 1
            try:
                file = SegmentFile(path)
                break
            except FileExistsError:
                continue
        self._file = file
        self._encoder = Encoder(self.salt)
        self._encoder.refusals = self._refusals
        held = self._buffer.identities()
        opening = [self._started(run), *(one for one in self._prologue if id(one) not in held)]
        file.write(self._encoder.lines([(self._born[0], one) for one in opening]))

    def _started(self, run: str) -> tuple[Any, ...]:
        return (
            ev.SegmentStarted,
            ev.SCHEMA_VERSION,
            run,
            os.getpid(),
            os.getppid(),
            self.settings.host or socket.gethostname(),
            self._born[1],
            __version__,
            platform.python_version(),
            release(),
            self.settings.level,
            self.settings.digest,
            self.settings.record_tokens,
        )

    def _run(self) -> None:
        wait = FLUSH_SECONDS
        wanted, thread = self._wanted, threading.current_thread()
        peer = Peer(self.settings, self.now)
        while not self._stopping and self._thread is thread:
            try:
                peer.ask(self.emit)
                wanted.wait(wait)
                with self._lock:
                    wait = FLUSH_SECONDS if self._drain() else IDLE_SECONDS
            except Exception as error:
                self._break(f"{type(error).__name__}: {error}")
                return

    def _drain(self) -> bool:
        """Encode and write what is buffered; whether there was anything.

        While the disk refuses, readings stay in the buffer: what cannot be kept is refused there,
        and counted in its place.
        """
        if self._file is None:
            return False
        if self._file.vanished() and not self._reopen():
            return False
        if not self._file.write():
            return False
        rounds = -(-len(self._buffer) // BATCH)
        for _ in range(rounds):
            if not self._write(self._buffer.take(BATCH)):
                return True
        refused = self._buffer.refused()
        if refused:
            self.lost += refused
            self._tell(ev.Dropped, refused, "buffer_full")
        return rounds > 0

    def _write(self, batch: list[Any]) -> bool:
        assert self._file is not None
        lines = self._encoder.lines(batch)
        self.lost += self._encoder.take_failures()
        return self._file.write(lines)

    def _tell(self, *reading: Any) -> None:
        """Write one reading at once, past the buffer."""
        self._write([(self.now(), reading)])

    def _reopen(self) -> bool:
        """The segment was removed: begin another one, with the state to follow."""
        old = self._file
        assert old is not None
        try:
            self._open()
        except OSError as error:
            old.complain(error)
            return False
        old.close()
        self.lost += 1
        self._tell(ev.Dropped, 0, "segment_removed")
        return True

    def _finish(self, reason: str) -> None:
        file = self._file
        if file is None:
            return
        self._drain()
        if left := len(self._buffer):
            self._tell(ev.Dropped, left, "disk")
        self._tell(ev.SegmentEnded, reason)
        if self._file is not None and self._file.pending:
            logger.warning("pagewalk could not write the end of %s", self._file.path)
        file.close()
        if self._file is not None:
            self._file.close()
        self._file = None

    def _break(self, why: str) -> None:
        """Nothing can be recorded any more: say so once, and cost nothing from here on."""
        self.broken = why
        self._buffer.shut()
        logger.warning(
            "pagewalk cannot write a trace to %s (%s); the engine goes on untraced",
            self.settings.directory,
            why,
        )
