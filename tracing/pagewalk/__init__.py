"""Watch a live vLLM engine: record it exactly, replay it, ask it why.

The stages, left feeding right: `probes` (engine call -> event), `capture` (live engine ->
events), `trace` (events <-> files), `replay` (events -> states), `views` (states -> data).
Importing this package imports neither vLLM nor torch.
"""

__version__ = "0.1.0"

__all__ = ["__version__"]
