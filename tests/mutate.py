"""A segment -> a damaged one, by a seed: what disks, crashes, editors and enemies do to lines."""

from __future__ import annotations

import re
from collections.abc import Callable
from random import Random
from typing import Any

import msgspec

from pagewalk.trace.events import BY_NAME

_INTEGER = re.compile(rb"-?\d+")
_NAMES = [name.encode() for name in BY_NAME]
_STRANGE: list[bytes] = [
    b"-1", b"0", b"1", b"2", b"7", b"13", b"99", b"4096", b"70000", b"2147483648",
    b"18446744073709551616", b"-9223372036854775809", b"1" + b"0" * 40, b"9" * 400,
    b"1.5", b"1e400", b"NaN", b"null", b"true", b'""', b'"x"', b"[]", b"{}", b"[[]]",
]  # fmt: skip
_GARBAGE = [
    b"\x00" * 40, b"\xff\xfe\xfd", b"[" * 3000, b'{"a":' * 3000, b"{}", b"null", b"\r", b'"',
    b'{"e":"Newer","seq":3}', b'{"e":"Newer","seq":-3}', b'{"e":"StepStarted","seq":"3"}',
    b'{"seq":5}', b'{"e":null,"seq":5}', b"\xe2\x80\xae\xe2\x80\xae",
]  # fmt: skip
Lines = list[bytes]


def flip(lines: Lines, rng: Random) -> Lines:
    """Bits."""
    text = bytearray(b"".join(lines))
    for _ in range(rng.choice((1, 1, 2, 8))):
        text[rng.randrange(len(text))] ^= 1 << rng.randrange(8)
    return [bytes(text)]


def cut(lines: Lines, rng: Random) -> Lines:
    """The end is not there."""
    text = b"".join(lines)
    return [text[: rng.randrange(len(text))]]


def excise(lines: Lines, rng: Random) -> Lines:
    """A piece out of the middle is not there."""
    text = b"".join(lines)
    at = rng.randrange(len(text))
    return [text[:at] + text[at + rng.choice((1, 3, 40, 400, 4000)) :]]


def splice(lines: Lines, rng: Random) -> Lines:
    """A piece stands twice."""
    text = b"".join(lines)
    start, at = rng.randrange(len(text)), rng.randrange(len(text))
    piece = text[start : start + rng.choice((1, 5, 60, 600))]
    return [text[:at] + piece + text[at:]]


def swap(lines: Lines, rng: Random) -> Lines:
    """Lines change places."""
    out = list(lines)
    for _ in range(rng.choice((1, 1, 5))):
        a, b = rng.randrange(len(out)), rng.randrange(len(out))
        out[a], out[b] = out[b], out[a]
    return out


def lose(lines: Lines, rng: Random) -> Lines:
    """Lines are not there."""
    lost = {rng.randrange(len(lines)) for _ in range(rng.choice((1, 1, 2, 6)))}
    return [line for i, line in enumerate(lines) if i not in lost]


def litter(lines: Lines, rng: Random) -> Lines:
    """Lines of something else."""
    out = list(lines)
    for _ in range(rng.choice((1, 2))):
        out.insert(rng.randrange(len(out) + 1), rng.choice(_GARBAGE) + b"\n")
    return out


def renumber(lines: Lines, rng: Random) -> Lines:
    """An integer is another one, or something else, and the line may still be an event."""
    out = list(lines)
    for _ in range(rng.choice((1, 1, 2, 5))):
        at = rng.randrange(len(out))
        found = list(_INTEGER.finditer(out[at]))
        if found:
            one = rng.choice(found)
            out[at] = out[at][: one.start()] + rng.choice(_STRANGE) + out[at][one.end() :]
    return out


def rename(lines: Lines, rng: Random) -> Lines:
    """An event says it is another."""
    out = list(lines)
    at = rng.randrange(len(out))
    name = rng.choice(_NAMES)
    out[at] = re.sub(rb'"e":"\w+"', b'"e":"' + name + b'"', out[at], count=1)
    return out


def replay_again(lines: Lines, rng: Random) -> Lines:
    """An old event happens again, with its numbers in order: a false history, well written."""
    out = list(lines)
    for _ in range(rng.choice((1, 2, 4))):
        out.insert(rng.randrange(1, len(out)), rng.choice(out[1:]))
    return _in_order(out)


def unhappen(lines: Lines, rng: Random) -> Lines:
    """Events never happened, and nothing shows it."""
    lost = {rng.randrange(1, len(lines)) for _ in range(rng.choice((1, 2, 5)))}
    return _in_order([line for i, line in enumerate(lines) if i not in lost])


def reorder(lines: Lines, rng: Random) -> Lines:
    """Events happened in another order, and nothing shows it."""
    out = lines[:1] + swap(lines[1:], rng)
    return _in_order(out)


def falsify(lines: Lines, rng: Random) -> Lines:
    """A field of an event has another value of a plausible kind, and nothing shows it."""
    out = list(lines)
    for _ in range(rng.choice((1, 1, 3))):
        at = rng.randrange(1, len(out))
        event = msgspec.json.decode(out[at])
        names = [name for name in event if name not in ("e", "seq", "t")]
        if names:
            name = rng.choice(names)
            event[name] = _other(event[name], rng)
            out[at] = msgspec.json.encode(event) + b"\n"
    return out


def _other(value: Any, rng: Random) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return rng.choice((value + 1, value - 1, -value, 0, 1, 5, 1000, 2**31, 2**70, -(2**70)))
    if isinstance(value, float):
        return rng.choice((0.0, -1.0, 1e308, value + 1))
    if isinstance(value, str):
        strange = ("", "\x1b[2J\n", "WAITING", "RUNNING", "priority", "é" * 500)
        return rng.choice((*strange, value + "x"))
    if isinstance(value, list):
        return rng.choice(([], value[::-1], value * 2, value[:-1], [*value, 0], [*value, -1, 9999]))
    if isinstance(value, dict):
        return rng.choice(({}, {key: _other(one, rng) for key, one in value.items()}))
    return value


def _in_order(lines: Lines) -> Lines:
    return [re.sub(rb'"seq":\d+', b'"seq":%d' % i, line, count=1) for i, line in enumerate(lines)]


MUTATIONS: tuple[Callable[[Lines, Random], Lines], ...] = (
    flip, cut, excise, splice, swap, lose, litter, renumber, rename,
    replay_again, unhappen, reorder, falsify,
)  # fmt: skip


def mutated(lines: Lines, seed: int) -> tuple[str, bytes]:
    """The names of what was done to the lines, and what came of it."""
    rng = Random(seed)
    done = []
    for _ in range(rng.choice((1, 1, 1, 2))):
        mutation = rng.choice(MUTATIONS)
        # What works on events needs lines that are; after damage they may not be.
        try:
            lines = mutation(lines, rng) or lines
        except (msgspec.MsgspecError, ValueError, IndexError, AttributeError):
            continue
        done.append(mutation.__name__)
        lines = b"".join(lines).splitlines(keepends=True) or [b"\n"]
    return "+".join(done), b"".join(lines)
