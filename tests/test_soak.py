"""`make soak`: a hundred thousand snapshots, none of which differs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SOAK = Path(__file__).parent.parent / "benchmarks" / "soak.py"


@pytest.mark.engine
@pytest.mark.slow
def test_a_hundred_thousand_snapshots() -> None:
    assert subprocess.run([sys.executable, str(SOAK)], check=False).returncode == 0
