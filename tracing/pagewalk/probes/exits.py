"""Guard of an exit in the engine's source -> its kind, by a table of patterns.

The guard is the condition under which `schedule` leaves a loop or goes on to the next request,
or `allocate_slots` returns None. Its text changes from release to release; the table knows all
from 0.26 to 0.33 and answers `unknown` to any other, whose guard text the trace keeps.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from pagewalk.trace.exit_kinds import SENTENCES

if TYPE_CHECKING:
    from collections.abc import Sequence

UNKNOWN = "unknown"
SLOTS_ALLOCATED = "slots_allocated"
QUEUE_EMPTY = "queue_empty"

# Ways out that tell nothing: the allocation that went well, the queue that has no request.
# They are what a step of steady decode takes, so they get no mark and a trace has none.
QUIET = frozenset({SLOTS_ALLOCATED, QUEUE_EMPTY})

# Integers that an exit compares or that explain it. A mark reads those that are surely bound.
VALUE_NAMES = (
    "token_budget",
    "input_budget",
    "draft_slots",
    "request_token_budget",
    "num_running",
    "num_new_tokens",
    "num_computed_tokens",
    "padded_num_tokens",
    "long_prefill_token_threshold",
    "required_blocks",
    "available_blocks",
    "num_blocks_to_allocate",
    "watermark_blocks",
    "reserved_blocks",
)
REQUEST_NAME = "request"

EXIT_TARGETS = (
    "vllm.v1.core.sched.scheduler:Scheduler.schedule",
    "vllm.v1.core.kv_cache_manager:KVCacheManager.allocate_slots",
)


class Rule(NamedTuple):
    """A guard that `pattern` finds is of `kind`, in this loop and inside this other guard."""

    pattern: str
    kind: str
    loop: str = ""
    within: str = ""


RULES: tuple[Rule, ...] = (
    Rule(r"\bnew_blocks is not None", SLOTS_ALLOCATED),
    Rule(r"\bnew_blocks is None", "no_blocks"),
    Rule(r"\bhas_pending_block_frees\b", "pending_block_frees"),
    Rule(r"\b_request_blocks_can_be_freed\b", "victim_not_freeable"),
    Rule(r"\bpreempted_req == request\b", "self_preempted"),
    Rule(r"\brequest\.status == RequestStatus\.PREEMPTED", "self_preempted", "running"),
    Rule(r"\brequired_blocks > ", "full_sequence_blocks", "allocate", r"\bfull_sequence_must_fit"),
    Rule(r"\brequired_blocks > ", "no_blocks", "allocate"),
    Rule(r"\bnum_blocks_to_allocate > ", "no_blocks", "allocate"),
    Rule(r"\bpreempted_reqs$", "preempted_this_step", "waiting"),
    Rule(r"\b_pause_state\b", "paused", "waiting"),
    Rule(r"\bmax_num_(running|active)_reqs\b", "max_num_seqs"),
    Rule(r"_blocked_waiting_status\b|\bready_to_schedule\b", "blocked_status"),
    Rule(r"\bnum_stale_output_tokens\b", "stale_output"),
    Rule(r"\bmax_loras\b", "max_loras"),
    Rule(r"\bext_tokens is None", "connector_undecided"),
    Rule(r"\bensure_cache_available\b|\b_ec_transfer_pending\b", "ec_transfer"),
    Rule(r"\bdefer_prefills\b", "dp_throttle"),
    Rule(r"\benable_chunked_prefill\b", "chunked_prefill_off"),
    Rule(r"\bpadded_num_tokens > ", "spec_padding"),
    Rule(r"\bnum_new_tokens > \w*token_budget or .*max_model_len\b", "spec_padding"),
    Rule(r"\bnum_new_tokens == 0", "mamba_align", "waiting", r"mamba_block_aligned_split"),
    Rule(r"\bnum_new_tokens == 0", "encoder_or_lookahead_zero", "waiting"),
    Rule(r"\bnum_new_tokens == 0", "nothing_to_schedule", "running"),
    Rule(r"\bload_kv_async\b", "async_kv_load"),
    Rule(r"\bnum_output_placeholders\b.*\bmax_tokens\b", "max_tokens_in_flight"),
    Rule(r"\bnext_decode_eligible_step\b", "pp_not_eligible"),
    Rule(r"\binput_budget <= draft_slots\b", "input_budget"),
    Rule(r"^token_budget <= 0$|^token_budget == 0$", "token_budget"),
    Rule(r"^not request_queue$|^request_queue is None$", QUEUE_EMPTY),
    Rule(r"^not \(?self\.\w*waiting\b", QUEUE_EMPTY),
)


def classify(guard: str, loop: str = "", within: Sequence[str] = ()) -> str:
    """The kind of the first rule that fits; `within` are the guards around this one."""
    for rule in RULES:
        if rule.loop and rule.loop != loop:
            continue
        if rule.within and not any(re.search(rule.within, outer) for outer in within):
            continue
        if re.search(rule.pattern, guard):
            return rule.kind
    return UNKNOWN


def sentence(kind: str) -> str:
    """One plain sentence for readers; an unheard-of kind gets that of `unknown`."""
    return SENTENCES.get(kind, SENTENCES[UNKNOWN])


__all__ = [
    "EXIT_TARGETS",
    "QUIET",
    "RULES",
    "SENTENCES",
    "UNKNOWN",
    "VALUE_NAMES",
    "Rule",
    "classify",
    "sentence",
]
