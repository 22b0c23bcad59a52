"""One step as plain values: who got tokens, who lost blocks, who was looked at and left."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Admission = Literal["new", "resumed", "running"]


@dataclass(frozen=True, slots=True)
class Share:
    """One request's part of a step. `computed`: its tokens that had KV before the step."""

    request: str
    tokens: int
    computed: int | None
    admission: Admission
    drafts: int = 0


@dataclass(frozen=True, slots=True)
class Refusal:
    """`allocate_slots` said no: `required` blocks are more than `available`."""

    request: str
    new_tokens: int
    required: int | None
    available: int | None
    watermark: int | None
    full_sequence: bool | None


@dataclass(frozen=True, slots=True)
class Exit:
    """A way out that the scheduler took, looking at `request` (None: at no one in particular).

    Inferred exits have no place in the source, and may be one of `maybe` instead of `kind`.
    """

    kind: str
    request: str | None
    loop: str = ""
    file: str = ""
    function: str = ""
    line: int = 0
    guard: str = ""
    values: dict[str, int] = field(default_factory=dict)
    inferred: bool = False
    maybe: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Preemption:
    """`request` lost its blocks and `computed` tokens of KV, so that `by` could grow.

    `by` is None where no refused allocation came before it: the prefix cache was reset then.
    Outside a step, `step` is the one before.
    """

    step: int
    request: str
    by: str | None
    computed: int
    tokens: int
    num_preemptions: int
    refusal: Refusal | None
    inside: bool
    t: int
    seq: int


@dataclass(frozen=True, slots=True)
class Lookup:
    """A prefix cache lookup: `hit` of `tokens` tokens; `missed` is the first hash not there."""

    request: str
    hit: int
    tokens: int
    missed: str | None
    reason: str
    seq: int


@dataclass(frozen=True, slots=True)
class Step:
    """One call of schedule(). Counts are those right after it; None where they are not known.

    `pause` is the scheduler's pause state by name, empty where the trace does not tell.
    """

    step: int
    seq: int
    began: int
    t: int
    budget: int
    used: int
    scheduled: tuple[Share, ...]
    preempted: tuple[Preemption, ...]
    preempted_before: tuple[Preemption, ...]
    refused: tuple[Refusal, ...]
    exits: tuple[Exit, ...]
    lookups: tuple[Lookup, ...]
    finished_before: tuple[str, ...]
    waiting: int | None
    running: int | None
    free_blocks: int | None
    unknown: str = ""
    pause: str = ""

    def share(self, request: str) -> Share | None:
        """What the request got in this step."""
        return next((one for one in self.scheduled if one.request == request), None)

    def admitted(self, admission: Admission) -> tuple[str, ...]:
        """The requests that came in this way."""
        return tuple(one.request for one in self.scheduled if one.admission == admission)


__all__ = [
    "Admission",
    "Exit",
    "Lookup",
    "Preemption",
    "Refusal",
    "Share",
    "Step",
]
