"""A plan (the shape of a scheduler and what is done to it) -> the same run, every time.

Plans are plain values, so that Hypothesis can draw and shrink them and a seed can make millions.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pagewalk.bed.scheduler import SchedulerBed

GROUPS = ("full", "swa", "chunked_local", "hybrid", "hybrid_sizes", "mamba", "mamba_align")
POOLS = {"full": 6, "swa": 6, "chunked_local": 6, "mamba": 6}  # fewest blocks; others twice that


class Add(NamedTuple):
    """A new request; those of one `family` begin with the same tokens."""

    family: int
    length: int
    max_tokens: int
    priority: int = 0
    lora: int = 0
    stops: bool = False
    salted: bool = False


class Steps(NamedTuple):
    """Turns of the engine core's loop."""

    count: int


class Abort(NamedTuple):
    """The `which`-th youngest request is aborted, maybe while a batch is in flight."""

    which: int
    in_flight: bool = False


class Reset(NamedTuple):
    """The prefix cache is reset; `running` preempts all that run."""

    running: bool = False


class Pause(NamedTuple):
    """The scheduler is paused (or goes on) as `EngineCore.pause_scheduler` does it."""

    state: int


Action = Add | Steps | Abort | Reset | Pause


@dataclass(frozen=True)
class Plan:
    """What to build and what to do with it."""

    shape: Mapping[str, Any]
    actions: Sequence[Action] = field(default_factory=tuple)


def play(plan: Plan, most_steps: int = 20_000) -> SchedulerBed:
    """Carry out a plan, then step until the scheduler has nothing left."""
    bed = SchedulerBed(**plan.shape)
    names: list[str] = []
    for action in plan.actions:
        _act(bed, action, names)
    _pause(bed, 0)
    assert bed.run(most_steps) < most_steps, "the scheduler does not come to an end"
    return bed


def _act(bed: SchedulerBed, action: Action, names: list[str]) -> None:
    match action:
        case Add():
            name = f"r{len(names)}"
            names.append(name)
            _add(bed, name, action)
        case Steps(count):
            for _ in range(count):
                bed.step()
        case Abort(which, in_flight):
            if names:
                bed.abort(names[-1 - which % len(names)], in_flight=in_flight)
        case Reset(running):
            # vLLM itself cannot take back blocks whose release waits for a batch in flight.
            if not (running and bed.scheduler.defer_block_free):
                bed.reset_prefix_cache(reset_running=running)
        case Pause(state):
            _pause(bed, state)


def _add(bed: SchedulerBed, name: str, add: Add) -> None:
    longest = bed.max_model_len - 2
    length = max(1, min(add.length, longest))
    shared = length * 7 // 8
    prompt = [(add.family * 7 + place) % 90 for place in range(shared)]
    prompt += [(len(name) + place * 3 + add.length) % 90 for place in range(length - shared)]
    bed.add(
        name,
        prompt,
        max_tokens=max(1, min(add.max_tokens, bed.max_model_len - length)),
        priority=add.priority,
        lora=add.lora if bed.shape.max_loras else 0,
        stop_token_ids=range(0, 256, 5) if add.stops else (),
        cache_salt="salt" if add.salted else None,
    )


def _pause(bed: SchedulerBed, state: int) -> None:
    from vllm.v1.core.sched.interface import PauseState

    states = (PauseState.UNPAUSED, PauseState.PAUSED_NEW, PauseState.PAUSED_ALL)
    bed.scheduler.set_pause_state(states[state])


def random_plan(seed: int, actions: int = 120) -> Plan:
    """A plan that depends on the seed alone."""
    rng = random.Random(seed)
    shape, pauses = random_shape(rng), rng.random() < 0.25
    return Plan(shape, tuple(_random_action(rng, shape, pauses) for _ in range(actions)))


def random_shape(rng: random.Random) -> dict[str, Any]:
    """Arguments of `SchedulerBed`: small pools and budgets, so that things happen."""
    groups = rng.choice(GROUPS)
    fewest = POOLS.get(groups, 12)
    shape = {
        "groups": groups,
        "policy": rng.choice(("fcfs", "fcfs", "priority")),
        "num_blocks": rng.randrange(fewest, 6 * fewest),
        "block_size": rng.choice((4, 8, 16)),
        "max_num_batched_tokens": rng.choice((16, 24, 64, 96)),
        "max_num_seqs": rng.randrange(1, 9),
        "async_scheduling": rng.random() < 0.4,
        "prefix_caching": rng.random() < 0.8,
        "watermark": rng.choice((0.0, 0.0, 0.1, 0.3)),
        "chunked": rng.random() < 0.85,
        "reserve_full_sequence": rng.random() < 0.6,
        "long_prefill_token_threshold": rng.choice((0, 0, 8)),
        "num_spec_tokens": rng.choice((0, 0, 2)),
        "max_loras": rng.choice((0, 0, 1, 2)),
        "defer_frees": rng.random() < 0.3,
        "log_stats": rng.random() < 0.2,
    }
    return settled(shape)


def settled(shape: dict[str, Any]) -> dict[str, Any]:
    """The shape without what vLLM itself refuses or cannot bring to an end."""
    if shape["groups"].startswith("mamba"):
        shape["num_spec_tokens"] = 0
    if shape["async_scheduling"]:
        # It passes over a request that is about to end, admits another adapter in its place and
        # then finds both among the running: an assertion of vLLM's own, traced or not.
        shape["max_loras"] = 0
    if not shape["chunked"]:
        # A prompt longer than the budget would wait for ever.
        shape["max_num_batched_tokens"] = 4096
    return shape


def _random_action(rng: random.Random, shape: Mapping[str, Any], pauses: bool) -> Action:
    roll = rng.random()
    longest = shape["num_blocks"] * shape["block_size"]
    if roll < 0.42:
        return Add(
            family=rng.randrange(4),
            length=rng.randrange(1, longest),
            max_tokens=rng.choice((1, 2, 7, 30, longest)),
            priority=rng.randrange(4),
            lora=rng.randrange(4),
            stops=rng.random() < 0.3,
            salted=rng.random() < 0.1,
        )
    if roll < 0.84:
        return Steps(rng.randrange(1, 25))
    if roll < 0.95:
        return Abort(rng.randrange(6), rng.random() < 0.5)
    if roll < 0.985 or not pauses:
        return Reset(rng.random() < 0.6)
    return Pause(rng.randrange(3))
