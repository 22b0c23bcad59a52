"""A model, or none -> a running engine with little room, for scripts that want to watch it.

The engine core and the worker run in the caller's process: it starts in a third of the time, and
a debugger or a `with tracing(...)` block sees all of it.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pagewalk.bed.models import make
from pagewalk.bed.settings import engine_args, settle_environment
from pagewalk.errors import PagewalkError

if TYPE_CHECKING:
    from vllm import LLM
    from vllm.v1.engine.llm_engine import LLMEngine


def arguments(description: str, **more: type) -> argparse.Namespace:
    """Read what every script takes, `--model` (None is the tiny one) and `--out`, and `more`.

    `more` names options of its own by type; one that is not given is None.
    """
    parser = argparse.ArgumentParser(description=description.split("\n", 1)[0])
    for name, kind in more.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind)
    parser.add_argument("--model", help="directory or name of a real model (default: a tiny one)")
    parser.add_argument("--out", type=Path, help="directory for the trace (default: a new one)")
    options = parser.parse_args()
    options.out = options.out or Path(tempfile.mkdtemp(prefix="pagewalk-"))
    return options


def model_option(description: str | None) -> str | None:
    """Read `--model`, all that a scenario takes: a directory or a name; None is the tiny one."""
    parser = argparse.ArgumentParser(description=(description or "").split("\n", 1)[0])
    parser.add_argument("--model", help="directory or name of a real model (default: a tiny one)")
    return parser.parse_args().model


def run_script(main: Callable[[], None]) -> None:
    """Run a script; a mistake in its call is one sentence, and exit code 2."""
    try:
        main()
    except PagewalkError as error:
        print(error, file=sys.stderr)
        sys.exit(2)


@contextmanager
def small_engine(model: str | None = None, **over: Any) -> Iterator[LLM]:
    """Start an `LLM` in this process and stop it at the end of the block.

    `over` changes the bed's engine arguments. A real model gets the same little room, in its own
    data type.
    """
    settle_environment()
    os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
    # PYTHONWARNINGS comes too late for this process.
    warnings.filterwarnings("ignore", category=FutureWarning)
    from vllm import LLM

    with tempfile.TemporaryDirectory(prefix="pagewalk-model-") as directory:
        if model is None:
            model = str(make("llama", Path(directory) / "llama"))
        else:
            over = {"dtype": "auto", **over}
        llm = LLM(**engine_args("llama", model, use_tqdm_on_load=False, **over))
        try:
            yield llm
        finally:
            llm.llm_engine.engine_core.shutdown()


def send(
    engine: LLMEngine,
    name: str,
    prompt: str | Iterable[int],
    max_tokens: int = 16,
    *,
    priority: int = 0,
    salt: str | None = None,
    **sampling: Any,
) -> None:
    """Hand one request to the engine; it takes the likeliest token, `max_tokens` times.

    A text is sent as token ids, one per byte, so it has the same size with every model. `salt` is
    the request's `cache_salt`; `sampling` are fields of `SamplingParams`, and win.
    """
    from vllm import SamplingParams, TokensPrompt

    ids = prompt.encode() if isinstance(prompt, str) else prompt
    tokens = TokensPrompt(prompt_token_ids=list(ids))
    if salt is not None:
        tokens["cache_salt"] = salt
    greedy = {"temperature": 0.0, "ignore_eos": True, "max_tokens": max_tokens}
    engine.add_request(name, tokens, SamplingParams(**{**greedy, **sampling}), priority=priority)


def ask(llm: LLM, prompts: dict[str, str], max_tokens: int = 32) -> None:
    """`send` prompts, id -> text, all at once, and wait for the answers."""
    for request_id, text in prompts.items():
        send(llm.llm_engine, request_id, text, max_tokens)
    while llm.llm_engine.has_unfinished_requests():
        llm.llm_engine.step()
