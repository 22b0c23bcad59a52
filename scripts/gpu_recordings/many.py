"""64 requests at once on a model with the shape of a real one: prefill, decode, preemption.

    python scripts/gpu_recordings/many.py --shape 1b --dtype bfloat16

The weights are random numbers, made on the device. Requests are of different lengths, and each
shares its first 64 tokens with fifteen others. The blocks are a few too few for all of them.
"""

from __future__ import annotations

import argparse
import tempfile

from pagewalk.bed.settings import settle_environment
from pagewalk.bed.shapes import SHAPES, shape_args, write_shape

REQUESTS, SHARED, ANSWER = 64, 64, 64
ROOM = {
    "block_size": 32,
    "num_gpu_blocks_override": 513,  # block 0 is the null block
    "max_num_seqs": REQUESTS,
    "max_num_batched_tokens": 2048,
    "max_model_len": 1024,
}


def prompt(number: int, vocabulary: int) -> list[int]:
    """Token ids of one request: a part that every fourth request has too, then its own."""
    family = [3 + (11 * (number % 4) + 5 * place) % (vocabulary - 3) for place in range(SHARED)]
    length = 64 + 29 * number % 256
    return family + [3 + (7 * number + place) % (vocabulary - 3) for place in range(length)]


def main() -> None:
    """Send all requests, step until they are done, say how many tokens came back."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--shape", choices=sorted(SHAPES), default="1b")
    parser.add_argument("--dtype", default="auto", help="what vLLM calls dtype (default: auto)")
    options = parser.parse_args()
    settle_environment()
    from vllm import LLM, SamplingParams

    with tempfile.TemporaryDirectory(prefix="pagewalk-model-") as directory:
        model = write_shape(options.shape, f"{directory}/llama-{options.shape}")
        llm = LLM(**shape_args(model, dtype=options.dtype, use_tqdm_on_load=False, **ROOM))
        vocabulary = SHAPES[options.shape]["vocab_size"]
        params = SamplingParams(
            max_tokens=ANSWER, temperature=0.0, ignore_eos=True, detokenize=False
        )
        engine = llm.llm_engine
        for number in range(REQUESTS):
            ids = prompt(number, vocabulary)
            engine.add_request(f"r{number:02}", {"prompt_token_ids": ids}, params)
        made = 0
        while engine.has_unfinished_requests():
            done = [one for one in engine.step() if one.finished]
            made += sum(len(one.outputs[0].token_ids) for one in done)
        print(f"{REQUESTS} requests, {made} tokens")
        engine.engine_core.shutdown()


if __name__ == "__main__":
    main()
