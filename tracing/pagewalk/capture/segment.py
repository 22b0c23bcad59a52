"""Lines -> one append-only file per process, whatever happens to the disk.

Nothing here raises into the engine. What cannot be written is kept up to a bound, then dropped
and counted, and the count is written as soon as writing works again.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

logger = logging.getLogger("pagewalk")

PENDING_LIMIT = 32 * 1024 * 1024  # bytes kept while the disk refuses them


class SegmentFile:
    """An append-only file opened once, written with `os.write`, torn lines closed off."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)
        self._torn = False
        self._pending = b""
        self._told = False

    def vanished(self) -> bool:
        """Whether the file was removed under us: writing on would go nowhere."""
        try:
            return os.fstat(self._fd).st_nlink == 0
        except OSError:
            return True

    def write(self, data: bytes) -> int:
        """Write what is pending and `data`. Returns how many lines had to be dropped."""
        self._pending += data
        if not self._pending:
            return 0
        try:
            self._write_pending()
        except OSError as error:
            self._tell(error)
        if len(self._pending) <= PENDING_LIMIT:
            return 0
        dropped = self._pending.count(b"\n")
        # A line of which a part is in the file must end before the next one begins.
        self._pending = b"\n" if self._torn else b""
        return dropped

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def forget(self) -> None:
        """Close this process's copy after a fork, without writing what the parent has pending."""
        self._pending = b""
        self.close()

    def _write_pending(self) -> None:
        while self._pending:
            done = os.write(self._fd, self._pending)
            self._torn = self._pending[done - 1 : done] != b"\n"
            self._pending = self._pending[done:]
        self._told = False

    def _tell(self, error: OSError) -> None:
        if self._told:
            return
        self._told = True
        logger.warning(
            "pagewalk cannot write %s (%s); the engine goes on, up to %d MiB of events are kept "
            "and later ones dropped until writing works again",
            self.path,
            os.strerror(error.errno or 0),
            PENDING_LIMIT // 2**20,
        )
