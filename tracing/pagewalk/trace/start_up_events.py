"""Events of a worker's start-up: what it was asked before its first step, and what it answered."""

from __future__ import annotations

from pagewalk.trace.event import Event


class StartUpCallEnded(Event, frozen=True):
    """One call of a worker's start-up returned on `rank`; `begun` is when it was entered.

    `call` is the method's name. `profile_run` and `capture_model` are the runner's own and happen
    inside another call. What a call does not tell is -1: `layers` of the model that keep KV
    (`get_kv_cache_spec`), `memory` for the KV cache in bytes (`determine_available_memory`),
    `blocks` that it is cut into (`initialize_from_config`).
    """

    rank: int
    call: str
    begun: int
    layers: int = -1
    memory: int = -1
    blocks: int = -1
