"""The calls of one step -> why each request that got no tokens got none: the second method.

The first method reads the marks at the exits of `schedule` (`ExitTaken`). Where there are none,
this one concludes from what was called: a request that was popped and put back was skipped, one
that was refused blocks ended the pass, what is left of the budget tells the rest. An answer is
a set of kinds, as small as the events and the settings allow; a setting that the trace does not
know of rules nothing out. `views/agreement.py` compares the two methods step by step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pagewalk.views.calls import PAUSED_ALL, PAUSED_NEW, Before, Calls, Candidate, in_look_order

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pagewalk.trace.events import Event

Loop = Literal["running", "waiting"]
Kinds = frozenset[str]

BEHIND = "behind_head"
PREEMPTED = "preempted"
UNKNOWN = "unknown"
REMOTE = "WAITING_FOR_REMOTE_KVS"
_NONE: Kinds = frozenset()
_BEHIND: Kinds = frozenset({BEHIND})
_PAUSED: Kinds = frozenset({"paused"})
_UNBOUNDED = 1 << 62


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why `request` got no tokens: one of `kinds`. `behind` is the request that stood ahead."""

    request: int
    loop: Loop
    kinds: Kinds
    behind: int | None = None


@dataclass(frozen=True, slots=True)
class StepInference:
    """All verdicts of a step, and why each pass ended; an empty set means it ran through."""

    verdicts: tuple[Verdict, ...]
    running_end: Kinds
    waiting_end: Kinds

    def of(self, request: int) -> Verdict | None:
        """The verdict on one request, None if it was scheduled or is not there."""
        return next((one for one in self.verdicts if one.request == request), None)


def infer(events: Iterable[Event], before: Before) -> StepInference:
    """Conclude what held requests up from the events of one engine's step.

    `events` run from `StepStarted` to `StepScheduled` and are of one engine; others in between
    do not matter. `before` is the state at `StepStarted`.
    """
    calls = Calls(events, before)
    running, running_end = _running_pass(calls)
    waiting, waiting_end = _waiting_pass(calls)
    return StepInference((*running, *waiting), running_end, waiting_end)


def _running_pass(calls: Calls) -> tuple[list[Verdict], Kinds]:
    order = calls.before.running
    last = max((at for at, one in enumerate(order) if one.request in calls.scheduled), default=-1)
    left, room = calls.left(admitted=False), calls.input_left(admitted=False)
    ended = frozenset({"token_budget"}) if left <= 0 else _NONE
    if calls.paused:  # a paused scheduler works with a budget of 0
        ended = frozenset({"paused", "token_budget"})
    stuck = _stuck(calls)
    head: Verdict | None = None
    verdicts: list[Verdict] = []
    for at, one in enumerate(order):
        request = one.request
        if request in calls.scheduled:
            continue
        if request == stuck or request in calls.self_preempted:
            verdict = Verdict(request, "running", _stuck_kinds(calls, request))
            head = verdict if at > last else head
        elif request in calls.preempted:
            verdict = Verdict(request, "running", _victim_kinds(calls, one))
        elif head is not None:
            verdict = Verdict(request, "running", _behind(calls, head, one), head.request)
        elif at > last and left <= 0:
            verdict = Verdict(request, "running", ended)
        elif at > last and room is not None and room <= 0:
            verdict = head = Verdict(request, "running", frozenset({"input_budget"}))
        else:
            kinds = _passed_over(calls, one) | (ended if calls.paused else _NONE)
            verdict = Verdict(request, "running", kinds or frozenset({UNKNOWN}))
        verdicts.append(verdict)
    return verdicts, ended


def _stuck(calls: Calls) -> int | None:
    """The running request that was refused blocks for good, which ends the pass."""
    running = {one.request for one in calls.before.running}
    refused = [request for request in calls.refused if request in running]
    if not refused or refused[-1] in calls.scheduled or refused[-1] in calls.preempted:
        return None
    return refused[-1]


def _stuck_kinds(calls: Calls, request: int) -> Kinds:
    if request in calls.self_preempted:
        return frozenset({"self_preempted"})
    kinds = {"victim_not_freeable"}
    if calls.may("connector"):
        kinds.add("pending_block_frees")
    return frozenset(kinds)


def _victim_kinds(calls: Calls, one: Candidate) -> Kinds:
    """A priority scheduler may take a victim from among those already passed over."""
    kinds = frozenset({PREEMPTED})
    return kinds | _passed_over(calls, one) if _by_priority(calls) else kinds


def _by_priority(calls: Calls) -> bool:
    return calls.before.settings.get("policy", "priority") == "priority"


def _behind(calls: Calls, head: Verdict, one: Candidate) -> Kinds:
    """From 0.33 on a priority scheduler goes on after a self-preemption: both are possible."""
    goes_on = head.kinds == {"self_preempted"} and _by_priority(calls)
    return _BEHIND | _passed_over(calls, one) if goes_on else _BEHIND


