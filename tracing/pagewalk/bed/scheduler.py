"""Requests by hand -> a real vLLM scheduler, stepped without a model, a worker or a device.

The scheduler, its queues, the KV-cache manager and the block pools are the engine's own. Only
the answer to each step is made up here: one token per request that reached the end of its
tokens, a function of the request's id and the position alone. So a run is the same run every
time, and a preempted request gets back the tokens it had.

    bed = SchedulerBed(groups="hybrid", num_blocks=40, async_scheduling=True)
    bed.add("a", range(100), max_tokens=20)
    bed.run()
"""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pagewalk.bed.scheduler_config import BedShape, build_scheduler

if TYPE_CHECKING:
    from vllm.v1.core.sched.output import SchedulerOutput
    from vllm.v1.engine import EngineCoreOutput
    from vllm.v1.request import Request

VOCABULARY = 256

Sampler = Callable[[str, int], int]
"""Request id and position (tokens before it) -> the token that the pretended model samples."""


def sample_by_position(request_id: str, position: int) -> int:
    """Return a token that depends on nothing but the request's id and the position."""
    return zlib.crc32(f"{request_id}:{position}".encode()) % VOCABULARY


@dataclass(frozen=True)
class BedStep:
    """One call of `SchedulerBed.step`: what was scheduled, and what an update gave back."""

    scheduled: SchedulerOutput | None
    outputs: tuple[EngineCoreOutput, ...]


@dataclass(frozen=True)
class _Flight:
    """A scheduled batch whose output has not come back: tokens for the requests that sample."""

    scheduled: SchedulerOutput
    tokens: dict[str, list[int]]


