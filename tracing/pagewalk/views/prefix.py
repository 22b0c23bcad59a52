"""A prefix cache lookup -> why it hit as much as it did, and no more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pagewalk.trace.events import PrefixLookedUp
from pagewalk.views.cache_history import CacheHistory, Fate
from pagewalk.views.engines import Engine
from pagewalk.views.step import Lookup, Share, Step
from pagewalk.views.walk import Report, Walk, Watch

Ended = Literal[
    "off",
    "not_read",
    "no_full_block_left",
    "last_token_is_always_computed",
    "never_cached",
    "evicted",
    "reset",
    "not_in_every_group",
    "not_usable",
    "unknown",
]

SENTENCES: dict[Ended, str] = {
    "off": "Prefix caching is off in this engine: nothing is looked up.",
    "not_read": (
        "The request does not read the prefix cache: it asks for prompt logprobs or pools over "
        "all tokens."
    ),
    "no_full_block_left": "What follows the hit does not fill a block, and only full blocks count.",
    "last_token_is_always_computed": (
        "All of it is cached, but the last token is always computed, and with it its block."
    ),
    "never_cached": (
        "The next block was never cached in this trace: other tokens, or the same tokens with "
        "another cache salt, LoRA adapter or image. The hash covers all of these, so the trace "
        "cannot tell them apart."
    ),
    "evicted": "The next block was cached, and evicted before this lookup.",
    "reset": "The next block was cached, and lost when the prefix cache was reset.",
    "not_in_every_group": (
        "The next block is cached in some KV-cache groups only, and a hit needs all of them."
    ),
    "not_usable": "The next block is cached, but this lookup could not use it where it stands.",
    "unknown": "The lookup ended for a reason that the trace does not tell.",
}
_REASONS: dict[str, Ended] = {
    "not_read": "not_read",
    "no_full_block_left": "no_full_block_left",
    "last_token_is_always_computed": "last_token_is_always_computed",
}


@dataclass(frozen=True, slots=True)
class Eviction:
    """The last time that the missed block was cached: in which block, by whom, until when."""

    group: int
    block: int
    cached_step: int
    cached_by: str | None
    gone_step: int | None
    gone_to: str | None


@dataclass(frozen=True, slots=True)
class PrefixStory:
    """One lookup: `hit` of `tokens` tokens, and why the next block was no hit.

    `external`: tokens that a KV connector brought on top. `admitted`: the request was admitted in
    this step; otherwise it is the first lookup of one that had to wait.
    """

    step: int
    admitted: bool
    hit: int
    tokens: int
    ended: Ended
    sentence: str
    missed: str | None = None
    external: int = 0
    eviction: Eviction | None = None


class PrefixWatch:
    """Judges the lookups of one request at the moment they happen, beside a walk.

    Later would be too late: the request's own blocks are cached right after the lookup.
    """

    def __init__(self, engine: Engine, request: str) -> None:
        self._engine = engine
        self._request = request
        self._history = CacheHistory(engine)
        self._walk: Walk | None = None
        self._last: tuple[int, Ended, Eviction | None] = (-1, "unknown", None)

    def walk(self, report: Report | None = None, watch: Watch | None = None) -> Walk:
        """A walk over the engine that feeds this watch, and `watch` with other events."""
        wanted = {**(watch or {}), **self._history.watch, PrefixLookedUp: self._looked_up}
        self._walk = Walk(self._engine, report, wanted)
        return self._walk

    def tell(self, step: Step, lookup: Lookup | None, share: Share | None) -> PrefixStory:
        """The story of the last lookup; None stands for an engine that looks nothing up."""
        if lookup is None:
            computed = share.computed if share is not None else None
            return PrefixStory(
                step.step, share is not None, 0, 0, "off", SENTENCES["off"], None, computed or 0
            )
        seq, ended, eviction = self._last
        if seq != lookup.seq:
            ended, eviction = "unknown", None
        computed = share.computed if share is not None else None
        return PrefixStory(
            step=step.step,
            admitted=share is not None,
            hit=lookup.hit,
            tokens=lookup.tokens,
            ended=ended,
            sentence=SENTENCES[ended],
            missed=lookup.missed,
            external=max(0, computed - lookup.hit) if computed is not None else 0,
            eviction=eviction,
        )

    def _looked_up(self, event: PrefixLookedUp) -> None:
        if self._walk is None or self._walk.machine.request_id(event.request) != self._request:
            return
        ended, fate = self._ended(event)
        self._last = (event.seq, ended, None if fate is None else self._eviction(fate))

    def _ended(self, event: PrefixLookedUp) -> tuple[Ended, Fate | None]:
        if event.missed is None:
            return _REASONS.get(event.reason, "unknown"), None
        sizes = self._engine.block_sizes
        if set(sizes) != {self._engine.setting("hash_block_size", sizes[0] if sizes else 0)}:
            # Keys of longer blocks join several hashes: the missed one is not found among them.
            return "unknown", None
        fates = self._history.fates(event.missed)
        gone = [fate for fate in fates if fate.how]
        if not fates:
            return "never_cached", None
        if not gone:
            return ("not_in_every_group" if len(fates) < len(sizes) else "not_usable"), None
        last = max(gone, key=lambda fate: fate.gone_step or 0)
        if len(gone) < len(fates):
            return "not_in_every_group", last
        return ("reset" if last.how == "reset" else "evicted"), last

    def _eviction(self, fate: Fate) -> Eviction:
        assert self._walk is not None
        name = self._walk.machine.request_id
        return Eviction(
            group=fate.group,
            block=fate.block,
            cached_step=fate.cached_step,
            cached_by=None if fate.cached_by is None else name(fate.cached_by),
            gone_step=fate.gone_step,
            gone_to=None if fate.gone_by is None else name(fate.gone_by),
        )


__all__ = ["SENTENCES", "Ended", "Eviction", "PrefixStory", "PrefixWatch"]
