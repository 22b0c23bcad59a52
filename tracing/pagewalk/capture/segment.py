"""Lines -> one append-only file per process, whatever happens to the disk.

Nothing here raises into the engine. What the disk refuses is kept and tried again; as long as
anything is kept, the caller holds back the next lines.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

logger = logging.getLogger("pagewalk")


class SegmentFile:
    """An append-only file opened once, written with `os.write`: a line once begun is finished."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)
        self._pending = bytearray()
        self._told = False

    @property
    def pending(self) -> int:
        """Bytes that the disk has not taken yet."""
        return len(self._pending)

    def vanished(self) -> bool:
        """Whether the file was removed under us: writing on would go nowhere."""
        try:
            return os.fstat(self._fd).st_nlink == 0
        except OSError:
            return True

    def write(self, data: bytes = b"") -> bool:
        """Write what is pending, then `data`; whether the disk took all of it."""
        self._pending += data
        try:
            while self._pending:
                done = os.write(self._fd, self._pending)
                del self._pending[:done]
        except OSError as error:
            self.complain(error)
            return False
        self._told = False
        return True

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def forget(self) -> None:
        """Close this process's copy after a fork, without writing what the parent has pending."""
        self._pending.clear()
        self.close()

    def complain(self, error: OSError) -> None:
        """Log, once until writing works again, that the disk refuses."""
        if self._told:
            return
        self._told = True
        logger.warning(
            "pagewalk cannot write %s (%s); the engine goes on, events are kept as long as there "
            "is room for them, and what is lost after that will be said in the trace",
            self.path,
            os.strerror(error.errno or 0),
        )


__all__ = ["SegmentFile"]
