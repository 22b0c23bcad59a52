"""Full attention beside a window of 40 tokens: five schedulers, and what each keeps and finds.

Engines 0 to 2 differ in the retention interval alone: 0 (vLLM's default), None and 64. Engine 3
has three types of attention, and engine 4 two batches in flight. Blocks have 16 tokens, a step
has 64.
"""

from __future__ import annotations

ENGINE = None

LONG = range(160)
SHARED = range(100)  # the beginning of LONG


def scheduler(retention: int | None, **shape: object):
    """Build a bed; its schedulers keep all checkpoints (None) unless they are told otherwise."""
    from pagewalk.bed.scheduler import SchedulerBed

    bed = SchedulerBed(**{"groups": "hybrid", "num_blocks": 40, **shape})
    bed.scheduler.kv_cache_manager.coordinator.retention_interval = retention
    return bed


def three_types():
    """Return the groups of a model with full, sliding-window and chunked local attention."""
    from vllm.v1.kv_cache_interface import KVCacheGroupSpec

    from pagewalk.bed.scheduler_config import GROUPS

    kinds = ("full", "swa", "chunked_local")
    specs = [spec for kind in kinds for spec in GROUPS[kind](16)]
    return [KVCacheGroupSpec([f"layer.{i}"], spec) for i, spec in enumerate(specs)]


def walk(retention: int | None, **shape: object) -> None:
    """Compute `long`; send it again; then two prompts that share only its first 100 tokens."""
    bed = scheduler(retention, **shape)
    bed.add("long", LONG, max_tokens=2)
    bed.run(9)
    bed.add("resend", LONG, max_tokens=1)
    bed.run(9)
    for number, name in enumerate(("shorter", "third"), start=1):
        bed.add(name, [*SHARED, *range(1000 * number, 1000 * number + 30)], max_tokens=1)
        bed.run(9)


def main() -> None:
    """Run the five, one after the other."""
    walk(0)
    walk(None)
    walk(64)
    walk(0, groups=three_types(), num_blocks=60)
    walk(0, async_scheduling=True)


if __name__ == "__main__":
    main()
