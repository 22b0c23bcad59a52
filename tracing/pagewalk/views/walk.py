"""One engine's events -> its steps, one at a time, beside the machine that knows the state."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pagewalk.replay.machine import Machine
from pagewalk.trace.events import (
    Event,
    ExitsDeclared,
    ExitSite,
    ExitTaken,
    PrefixLookedUp,
    RequestFinished,
    RequestPreempted,
    SlotsRefused,
    StepScheduled,
    StepStarted,
)
from pagewalk.trace.segment import Gap
from pagewalk.views.engines import Engine
from pagewalk.views.step import (
    Admission,
    Exit,
    Lookup,
    Preemption,
    Refusal,
    Share,
    Step,
)
from pagewalk.views.unmarked import Unmarked

Report = Callable[[int, int], None]
Watch = Mapping[type, Callable[[Any], None]]
_REPORT_EVERY = 8192


class Walk:
    """Iterate to get the steps in order. Between two of them, `machine` holds the state right
    after the last one, `outside` the preemptions that happened in no step, and `marked` says
    whether exits come from marks in the engine's source; without marks they are inferred.
    `watch` is called with each event of a type, after the machine has taken it.
    """

    def __init__(
        self, engine: Engine, report: Report | None = None, watch: Watch | None = None
    ) -> None:
        self.engine = engine
        self.machine = Machine()
        self.outside: list[Preemption] = []
        self.marked = False
        self._report = report
        self._watch = watch or {}
        self._unmarked = Unmarked(engine)
        self._sites: dict[int, tuple[str, ExitSite]] = {}
        self._preempted_already: set[int] = set()
        self._last = 0
        self._finished: list[str] = []
        self._pending: list[Preemption] = []
        self._forget()

    def __iter__(self) -> Iterator[Step]:
        events, report, watch = self.engine.segment.events, self._report, self._watch
        machine, number, look = self.machine, self.engine.number, self._looks()
        for at, event in enumerate(events):
            if report is not None and at % _REPORT_EVERY == 0:
                report(at, len(events))
            kind = type(event)
            if not self.marked:
                self._unmarked.see(event, machine)
            if kind is StepScheduled and event.engine == number:
                shares = self._shares(event)
                machine.apply(event)
                yield self._step(event, shares)
                self._forget()
                continue
            action = look.get(kind)
            if action is not None:
                action(event)
            machine.apply(event)
            watcher = watch.get(kind)
            if watcher is not None:
                watcher(event)

    def refused_site(self, full_sequence: bool | None) -> tuple[str, ExitSite] | None:
        """Where in `allocate_slots` such a refusal is decided, if its source is declared."""
        wanted = "full_sequence_blocks" if full_sequence else "no_blocks"
        found = [
            (file, site)
            for file, site in self._sites.values()
            if site.loop == "allocate" and site.kind == wanted
        ]
        return found[0] if len(found) == 1 else None

    def _looks(self) -> dict[type[Event] | type[Gap], Callable[[Any], None]]:
        return {
            StepStarted: self._started,
            ExitsDeclared: self._declared,
            ExitTaken: self._exit,
            SlotsRefused: self._refusal,
            PrefixLookedUp: self._lookup,
            RequestPreempted: self._preempted,
            RequestFinished: self._done,
        }

    def _forget(self) -> None:
        """Nothing of the next step is known yet."""
        self._open: int | None = None
        self._number = 0
        self._began = 0
        self._exits: list[Exit] = []
        self._refusals: list[Refusal] = []
        self._lookups: list[Lookup] = []
        self._inside: list[Preemption] = []

    def _started(self, event: StepStarted) -> None:
        self._forget()
        self._open = event.engine
        self._number = event.step
        self._began = event.t

    def _declared(self, event: ExitsDeclared) -> None:
        for site in event.sites:
            self._sites[site.site] = (event.file, site)
            self.marked = self.marked or site.loop in ("running", "waiting")

    @property
    def _here(self) -> bool:
        return self._open == self.engine.number

    def _exit(self, event: ExitTaken) -> None:
        if not self._here:
            return
        file, site = self._sites.get(event.site, ("", None))
        request = None if event.request is None else self.machine.request_id(event.request)
        if site is None:
            self._exits.append(Exit("unknown", request))
            return
        pairs = zip(site.names, event.values, strict=False)
        values = {name: value for name, value in pairs if value is not None}
        self._exits.append(
            Exit(site.kind, request, site.loop, file, site.function, site.line, site.guard, values)
        )

    def _refusal(self, event: SlotsRefused) -> None:
        if not self._here:
            return
        available = event.available
        if available is None and not self.machine.lost(self.engine.number):
            # The check on the whole sequence compares with all free blocks: replay knows them.
            available = self._free()
        self._refusals.append(
            Refusal(
                self.machine.request_id(event.request),
                event.new_tokens,
                event.required,
                available,
                event.watermark,
                event.full_sequence,
            )
        )

    def _lookup(self, event: PrefixLookedUp) -> None:
        if self._here:
            name = self.machine.request_id(event.request)
            self._lookups.append(
                Lookup(name, event.hit, event.tokens, event.missed, event.reason, event.seq)
            )

    def _preempted(self, event: RequestPreempted) -> None:
        if event.engine != self.engine.number:
            return
        self._preempted_already.add(event.request)
        inside = self._here
        refusal = self._refusals[-1] if inside and self._refusals else None
        preemption = Preemption(
            step=self._number if inside else self._last,
            request=self.machine.request_id(event.request),
            by=refusal.request if refusal else None,
            computed=event.computed,
            tokens=event.tokens,
            num_preemptions=event.num_preemptions,
            refusal=refusal,
            inside=inside,
            t=event.t,
            seq=event.seq,
        )
        if inside:
            self._inside.append(preemption)
        else:
            self._pending.append(preemption)
            self.outside.append(preemption)

    def _done(self, event: RequestFinished) -> None:
        if event.engine == self.engine.number:
            self._preempted_already.discard(event.request)
            self._finished.append(self.machine.request_id(event.request))

    def _shares(self, event: StepScheduled) -> tuple[Share, ...]:
        """Before the event is applied: what each request had computed when the step began."""
        known, name = self.machine.requests, self.machine.request_id
        state = self.machine.engines.get(event.engine)
        if state is not None:
            state.catch_up()
        unknown = bool(self.machine.lost(event.engine))
        counts = event.tokens
        if isinstance(counts, int):
            counts = [counts] * len(event.requests)
        shares = []
        for request, tokens in zip(event.requests, counts, strict=False):
            admission = self._admission(event, request)
            computed: int | None
            if admission == "running":
                counters = None if unknown else known.get(request)
                computed = counters.computed if counters is not None else None
            else:
                computed = event.resumed.get(request, event.new.get(request))
                self._preempted_already.discard(request)
            drafts = event.spec.get(request, 0)
            shares.append(Share(name(request), tokens, computed, admission, drafts))
        return tuple(shares)

    def _admission(self, event: StepScheduled, request: int) -> Admission:
        if request in event.resumed:
            return "resumed"
        if request not in event.new:
            return "running"
        # Model runner V2 is sent a resumed request as if it were new.
        return "resumed" if request in self._preempted_already else "new"

    def _step(self, event: StepScheduled, shares: tuple[Share, ...]) -> Step:
        machine, number = self.machine, self.engine.number
        lost, state = machine.lost(number), machine.engines.get(number)
        waiting = sum(len(one) for one in machine.queues.values() if one.engine == number)
        step = Step(
            step=event.step,
            seq=event.seq,
            began=self._began or event.t,
            t=event.t,
            budget=event.budget,
            used=sum(one.tokens for one in shares),
            scheduled=shares,
            preempted=tuple(self._inside),
            preempted_before=tuple(self._pending),
            refused=tuple(self._refusals),
            exits=tuple(self._exits) if self.marked or lost else self._unmarked.exits(),
            lookups=tuple(self._lookups),
            finished_before=tuple(self._finished),
            waiting=None if lost else waiting,
            running=None if lost or state is None else len(state.running),
            free_blocks=None if lost else self._free(),
            unknown=lost,
            pause=state.pause if state is not None and not lost else "",
        )
        self._last = event.step
        self._finished = []
        self._pending = []
        return step

    def _free(self) -> int | None:
        """Free blocks of the main pool."""
        pools = self.engine.pools
        pool = self.machine.pools.get(pools[0].pool) if pools else None
        return len(pool.free) if pool is not None else None


__all__ = ["Report", "Walk", "Watch"]
