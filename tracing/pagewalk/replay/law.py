"""A named law of a legal history: its sentence, the source it comes from, and its check."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pagewalk.trace.events import Event

if TYPE_CHECKING:
    from pagewalk.replay.audit import Audit

# `before` and `after` the event is applied; `settled` where the engine is between two calls,
# that is around a step and around an update, with all that changed since the last such point.
Moment = Literal["before", "after", "settled"]


@dataclass(frozen=True, slots=True)
class Broken:
    """One breach: what was found, which objects, and the event that did it (None: this one)."""

    message: str
    objects: tuple[str, ...] = ()
    seq: int | None = None


class UnsureError(Exception):
    """Raised by a check that cannot judge here although the state is known, and why."""


Check = Callable[["Audit", Any], Iterator[Broken]]


@dataclass(frozen=True, slots=True)
class Law:
    """A law: `check` yields a `Broken` for each breach, at `moment` of each event in `on`.

    `of_blocks`: it looks at changed blocks only, so that where none changed it holds.
    """

    name: str
    sentence: str
    reads: str
    on: tuple[type[Event], ...]
    moment: Moment
    check: Check
    of_blocks: bool = False


def law(
    name: str,
    reads: str,
    on: tuple[type[Event], ...] = (),
    moment: Moment = "settled",
    of_blocks: bool = False,
) -> Callable[[Check], Law]:
    """Make a law of a check: the first line of its docstring is the sentence."""

    def named(check: Check) -> Law:
        sentence = (check.__doc__ or "").strip().splitlines()[0]
        return Law(name, sentence, reads, on, moment, check, of_blocks)

    return named


__all__ = ["Broken", "Check", "Law", "Moment", "UnsureError", "law"]
