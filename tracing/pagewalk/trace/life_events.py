"""Events of the front end, the core's sockets and the workers (level `full`), and digests."""

from __future__ import annotations

import msgspec

from pagewalk.trace.event import Event


class RequestArrived(Event, frozen=True):
    """`LLMEngine.add_request` / `AsyncLLM.add_request`: a user's request `external` got its id."""

    request: int
    external: str
    began: int = 0


class InputProcessed(Event, frozen=True):
    """`InputProcessor.process_inputs`: validated and turned into an `EngineCoreRequest`."""

    request: int
    began: int
    num_prompt_tokens: int = 0
    max_tokens: int = 0
    token_ids: list[int] = []


class RequestSent(Event, frozen=True):
    """`EngineCoreClient.add_request(_async)`: handed to the engine core (`dp_rank`). The core may
    have received it before the call returned, but never before it `began`."""

    request: int
    dp_rank: int = 0
    began: int = 0


class AbortSent(Event, frozen=True):
    """`EngineCoreClient.abort_requests(_async)` with at least one id."""

    requests: list[int]


class RequestReceived(Event, frozen=True):
    """`EngineCore.preprocess_add_request`: decoded and hashed on the core's input thread."""

    request: int
    began: int
    num_prompt_tokens: int = 0
    arrival: float = 0.0


class RequestDequeued(Event, frozen=True):
    """`EngineCore.add_request`: the busy loop took it from the input queue."""

    request: int


class AbortReceived(Event, frozen=True):
    """`EngineCore.abort_requests` (may come twice for one abort: it is idempotent)."""

    requests: list[int]


class ExecutionStarted(Event, frozen=True):
    """`WorkerWrapperBase.execute_model` was entered on `rank` for `step` (-1: not a step)."""

    step: int
    rank: int
    num_requests: int = 0
    num_tokens: int = 0


class ExecutionEnded(Event, frozen=True):
    """The worker's call returned; `call` is `execute_model` or `sample_tokens`."""

    step: int
    rank: int
    call: str
    began: int


class BatchPrepared(Event, frozen=True):
    """`GPUModelRunner._prepare_inputs`: the batch of `step` as `rank` is about to run it.

    One request per row, in the worker's own order: `computed[i]` of its tokens have KV, `tokens[i]`
    more are in the batch. `rows`, `slots`, `block_sizes` and `writes` have one entry per KV-cache
    group. `rows`: what the worker's block table holds in each row that differs from the batch
    before, as (row, block ids). `slots`: where each token's KV goes, as runs: first slot, length,
    first slot, length; empty where only the device knows. `block_sizes` comes with the first batch
    of a table.

    `runner` V2 is `GPUModelRunner.prepare_inputs` of `worker/gpu`. A request keeps its row of the
    block tables there: `states[i]` is that of row `i` of the batch. The tables and the slots live
    on the device; `writes` has what the host sent there since the batch before, as (state, first
    entry, block ids). `tokens` are then those between the query starts that the host sent.

    `new` and `resumed`: as the scheduler told the worker, V2 being told of a resumed request as of
    a new one. `removed`: those that lost their row (V1) or state (V2) since the batch before.
    """

    step: int
    rank: int
    requests: list[int]
    computed: list[int]
    tokens: list[int]
    rows: list[list[tuple[int, list[int]]]] = []
    slots: list[list[int]] = []
    block_sizes: list[int] = []
    runner: str = "V1"
    states: list[int] = []
    writes: list[list[tuple[int, int, list[int]]]] = []
    new: list[int] = []
    resumed: list[int] = []
    removed: list[int] = []


class OutputReceived(Event, frozen=True):
    """`EngineCoreClient.get_output(_async)` returned outputs for these requests."""

    requests: list[int]
    tokens: list[int]


class Detokenized(Event, frozen=True):
    """`OutputProcessor.process_outputs`: detokenised a batch; `stopped` hit a stop string."""

    requests: list[int]
    began: int
    stopped: list[int] = []


class Delivered(Event, frozen=True):
    """The output reached the caller: `RequestOutputCollector.put` or `LLMEngine.step`."""

    request: int
    finished: bool = False
    external: str = ""


class RequestAborted(Event, frozen=True):
    """`OutputProcessor.abort_requests`: the client side gave these requests up."""

    requests: list[int]


class EngineFailed(Event, frozen=True):
    """The engine core died: `EngineCore.log_error_detail` or `_send_engine_dead`."""

    where: str


class StateDigested(Event, frozen=True):
    """Digest mode: a hash per field of the live state, at `scheduled`, `updated` or `finished`."""

    engine: int
    step: int
    at: str
    fields: dict[str, str]


class StateDumped(Event, frozen=True):
    """The live state itself (same fields, as JSON text): digest mode `full`, or after a loss."""

    engine: int
    step: int
    at: str
    state: msgspec.Raw
