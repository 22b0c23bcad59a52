"""Print which attention backend layers would get here, and why not the others.

    python scripts/attention_backends.py [--head-size N] [--dtype NAME] [--block-size N]
        [--backend NAME] [--device cpu|cuda] [--out DIR]

The platform of this machine is asked, as the engine asks it for each kind of layer, and tracing
records its answer. On CUDA each candidate says for what reasons it cannot be taken. The CPU
platform has no candidates: it takes its own backend whatever was asked, and looks at nothing else.
What that backend says of the layer is then asked here.
"""

from __future__ import annotations

import logging
import os
from typing import Any

from pagewalk.bed.engine import arguments, run_script
from pagewalk.bed.settings import settle_environment
from pagewalk.capture import tracing
from pagewalk.errors import PagewalkError
from pagewalk.trace.events import BackendChosen, BackendsJudged
from pagewalk.trace.read import open_trace


def main() -> None:
    """Ask the platform under tracing, then tell what it answered."""
    options = arguments(__doc__, head_size=int, dtype=str, block_size=int, backend=str, device=str)
    settle_environment()
    # vLLM heeds the level when it builds an engine, and none is built here.
    logging.getLogger("vllm").setLevel(os.environ["VLLM_LOGGING_LEVEL"])
    with tracing(options.out) as directory:
        said = asked(options)
    # A platform that was not asked has left no segment.
    segments = open_trace(directory).segments if any(directory.glob("*.jsonl")) else ()
    for event in (event for one in segments for event in one.events):
        if isinstance(event, BackendsJudged):
            print("\nThe platform's candidates, its favourite first:")
            for name, why in event.candidates:
                print(f"  {name:24} {'would do' if not why else 'refused: ' + ', '.join(why)}")
        elif isinstance(event, BackendChosen):
            layer = ", ".join(f"{name} {what}" for name, what in event.layer.items())
            print(f"\nPlatform {event.platform}, layers with {layer}:")
            print(f"  asked for {event.asked or 'none'}, gets {event.backend}")
    print(f"\n{said}" + (f" The trace is in {directory}" if segments else ""))


def asked(options: Any) -> str:
    """What this machine's platform does with the question; what it cannot judge, in words."""
    import torch
    from vllm.config import VllmConfig, set_current_vllm_config
    from vllm.platforms import current_platform
    from vllm.utils.import_utils import resolve_obj_by_qualname
    from vllm.v1.attention.backends.registry import AttentionBackendEnum
    from vllm.v1.attention.selector import AttentionSelectorConfig

    here = current_platform.device_type
    if options.device not in (None, here):
        return (
            f"Nothing can be said of {options.device}: this machine's platform is {here}, and what "
            f"a platform refuses depends on its device and libraries. Ask on such a machine."
        )
    dtype = getattr(torch, options.dtype or "bfloat16", None)
    if not isinstance(dtype, torch.dtype):
        raise PagewalkError("unknown-dtype", f"torch has no data type {options.dtype!r}.")
    if options.backend and options.backend not in AttentionBackendEnum.__members__:
        raise PagewalkError("unknown-backend", f"vLLM has no backend {options.backend!r}.")
    wanted = AttentionBackendEnum[options.backend] if options.backend else None
    layer = AttentionSelectorConfig(options.head_size or 64, dtype, "auto", options.block_size)
    with set_current_vllm_config(VllmConfig()):
        try:
            path = current_platform.get_attn_backend_cls(wanted, attn_selector_config=layer)
        except (ValueError, NotImplementedError) as error:
            return f"The engine would not start: {error}"
        if here != "cpu":
            return "The first that would do is taken."
        reasons = resolve_obj_by_qualname(path).validate_configuration(
            device_capability=current_platform.get_device_capability(), **layer._asdict()
        )
    objects = f"says itself: {', '.join(reasons)}." if reasons else "has no objection itself."
    others = len(AttentionBackendEnum) - 1
    return (
        f"The CPU platform validates nothing. The backend it takes {objects} The {others} other "
        "backends that vLLM knows were not asked: this platform has no use for them, and whether "
        "they would do on another cannot be judged here."
    )


if __name__ == "__main__":
    run_script(main)
