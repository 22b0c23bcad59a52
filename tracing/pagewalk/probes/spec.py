"""The row type of the probe tables: what to wrap, when to read, which event comes out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

Level = Literal["lean", "full", "tokens"]
Moment = Literal["before", "after", "construct", "track", "marks", "around"]

# A reading is an event type followed by its fields, without `seq` and `t`: the recorder adds
# both. Request ids and block hashes are raw here; the encoder numbers and salts them.
Reading = tuple[Any, ...]
Reader = Callable[..., "Reading | list[Reading] | None"]

NUMBER = "_pagewalk"  # attribute that carries the number given to an engine object
ENGINE = "_pagewalk_engine"  # attribute of a manager: the number of its scheduler
STEP = "_pagewalk_step"  # attribute of a SchedulerOutput: the step that made it


@dataclass(frozen=True, slots=True)
class Probe:
    """One probe: a target of the engine, the moment of reading, and the pure reader.

    `read` gets `(self, args, kwargs)` at `before`, `(self, args, kwargs, result)` at `after`,
    and `(self, args, kwargs, result, begun)` at `around`, `begun` being what `begin` returned.
    At `construct` the object has been given its number in family `family`. It returns a reading,
    a list of readings or None, holds ids and counts only, and never keeps a live object.
    A reader that tells only what changed since its last call has a `forget`, called on install.
    One that `notes` only remembers something for another reader: it is called before, gets
    `(args, kwargs)` with the object first in `args`, and returns nothing.
    `wakes` opens the segment; `urgent` writes before the engine goes on, which may be its end.
    """

    component: str
    target: str
    moment: Moment
    read: Reader
    needs: tuple[str, ...] = ()
    level: Level = "lean"
    begin: Reader | None = None
    family: str = ""
    children: tuple[str, ...] = ()
    materialise: bool = False
    wakes: bool = False
    urgent: bool = False
    forget: Callable[[], None] | None = None
    stamp: bool = False
    notes: bool = False
    optional: bool = False
    note: str = ""


class Redundant(Exception):  # noqa: N818 (not an error: the probe is taken out, silently)
    """A reader says: in this release another probe tells the same, and better."""


def argument(args: tuple[Any, ...], kwargs: dict[str, Any], position: int, name: str) -> Any:
    """The argument of a call, whether it was passed by position or by name."""
    if len(args) > position:
        return args[position]
    return kwargs[name]


def optional_argument(
    args: tuple[Any, ...], kwargs: dict[str, Any], position: int, name: str, default: Any
) -> Any:
    """Like `argument`, with the callee's default where the caller left it out."""
    if len(args) > position:
        return args[position]
    return kwargs.get(name, default)


def dp_rank(parallel: Any) -> int:
    """Which of the data parallel engines it is, from 0.

    Engines of a model without experts are told that they are alone: their `data_parallel_rank` is 0
    then, and `data_parallel_index` keeps the place.
    """
    index = getattr(parallel, "data_parallel_index", None)
    return int(index if index is not None else parallel.data_parallel_rank or 0)


def number_of(thing: object) -> int | None:
    """The number this recorder gave to an engine object, None for one it has not seen built."""
    return getattr(thing, NUMBER, None)
