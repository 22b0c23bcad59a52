"""Steps -> one line each; what did not change is dim, a step that preempts stands out."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePath

from rich.console import Console
from rich.text import Text

from pagewalk.term.console import line
from pagewalk.term.safe import escape, shown
from pagewalk.term.words import count
from pagewalk.views.engines import EngineSummary
from pagewalk.views.step import Preemption, Step
from pagewalk.views.steps import exit_kinds

# Column titles and widths; the last column takes what is left.
_COLUMNS = (
    ("step", 6),
    ("budget", 11),
    ("scheduled", 10),
    ("new", 5),
    ("resumed", 8),
    ("preempted", 10),
    ("waiting", 8),
    ("running", 8),
    ("free", 7),
)
_REST = "  why others got none"
_NONE = "·"
_LEFT = sum(width for _, width in _COLUMNS) + 2


def heading(console: Console, one: EngineSummary, requests: int, several: bool) -> None:
    """Which engine this is."""
    parts = [
        escape(PurePath(one.model).name or one.model) or "unnamed model",
        f"vLLM {escape(one.release) or '?'}",
        escape(one.device) or "?",
        count(requests, "request"),
        f"{count(one.num_blocks, 'block')} of {sizes(one.block_sizes)} tokens",
    ]
    if not one.prefix_caching:
        parts.append("no prefix cache")
    if several:
        parts.insert(0, f"engine {one.engine}, data parallel rank {one.dp_rank}, pid {one.pid}")
    line(console, (" · ".join(parts), "head"))


def sizes(block_sizes: tuple[int, ...]) -> str:
    """`32`, or `16/32` where KV-cache groups differ."""
    return "/".join(str(one) for one in dict.fromkeys(block_sizes)) or "?"


def steps(console: Console, found: Iterable[Step]) -> None:
    """The table. It is printed as it is read: nothing waits for the last step."""
    titles = "".join(title.rjust(width) for title, width in _COLUMNS)
    line(console, (titles + _REST, "quiet"))
    before: list[str] | None = None
    inferred = False
    for step in found:
        for preemption in step.preempted_before:
            line(console, (f"{'!':>6}  {_sentence(preemption)}", "hurt"))
        cells = _cells(step)
        line(console, _row(console, step, cells, before))
        for preemption in step.preempted:
            line(console, (f"{'':>6}  {_sentence(preemption)}", "hurt"))
        before = cells
        inferred = inferred or any(one.inferred for one in step.exits)
    if inferred:
        line(console, ("~ inferred from the calls: the source could not be marked here", "quiet"))


def _cells(step: Step) -> list[str]:
    return [
        str(step.step),
        f"{step.used}/{step.budget}",
        _number(len(step.scheduled)),
        _number(len(step.admitted("new"))),
        _number(len(step.admitted("resumed"))),
        _number(len(step.preempted)),
        _number(step.waiting),
        _number(step.running),
        "?" if step.free_blocks is None else str(step.free_blocks),
    ]


def _number(value: int | None) -> str:
    """A quiet sign for nothing, a loud one for not known."""
    if value is None:
        return "?"
    return str(value) if value else _NONE


def _row(console: Console, step: Step, cells: list[str], before: list[str] | None) -> Text:
    row = Text()
    loud = "hurt" if step.preempted else ""
    for at, (cell, (_, width)) in enumerate(zip(cells, _COLUMNS, strict=True)):
        same = before is not None and before[at] == cell
        row.append(cell.rjust(width), loud or ("quiet" if same or cell == _NONE else ""))
    row.append("  ")
    row.append(_why(step, max(20, console.width - _LEFT)), loud or "quiet")
    row.rstrip()
    return row


def _why(step: Step, room: int) -> str:
    if step.unknown:
        return f"? {escape(step.unknown)}"[:room]
    sign = "~" if any(one.inferred for one in step.exits) else ""
    parts = []
    for kind, requests in exit_kinds(step).items():
        named = [one for one in requests if one is not None]
        number = f" ×{len(named)}" if len(named) > 1 else ""
        parts.append(f"{sign}{escape(kind)}{number}")
        if len(named) == 1 and room - len(parts[-1]) >= 10:
            parts[-1] += f" {shown(named[0], min(24, room - len(parts[-1]) - 1))}"
        room -= len(parts[-1]) + 2
    return ", ".join(parts)


def _sentence(one: Preemption) -> str:
    who = shown(one.request, 28)
    if one.by is None:
        cause = "preempted by a reset of the prefix cache"
    elif one.by == one.request:
        cause = "preempted: it needs a block itself and nobody else gives way"
    else:
        cause = f"preempted so that {shown(one.by, 28)} can grow"
    return f"✕ {who} {cause}; lost {count(one.computed, 'computed token')}"


__all__ = ["heading", "sizes", "steps"]
