"""Events about requests in the scheduler and about one step: what was decided, and why not."""

from __future__ import annotations

from pagewalk.trace.event import Event


class RequestEnqueued(Event, frozen=True):
    """`Scheduler.add_request`: the scheduler knows the request now. Tokens are counts."""

    engine: int
    request: int
    status: str
    num_prompt_tokens: int
    num_tokens: int
    max_tokens: int
    computed: int = 0
    priority: int = 0
    arrival: float = 0.0
    lora: str = ""
    client: int = 0


class QueueAdded(Event, frozen=True):
    """`RequestQueue.add_request`. `status`, `computed`, `tokens` as the request has them."""

    queue: int
    request: int
    status: str
    computed: int
    tokens: int


class QueuePopped(Event, frozen=True):
    """`RequestQueue.pop_request`: taken from the head, to be admitted or put back (skipped)."""

    queue: int
    request: int


class QueuePrepended(Event, frozen=True):
    """`prepend_request(s)`, in call order (each goes to the front of an FCFS queue in turn)."""

    queue: int
    requests: list[int]
    statuses: list[str]
    computed: list[int]
    tokens: list[int]


class QueueRemoved(Event, frozen=True):
    """`remove_request(s)`: taken out of the queue, wherever they stood."""

    queue: int
    requests: list[int]


class RequestSet(Event, frozen=True):
    """The request's counters changed outside schedule() and update_from_output(): new values.
    `arrival` only where it changed too: with the next chunk of a streaming session."""

    request: int
    status: str
    computed: int
    tokens: int
    cause: str = ""
    arrival: float | None = None


class RequestPreempted(Event, frozen=True):
    """`Scheduler._preempt_request`: it lost its blocks and `computed` tokens of KV."""

    engine: int
    request: int
    computed: int
    tokens: int
    num_preemptions: int


class RequestFinished(Event, frozen=True):
    """`Scheduler._free_request`: finished with `status`; `computed` of `tokens` tokens had KV."""

    engine: int
    request: int
    status: str
    computed: int
    tokens: int
    num_output_tokens: int = 0


class PauseStateSet(Event, frozen=True):
    """The scheduler was paused or goes on: `UNPAUSED`, `PAUSED_NEW` or `PAUSED_ALL`."""

    engine: int
    state: str


class StepStarted(Event, frozen=True):
    """`Scheduler.schedule` was entered; `step` is the scheduler's own count of these calls."""

    engine: int
    step: int


class StepScheduled(Event, frozen=True):
    """`Scheduler.schedule` returned. `requests` in scheduling order; `tokens` for each, or one
    number when equal. `new`/`resumed`: admitted now -> tokens already computed at admission.
    `spec`: draft tokens among them. `budget` is `max_num_scheduled_tokens`."""

    engine: int
    step: int
    requests: list[int]
    tokens: list[int] | int
    budget: int
    new: dict[int, int] = {}
    resumed: dict[int, int] = {}
    spec: dict[int, int] = {}
    input_budget: int = 0


class ExitTaken(Event, frozen=True):
    """The mark at exit `site` ran, looking at `request`; `values` go with `ExitSite.names`."""

    site: int
    request: int | None = None
    values: list[int | None] = []


class PrefixLookedUp(Event, frozen=True):
    """`KVCacheManager.get_computed_blocks`: `hit` of `tokens` tokens were in the prefix cache.
    `missed` is the first hash that was not there, None if the lookup ended for another reason."""

    request: int
    hit: int
    tokens: int
    missed: str | None = None
    reason: str = ""


class SlotsRefused(Event, frozen=True):
    """`KVCacheManager.allocate_slots` returned None: `required` > `available` blocks."""

    request: int
    new_tokens: int
    required: int | None = None
    available: int | None = None
    watermark: int | None = None
    full_sequence: bool | None = None


class UpdateStarted(Event, frozen=True):
    """`Scheduler.update_from_output` was entered with the model's output of `step`."""

    engine: int
    step: int


class StepUpdated(Event, frozen=True):
    """`Scheduler.update_from_output` returned. `requests` got `tokens` new tokens each (or one
    number when equal). `computed`: absolute values where drafts were verified."""

    engine: int
    step: int
    requests: list[int]
    tokens: list[int] | int
    computed: dict[int, int] = {}
    token_ids: list[list[int]] = []
