"""The matrix: which engine, fed with what, so that which part of the scheduler is exercised."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engines.drive import Drive

Script = Callable[[Drive, Path], None]
ASYNC = "vllm.v1.core.sched.async_scheduler.AsyncScheduler"


@dataclass(frozen=True)
class Case:
    """An engine of the bed's `kind` with settings `args`, and the workload `script`.

    `happens` are events and exit kinds that must be in the trace: a case that no longer does
    what it is there for must fail. `paced` says that the number of steps is the case's alone,
    and not also that of another thread (a grammar being compiled). With `aborts` some requests
    end before their user gets anything.
    """

    name: str
    script: Script
    kind: str = "llama"
    args: dict[str, Any] = field(default_factory=dict)
    happens: tuple[str, ...] = ()
    snapshots: int = 200
    paced: bool = True
    aborts: bool = False


def prompt(seed: int, length: int, shared: int = 0) -> list[int]:
    """Token ids: the first `shared` are those of every prompt, the rest those of the seed."""
    own = [97 + (seed * 31 + place * (7 + seed % 5)) % 26 for place in range(length)]
    return [97 + place % 23 for place in range(min(shared, length))] + own[shared:]


def crowd(drive: Drive, _: Path) -> None:
    """Ten requests in pairs of equal beginnings, more than fit: queueing, hits, preemption."""
    for i in range(10):
        drive.add(f"r{i}", prompt(i, 40 + 9 * i, shared=33 * (i % 2)), 40)
    drive.run()


def waves(drive: Drive, _: Path) -> None:
    """Requests that come while others run, the same prompts again."""
    for i in range(12):
        drive.at(9 * i, lambda i=i: drive.add(f"r{i}", prompt(i % 4, 50 + 20 * (i % 4)), 30))
    drive.run()


def ranked(drive: Drive, _: Path) -> None:
    """Low priorities first, so that later and higher ones make victims of them."""
    for i in range(10):
        drive.at(
            6 * i,
            lambda i=i: drive.add(f"r{i}", prompt(i, 60 + 6 * i), 60, priority=(10 - i) // 2),
        )
    drive.run()


def impatient(drive: Drive, _: Path) -> None:
    """Aborts of running, waiting, preempted, unknown and finished requests."""
    for i in range(10):
        drive.add(f"r{i}", prompt(i, 40 + 9 * i, shared=40), 50)
    drive.at(3, lambda: drive.abort("r9"))
    drive.at(7, lambda: drive.abort("r0", "r1"))
    drive.at(20, lambda: drive.abort("r2", "nobody"))
    drive.at(45, lambda: drive.abort("r0", "r4", "r5"))
    drive.run()


def stopping(drive: Drive, _: Path) -> None:
    """Stop strings (found by the front end, so an abort follows) and stop tokens."""
    for i in range(24):
        stops = {"stop": ["e", "th", "zz"]} if i % 2 else {"stop_token_ids": [97 + i, 120]}
        drive.add(f"r{i}", "the quick brown fox " * (2 + i % 3) + chr(97 + i), 60, **stops)
    drive.run()


def fanned(drive: Drive, _: Path) -> None:
    """Several samples of one prompt: children share their parent's prompt."""
    for i in range(6):
        drive.add(f"r{i}", prompt(i, 70 + 5 * i), 40, n=3, temperature=1.0)
    drive.run()


def repeating(drive: Drive, _: Path) -> None:
    """Prompts that repeat themselves, which an n-gram drafter can go on with."""
    for i in range(8):
        drive.add(f"r{i}", (prompt(i, 11) * 8)[: 50 + 6 * i], 70)
    drive.run()


def structured(drive: Drive, _: Path) -> None:
    """Grammars, which must be compiled before their requests can be scheduled."""
    import threading

    from vllm.sampling_params import StructuredOutputsParams

    # The compiler's threads are kept busy for the first steps, so that requests surely wait.
    compilers, gate = drive.scheduler.structured_output_manager.executor, threading.Event()
    for _ in range(compilers._max_workers):
        compilers.submit(gate.wait)
    drive.at(5, gate.set)
    for i in range(20):
        grammar = (
            StructuredOutputsParams(regex=f"([a-d]{{1,{5 + i}}} ){{1,40}}")
            if i % 2
            else StructuredOutputsParams(choice=["alpha", "beta", "gamma and more of it"])
        )
        free = {} if i % 4 == 3 else {"structured_outputs": grammar, "ignore_eos": False}
        drive.add(f"r{i}", prompt(i, 40 + 9 * (i % 8)), 40, **free)
    drive.run()


