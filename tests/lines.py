"""A trace directory -> its lines as plain data: read without pagewalk's own reader."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def lines_of(segment: Path) -> list[dict[str, Any]]:
    """The lines of one segment; every one of them must be a JSON object, the last one ended."""
    text = segment.read_bytes()
    assert text.endswith(b"\n")
    lines = [json.loads(line) for line in text.split(b"\n")[:-1]]
    assert all(isinstance(line, dict) for line in lines)
    assert [line["seq"] for line in lines] == list(range(len(lines)))
    return lines


def segments_of(directory: Path) -> list[Path]:
    """The segments of a trace, in the order in which they were begun."""
    return sorted(directory.glob("*.jsonl"), key=lambda path: lines_of(path)[0]["wall_ns"])


def kinds(lines: list[dict[str, Any]]) -> list[str]:
    """The names of the events."""
    return [line["e"] for line in lines]


def only(lines: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    """The events of one name."""
    return [line for line in lines if line["e"] == kind]


def bytes_of(directory: Path) -> bytes:
    """All that lies in a trace directory, file names included."""
    files = [path for path in sorted(directory.rglob("*")) if path.is_file()]
    return b"\n".join(
        str(path.relative_to(directory)).encode() + path.read_bytes() for path in files
    )
