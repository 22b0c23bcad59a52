"""Pages -> the player's data for every trace that a `trace` fence names, written before a build.

    python -m pagewalk.pages.payloads walkthroughs

A file is written again only when its trace, or the code that makes it, is another one.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import struct
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from pagewalk.errors import PagewalkError, plain
from pagewalk.pages.facts import substitute
from pagewalk.pages.fences import blocks
from pagewalk.pages.once import looked_once
from pagewalk.pages.runs import run_of
from pagewalk.pages.sources import SOURCES
from pagewalk.pages.stem import find_walk, payload_path, trace_path
from pagewalk.pages.trace_fence_body import LANGUAGE, read_trace
from pagewalk.views.engines import pick_engine
from pagewalk.views.payload import payload
from pagewalk.views.payload_columns import MAGIC

_MADE_BY = ("pages/sources.py", "replay", "trace", "views")


def ensure_payload(docs: Path, stem: str, engine: int = 0) -> Path:
    """The player's file for one engine of a trace, made if it is missing or of another trace."""
    trace, target = trace_path(docs, stem), payload_path(docs, stem, engine)
    key = target.with_name(f".{target.name}.key")
    wanted = _made_from(trace)
    try:
        if key.read_text(encoding="ascii") == f"{wanted} {_digest(target.read_bytes())}":
            return target
    except (OSError, UnicodeDecodeError):
        pass
    opened = run_of(trace).trace
    data = payload(opened, pick_engine(opened, engine), sources=SOURCES)
    target.parent.mkdir(parents=True, exist_ok=True)
    _write(target, data)
    _write(key, f"{wanted} {_digest(data)}".encode("ascii"))
    return target


def requests_in(file: Path) -> int:
    """How many requests a payload shows: those of its engine, not all of the trace."""
    data = gzip.decompress(file.read_bytes())
    (length,) = struct.unpack_from("<I", data, len(MAGIC) + 4)
    start = len(MAGIC) + 8
    return len(json.loads(data[start : start + length])["names"])


def named_traces(docs: Path) -> tuple[tuple[str, int], ...]:
    """Stem and engine of every `trace` fence of the pages."""
    found: dict[tuple[str, int], None] = {}
    for path in sorted(docs.rglob("*.md")):
        text = path.read_text(encoding="utf-8-sig")
        walk = find_walk(text.split("\n"))
        if walk is None:
            continue
        stem = walk[1].stem
        for one in blocks(path.name, text):
            if one.language == LANGUAGE:
                asked = read_trace(substitute(one.body, docs, stem), stem)
                found[asked.stem, asked.engine] = None
    return tuple(found)


def write_all(docs: Path) -> Iterator[Path]:
    """Write what is missing; the files, one after the other."""
    for stem, engine in named_traces(docs):
        yield ensure_payload(docs, stem, engine)


def _made_from(trace: Path) -> str:
    """One hash of the trace's files and of the code that turns them into a payload."""
    found = hashlib.sha256(_code().encode("ascii"))
    for file in sorted(trace.iterdir()):
        if file.is_file():
            found.update(f"{file.name} {_digest(file.read_bytes())}\n".encode())
    return found.hexdigest()


@cache
def _code() -> str:
    root = Path(__file__).resolve().parents[1]
    found = hashlib.sha256()
    for name in _MADE_BY:
        path = root / name
        for file in [path] if path.is_file() else sorted(path.rglob("*.py")):
            found.update(file.read_bytes())
    return found.hexdigest()


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _write(path: Path, data: bytes) -> None:
    """Beside the place, then there: whoever copies the file meanwhile gets a whole one."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    beside.write_bytes(data)
    beside.replace(path)


def main(arguments: list[str]) -> int:
    """The command; 2 where a trace is missing."""
    docs = Path(arguments[0] if arguments else "walkthroughs")
    try:
        if not docs.is_dir():
            raise PagewalkError(
                "no-pages", f"{plain(docs, 120)} is no folder: name the folder of the pages."
            )
        with looked_once():
            files = list(write_all(docs))
    except PagewalkError as error:
        sys.stderr.write(f"pagewalk: {error}\n")
        return 2
    sys.stdout.write(f"{len(files)} payloads under {(docs / 'assets' / 'traces').as_posix()}\n")
    return 0


__all__ = ["ensure_payload", "main", "named_traces", "requests_in", "write_all"]

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
