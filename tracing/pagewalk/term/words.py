"""Numbers -> words with units: durations, counts, ranges of steps."""

from __future__ import annotations


def duration(nanoseconds: int) -> str:
    """A length of time with three figures and its unit."""
    for unit, size in (("s", 10**9), ("ms", 10**6), ("µs", 10**3)):
        if nanoseconds >= size:
            value = nanoseconds / size
            digits = 2 if value < 10 else 1 if value < 100 else 0
            return f"{value:,.{digits}f} {unit}"
    return f"{nanoseconds} ns"


def offset(nanoseconds: int) -> str:
    """Time since a beginning, in milliseconds, so that a column of them lines up."""
    return f"{nanoseconds / 10**6:+,.3f} ms"


def count(number: int, one: str, many: str = "") -> str:
    """`1 step`, `2 steps`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def span(first: int, last: int) -> str:
    """`step 3` or `steps 3 to 7`."""
    return f"step {first}" if first == last else f"steps {first} to {last}"


def size(number: int) -> str:
    """Bytes in a handy unit."""
    value = float(number)
    for unit in ("bytes", "KB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "bytes" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"


__all__ = ["count", "duration", "offset", "size", "span"]
