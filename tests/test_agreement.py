"""The marks and the inference agree on every step of the real scheduler, and marks are harmless."""

from __future__ import annotations

import random
from typing import Any

import pytest

SHAPES: dict[str, dict[str, Any]] = {
    "plain": {},
    "priority": {"policy": "priority"},
    "unchunked": {"chunked": False, "max_num_batched_tokens": 200},
    "unchunked-uncached": {
        "chunked": False,
        "max_num_batched_tokens": 200,
        "prefix_caching": False,
        "num_blocks": 60,
    },
    "async": {"async_scheduling": True},
    "async-priority": {"async_scheduling": True, "policy": "priority"},
    "lora": {"max_loras": 1},
    "spec": {"num_spec_tokens": 3},
    "async-spec": {"num_spec_tokens": 2, "async_scheduling": True},
    "hybrid": {"groups": "hybrid", "num_blocks": 40},
    "mamba-align": {"groups": "mamba_align", "num_blocks": 40},
    "watermark": {"watermark": 0.2},
    "few-seqs": {"max_num_seqs": 2, "num_blocks": 64},
    "unreserved": {"reserve_full_sequence": False, "policy": "priority", "num_blocks": 20},
    "deferred-frees": {"defer_frees": True, "async_scheduling": True},
    "long-prefill": {"long_prefill_token_threshold": 16},
}
# What each shape is there for.
EXPECTED = {
    "plain": {"token_budget", "no_blocks", "max_num_seqs", "self_preempted", "preempted_this_step"},
    "priority": {"self_preempted", "preempted_this_step"},
    "unchunked": {"chunked_prefill_off"},
    "async": {"max_tokens_in_flight"},
    "lora": {"max_loras"},
    "mamba-align": {"mamba_align", "nothing_to_schedule"},
    "deferred-frees": {"victim_not_freeable"},
}


@pytest.mark.engine
class TestOnTheScheduler:
    """Random workloads on the real scheduler, marked beside unmarked."""

    @pytest.mark.parametrize("name", SHAPES)
    def test_both_methods_agree(self, name: str) -> None:
        """On every step; and the marks change no decision and no token."""
        from watched import Watch

        from pagewalk.bed.scheduler import SchedulerBed

        shape = SHAPES[name]
        marked, plain = SchedulerBed(**shape), SchedulerBed(**shape)
        watch = Watch(marked)
        chance = random.Random(name)
        for number in range(250):
            _disturb(chance, (marked, plain), number, bool(shape.get("max_loras")))
            assert _decided(marked) == _decided(plain)
        assert marked.outputs == plain.outputs
        wrong = [str(one) for step in watch.steps for one in step.disagreements]
        assert wrong == []
        seen = {site.kind for step in watch.steps for site, _ in step.exits}
        assert EXPECTED.get(name, set()) <= seen


def _disturb(chance: random.Random, beds: tuple[Any, Any], number: int, lora: bool) -> None:
    """Add or abort a request in both beds."""
    if chance.random() < 0.3:
        length = min(chance.randint(1, 150), beds[0].max_model_len - 40)
        shared = chance.randrange(3)
        prompt = [shared] * (length // 2) + [
            chance.randrange(200) for _ in range(length - length // 2)
        ]
        options = {
            "max_tokens": chance.randint(1, 40),
            "priority": chance.randrange(3),
            "lora": chance.randrange(3) if lora else 0,
        }
        for bed in beds:
            bed.add(f"r{number}", prompt, **options)
    if chance.random() < 0.03:
        victim = f"r{chance.randrange(number + 1)}"
        for bed in beds:
            if victim in bed.outputs:
                bed.abort(victim)


def _decided(bed: Any) -> dict[str, int] | None:
    scheduled = bed.step().scheduled
    return None if scheduled is None else dict(scheduled.num_scheduled_tokens)
