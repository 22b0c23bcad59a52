"""An engine that compiles its model starts, and runs it once before anybody asks for anything.

    python walkthroughs/scenarios/workers/start_up_compiled.py [--model DIRECTORY]

It compiles with PyTorch's back end `eager`, which needs no C++ compiler. So it shows when the model
is traced, and not how fast it gets.
"""

from __future__ import annotations

from start_up import start_and_ask

ENGINE = "llama"
COMPILED = {"enforce_eager": False, "compilation_config": {"mode": 2, "backend": "eager"}}


def main() -> None:
    """Start it with a model that is compiled."""
    start_and_ask("compiled", **COMPILED)


if __name__ == "__main__":
    main()
