"""A user's program: it knows nothing of tracing. `python program.py MODEL` prints its answers."""

from __future__ import annotations

import json
import sys


def main() -> None:
    """Generate with an engine whose processes are spawned, as they are by default on a CPU."""
    from pagewalk.bed.settings import engine_args, settle_environment

    settle_environment()
    from vllm import LLM, SamplingParams

    llm = LLM(**engine_args("llama", sys.argv[1]))
    params = SamplingParams(max_tokens=20, temperature=0.0, ignore_eos=True)
    prompts = [{"prompt_token_ids": tokens} for tokens in json.loads(sys.argv[2])]
    answers = llm.generate(prompts, params, use_tqdm=False)
    print(json.dumps([list(answer.outputs[0].token_ids) for answer in answers]))
    llm.llm_engine.engine_core.shutdown()


if __name__ == "__main__":
    main()
