"""A live engine with nine blocks serves one request of the greatest length it may have.

    python walkthroughs/scenarios/block_manager/sizing.py [--model DIRECTORY]

Two more engines are asked for and do not start: one for a longer request, one without memory.
"""

from __future__ import annotations

from pagewalk.bed.engine import ask, model_option, small_engine
from pagewalk.bed.settings import temporary_environment

ENGINE = "llama"
NINE = {"num_gpu_blocks_override": 9}


def report(llm) -> None:
    """Print what the engine logs at start-up about its size."""
    config = llm.llm_engine.vllm_config
    cache = config.cache_config
    print(
        f"{cache.num_gpu_blocks} blocks of {cache.block_size}, "
        f"{config.model_config.max_model_len} tokens a request: "
        f"{cache.kv_cache_size_tokens} tokens, {cache.kv_cache_max_concurrency:.3f}x"
    )


def refused(model: str | None, **over) -> None:
    """Try to start an engine that must not start, and print why."""
    try:
        with small_engine(model, **over):
            print("it started")
    except ValueError as error:
        print(f"refused: {error}"[:90])


def main() -> None:
    """Start the one, then try the others."""
    model = model_option(__doc__)
    with small_engine(model, **NINE, max_model_len=256) as llm:
        report(llm)
        ask(llm, {"longest": "a" * 200}, max_tokens=56)
    refused(model, **NINE, max_model_len=257)
    with temporary_environment(VLLM_CPU_KVCACHE_SPACE="0"):
        refused(model, num_gpu_blocks_override=None)


if __name__ == "__main__":
    main()
