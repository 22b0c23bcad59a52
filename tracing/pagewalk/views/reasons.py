"""A step and a request in it that got no tokens -> the reason, its place, the numbers compared."""

from __future__ import annotations

from dataclasses import dataclass, field

from pagewalk.trace.events import ExitSite
from pagewalk.trace.exit_kinds import SENTENCES
from pagewalk.views.calls import PAUSED_ALL
from pagewalk.views.step import Exit, Refusal, Step
from pagewalk.views.walk import Walk

BEHIND = "behind_head"
BLOCKS = frozenset(
    {
        "no_blocks",
        "full_sequence_blocks",
        "self_preempted",
        "victim_not_freeable",
        "pending_block_frees",
    }
)

# kind -> the two integers that its guard compares, as the source names them.
_COMPARED: dict[str, tuple[str, str, str]] = {
    "input_budget": ("input_budget", "<=", "draft_slots"),
    "chunked_prefill_off": ("num_new_tokens", ">", "request_token_budget"),
    "spec_padding": ("padded_num_tokens", ">", "request_token_budget"),
}


@dataclass(frozen=True, slots=True)
class Compared:
    """The comparison that failed a request: two named numbers and what lies between them."""

    left: str
    left_value: int
    op: str
    right: str
    right_value: int


@dataclass(frozen=True, slots=True)
class Place:
    """A line of the engine's source at the traced release, and the guard that stands there."""

    file: str
    line: int
    function: str
    guard: str


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a request got no tokens in a step.

    For a request that was not looked at, `head` is the one whose `head_kind` ended the pass, and
    place and numbers are the head's. `maybe`: kinds that an inference could not rule out.
    """

    kind: str
    sentence: str
    head: str | None = None
    head_kind: str = ""
    head_sentence: str = ""
    places: tuple[Place, ...] = ()
    compared: Compared | None = None
    values: dict[str, int] = field(default_factory=dict)
    inferred: bool = False
    maybe: tuple[str, ...] = ()

    @property
    def same(self) -> tuple[object, ...]:
        """What two steps must share to be told as one wait."""
        return (self.kind, self.head, self.head_kind, self.places, self.inferred, self.maybe)


def sentence(kind: str) -> str:
    """One plain sentence for a kind."""
    return SENTENCES.get(kind, SENTENCES["unknown"])


def reason(walk: Walk, step: Step, request: str, running: bool) -> Reason:
    """Why `request`, running or waiting when the step began, got no tokens in it."""
    if step.unknown:
        return Reason("unknown", f"Events were lost here: {step.unknown}.")
    own = _telling([one for one in step.exits if one.request == request])
    if own is not None:
        return _reason(walk, step, own)
    if step.pause == PAUSED_ALL:
        # The marks only see the empty budget that the pause leaves.
        return Reason("paused", sentence("paused"))
    loop = "running" if running else "waiting"
    ends = [one for one in step.exits if one.loop == loop]
    if not ends:
        return _unmarked_end(walk, step, running)
    last = _telling([one for one in ends if one.request == ends[-1].request]) or ends[-1]
    told = _reason(walk, step, last)
    if last.request is None:
        return told
    return Reason(
        kind=BEHIND,
        sentence=sentence(BEHIND),
        head=last.request,
        head_kind=told.kind,
        head_sentence=told.sentence,
        places=told.places,
        compared=told.compared,
        values=told.values,
        inferred=told.inferred,
        maybe=told.maybe,
    )


def refusal_compared(refusal: Refusal | None) -> Compared | None:
    """The blocks that were needed and those that were there."""
    if refusal is None or refusal.required is None or refusal.available is None:
        return None
    return Compared("required_blocks", refusal.required, ">", "available_blocks", refusal.available)


def refusal_places(walk: Walk, refusal: Refusal | None) -> tuple[Place, ...]:
    """Where the refusal is decided, if the source of `allocate_slots` is declared."""
    if refusal is None:
        return ()
    found = walk.refused_site(refusal.full_sequence)
    return () if found is None else (_place(*found),)


def _telling(exits: list[Exit]) -> Exit | None:
    """Of several exits on one request the one that says most: not the general `no_blocks`."""
    if not exits:
        return None
    return next((one for one in exits if one.kind != "no_blocks"), exits[-1])


def _reason(walk: Walk, step: Step, taken: Exit) -> Reason:
    refusal = _refusal(step, taken)
    kind = taken.kind
    if kind == "no_blocks" and refusal is not None and refusal.full_sequence:
        kind = "full_sequence_blocks"
    places = [] if not taken.line else [Place(taken.file, taken.line, taken.function, taken.guard)]
    places += refusal_places(walk, refusal)
    values = dict(taken.values)
    if refusal is not None:
        values |= _refusal_values(refusal)
    return Reason(
        kind=kind,
        sentence=_sentence(kind, taken.maybe),
        places=tuple(places),
        compared=_compared(walk, step, kind, values, refusal),
        values=values,
        inferred=taken.inferred,
        maybe=taken.maybe,
    )


def _sentence(kind: str, maybe: tuple[str, ...]) -> str:
    if not maybe:
        return sentence(kind)
    return "One of these: " + " / ".join(sentence(one) for one in (kind, *maybe))


def _refusal(step: Step, taken: Exit) -> Refusal | None:
    """The last refusal of the request that the exit looked at."""
    if taken.kind not in BLOCKS:
        return None
    return next((one for one in reversed(step.refused) if one.request == taken.request), None)


def _refusal_values(refusal: Refusal) -> dict[str, int]:
    pairs = {
        "num_new_tokens": refusal.new_tokens,
        "required_blocks": refusal.required,
        "available_blocks": refusal.available,
        "watermark_blocks": refusal.watermark,
    }
    return {name: value for name, value in pairs.items() if value is not None}


def _compared(
    walk: Walk, step: Step, kind: str, values: dict[str, int], refusal: Refusal | None
) -> Compared | None:
    if kind in BLOCKS:
        return refusal_compared(refusal)
    if kind == "token_budget":
        return Compared("scheduled_tokens", step.used, ">=", "token_budget", step.budget)
    if kind == "max_num_seqs":
        return _seats(walk, step, values)
    names = _COMPARED.get(kind)
    if names is None or names[0] not in values or names[2] not in values:
        return None
    return Compared(names[0], values[names[0]], names[1], names[2], values[names[2]])


def _seats(walk: Walk, step: Step, values: dict[str, int]) -> Compared | None:
    most = walk.engine.setting("max_num_active_reqs") or walk.engine.setting("max_num_seqs")
    running = values.get("num_running", step.running)
    if not most or running is None:
        return None
    return Compared("num_running", running, ">=", "max_num_seqs", most)


def _unmarked_end(walk: Walk, step: Step, running: bool) -> Reason:
    """No exit was taken in the pass, and yet the request got nothing."""
    if walk.marked and not running and step.pause != "UNPAUSED":
        # The one quiet way out is a queue that looks empty. It is not: the scheduler is paused.
        return Reason("paused", sentence("paused"), inferred=not step.pause)
    return Reason("unknown", sentence("unknown"), inferred=True)


def _place(file: str, site: ExitSite) -> Place:
    return Place(file, site.line, site.function, site.guard)


__all__ = [
    "Compared",
    "Place",
    "Reason",
    "reason",
    "refusal_compared",
    "refusal_places",
    "sentence",
]
