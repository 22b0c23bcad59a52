"""What two traces differ in, as plain values: settings, the first step, requests, counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pagewalk.views.engines import EngineSummary
from pagewalk.views.reasons import Reason
from pagewalk.views.requests import RequestRow
from pagewalk.views.step import Exit, Lookup, Preemption, Refusal, Share

Value = int | float | str | bool | None
Outcome = Literal["equal", "different", "unknown"]
Fact = Share | Preemption | Lookup | Refusal | Exit
What = Literal[
    "scheduled",
    "tokens",
    "computed",
    "admission",
    "drafts",
    "order",
    "preempted",
    "refused",
    "hit",
    "exit",
    "finished",
    "running",
]


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting or a figure by its name in both; None where the trace does not have it."""

    name: str
    a: Value
    b: Value

    @property
    def same(self) -> bool:
        """`1` is not `True`, and neither is `1.0`."""
        return type(self.a) is type(self.b) and self.a == self.b


@dataclass(frozen=True, slots=True)
class Why:
    """Why a request got no tokens in a step: a reason, or that it was not there (`absent`)."""

    reason: Reason | None
    absent: str = ""


@dataclass(frozen=True, slots=True)
class Point:
    """One thing in which a step differs; `request` is the name of the pair, or empty.

    `a` and `b` are what the step of each trace has to say (1 for a finished request, a number
    of requests or tokens); None is nothing. `why_a` and `why_b`
    answer for the trace in which the request got nothing.
    """

    what: What
    request: str = ""
    a: Fact | int | None = None
    b: Fact | int | None = None
    why_a: Why | None = None
    why_b: Why | None = None


@dataclass(frozen=True, slots=True)
class StepFigures:
    """A step in figures. Blocks are those of the main pool right after schedule()."""

    budget: int
    used: int
    scheduled: int
    waiting: int | None
    running: int | None
    free_blocks: int | None
    used_blocks: int | None


@dataclass(frozen=True, slots=True)
class StepDiff:
    """A step that differs; None for the trace that has no such step, and then no points."""

    step: int
    a: StepFigures | None
    b: StepFigures | None
    points: tuple[Point, ...] = ()


@dataclass(frozen=True, slots=True)
class BlocksDiff:
    """The first step after which another number of blocks is in use."""

    step: int
    a: int
    b: int


@dataclass(frozen=True, slots=True)
class EngineDiff:
    """One engine of each trace. `steps`: how many were compared, `differing` how many differ.

    `settings` are those that differ. `untold` are those that only one trace tells, as one of an
    older pagewalk does not know them all; they are no difference.
    `doubts` are sentences on what could not be compared. With doubts about lost events, counts
    are left out: they would be too low.
    """

    engine: int
    a: EngineSummary
    b: EngineSummary
    settings: tuple[Setting, ...]
    steps: int
    differing: int
    first: StepDiff | None
    blocks: BlocksDiff | None
    counts: tuple[Setting, ...]
    doubts: tuple[str, ...]
    untold: tuple[Setting, ...] = ()


@dataclass(frozen=True, slots=True)
class RequestFigures:
    """A request in one trace: its row, and the steps in which it waited in a queue."""

    row: RequestRow
    waited: int


@dataclass(frozen=True, slots=True)
class RequestDiff:
    """A request whose figures differ; `fields` names those that do. Durations never count."""

    name: str
    a: RequestFigures
    b: RequestFigures
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Diff:
    """Trace A against trace B. `doubts` are those of all engines and of the requests.

    `only_a` and `only_b` are names of requests that the other trace does not have, of engines in
    `engines_a` and `engines_b` all numbers there are.
    """

    outcome: Outcome
    engines: tuple[EngineDiff, ...]
    engines_a: int
    engines_b: int
    matched: int
    requests: tuple[RequestDiff, ...]
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]
    doubts: tuple[str, ...]


__all__ = [
    "BlocksDiff",
    "Diff",
    "EngineDiff",
    "Fact",
    "Outcome",
    "Point",
    "RequestDiff",
    "RequestFigures",
    "Setting",
    "StepDiff",
    "StepFigures",
    "Value",
    "What",
    "Why",
]