def _passed_over(calls: Calls, one: Candidate) -> Kinds:
    """A running request that was looked at and left for another step, with others after it."""
    kinds: set[str] = set()
    if calls.overlapped:
        # Only the asynchronous scheduler counts tokens that are still to come; with a pipeline
        # alone a request just has none to compute until its last step has returned.
        counts = calls.may("async_scheduling")
        at_the_end = counts and one.tokens + 1 >= one.prompt + one.max_tokens
        sure = bool(one.max_tokens) and not calls.number("num_spec_tokens")
        if at_the_end or (counts and not sure):
            kinds.add("max_tokens_in_flight")
        if not (at_the_end and sure):
            kinds.add("nothing_to_schedule")
    if calls.trimmed or calls.may("mamba_align"):
        kinds.add("nothing_to_schedule")
    if calls.may("pipeline_parallel_size", 1):
        kinds.add("pp_not_eligible")
    if calls.throttled and one.prefilling:
        kinds.add("dp_throttle")
    if calls.may("ec_connector"):
        kinds.add("ec_transfer")
    return frozenset(kinds)


def _waiting_pass(calls: Calls) -> tuple[list[Verdict], Kinds]:
    waiting = calls.before.waiting
    if calls.preempted:
        ended = frozenset({"preempted_this_step"})
        return [Verdict(one.request, "waiting", ended) for one in waiting], ended
    popped = set(calls.popped)
    verdicts = [
        Verdict(one.request, "waiting", _skipped(calls, one))
        for one in waiting
        if one.request in popped and one.request not in calls.admitted
    ]
    rest = [one for one in waiting if one.request not in popped]
    head = _head(calls, rest)
    ended, looked_at = _waiting_end(calls, head)
    for one in rest:
        if looked_at and head is not None and one is not head:
            verdicts.append(Verdict(one.request, "waiting", _BEHIND, head.request))
        else:
            verdicts.append(Verdict(one.request, "waiting", ended))
    return verdicts, ended


def _head(calls: Calls, rest: list[Candidate]) -> Candidate | None:
    """The request at which the pass ended: the one it looked at, else the first.

    0.30 and older take from two queues by priority, so the first need not be the one.
    """
    seen = (one for one in rest if one.request in calls.refused or one.request in calls.hits)
    return next(seen, rest[0] if rest else None)


def _waiting_end(calls: Calls, head: Candidate | None) -> tuple[Kinds, bool]:
    """Why the waiting pass ended, and whether the head of the queue was looked at for that."""
    pause = calls.before.pause
    if pause == PAUSED_ALL:
        return _PAUSED, False
    if calls.left() <= 0:
        # 0.30 and older do not even begin the pass while new requests have to wait.
        return frozenset({"token_budget"}) | (_PAUSED if pause == PAUSED_NEW else _NONE), False
    if pause == PAUSED_NEW and not (head and head.holding):
        return _PAUSED, False
    room = calls.input_left()
    early = frozenset({"input_budget"}) if room is not None and room <= 0 else _NONE
    if head is None:
        return (_PAUSED if calls.paused else early), False
    if head.request in calls.refused:
        return frozenset({"no_blocks"}), True
    if head.request in calls.hits:
        return _given_up(calls, head) or frozenset({UNKNOWN}), True
    if early:
        return early, False
    most = calls.number("max_num_active_reqs") or calls.number("max_num_seqs") or _UNBOUNDED
    if calls.slots_taken() >= most:
        return frozenset({"max_num_seqs"}), False
    silent = frozenset({UNKNOWN}) if pause else _PAUSED
    if calls.lookup_is_seen(head):
        return silent, False
    kinds = _given_up(calls, head)
    if kinds and (pause or calls.goes_on):
        return kinds, True
    return kinds | silent, bool(kinds)


def _given_up(calls: Calls, head: Candidate) -> Kinds:
    """The head was looked at, got as far as its token count, and ended the pass there."""
    room, input_room = calls.left(), calls.input_left()
    room = room if input_room is None else min(room, input_room)
    need = head.tokens - max(head.computed, calls.hits.get(head.request, 0))
    spec = calls.number("num_spec_tokens")
    kinds: set[str] = set()
    if calls.throttled and need > 1:
        kinds.add("dp_throttle")
    if spec and need == 1 and 1 + spec > room:
        kinds.add("spec_padding")
    if need > room and not calls.before.settings.get("enable_chunked_prefill"):
        kinds.add("chunked_prefill_off")
    if calls.may("mamba_align"):
        kinds.add("mamba_align")
    if calls.trimmed:
        kinds.add("encoder_or_lookahead_zero")
    return frozenset(kinds)


def _skipped(calls: Calls, one: Candidate) -> Kinds:
    """The request was taken from its queue and put back: those behind it had their turn."""
    after = calls.put_back.get(one.request, one.status)
    if after == REMOTE and one.status != REMOTE:
        return frozenset({"async_kv_load"})
    if after.startswith("WAITING_FOR"):
        return frozenset({"blocked_status"})
    looked_up = one.request in calls.hits
    kinds: set[str] = set()
    if not looked_up and after == "PREEMPTED" and calls.overlapped:
        kinds.add("stale_output")
    if not looked_up and one.lora:
        kinds.add("max_loras")
    if looked_up or not calls.lookup_is_seen(one):
        kinds |= {"connector_undecided"} if calls.may("connector") else set()
        kinds |= {"ec_transfer"} if calls.may("ec_connector") else set()
        kinds |= {"encoder_or_lookahead_zero"} if calls.trimmed else set()
    return frozenset(kinds or {UNKNOWN})


__all__ = [
    "BEHIND",
    "PREEMPTED",
    "Before",
    "Candidate",
    "StepInference",
    "Verdict",
    "in_look_order",
    "infer",
]
