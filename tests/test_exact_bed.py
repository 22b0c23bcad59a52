"""Exact on the real scheduler without a model: many shapes, through files, compared and judged."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from engines.verify import examine, must_hold
from engines.workload import GROUPS, play, random_plan, settled

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("vllm_imported")]

PLAIN: dict[str, Any] = {
    "policy": "fcfs",
    "num_blocks": 30,
    "block_size": 8,
    "max_num_batched_tokens": 64,
    "max_num_seqs": 6,
    "async_scheduling": False,
    "prefix_caching": True,
    "watermark": 0.0,
    "chunked": True,
    "reserve_full_sequence": True,
    "long_prefill_token_threshold": 0,
    "num_spec_tokens": 0,
    "max_loras": 0,
    "defer_frees": False,
    "log_stats": False,
}
VARIANTS: dict[str, dict[str, Any]] = {
    "priority": {"policy": "priority"},
    "uncached": {"prefix_caching": False},
    "unchunked": {"chunked": False},
    "optimistic": {"reserve_full_sequence": False},
    "watermark": {"watermark": 0.3},
    "threshold": {"long_prefill_token_threshold": 8},
    "drafts": {"num_spec_tokens": 2},
    "drafts_async": {"num_spec_tokens": 2, "async_scheduling": True},
    "loras": {"max_loras": 1},
    "deferred": {"async_scheduling": True, "defer_frees": True},
    "crowded": {"num_blocks": 13, "reserve_full_sequence": False, "policy": "priority"},
    "stats": {"log_stats": True},
}


def run(seed: int, shape: dict[str, Any], trace: Path) -> dict[str, Any]:
    """A random workload on one shape, traced as a user would, and what the trace says."""
    from pagewalk.capture import tracing

    plan = replace(random_plan(seed, 90), shape=settled(shape))
    with tracing(trace, digest="hash", strict=True):
        play(plan)
    return examine(trace)


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("groups", GROUPS)
def test_every_kind_of_group(groups: str, asynchronous: bool, tmp_path: Path) -> None:
    shape = {**PLAIN, "groups": groups, "async_scheduling": asynchronous}
    assert must_hold(run(GROUPS.index(groups), shape, tmp_path / "trace")) > 100


@pytest.mark.parametrize("groups", ["full", "hybrid"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_every_setting(variant: str, groups: str, tmp_path: Path) -> None:
    shape = {**PLAIN, "groups": groups, **VARIANTS[variant]}
    seed = 100 + [*VARIANTS].index(variant)
    assert must_hold(run(seed, shape, tmp_path / "trace")) > 100
