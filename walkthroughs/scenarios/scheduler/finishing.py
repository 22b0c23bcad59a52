"""Seven requests come to seven ends in a live engine; most of them are stopped at known tokens."""

from __future__ import annotations

from typing import Any

from pagewalk.bed.engine import model_option, run_script, send, small_engine

ENGINE = "llama"
PROMPT = "How does it end?"
CONTEXT = 128  # the longest that a request may get
PATIENCE = 2  # tokens after which the user of `impatient` gives up


def main() -> None:
    """Let `probe` say how the answer begins, then stop the others at its tokens."""
    with small_engine(model_option(__doc__), max_model_len=CONTEXT) as llm:
        engine = llm.llm_engine
        send(engine, "probe", PROMPT, max_tokens=8)
        probe = run(engine)["probe"].outputs[0]

        from vllm.sampling_params import RepetitionDetectionParams

        send(engine, "limit", PROMPT, max_tokens=4)
        send(engine, "both", PROMPT, max_tokens=4, stop_token_ids=[probe.token_ids[3]])
        send(engine, "word", PROMPT, max_tokens=20, stop=[probe.text[4]])
        send(engine, "impatient", PROMPT, max_tokens=20)
        twice = RepetitionDetectionParams(max_pattern_size=4, min_count=2)
        send(engine, "parrot", PROMPT, max_tokens=40, repetition_detection=twice)
        send(engine, "context", "x" * (CONTEXT - 4), max_tokens=40)
        run(engine)


def run(engine: Any) -> dict[str, Any]:
    """Step until all have ended, and print what their users are told."""
    last: dict[str, Any] = {}
    while engine.has_unfinished_requests():
        for output in engine.step():
            last[output.request_id] = output
            came = len(output.outputs[0].token_ids)
            if output.request_id == "impatient" and came == PATIENCE and not output.finished:
                engine.abort_request(["impatient"])
    for name, output in last.items():
        told = output.outputs[0]
        print(f"{name:10} {told.finish_reason or 'aborted':10} {len(told.token_ids):2} tokens")
    return last


if __name__ == "__main__":
    run_script(main)
