"""A live engine whose log promises room for two of the longest requests gets two."""

from __future__ import annotations

from pagewalk.bed.engine import ask, model_option, small_engine

ENGINE = "llama"


def main() -> None:
    """Start with sixteen blocks and send two prompts at once."""
    with small_engine(model_option(__doc__), num_gpu_blocks_override=16, max_model_len=256) as llm:
        cache = llm.llm_engine.vllm_config.cache_config
        print(f"promised: {cache.kv_cache_max_concurrency:.2f}x")
        ask(llm, {"one": "a" * 200, "two": "b" * 200}, max_tokens=56)


if __name__ == "__main__":
    main()