def adapted(drive: Drive, model: Path) -> None:
    """Two adapters where one may be active in a step."""
    from vllm.lora.request import LoRARequest

    from pagewalk.bed.models import ADAPTERS

    loras = [None] + [
        LoRARequest(name, number, str(model / name)) for number, name in enumerate(ADAPTERS, 1)
    ]
    for i in range(18):
        drive.add(f"r{i}", prompt(1, 45 + 9 * (i % 9)), 40, lora=loras[i % 3])
    drive.run()


def resetting(drive: Drive, _: Path) -> None:
    """The prefix cache is reset: in vain while requests run, and by preempting them."""
    for i in range(8):
        drive.add(f"r{i}", prompt(i % 3, 60 + 9 * (i % 3)), 40)
    drive.at(10, lambda: drive.engine.reset_prefix_cache())
    drive.at(25, lambda: drive.engine.reset_prefix_cache(reset_running_requests=True))
    drive.at(50, lambda: drive.engine.reset_prefix_cache(reset_running_requests=True))
    drive.run()
    drive.engine.reset_prefix_cache()
    drive.add("last", prompt(0, 60), 20)
    drive.run()


def embedding(drive: Drive, _: Path) -> None:
    """Prompts that are read and never answered, some longer than a step's budget."""
    for i in range(120):
        drive.at(i, lambda i=i: drive.embed(f"r{i}", prompt(i % 7, 30 + 17 * (i % 9))))
    drive.run()


CASES: tuple[Case, ...] = (
    Case(
        "crowd", crowd, happens=("RequestPreempted", "BlocksTouched", "no_blocks", "token_budget")
    ),
    Case("waves", waves, happens=("BlocksTouched", "HashRemoved")),
    Case("uncached", crowd, args={"enable_prefix_caching": False}, happens=("RequestPreempted",)),
    Case(
        "unchunked",
        crowd,
        args={
            "enable_chunked_prefill": False,
            "max_num_batched_tokens": 256,
            "scheduler_reserve_full_isl": False,
        },
        happens=("chunked_prefill_off",),
    ),
    Case("long_prefill", crowd, args={"long_prefill_token_threshold": 24}),
    Case(
        "priority",
        ranked,
        args={"scheduling_policy": "priority"},
        happens=("RequestPreempted", "QueuePrepended"),
    ),
    Case("aborts", impatient, happens=("AbortReceived", "RequestFinished"), aborts=True),
    Case("stop_strings", stopping, happens=("AbortSent",)),
    Case("fan_out", fanned, happens=("BlocksTouched",)),
    Case(
        "speculative",
        repeating,
        args={
            "speculative_config": {
                "method": "ngram",
                "num_speculative_tokens": 3,
                "prompt_lookup_max": 3,
                "prompt_lookup_min": 1,
            }
        },
    ),
    Case("structured", structured, happens=("blocked_status", "RequestSet"), paced=False),
    Case("lora", adapted, kind="lora", happens=("max_loras",)),
    Case("sliding_window", crowd, kind="mistral_swa", happens=("TableEntrySet",)),
    Case("hybrid", crowd, kind="gemma3", happens=("TableEntrySet",)),
    Case("mla", crowd, kind="deepseek_mla"),
    Case("experts", waves, kind="mixtral"),
    Case("mamba", waves, kind="mamba2"),
    Case("pooling", embedding, kind="pooling"),
    Case("async", crowd, args={"scheduler_cls": ASYNC}, happens=("RequestPreempted",)),
    Case("reset", resetting, happens=("PrefixCacheReset", "RequestPreempted")),
    Case("watermark", crowd, args={"watermark": 0.2}),
)
