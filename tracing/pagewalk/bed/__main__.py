"""`python -m pagewalk.bed KIND DIRECTORY`: write a tiny model to disk, unless it is there."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from pagewalk.bed.models import CONFIGS, make
from pagewalk.bed.settings import engine_args, settle_environment


def main() -> None:
    """Make the model that the arguments name."""
    parser = argparse.ArgumentParser(prog="python -m pagewalk.bed", description=__doc__)
    parser.add_argument("kind", choices=sorted(CONFIGS))
    parser.add_argument("directory")
    parser.add_argument(
        "--check", action="store_true", help="also see whether vLLM can be configured for it"
    )
    options = parser.parse_args()
    directory = make(options.kind, options.directory)
    if options.check:
        print(check(options.kind, directory))


def check(kind: str, directory: Path) -> str:
    """Configure an engine for the model, and say what it would run on.

    Shows a broken installation at once, and lets vLLM look at the model class, whose findings it
    keeps: the first start that somebody waits for is then ten seconds shorter.
    """
    settle_environment()
    try:
        import torch
        import vllm
        from vllm.engine.arg_utils import EngineArgs

        config = EngineArgs(**engine_args(kind, directory)).create_engine_config()
    except Exception as error:
        sys.exit(
            f"The engine does not work here: {type(error).__name__}: {error}\n"
            "`make distclean` and a new `make demo` install it from the start."
        )
    device = config.device_config.device_type
    return f"vLLM {vllm.__version__} with torch {torch.__version__}, on {device}: ready"


if __name__ == "__main__":
    main()
