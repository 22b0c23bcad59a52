"""The engine's functions as they are now -> values to compare by identity."""

from __future__ import annotations

import sys
from collections import defaultdict
from typing import Any

from pagewalk.probes import PROBES
from pagewalk.probes.spec import ENGINE, NUMBER


def probed_functions() -> dict[str, tuple[Any, Any]]:
    """What stands at each probe's target in the modules imported so far, and its code object."""
    found: dict[str, tuple[Any, Any]] = {}
    for target in dict.fromkeys(row.target for row in PROBES):
        module, _, path = target.partition(":")
        owner: Any = sys.modules.get(module)
        *owners, name = path.split(".")
        for part in owners:
            owner = getattr(owner, part, None)
        if owner is not None and name in vars(owner):
            function = vars(owner)[name]
            found[target] = (function, getattr(function, "__code__", None))
    return found


def changed(before: dict[str, tuple[Any, Any]], after: dict[str, tuple[Any, Any]]) -> list[str]:
    """Targets that do not hold the very same function with the very same code."""
    return [
        target
        for target, (function, code) in before.items()
        if after[target][0] is not function or after[target][1] is not code
    ]


def left_on(scheduler: Any) -> list[str]:
    """What tracing left behind in a scheduler and the objects that belong to it."""
    managers = scheduler.kv_cache_manager.coordinator.single_type_managers
    queues = [
        getattr(scheduler, name)
        for name in ("waiting", "kv_holding_waiting", "skipped_waiting")
        if hasattr(scheduler, name)
    ]
    things = [scheduler, *managers, *(one.block_pool for one in managers), *queues]
    marks = [
        f"{type(thing).__name__}.{name}"
        for thing in things
        for name in (NUMBER, ENGINE)
        if name in vars(thing)
    ]
    tables = [
        f"{type(one).__name__}.req_to_blocks is a {type(one.req_to_blocks).__name__}"
        for one in managers
        if type(one.req_to_blocks) is not defaultdict
        or one.req_to_blocks.default_factory is not list
        or any(type(table) is not list for table in one.req_to_blocks.values())
    ]
    return marks + tables
