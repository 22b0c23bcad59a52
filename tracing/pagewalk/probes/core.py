"""EngineCore call -> event: a request between the socket and the scheduler, and engine death."""

from __future__ import annotations

from typing import Any

from pagewalk.probes.front import begun_now
from pagewalk.probes.spec import Probe, Reading, argument
from pagewalk.trace.events import (
    AbortReceived,
    EngineFailed,
    RequestDequeued,
    RequestReceived,
    RoleTaken,
)

CORE = "vllm.v1.engine.core:EngineCore"
Args = tuple[Any, ...]
Kwargs = dict[str, Any]


def core_started(core: Any, args: Args, kwargs: Kwargs) -> Reading:
    """This process (or, in-process, this object) runs the busy loop."""
    return (RoleTaken, "engine_core", 0, type(core).__name__)


def request_received(core: Any, args: Args, kwargs: Kwargs, result: Any, begun: int) -> Reading:
    """Decoded, built and hashed on the input thread, while a step may be running."""
    request = argument(args, kwargs, 0, "request")
    return (
        RequestReceived,
        request.request_id,
        begun,
        len(request.prompt_token_ids or ()),
        float(request.arrival_time or 0.0),
    )


def request_dequeued(core: Any, args: Args, kwargs: Kwargs) -> Reading:
    """The busy loop takes it; the time since `RequestReceived` is spent behind a step."""
    return (RequestDequeued, argument(args, kwargs, 0, "request").request_id)


def abort_received(core: Any, args: Args, kwargs: Kwargs) -> Reading | None:
    """Ids to abort, also those that are finished already."""
    ids = list(argument(args, kwargs, 0, "request_ids") or ())
    return (AbortReceived, ids) if ids else None


def engine_failed(core: Any, args: Args, kwargs: Kwargs) -> Reading:
    """The core tells its clients that it is dead."""
    return (EngineFailed, "engine_dead")


def step_failed(config: Any, args: Args, kwargs: Kwargs) -> Reading:
    """A step raised: the engine dumps what it was doing."""
    return (EngineFailed, "execute_model")


PROBES = (
    # Not `__init__`: that is where vLLM loads the plugin, so the call has begun already.
    Probe("core", f"{CORE}._initialize_kv_caches", "before", core_started, wakes=True),
    Probe(
        "core",
        f"{CORE}.preprocess_add_request",
        "around",
        request_received,
        ("request",),
        level="full",
        begin=begun_now,
    ),
    Probe("core", f"{CORE}.add_request", "before", request_dequeued, ("request",), level="full"),
    Probe(
        "core", f"{CORE}.abort_requests", "before", abort_received, ("request_ids",), level="full"
    ),
    # What is left of a dying core's life is up to its parent, which may kill it right away.
    Probe(
        "core",
        "vllm.v1.engine.core:EngineCoreProc._send_engine_dead",
        "before",
        engine_failed,
        urgent=True,
    ),
    Probe("core", "vllm.v1.engine.core:dump_engine_exception", "before", step_failed, urgent=True),
)
