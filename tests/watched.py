"""A scheduler-only bed -> for each step its events, its marks and the state before it.

The least that the two methods of naming exits need, by attributes of the instances alone, so
that nothing of the capture stage takes part in what checks it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MethodType
from typing import TYPE_CHECKING, Any

from pagewalk.capture.recompile import Recompiled, recompile
from pagewalk.trace.events import (
    Event,
    ExitSite,
    ExitTaken,
    PrefixLookedUp,
    QueuePopped,
    QueuePrepended,
    RequestPreempted,
    SlotsRefused,
    StepScheduled,
    StepStarted,
)
from pagewalk.views.agreement import Disagreement, disagreements
from pagewalk.views.inference import Before, Candidate, StepInference, in_look_order, infer

if TYPE_CHECKING:
    from collections.abc import Callable

QUEUES = ("kv_holding_waiting", "waiting", "skipped_waiting")


@dataclass
class WatchedStep:
    """One call of schedule()."""

    before: Before
    events: list[Event] = field(default_factory=list)
    exits: list[tuple[ExitSite, ExitTaken]] = field(default_factory=list)

    @property
    def inferred(self) -> StepInference:
        """What the second method concludes."""
        return infer(self.events, self.before)

    @property
    def disagreements(self) -> list[Disagreement]:
        """Where the two methods differ."""
        return disagreements(self.inferred, self.exits)

    def kinds(self, loop: str) -> list[str]:
        """The kinds of the exits that were marked in one pass."""
        return [site.kind for site, _ in self.exits if site.loop == loop]


class Watch:
    """Watches the scheduler of a bed; `steps` grows with each call of schedule()."""

    def __init__(self, bed: Any, **settings: Any) -> None:
        self.steps: list[WatchedStep] = []
        self.numbers: dict[str, int] = {}
        self._bed = bed
        self._scheduler = scheduler = bed.scheduler
        self.settings = _settings(bed) | settings
        self.sites: dict[int, ExitSite] = {}
        manager = scheduler.kv_cache_manager
        schedule = self._recompiled(type(scheduler).schedule)
        allocate = self._recompiled(type(manager).allocate_slots, 1000)
        scheduler.schedule = self._around_schedule(MethodType(schedule.function, scheduler))
        manager.allocate_slots = self._around_allocate(MethodType(allocate.function, manager))
        manager.get_computed_blocks = self._around_lookup(manager.get_computed_blocks)
        scheduler._preempt_request = self._around_preempt(scheduler._preempt_request)
        for name in QUEUES:
            queue = getattr(scheduler, name, None)
            if queue is not None:
                self._around_queue(queue)

    def _recompiled(self, function: Any, first: int = 0) -> Recompiled:
        recompiled = recompile(function, self._mark, first)
        self.sites |= {site.site: site for site in recompiled.sites}
        return recompiled

    def _mark(self, site: int, request: Any, values: tuple[Any, ...]) -> None:
        assert all(value is None or isinstance(value, int) for value in values)
        number = None if request is None else self._number(request)
        taken = ExitTaken(0, 0, site, number, list(values))
        self.steps[-1].exits.append((self.sites[site], taken))

    def _number(self, request: Any) -> int:
        return self.numbers.setdefault(request.request_id, len(self.numbers))

    def _emit(self, kind: type[Event], *values: Any) -> None:
        self.steps[-1].events.append(kind(0, 0, *values))

    def _candidate(self, request: Any) -> Candidate:
        lora = request.lora_request
        return Candidate(
            self._number(request),
            request.status.name,
            request.num_computed_tokens,
            request.num_tokens,
            lora.lora_name if lora else "",
            request.num_prompt_tokens,
            request.max_tokens,
        )

    def _before(self) -> Before:
        queues = {
            name: [self._candidate(one) for one in getattr(self._scheduler, name, ())]
            for name in QUEUES
        }
        running = tuple(self._candidate(one) for one in self._scheduler.running)
        pause = self._scheduler.pause_state.name
        return Before(running, in_look_order(queues), self.settings, pause)

    def _around_schedule(self, schedule: Callable[..., Any]) -> Callable[..., Any]:
        def around(*args: Any, **kwargs: Any) -> Any:
            self.steps.append(WatchedStep(self._before()))
            self._emit(StepStarted, 0, len(self.steps))
            output = schedule(*args, **kwargs)
            tokens = output.num_scheduled_tokens
            cached = output.scheduled_cached_reqs
            self._emit(
                StepScheduled,
                0,
                len(self.steps),
                [self.numbers[one] for one in tokens],
                list(tokens.values()),
                self._scheduler.max_num_scheduled_tokens,
                {self.numbers[new.req_id]: 0 for new in output.scheduled_new_reqs},
                {self.numbers[one]: 0 for one in cached.resumed_req_ids},
                {},
                self._scheduler.scheduler_config.max_num_batched_tokens,
            )
            return output

        return around

    def _around_allocate(self, allocate: Callable[..., Any]) -> Callable[..., Any]:
        def around(request: Any, num_new_tokens: int, *args: Any, **kwargs: Any) -> Any:
            blocks = allocate(request, num_new_tokens, *args, **kwargs)
            if blocks is None:
                self._emit(SlotsRefused, self._number(request), num_new_tokens)
            return blocks

        return around

    def _around_lookup(self, lookup: Callable[..., Any]) -> Callable[..., Any]:
        def around(request: Any, *args: Any, **kwargs: Any) -> Any:
            found = lookup(request, *args, **kwargs)
            if self.settings["enable_prefix_caching"]:
                self._emit(PrefixLookedUp, self._number(request), found[1], request.num_tokens)
            return found

        return around

    def _around_preempt(self, preempt: Callable[..., Any]) -> Callable[..., Any]:
        def around(request: Any, *args: Any, **kwargs: Any) -> Any:
            result = preempt(request, *args, **kwargs)
            if self.steps:
                self._emit(RequestPreempted, 0, self._number(request), 0, 0, 0)
            return result

        return around

    def _around_queue(self, queue: Any) -> None:
        pop, prepend = queue.pop_request, queue.prepend_requests

        def popping() -> Any:
            request = pop()
            self._emit(QueuePopped, 0, self._number(request))
            return request

        def prepending(requests: Any) -> None:
            requests = list(requests)
            prepend(requests)
            numbers = [self._number(one) for one in requests]
            statuses = [one.status.name for one in requests]
            self._emit(QueuePrepended, 0, numbers, statuses, [], [])

        queue.pop_request, queue.prepend_requests = popping, prepending


def _settings(bed: Any) -> dict[str, Any]:
    scheduler, shape = bed.scheduler, bed.shape
    spec = scheduler.vllm_config.speculative_config
    return {
        "max_num_active_reqs": scheduler.max_num_active_reqs,
        "enable_prefix_caching": shape.prefix_caching,
        "enable_chunked_prefill": shape.chunked,
        "policy": shape.policy,
        "async_scheduling": shape.async_scheduling,
        "num_spec_tokens": shape.num_spec_tokens,
        "draft_slots": spec.max_num_new_slots_for_drafting if spec else 0,
        "max_loras": shape.max_loras,
        "pipeline_parallel_size": 1,
        "data_parallel_size": 1,
        "connector": "",
        "ec_connector": "",
        "encoder": False,
        "mamba_align": shape.groups == "mamba_align",
        "prefill_lookahead": 0,
    }


__all__ = ["Watch", "WatchedStep"]
