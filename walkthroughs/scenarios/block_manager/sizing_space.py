"""A live engine is given its memory twice: a gigabyte by the environment, less by an argument."""

from __future__ import annotations

from pagewalk.bed.engine import ask, model_option, small_engine
from pagewalk.bed.settings import temporary_environment

ENGINE = "llama"


def main() -> None:
    """Start with both, and send a short prompt."""
    model = model_option(__doc__)
    memory = {"num_gpu_blocks_override": None, "kv_cache_memory_bytes": 2**21}
    with (
        temporary_environment(VLLM_CPU_KVCACHE_SPACE="1"),
        small_engine(model, **memory) as llm,
    ):
        ask(llm, {"short": "a" * 40}, max_tokens=3)


if __name__ == "__main__":
    main()
