"""Who is passed over, who ends the pass, and who is served before the queue."""

from __future__ import annotations

from unittest.mock import MagicMock

from pagewalk.bed.scheduler import SchedulerBed

ENGINE = None


def skip_and_break() -> None:
    """Engine 0: 8 usable blocks and one LoRA adapter at a time, for six requests.

    `bob` and `beth` want another adapter than `alice`. `huge` fills the pool alone.
    """
    bed = SchedulerBed(num_blocks=9, max_num_batched_tokens=160, max_loras=1)
    bed.add("alice", range(100, 120), max_tokens=4, lora=1)
    bed.add("bob", range(200, 220), max_tokens=3, lora=2)
    bed.add("beth", range(300, 320), max_tokens=3, lora=2)
    bed.add("carol", range(400, 420), max_tokens=6)
    bed.add("huge", range(500, 605), max_tokens=2)
    bed.add("tiny", range(8), max_tokens=2)
    bed.run()


def two_queues() -> None:
    """Engine 1: 8 usable blocks. `remote` finds 32 of its tokens elsewhere, and waits for them.

    While they are on their way, `hog` runs out of blocks and `victim` goes back to the queue.
    """
    bed = SchedulerBed(num_blocks=9, max_num_batched_tokens=160)
    bed.scheduler.connector = elsewhere(remote=32)
    bed.add("hog", range(100, 147), max_tokens=9)
    bed.add("victim", range(200, 230), max_tokens=8)
    bed.add("remote", range(300, 340), max_tokens=3)
    for _ in range(5):
        bed.step()
    arrived(bed, "remote")
    bed.run()


def elsewhere(**tokens: int) -> MagicMock:
    """A KV connector that finds so many tokens of a request elsewhere, and loads them behind it."""
    connector = MagicMock()
    connector.supports_divergent_local_hybrid_hits = False
    connector.get_num_new_matched_tokens.side_effect = lambda request, local: (
        tokens.get(request.request_id, 0),
        request.request_id in tokens,
    )
    connector.get_loaded_kv_cache_group_ids.return_value = ()
    connector.has_pending_block_frees.return_value = False
    connector.has_pending_push_work.return_value = False
    connector.request_finished.return_value = (False, None)
    connector.get_kv_connector_stats.return_value = None
    connector.take_events.return_value = ()
    return connector


def arrived(bed: SchedulerBed, request: str) -> None:
    """A worker reports that a request's KV is all there."""
    from vllm.v1.outputs import KVConnectorOutput

    bed.scheduler._update_from_kv_xfer_finished(KVConnectorOutput(finished_recving={request}))


def main() -> None:
    """Build one scheduler after the other."""
    skip_and_break()
    two_queues()


if __name__ == "__main__":
    main()