class SchedulerBed:
    """A real `Scheduler` (or `AsyncScheduler`) driven by hand; `scheduler` is the engine's object.

    `groups` is a key of `scheduler_config.GROUPS` or a list of vLLM `KVCacheGroupSpec`s. With
    `async_scheduling` two batches are in flight, as in the engine core's batch queue.
    """

    def __init__(
        self,
        groups: str | Sequence[Any] = "full",
        *,
        policy: str = "fcfs",
        num_blocks: int = 32,
        block_size: int = 16,
        max_num_batched_tokens: int = 64,
        max_num_seqs: int = 6,
        max_model_len: int | None = None,
        async_scheduling: bool = False,
        prefix_caching: bool = True,
        watermark: float = 0.0,
        chunked: bool = True,
        reserve_full_sequence: bool = True,
        long_prefill_token_threshold: int = 0,
        num_spec_tokens: int = 0,
        max_loras: int = 0,
        defer_frees: bool = False,
        log_stats: bool = False,
        sampler: Sampler = sample_by_position,
    ) -> None:
        self.shape = BedShape(
            groups=groups if isinstance(groups, str) else tuple(groups),
            policy=policy,
            num_blocks=num_blocks,
            block_size=block_size,
            max_num_batched_tokens=max_num_batched_tokens,
            max_num_seqs=max_num_seqs,
            max_model_len=max_model_len,
            async_scheduling=async_scheduling,
            prefix_caching=prefix_caching,
            watermark=watermark,
            chunked=chunked,
            reserve_full_sequence=reserve_full_sequence,
            long_prefill_token_threshold=long_prefill_token_threshold,
            num_spec_tokens=num_spec_tokens,
            max_loras=max_loras,
            log_stats=log_stats,
        )
        self.scheduler, self._make_request, self.max_model_len = build_scheduler(self.shape)
        # Only connectors that load KV turn this on in an engine; the frees it fences are the same.
        self.scheduler.defer_block_free = defer_frees
        self.outputs: dict[str, list[int]] = {}
        self._sampler = sampler
        self._depth = 2 if async_scheduling else 1
        self._flights: deque[_Flight] = deque()
        self._late_aborts: list[str] = []
        self._arrivals = 0

    def add(
        self,
        request_id: str,
        prompt_token_ids: Iterable[int],
        max_tokens: int = 16,
        *,
        priority: int = 0,
        arrival_time: float | None = None,
        stop_token_ids: Sequence[int] = (),
        cache_salt: str | None = None,
        lora: int = 0,
    ) -> Request:
        """Hand a request to the scheduler. Arrival times count 1.0, 2.0, … unless given."""
        self._arrivals += 1
        request = self._make_request(
            request_id,
            [int(token) for token in prompt_token_ids],
            max_tokens=max_tokens,
            priority=priority,
            arrival_time=float(self._arrivals) if arrival_time is None else arrival_time,
            stop_token_ids=list(stop_token_ids),
            cache_salt=cache_salt,
            lora=lora,
        )
        self.outputs.setdefault(request_id, [])
        self.scheduler.add_request(request)
        return request

    def abort(self, request_id: str, *, in_flight: bool = False) -> None:
        """Abort a request now, or (`in_flight`) while the model runs: just before the update."""
        if in_flight:
            self._late_aborts.append(request_id)
            return
        self._finish([request_id])

    def reset_prefix_cache(self, *, reset_running: bool = False) -> bool:
        """Forget all cached blocks; `reset_running` preempts every running request first."""
        return self.scheduler.reset_prefix_cache(reset_running_requests=reset_running)

    def step(self) -> BedStep:
        """Do one turn of the engine core's loop: schedule, then update unless a batch may wait."""
        scheduled = None
        if self.scheduler.has_requests():
            scheduled = self._schedule()
            executed = scheduled.total_num_scheduled_tokens > 0
            if len(self._flights) < self._depth and (executed or self.scheduler.has_requests()):
                return BedStep(scheduled, ())
        elif not self._flights:
            return BedStep(None, ())
        return BedStep(scheduled, self._update())

    def run(self, max_steps: int = 10_000) -> int:
        """Step until nothing is left and return the number of steps taken."""
        for taken in range(max_steps):
            if not self.busy:
                return taken
            self.step()
        return max_steps

    @property
    def busy(self) -> bool:
        """Whether a step would still do something."""
        return bool(self._flights) or self.scheduler.has_requests()

    def _schedule(self) -> SchedulerOutput:
        scheduled = self.scheduler.schedule()
        self._flights.append(_Flight(scheduled, self._answer(scheduled)))
        return scheduled

    def _answer(self, scheduled: SchedulerOutput) -> dict[str, list[int]]:
        """Sample now, while the counters still say which position this batch reaches."""
        tokens: dict[str, list[int]] = {}
        for request_id in scheduled.num_scheduled_tokens:
            request = self.scheduler.requests[request_id]
            drafts = len(scheduled.scheduled_spec_decode_tokens.get(request_id, ()))
            first = request.num_computed_tokens - drafts
            # A chunk that stops short of the request's last token samples nothing.
            count = 0 if request.is_prefill_chunk else 1 + self._accepted(request_id, first, drafts)
            tokens[request_id] = [self._sampler(request_id, first + i) for i in range(count)]
        return tokens

    @staticmethod
    def _accepted(request_id: str, position: int, drafts: int) -> int:
        return zlib.crc32(f"accept {request_id}:{position}".encode()) % (drafts + 1)

    def _update(self) -> tuple[EngineCoreOutput, ...]:
        flight = self._flights.popleft()
        if self._late_aborts:
            self._finish(self._late_aborts)
            self._late_aborts = []
        answer = _model_output(flight.tokens)
        by_client = self.scheduler.update_from_output(flight.scheduled, answer)
        outputs = tuple(out for group in by_client.values() for out in group.outputs)
        for out in outputs:
            self.outputs[out.request_id].extend(out.new_token_ids)
        if self.shape.num_spec_tokens and not self.shape.async_scheduling:
            self._draft(flight.tokens)
        return outputs

    def _draft(self, tokens: dict[str, list[int]]) -> None:
        from vllm.v1.outputs import DraftTokenIds

        count = self.shape.num_spec_tokens
        ids = [request_id for request_id, sampled in tokens.items() if sampled]
        self.scheduler.update_draft_token_ids(DraftTokenIds(ids, [[0] * count for _ in ids]))

    def _finish(self, request_ids: list[str]) -> None:
        from vllm.v1.request import RequestStatus

        self.scheduler.finish_requests(request_ids, RequestStatus.FINISHED_ABORTED)


def _model_output(tokens: dict[str, list[int]]) -> Any:
    from vllm.v1.outputs import ModelRunnerOutput

    ids = list(tokens)
    return ModelRunnerOutput(
        req_ids=ids,
        req_id_to_index={request_id: index for index, request_id in enumerate(ids)},
        sampled_token_ids=list(tokens.values()),
    )
