"""The segment file: what the disk refuses is kept, and a line once begun is finished."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pagewalk.capture.segment import SegmentFile

Write = Callable[[int, bytes], int]


@pytest.fixture
def segment(tmp_path: Path) -> SegmentFile:
    return SegmentFile(tmp_path / "1-0.jsonl")


def disk(monkeypatch: pytest.MonkeyPatch, *answers: int | OSError) -> None:
    """A disk that takes so many bytes at each call, or raises; after that it takes all."""
    left, write = list(answers), os.write

    def limited(fd: int, data: bytes) -> int:
        answer = left.pop(0) if left else len(data)
        if isinstance(answer, OSError):
            raise answer
        return write(fd, bytes(data)[:answer])

    monkeypatch.setattr(os, "write", limited)


def full() -> OSError:
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class TestWrite:
    """Bytes in the order in which they came, each once."""

    def test_appends(self, segment: SegmentFile) -> None:
        assert segment.write(b"one\n")
        assert segment.write(b"two\n")
        assert segment.path.read_bytes() == b"one\ntwo\n"
        assert not segment.pending

    def test_short_writes_are_finished(
        self, segment: SegmentFile, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        disk(monkeypatch, 1, 2, 3)
        assert segment.write(b"one\ntwo\nthree\n")
        assert segment.path.read_bytes() == b"one\ntwo\nthree\n"

    def test_a_torn_line_is_finished_first(
        self, segment: SegmentFile, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The disk fills up in the middle of a line: nothing may come between its halves."""
        disk(monkeypatch, 6, full(), full())
        assert not segment.write(b"one\ntwo\n")
        assert segment.path.read_bytes() == b"one\ntw"
        assert segment.pending == 2
        assert not segment.write(b"three\n")
        assert segment.write()
        assert segment.path.read_bytes() == b"one\ntwo\nthree\n"

    @pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EFBIG])
    def test_never_raises(
        self, segment: SegmentFile, monkeypatch: pytest.MonkeyPatch, code: int
    ) -> None:
        disk(monkeypatch, OSError(code, os.strerror(code)))
        assert not segment.write(b"one\n")
        assert segment.write(b"two\n")
        assert segment.path.read_bytes() == b"one\ntwo\n"

    def test_writing_to_a_closed_file_is_refused_quietly(self, segment: SegmentFile) -> None:
        segment.close()
        segment.close()
        assert not segment.write(b"one\n")
        assert segment.vanished()

    def test_complains_once_each_time(
        self,
        segment: SegmentFile,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        disk(monkeypatch, full(), full(), 100, full())
        with caplog.at_level(logging.WARNING, "pagewalk"):
            for _ in range(4):
                segment.write(b"line\n")
        assert [record.levelname for record in caplog.records] == ["WARNING"] * 2
        assert "No space left" in caplog.text


class TestFile:
    """One file per process, never another's."""

    def test_an_existing_file_is_not_touched(self, segment: SegmentFile) -> None:
        segment.write(b"one\n")
        with pytest.raises(FileExistsError):
            SegmentFile(segment.path)
        assert segment.path.read_bytes() == b"one\n"

    def test_says_that_it_vanished(self, segment: SegmentFile) -> None:
        assert not segment.vanished()
        segment.path.unlink()
        assert segment.vanished()
        assert segment.write(b"into the void\n")

    def test_a_moved_file_goes_on(self, segment: SegmentFile, tmp_path: Path) -> None:
        (tmp_path / "elsewhere").mkdir()
        moved = segment.path.rename(tmp_path / "elsewhere" / "1-0.jsonl")
        assert not segment.vanished()
        segment.write(b"one\n")
        assert moved.read_bytes() == b"one\n"

    def test_a_fork_writes_nothing_of_its_parent(
        self, segment: SegmentFile, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        disk(monkeypatch, full())
        segment.write(b"the parent's\n")
        child = os.fork()
        if child == 0:
            segment.forget()
            os._exit(segment.pending)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert segment.write()
        assert segment.path.read_bytes() == b"the parent's\n"
