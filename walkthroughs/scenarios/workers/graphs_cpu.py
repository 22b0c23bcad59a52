"""A CPU engine is asked for CUDA graphs and for a compiled model; it gets one of the two.

    python walkthroughs/scenarios/workers/graphs_cpu.py [--model DIRECTORY]

The requests are those of `graphs.py`.
"""

from __future__ import annotations

from graphs import SIZES, ask_all

from pagewalk.bed.engine import model_option, small_engine

ENGINE = "llama"
ASKED = {
    "mode": 2,
    "backend": "eager",
    "cudagraph_mode": "FULL_DECODE_ONLY",
    "cudagraph_capture_sizes": SIZES,
}


def main() -> None:
    """Start an engine with these wishes, and send it the requests."""
    with small_engine(model_option(__doc__), enforce_eager=False, compilation_config=ASKED) as llm:
        ask_all(llm.llm_engine)


if __name__ == "__main__":
    main()
