"""A `trace` fence's body -> what it asks to be shown: which trace, which panes, which moment."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from pagewalk.pages.stem import check_stem
from pagewalk.pages.walk_body import bad, name_of, read_body, text_of

LANGUAGE = "trace"
KEYS = ("trace", "engine", "panes", "step", "steps", "select", "name", "play", "caption")
PANES = ("grid", "queues", "step", "detail", "workers", "lanes", "table")
_RANGE = re.compile(r"(\d{1,9})\s*(?:\.\.|-)\s*(\d{1,9})")
_STEP = re.compile(r"\d{1,9}")


@dataclass(frozen=True, slots=True)
class TraceFence:
    """What one fence asks for; what it does not say is None or ""."""

    stem: str
    engine: int
    panes: tuple[str, ...]
    step: int | None
    first: int | None
    last: int | None
    select: str
    name: str
    caption: str
    play: bool


def read_trace(body: str, stem: str) -> TraceFence:
    """Read a fence's body; whatever is wrong with it is one sentence."""
    values = read_body(LANGUAGE, body, KEYS)
    engine = values.get("engine", 0)
    if type(engine) is not int or not 0 <= engine < 1000:
        raise bad("`engine` is a number, counted from 0")
    first, last = _steps(values.get("steps"))
    step = _step(values.get("step"))
    if step is not None and first is not None and not first <= step <= (last or first):
        raise bad(f"step {step} is not among the steps {first}..{last}")
    select = values.get("select", "")
    if not isinstance(select, str | int):
        raise bad("`select` is the name of a request")
    return TraceFence(
        check_stem(text_of(values, "trace", stem)),
        engine,
        _panes(values.get("panes")),
        step,
        first,
        last,
        str(select),
        name_of(values, "name") if "name" in values else "",
        text_of(values, "caption", ""),
        _yes(values.get("play", False)),
    )


def _yes(value: Any) -> bool:
    if not isinstance(value, bool):
        raise bad("`play` is true or false")
    return value


def _panes(value: Any) -> tuple[str, ...]:
    words = value if isinstance(value, list) else str(value or "").replace(",", " ").split()
    unknown = [one for one in words if one not in PANES]
    if unknown:
        raise bad(f"there is no pane {unknown[0]}; there are {', '.join(PANES)}")
    return tuple(words)


def _step(value: Any) -> int | None:
    if value is None:
        return None
    if type(value) is int and value >= 0:
        return value
    if isinstance(value, str) and _STEP.fullmatch(value.strip()):
        return int(value)
    raise bad("`step` is the number of a step")


def _steps(value: Any) -> tuple[int | None, int | None]:
    if value is None:
        return None, None
    found = _RANGE.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None or int(found[1]) > int(found[2]):
        raise bad('`steps` is a range, as in "3..9"')
    return int(found[1]), int(found[2])


__all__ = ["KEYS", "LANGUAGE", "PANES", "TraceFence", "read_trace"]
