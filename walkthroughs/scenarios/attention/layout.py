"""A request whose blocks are no neighbors: from its block table to an address in memory.

    python walkthroughs/scenarios/attention/layout.py

`early` uses three blocks of 32 tokens and ends, so the free queue is out of order when `late`
comes. Prompts are sent as token ids, one per character. In the first layer a token's value depends
on nothing but the token. So equal characters must have equal values, wherever they lie: that is
how the addresses worked out here are held against the memory of the worker.
"""

from __future__ import annotations

from typing import Any

from pagewalk.bed.engine import send, small_engine

ENGINE = "llama"
EARLY = "I was here before you and used three of the blocks, and I am about to go away again."
LATE = (
    "I get blocks that are not neighbors, and yet I am read in the order in which I was written, "
    "from the first to the last."
)


def look(core: Any, prompt: str) -> None:
    """Find each value of a prompt by reckoning, in the raw memory of the first layer."""
    import torch

    cache = core.model_executor.driver_worker.worker.model_runner.kv_caches
    blocks, heads, size, content = cache[0].shape
    print(f"first layer: shape {tuple(cache[0].shape)}, strides {cache[0].stride()}")
    print(f"second layer: begins {cache[1].storage_offset()} numbers later in the same memory")
    raw = torch.as_strided(cache[0], (blocks * heads * size * content,), (1,))
    (running,) = core.scheduler.running
    (table,) = core.scheduler.kv_cache_manager.get_block_ids(running.request_id)
    values: dict[str, torch.Tensor] = {}
    width = content // 2
    for token, character in enumerate(prompt):
        entry, offset = divmod(token, size)
        # The keys of a block and head come first, then its values, one row a token.
        begin = table[entry] * heads * size * content + size * width + offset * width
        row = raw[begin : begin + width]
        assert row.any(), f"nothing is at {begin}"
        assert torch.equal(values.setdefault(character, row), row), f"another value at {begin}"
    distinct = torch.stack(list(values.values())).unique(dim=0)
    assert len(distinct) == len(values)
    print(f"{len(prompt)} values found in blocks {table}, {len(values)} different ones")


def main() -> None:
    """Let `early` end before `late` comes, and look for the values of `late` in memory."""
    with small_engine(num_gpu_blocks_override=6, max_model_len=160) as llm:
        engine = llm.llm_engine
        send(engine, "early", EARLY, max_tokens=2)
        while engine.has_unfinished_requests():
            engine.step()
        send(engine, "late", LATE, max_tokens=6)
        for _ in range(3):
            engine.step()
        look(engine.engine_core.engine_core, LATE)
        while engine.has_unfinished_requests():
            engine.step()


if __name__ == "__main__":
    main()
