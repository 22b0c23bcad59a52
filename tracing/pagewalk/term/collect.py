"""What was collected -> lines: hosts, how their clocks lie to each other, what is missing."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from pagewalk.term.console import line
from pagewalk.term.layout import paragraph
from pagewalk.term.safe import escape, shown
from pagewalk.term.words import count, duration, size

if TYPE_CHECKING:
    from pagewalk.collect.merge import Collected

_UNSURE = "placed by its own wall clock, which was compared with no other"


def show(console: Console, one: Collected, out: str) -> None:
    """All of it, what is missing last."""
    for name, segments in one.hosts.items():
        told = [count(segments, "segment"), _clock(one, name)]
        if name in one.renumbered:
            told.append("its processes got numbers of their own, for another host had them")
        line(console, (shown(name, 24).ljust(26), "quiet"), "; ".join(filter(None, told)))
    places = escape(shlex.quote(out))
    runs = f" of {count(len(one.runs), 'run')}" if len(one.runs) > 1 else ""
    line(console, f"{count(one.segments, 'segment')}{runs} ({size(one.bytes)}) in {places}")
    if len(one.hosts) > 1:
        error = one.clocks.error
        line(
            console,
            "times of different hosts: unsure by how much they are off"
            if error is None
            else f"times of different hosts are at most {duration(error)} off from each other",
        )
    for error in one.why:
        paragraph(console, Text.assemble(("not read ", "unsure"), escape(error)))
    for loss in one.lost:
        paragraph(console, Text.assemble(("missing ", "unsure"), escape(loss)))


def _clock(one: Collected, name: str) -> str:
    if len(one.hosts) == 1:
        return ""
    clock = one.clocks.hosts[name]
    if clock.error is None:
        return _UNSURE
    if not clock.comparisons:
        return "the others follow its clock"
    return f"at most {duration(clock.error)} off from {shown(one.clocks.reference)}"


__all__ = ["show"]
