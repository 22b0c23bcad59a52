"""Events -> what happened in each frame, in the order of the events: why a step is as it is.

What happened to blocks is not among the facts: the player reads it from their changes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pagewalk.replay.machine import Machine
from pagewalk.trace.events import (
    CopyQueued,
    ExitsDeclared,
    ExitTaken,
    PauseStateSet,
    PrefixCacheReset,
    PrefixLookedUp,
    RequestEnqueued,
    RequestFinished,
    RequestPreempted,
    SlotsRefused,
    StepScheduled,
    StepStarted,
)
from pagewalk.views.engines import Engine
from pagewalk.views.payload_columns import Column, column
from pagewalk.views.payload_words import Words

# kind -> its event and the names of its values; those that end in `$` are numbers of words.
KINDS: dict[str, tuple[str, tuple[str, ...]]] = {
    "enqueued": (
        "RequestEnqueued",
        ("prompt", "tokens", "max_tokens", "priority", "computed", "lora$"),
    ),
    "hit": ("PrefixLookedUp", ("hit", "tokens", "reason$")),
    "missed": ("PrefixLookedUp", ("hit", "tokens", "reason$")),
    "refused": (
        "SlotsRefused",
        ("new_tokens", "required", "available", "watermark", "full_sequence"),
    ),
    "preempted": ("RequestPreempted", ("computed", "tokens", "num_preemptions")),
    "exit": ("ExitTaken", ()),
    "finished": ("RequestFinished", ("status$", "computed", "tokens", "num_output_tokens")),
    "copied": ("CopyQueued", ("source", "copy")),
    "reset": ("PrefixCacheReset", ("pool",)),
    "paused": ("PauseStateSet", ("state$",)),
}
_NUMBER = {kind: number for number, kind in enumerate(KINDS)}
Index = Callable[[int], int]
Value = int | bool | None


class FactLog:
    """Facts of one engine, frame by frame; `sites` are the exits it may take."""

    def __init__(self, engine: Engine, machine: Machine, index: Index, words: Words) -> None:
        self.sites: list[dict[str, Any]] = []
        self.after: dict[type, Callable[[Any], None]] = {
            RequestEnqueued: self._enqueued,
            PrefixLookedUp: self._looked_up,
            SlotsRefused: self._refused,
            RequestPreempted: self._preempted,
            RequestFinished: self._finished,
            ExitsDeclared: self._declared,
            ExitTaken: self._exit,
            CopyQueued: self._copied,
            PrefixCacheReset: self._reset,
            PauseStateSet: self._paused,
            StepStarted: self._started,
            StepScheduled: self._scheduled,
        }
        self._engine, self._machine = engine.number, machine
        self._pools = [one.pool for one in engine.pools]
        self._index, self._words = index, words
        self._site_at: dict[int, int] = {}
        self._open: int | None = None
        self._refused_last = -1
        self._frames: list[int] = []
        self._closed = 0
        self._kinds: list[int] = []
        self._requests: list[int] = []
        self._others: list[int] = []
        self._exits: list[int] = []
        self._values: list[int] = []

    def close_frame(self) -> None:
        """All facts since the last call belong to one frame."""
        self._frames.append(len(self._kinds) - self._closed)
        self._closed = len(self._kinds)

    def columns(self) -> list[Column]:
        """The facts as columns. A value is 0 for None, or else one more than its zigzag."""
        return [
            column("fact_count", self._frames),
            column("fact_kind", self._kinds),
            column("fact_request", self._requests),
            column("fact_other", self._others),
            column("fact_exit", self._exits),
            column("fact_value", self._values),
        ]

    def _add(self, kind: str, request: int | None, *values: Value, other: int = -1) -> None:
        self._kinds.append(_NUMBER[kind])
        self._requests.append(0 if request is None else self._index(request) + 1)
        self._others.append(other + 1)
        self._values += (
            0 if one is None else (one << 1 if one >= 0 else (-one << 1) - 1) + 1 for one in values
        )

    @property
    def _here(self) -> bool:
        """Whether schedule() of this engine runs: exits and refusals do not name an engine."""
        return self._open == self._engine

    def _started(self, event: StepStarted) -> None:
        self._open, self._refused_last = event.engine, -1

    def _scheduled(self, event: StepScheduled) -> None:
        self._open = None

    def _enqueued(self, event: RequestEnqueued) -> None:
        if event.engine == self._engine:
            values = event.num_prompt_tokens, event.num_tokens, event.max_tokens
            more = event.priority, event.computed, self._words(event.lora)
            self._add("enqueued", event.request, *values, *more)

    def _looked_up(self, event: PrefixLookedUp) -> None:
        if self._here:
            kind = "hit" if event.hit else "missed"
            self._add(kind, event.request, event.hit, event.tokens, self._words(event.reason))

    def _refused(self, event: SlotsRefused) -> None:
        if not self._here:
            return
        available = event.available
        if available is None and self._pools and not self._machine.lost(self._engine):
            # The check on the whole sequence compares with all free blocks: replay knows them.
            pool = self._machine.pools.get(self._pools[0])
            available = len(pool.free) if pool is not None else None
        whole, numbers = event.full_sequence, (event.new_tokens, event.required, available)
        self._add("refused", event.request, *numbers, event.watermark, whole)
        self._refused_last = self._index(event.request)

    def _preempted(self, event: RequestPreempted) -> None:
        if event.engine == self._engine:
            values = event.computed, event.tokens, event.num_preemptions
            by = self._refused_last if self._here else -1
            self._add("preempted", event.request, *values, other=by)

    def _finished(self, event: RequestFinished) -> None:
        if event.engine == self._engine:
            values = event.computed, event.tokens, event.num_output_tokens
            self._add("finished", event.request, self._words(event.status), *values)

    def _declared(self, event: ExitsDeclared) -> None:
        for site in event.sites:
            self._site_at[site.site] = len(self.sites)
            self.sites.append(
                {
                    "file": event.file,
                    "function": site.function,
                    "line": site.line,
                    "guard": site.guard,
                    "kind": site.kind,
                    "loop": site.loop,
                    "names": site.names,
                }
            )

    def _exit(self, event: ExitTaken) -> None:
        at = self._site_at.get(event.site)
        if at is None or not self._here:
            return
        names = self.sites[at]["names"]
        values = [*event.values, *(None for _ in names)][: len(names)]
        self._add("exit", event.request, *values)
        self._exits.append(at)

    def _copied(self, event: CopyQueued) -> None:
        if event.pool in self._pools:
            self._add("copied", None, event.source, event.copy)

    def _reset(self, event: PrefixCacheReset) -> None:
        if event.pool in self._pools:
            self._add("reset", None, self._pools.index(event.pool))

    def _paused(self, event: PauseStateSet) -> None:
        if event.engine == self._engine:
            self._add("paused", None, self._words(event.state))


__all__ = ["KINDS", "FactLog"]
