"""Events of a rank's model run: the CUDA graph of each batch, and the layers that were called."""

from __future__ import annotations

from pagewalk.trace.event import Event


class GraphsCaptured(Event, frozen=True):
    """Which CUDA graphs `rank` has, told with its first batch.

    `setting` is the `cudagraph_mode` that the engine runs with, after its attention backend had a
    say in it. `sizes` has, for each mode that has graphs, how many tokens they were captured for.
    """

    rank: int
    setting: str
    sizes: dict[str, list[int]] = {}


class GraphChosen(Event, frozen=True):
    """`_determine_batch_execution_and_padding` (V1) or `dispatch_cg_and_sync_dp` (V2) chose.

    `mode` is NONE, PIECEWISE (attention runs outside the graphs) or FULL. The `num_tokens` of the
    batch run as `padded` ones. What the graph promises beside: `num_reqs` rows (None: any number),
    `uniform` tokens in each (0: as many as there are), or at most `max_query_len` (0: no limit),
    `loras` active adapters. A batch may be split into `ubatches`.
    """

    step: int
    rank: int
    mode: str
    num_tokens: int
    padded: int
    num_reqs: int | None = None
    uniform: int = 0
    max_query_len: int = 0
    loras: int = 0
    ubatches: int = 1


class LayersRan(Event, frozen=True):
    """The attention layers that `execute_model` called in `step`, in order.

    Each is one call of the backend's `forward` (MLA: of `MLAAttention.forward_impl`). There is no
    such event where a FULL graph replays them all. `calls` counts them; their names, `layers`, come
    when they are others than in this rank's event before.
    """

    step: int
    rank: int
    calls: int
    layers: list[str] = []


__all__ = ["GraphChosen", "GraphsCaptured", "LayersRan"]
