"""A crowded small engine -> eleven requests in which everything happens once.

The engine gets 13 usable blocks of 32 tokens, 64 tokens a step and 6 places. In that room:
a long prompt is computed in chunks; twins share a prefix; a preempted request comes back; two
samples come from one prompt; one request ends at a stop string, one is aborted, others end by
length; and a late one finds part of the twins' prefix still cached, after an eviction or two.

    python demo.py --model DIRECTORY        # a tiny random model will do

Prompts are token ids, one per character, so the story has the same size with every model.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass

ENGINE = "llama"
ARGUMENTS = ("--model", "{model}", "--dtype", "float32")

# Nothing is fetched, nothing is reported, little is logged: read before vLLM is imported.
SWITCHES = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "VLLM_LOGGING_LEVEL": "ERROR",
    "TORCH_CPP_LOG_LEVEL": "ERROR",
    "TORCH_LOGS": "-all",
    "PYTHONWARNINGS": "ignore",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "OMP_NUM_THREADS": "1",
}

FABLE = (
    "A fox saw some fine grapes hanging from a vine high above the path. It jumped, and jumped "
    "again, and could not reach them. So it went on its way and said: they are sour, no doubt. "
)
PREFIX = (
    "You are a helpful fox. You answer in one short sentence, and you never speak of grapes. Now: "
)


@dataclass(frozen=True)
class Ask:
    """One request of the story: its id, its prompt and what is asked of the engine."""

    id: str
    prompt: str
    max_tokens: int
    n: int = 1
    stop: tuple[str, ...] = ()
    abort_after: int = 0
    temperature: float = 0.0


# They arrive at once, in this order.
CROWD = (
    Ask("long", FABLE[:150], max_tokens=60),  # three chunks: 64 + 64 + 22 tokens
    Ask("twin-a", PREFIX + "what is the time?", max_tokens=56),
    Ask("twin-b", PREFIX + "what is a vine?", max_tokens=56),  # finds twin-a's blocks
    Ask("pair", "Tell me two tales.", max_tokens=40, n=2, temperature=0.2),
    Ask("short", "Say a word.", max_tokens=3),
    Ask("stopper", "Sing until you say e.", max_tokens=90, stop=("e", "a", "o")),
    Ask("impatient", "Count to a million.", max_tokens=200, abort_after=6),
    Ask("middle", FABLE[40:110], max_tokens=30),
    Ask("last", "And then?", max_tokens=12),
)
# They arrive when "short" and the twins are done: "late" finds cached blocks nobody uses.
LATECOMERS = (
    Ask("late", PREFIX + "did you like them?", max_tokens=20),
    Ask("again", FABLE[:150], max_tokens=8),
)


def build_engine(model: str, dtype: str, num_blocks: int):
    """Start vLLM with so little room that requests get into each other's way."""
    from vllm import LLM

    llm = LLM(
        model=model,
        dtype=dtype,
        block_size=32,
        num_gpu_blocks_override=num_blocks,  # block 0 is the null block
        max_num_batched_tokens=64,
        max_num_seqs=6,
        max_model_len=256,
        enforce_eager=True,
        seed=0,
        use_tqdm_on_load=False,
        disable_log_stats=False,  # keep vLLM's own counters, to print them at the end
    )
    return llm.llm_engine


def submit(engine, ask: Ask) -> None:
    """Hand one request to the engine."""
    from vllm import SamplingParams, TokensPrompt

    params = SamplingParams(
        max_tokens=ask.max_tokens,
        n=ask.n,
        stop=list(ask.stop),
        temperature=ask.temperature,
        ignore_eos=True,
    )
    engine.add_request(ask.id, TokensPrompt(prompt_token_ids=list(ask.prompt.encode())), params)


def play(engine) -> dict[str, object]:
    """Play the story to its end and return the last output of each request."""
    outputs: dict[str, object] = {}
    awaited = {"short", "twin-a", "twin-b"}
    latecomers = list(LATECOMERS)
    patience = {ask.id: ask.abort_after for ask in CROWD if ask.abort_after}
    for ask in CROWD:
        submit(engine, ask)
    while engine.has_unfinished_requests():
        for output in engine.step():
            outputs[output.request_id] = output
            if output.finished:
                awaited.discard(output.request_id)
            tokens = len(output.outputs[0].token_ids)
            if tokens >= patience.get(output.request_id, tokens + 1):
                del patience[output.request_id]
                engine.abort_request([output.request_id])
        while latecomers and not awaited:
            submit(engine, latecomers.pop(0))
    return outputs


def report(engine, outputs: dict[str, object]) -> None:
    """Print how each request ended, and the engine's own counters."""
    for ask in (*CROWD, *LATECOMERS):
        output = outputs[ask.id]
        for sample in output.outputs:
            reason = sample.finish_reason or "aborted"
            cached = f"{output.num_cached_tokens or 0:3d} cached"
            counts = f"{len(ask.prompt):3d} prompt tokens, {cached}, {len(sample.token_ids):3d} out"
            print(f"{ask.id:10} {counts}  {reason:8} {sample.text[:24]!r}")
    wanted = {"vllm:num_preemptions": "preemptions", "vllm:prefix_cache_hits": "prefix hit tokens"}
    for metric in engine.get_metrics():
        if metric.name in wanted:
            print(f"{wanted[metric.name]}: {metric.value:g}")


def main() -> None:
    """Read the arguments, play, report."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--model", required=True, help="directory or name of a model")
    parser.add_argument("--dtype", default="auto", help="what vLLM calls dtype (default: auto)")
    parser.add_argument("--num-blocks", type=int, default=14, help="KV blocks (default: 14)")
    options = parser.parse_args()
    for name, value in SWITCHES.items():
        os.environ.setdefault(name, value)
    engine = build_engine(options.model, options.dtype, options.num_blocks)
    report(engine, play(engine))
    engine.engine_core.shutdown()


if __name__ == "__main__":
    main()
