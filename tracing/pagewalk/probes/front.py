"""Front-end call -> event: a user's request until it is sent, and its output until delivery."""

from __future__ import annotations

import time
from typing import Any

from pagewalk.probes.outputs import request_ids, token_counts
from pagewalk.probes.spec import Probe, Reading, argument
from pagewalk.trace.events import (
    AbortSent,
    Delivered,
    Detokenized,
    InputProcessed,
    OutputReceived,
    RequestAborted,
    RequestArrived,
    RequestSent,
    RoleTaken,
)

CLIENT = "vllm.v1.engine.core_client"
PROCESSOR = "vllm.v1.engine.output_processor"
INPUT = "vllm.v1.engine.input_processor:InputProcessor"
Args = tuple[Any, ...]
Kwargs = dict[str, Any]


def front_end_started(engine: Any, args: Args, kwargs: Kwargs) -> Reading:
    """This process serves users."""
    return (RoleTaken, "front_end", 0, type(engine).__name__)


def begun_now(thing: Any, args: Args, kwargs: Kwargs) -> int:
    """When the call was entered, in monotonic nanoseconds."""
    return time.monotonic_ns()


def input_processed(processor: Any, args: Args, kwargs: Kwargs, result: Any, begun: int) -> Reading:
    """Validated. The request still has the user's id here; `RequestArrived` joins the two."""
    return (
        InputProcessed,
        result.request_id,
        begun,
        len(result.prompt_token_ids or ()),
        getattr(result.sampling_params, "max_tokens", None) or 0,
    )


def input_processed_with_tokens(
    processor: Any, args: Args, kwargs: Kwargs, result: Any, begun: int
) -> Reading:
    """The same with the prompt's token ids, only where the user asked for them."""
    tokens = [int(token) for token in result.prompt_token_ids or ()]
    return (*input_processed(processor, args, kwargs, result, begun), tokens)


def request_arrived(processor: Any, args: Args, kwargs: Kwargs) -> Reading:
    """The user's id and the engine's internal id, one event for each of n > 1 samples."""
    request = argument(args, kwargs, 0, "request")
    return (
        RequestArrived,
        request.request_id,
        getattr(request, "external_req_id", None) or request.request_id,
    )


def request_sent(client: Any, args: Args, kwargs: Kwargs, result: Any, begun: int) -> Reading:
    """Handed to the transport; with data parallelism, to the engine that was chosen."""
    request = argument(args, kwargs, 0, "request")
    engine = getattr(client, "reqs_in_flight", {}).get(request.request_id, b"")
    rank = int.from_bytes(engine, "little") if isinstance(engine, bytes) else 0
    return (RequestSent, request.request_id, rank, begun)


def abort_sent(client: Any, args: Args, kwargs: Kwargs, result: Any) -> Reading | None:
    """`LLMEngine.step` sends an empty list every step: that is no abort."""
    ids = list(argument(args, kwargs, 0, "request_ids") or ())
    return (AbortSent, ids) if ids else None


def output_received(client: Any, args: Args, kwargs: Kwargs, result: Any) -> Reading | None:
    """Logged when the outputs are there: the call itself mostly waits."""
    outputs = result.outputs
    if not outputs:
        return None
    return (
        OutputReceived,
        request_ids(outputs),
        token_counts(outputs),
    )


def detokenized(
    processor: Any, args: Args, kwargs: Kwargs, result: Any, begun: int
) -> Reading | None:
    """One event a batch; the ids to abort are those that hit a stop string."""
    outputs = argument(args, kwargs, 0, "engine_core_outputs")
    if not outputs:
        return None
    return (
        Detokenized,
        request_ids(outputs),
        begun,
        list(result.reqs_to_abort),
    )


def delivered(collector: Any, args: Args, kwargs: Kwargs, result: Any) -> Reading | None:
    """An output was put where the caller's coroutine takes it."""
    output = argument(args, kwargs, 0, "output")
    if isinstance(output, Exception):
        return None
    return (Delivered, collector.request_id, bool(output.finished), output.request_id)


def delivered_offline(engine: Any, args: Args, kwargs: Kwargs, result: Any) -> list[Reading] | None:
    """`LLMEngine.step` returned a final output to the caller, under the user's id. Outputs on
    the way are told by `Detokenized`: one event a step, not one a request."""
    return [
        (Delivered, one.request_id, True, one.request_id) for one in result if one.finished
    ] or None


def request_aborted(processor: Any, args: Args, kwargs: Kwargs, result: Any) -> Reading | None:
    """Internal ids that the abort came down to."""
    return (RequestAborted, list(result)) if result else None


def _sends(client: str, suffix: str = "") -> tuple[Probe, ...]:
    return (
        Probe(
            "front",
            f"{CLIENT}:{client}.add_request{suffix}",
            "around",
            request_sent,
            ("request",),
            level="full",
            begin=begun_now,
        ),
        Probe(
            "front",
            f"{CLIENT}:{client}.abort_requests{suffix}",
            "after",
            abort_sent,
            ("request_ids",),
            level="full",
        ),
        Probe(
            "front",
            f"{CLIENT}:{client}.get_output{suffix}",
            "after",
            output_received,
            level="full",
        ),
    )


PROBES = (
    Probe(
        "front",
        "vllm.v1.engine.llm_engine:LLMEngine.__init__",
        "before",
        front_end_started,
        level="full",
        wakes=True,
    ),
    Probe(
        "front",
        "vllm.v1.engine.async_llm:AsyncLLM.__init__",
        "before",
        front_end_started,
        level="full",
        wakes=True,
    ),
    Probe(
        "front", f"{INPUT}.process_inputs", "around", input_processed, level="full", begin=begun_now
    ),
    Probe(
        "front",
        f"{INPUT}.process_inputs",
        "around",
        input_processed_with_tokens,
        level="tokens",
        begin=begun_now,
    ),
    Probe(
        "front",
        f"{PROCESSOR}:OutputProcessor.add_request",
        "before",
        request_arrived,
        ("request",),
        level="full",
    ),
    *_sends("InprocClient"),
    *_sends("SyncMPClient"),
    *_sends("AsyncMPClient", "_async"),
    Probe(
        "front",
        f"{CLIENT}:DPAsyncMPClient.add_request_async",
        "around",
        request_sent,
        ("request",),
        level="full",
        begin=begun_now,
    ),
    Probe(
        "front",
        f"{CLIENT}:DPLBAsyncMPClient.abort_requests_async",
        "after",
        abort_sent,
        ("request_ids",),
        level="full",
    ),
    Probe(
        "front",
        f"{PROCESSOR}:OutputProcessor.process_outputs",
        "around",
        detokenized,
        ("engine_core_outputs",),
        level="full",
        begin=begun_now,
    ),
    Probe(
        "front",
        f"{PROCESSOR}:OutputProcessor.abort_requests",
        "after",
        request_aborted,
        level="full",
    ),
    Probe(
        "front",
        f"{PROCESSOR}:RequestOutputCollector.put",
        "after",
        delivered,
        ("output",),
        level="full",
    ),
    Probe(
        "front",
        "vllm.v1.engine.llm_engine:LLMEngine.step",
        "after",
        delivered_offline,
        level="full",
    ),
)
