"""A scheduler that runs already -> one that is traced: numbered, tracked, its state told."""

from __future__ import annotations

from typing import Any

from pagewalk.capture.install import Installation
from pagewalk.probes.requests import enqueued
from pagewalk.probes.spec import NUMBER, Probe

POOL = "vllm.v1.core.block_pool:BlockPool.__init__"
TABLES = "vllm.v1.core.single_type_kv_cache_manager:SingleTypeKVCacheManager.__init__"
SCHEDULER = "vllm.v1.core.sched.scheduler:Scheduler.__init__"


def adopt(installation: Installation, scheduler: Any) -> None:
    """Trace `scheduler` from now on. Call it between two steps, with the probes in place.

    What happened before is unknown; the state as it is now goes into the trace.
    """
    installation.recorder.wake()
    installation.number(scheduler, "engine")
    managers = scheduler.kv_cache_manager.coordinator.single_type_managers
    pools = [scheduler.kv_cache_manager.block_pool, *(one.block_pool for one in managers)]
    for pool in {id(pool): pool for pool in pools}.values():
        installation.number(pool, "pool")
        installation.built(pool, _row(installation, POOL))
    for manager in managers:
        installation.track(manager, _row(installation, TABLES))
    installation.built(scheduler, _row(installation, SCHEDULER))
    for request in scheduler.requests.values():
        if not request.is_finished():
            installation.recorder.emit(enqueued(getattr(scheduler, NUMBER), request))
    installation.checker.dump(scheduler, scheduler.current_step, "adopted")


def _row(installation: Installation, target: str) -> Probe:
    return next(row for row in installation.rows if row.target == target)
