"""Run a program of this repository with other engine settings: `play.py SETTINGS PROGRAM ...`.

SETTINGS is a JSON object of `LLM` arguments, which win over the program's own. So the story of a
recorded run and of the page that tells it are the same file, whatever it runs on.
"""

from __future__ import annotations

import json
import runpy
import sys
from typing import Any


def main() -> None:
    """Put the settings in place, then run the program as if it had been called."""
    settings, program = json.loads(sys.argv[1]), sys.argv[2]
    if settings:
        _settle(settings)
    sys.argv = sys.argv[2:]
    runpy.run_path(program, run_name="__main__")


def _settle(settings: dict[str, Any]) -> None:
    from pagewalk.bed.settings import settle_environment

    settle_environment()  # before vLLM is imported
    import vllm

    class Settled(vllm.LLM):
        """vLLM's `LLM`; programs look it up in vLLM when they start."""

        def __init__(self, **own: Any) -> None:
            super().__init__(**{**own, **settings})

    vllm.LLM = Settled


if __name__ == "__main__":
    main()
