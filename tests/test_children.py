"""The forked children that the engine tests run in: what comes back, and when."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from engines import child
from engines.child import ChildFailedError, start


def test_a_result_that_is_fetched_late(tmp_path: Path) -> None:
    """More than a pipe holds, and asked for after the time limit: the child did its work."""
    words = ["word"] * 50_000
    one = start("early", tmp_path / "log", lambda: words, timeout=0.0)
    assert one.result() == words


def test_a_child_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "GRACE", 0.1)
    one = start("endless", tmp_path / "log", signal.pause, timeout=0.1)
    with pytest.raises(ChildFailedError, match="endless was still running at its time limit"):
        one.result()


def test_a_child_that_raises(tmp_path: Path) -> None:
    one = start("wrong", tmp_path / "log", lambda: [][0])
    with pytest.raises(ChildFailedError, match="IndexError"):
        one.result()
