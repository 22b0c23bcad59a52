"""Live engine -> events: the plugin, the probes in place, the recorder, the segment on disk."""

from __future__ import annotations

# Not from `typing`: see below.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pagewalk.capture.session import tracing

__all__ = ["tracing"]


def __getattr__(name: str) -> Any:
    # vLLM loads the plugin below this package in each process: idle, it must cost next to nothing.
    if name == "tracing":
        from pagewalk.capture.session import tracing

        return tracing
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
