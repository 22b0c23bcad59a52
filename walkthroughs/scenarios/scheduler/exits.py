"""One small engine for each way out of the two passes, so that each is taken at least once."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

from pagewalk.bed.scheduler import SchedulerBed

ENGINE = None


def bed_of(name: str, *prompts: int, max_tokens: int = 2, **shape: Any) -> SchedulerBed:
    """Requests NAME-a, NAME-b, NAME-c … with prompts of these lengths, no two alike."""
    bed = SchedulerBed(**shape)
    for number, size in enumerate(prompts):
        prompt = range(100 * number, 100 * number + size)
        bed.add(f"{name}-{'abcdefgh'[number]}", prompt, max_tokens)
    return bed


def full_batch() -> None:
    """Two places in the batch, three requests."""
    bed_of("seat", 20, 20, 20, max_num_seqs=2).run()


def full_budget() -> None:
    """Six requests with three drafts each want 24 tokens, and a step has 16."""
    bed_of(
        "draft", 2, 2, 2, 2, 2, 2, 2, max_tokens=6, num_spec_tokens=3, max_num_batched_tokens=16
    ).run()


def draft_slots() -> None:
    """The drafter needs 20 slots of its own for each request, out of 64."""
    bed = bed_of("slot", 1, 1, 1, 1, max_tokens=6, num_spec_tokens=3)
    drafter = SimpleNamespace(max_num_new_slots_for_drafting=20)
    bed.scheduler.vllm_config.speculative_config = drafter
    bed.run()


def padding() -> None:
    """Four decode with three drafts each, and two tokens of the budget are left for `pad-again`."""
    bed = bed_of("pad", 17, max_tokens=1, num_spec_tokens=3, max_num_batched_tokens=18)
    bed.step()
    for number, name in enumerate("bcde"):
        bed.add(f"pad-{name}", range(300 + 10 * number, 304 + 10 * number), max_tokens=9)
    bed.step()
    bed.add("pad-again", range(17), max_tokens=1)
    bed.run()


def unchunked() -> None:
    """Chunks are off: `whole-b` does not fit into the rest of the budget, and `whole-c` would."""
    bed_of("whole", 40, 40, 4, chunked=False).run()


def mamba() -> None:
    """States are kept at block ends: a block has 16 tokens, and 12 are left for `state-b`."""
    bed_of("state", 12, 40, groups="mamba_align", max_num_batched_tokens=20).run()


def reading_ahead() -> None:
    """A drafter reads three tokens ahead, so no chunk may end closer than that to the end."""
    bed = bed_of("ahead", 15, 3, max_num_batched_tokens=16)
    bed.scheduler.num_prefill_lookahead = 3
    bed.run()


def out_of_blocks() -> None:
    """`grow-b` grows, and is itself the last of the running; `grow-c` may not come in its place."""
    bed_of("grow", 47, 47, 5, max_tokens=8, num_blocks=8).run()


def frees_announced() -> None:
    """The connector is about to free blocks, so nobody is preempted for `soon-b`."""
    bed = bed_of("soon", 16, 16, 16, max_tokens=4, num_blocks=5)
    bed.step()
    bed.scheduler.connector = connector()
    bed.scheduler.connector.has_pending_block_frees.side_effect = [True] + [False] * 99
    bed.run()


def frees_deferred() -> None:
    """The victim is in flight, so its blocks cannot be given away yet."""
    bed_of(
        "fence", 30, 30, max_tokens=8, num_blocks=6, async_scheduling=True, defer_frees=True
    ).run()


def undecided() -> None:
    """At first the connector does not know what it has of `ask-a`; `ask-b` goes ahead."""
    bed = bed_of("ask", 20, 20)
    bed.scheduler.connector = connector((None, False), (0, False), (0, False))
    bed.run()


def loading() -> None:
    """The connector has 16 of the 20 tokens of `load-a`, and loads them while `load-b` runs."""
    from vllm.v1.outputs import KVConnectorOutput

    bed = bed_of("load", 20, 20, max_tokens=4)
    bed.scheduler.connector = connector((16, True), (0, False))
    bed.step()
    bed.step()
    bed.scheduler._update_from_kv_xfer_finished(KVConnectorOutput(finished_recving={"load-a"}))
    bed.run()


def paused() -> None:
    """A pause: one more step tells the workers who is done, and schedules nobody."""
    from vllm.v1.core.sched.interface import PauseState

    bed = bed_of("pause", 20, max_tokens=1)
    bed.step()
    bed.add("pause-b", range(500, 520), max_tokens=2)
    bed.scheduler.set_pause_state(PauseState.PAUSED_ALL)
    bed.step()
    bed.scheduler.set_pause_state(PauseState.UNPAUSED)
    bed.run()


def throttled() -> None:
    """A step without prefills, as data parallel ranks agree on it: only `rank-a` decodes."""
    bed = bed_of("rank", 8, 60, max_tokens=4, max_num_batched_tokens=32)
    bed.step()
    bed.add("rank-c", range(500, 520), max_tokens=2)
    scheduler = bed.scheduler
    scheduler.schedule = functools.partial(scheduler.schedule, throttle_prefills=True)
    bed.step()
    del scheduler.schedule
    bed.run()


def in_flight() -> None:
    """Asynchronous: nothing is left to compute for `air-a` and `air-b`, and `air-c` goes on."""
    bed = SchedulerBed(async_scheduling=True, max_model_len=40)
    bed.add("air-a", range(20), max_tokens=3)
    bed.add("air-b", range(100, 138), max_tokens=9)
    bed.add("air-c", range(200, 206), max_tokens=6)
    bed.run()


def pipeline() -> None:
    """Two pipeline stages: a request has its turn in every second step."""
    bed = bed_of("stage", 20, max_tokens=4, async_scheduling=True)
    staged(bed)
    bed.scheduler.use_v2_model_runner = True
    bed.scheduler.decode_stagger = 2
    bed.run()


def late_output() -> None:
    """Two pipeline stages: `late-b` is preempted, and two of its tokens are still under way."""
    bed = bed_of("late", 30, 30, max_tokens=8, num_blocks=6, async_scheduling=True)
    staged(bed)
    bed.run()


def staged(bed: SchedulerBed) -> None:
    """Let three batches be in flight, as with two pipeline stages and asynchronous scheduling."""
    bed._depth = 3


def connector(*matches: tuple[int | None, bool]) -> MagicMock:
    """A KV connector that answers so, in turn: tokens it has, and whether it loads them later."""
    answers: Iterable[Any] = iter(matches)
    made = MagicMock()
    made.supports_divergent_local_hybrid_hits = False
    made.get_num_new_matched_tokens.side_effect = lambda *_: next(answers, (0, False))
    made.get_loaded_kv_cache_group_ids.return_value = ()
    made.has_pending_block_frees.return_value = False
    made.has_pending_push_work.return_value = False
    made.request_finished.return_value = (False, None)
    made.get_kv_connector_stats.return_value = None
    made.take_events.return_value = ()
    return made


SCENES = (
    full_batch,
    full_budget,
    draft_slots,
    padding,
    unchunked,
    mamba,
    reading_ahead,
    out_of_blocks,
    frees_announced,
    frees_deferred,
    undecided,
    loading,
    paused,
    throttled,
    in_flight,
    pipeline,
    late_output,
)


def main() -> None:
    """Build one engine after the other, in the order of the scenes."""
    for scene in SCENES:
        scene()


if __name__ == "__main__":
    main()
