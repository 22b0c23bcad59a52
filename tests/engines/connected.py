"""A scheduler with a pretended KV connector: loads from elsewhere that arrive, fail or are sent.

No connector runs on the CPU engine, but the scheduler's side of all of them is the same code.
"""

from __future__ import annotations

import random
from typing import Any
from unittest.mock import MagicMock

from pagewalk.bed.scheduler import SchedulerBed


class Connected:
    """A bed whose connector answers by the rules of `random.Random(seed)`."""

    def __init__(self, seed: int, *, recompute: bool = True, **shape: Any) -> None:
        self.bed = SchedulerBed(**shape)
        self.scheduler = self.bed.scheduler
        self.scheduler.recompute_kv_load_failures = recompute
        self._random = random.Random(seed)
        self._sending: list[str] = []
        self.scheduler.connector = self._connector()

    def step(self) -> None:
        """One schedule and its update, with what the connector's workers report."""
        from vllm.v1.outputs import KVConnectorOutput, ModelRunnerOutput

        scheduled = self.scheduler.schedule()
        tokens = self.bed._answer(scheduled)
        ids = list(tokens)
        self.scheduler.update_from_output(
            scheduled,
            ModelRunnerOutput(
                req_ids=ids,
                req_id_to_index={request_id: index for index, request_id in enumerate(ids)},
                sampled_token_ids=list(tokens.values()),
                kv_connector_output=KVConnectorOutput(**self._report()),
            ),
        )

    def _report(self) -> dict[str, Any]:
        """Some loads arrive, some with invalid blocks or failed as a whole; some are sent."""
        rng, report = self._random, {"finished_recving": set(), "finished_sending": set()}
        invalid: set[int] = set()
        failed: set[str] = set()
        for request in list(self.scheduler.kv_holding_waiting):
            known = self.scheduler.finished_recving_kv_req_ids
            if request.status.name != "WAITING_FOR_REMOTE_KVS" or request.request_id in known:
                continue
            if rng.random() < 0.5:
                report["finished_recving"].add(request.request_id)
                (blocks,) = self.scheduler.kv_cache_manager.get_block_ids(request.request_id)
                roll = rng.random()
                if roll < 0.3 and blocks:
                    invalid.add(rng.choice(blocks))
                elif roll < 0.4:
                    failed.add(request.request_id)
        if self.scheduler.running and rng.random() < 0.1:
            chosen = rng.choice(self.scheduler.running).request_id
            (blocks,) = self.scheduler.kv_cache_manager.get_block_ids(chosen)
            invalid.add(rng.choice(blocks))
        while self._sending and rng.random() < 0.5:
            report["finished_sending"].add(self._sending.pop())
        return {**report, "invalid_block_ids": invalid, "failed_recving": failed}

    def _connector(self) -> Any:
        connector = MagicMock(name="connector")
        connector.supports_divergent_local_hybrid_hits = False
        connector.requires_kv_delivery = False
        connector.get_num_new_matched_tokens.side_effect = self._matched
        connector.has_pending_block_frees.return_value = False
        connector.has_pending_push_work.return_value = False
        connector.get_loaded_kv_cache_group_ids.return_value = ()
        connector.get_kv_connector_stats.return_value = None
        connector.take_events.return_value = ()
        connector.request_finished.side_effect = self._finished
        return connector

    def _matched(self, request: Any, local: int) -> tuple[int | None, bool]:
        """How many tokens can be loaded, and whether in the background; None is 'ask again'."""
        roll = self._random.random()
        size = self.scheduler.block_size
        most = (request.num_tokens - 1 - local) // size * size
        if roll < 0.15:
            return None, False
        if roll < 0.5 or most <= 0:
            return 0, False
        count = self._random.randrange(1, most // size + 1) * size
        return count, self._random.random() < 0.7

    def _finished(self, request: Any, blocks: Any) -> tuple[bool, None]:
        """Some blocks are still being sent when their request is done."""
        done = request.status.name in ("FINISHED_STOPPED", "FINISHED_LENGTH_CAPPED")
        send = done and bool(blocks) and self._random.random() < 0.3
        if send:
            self._sending.append(request.request_id)
        return send, None
