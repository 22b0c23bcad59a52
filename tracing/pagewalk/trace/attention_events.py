"""Events of a worker's attention: the backend of each layer set, why, and what it is handed."""

from __future__ import annotations

from pagewalk.trace.event import Event

# What one field of a backend's metadata holds: a small value as it is, the rest described, such
# as "int32[7]" for a tensor. "=" is the number of the same name that is said beside it.
Described = bool | int | float | str | None


class BackendsJudged(Event, frozen=True):
    """`CudaPlatformBase.get_valid_backends`: the platform's candidates, its favourite first.

    Each comes with the reasons for which it was refused, in the engine's words; with none it would
    do, and the first such is taken. `layer` is what the layer asks for: its head size and data
    types, and whatever else is neither absent nor false.
    """

    layer: dict[str, Described]
    candidates: list[tuple[str, list[str]]]


class BackendChosen(Event, frozen=True):
    """`Platform.get_attn_backend_cls`: the backend for layers that ask for `layer`.

    `asked` is the backend the user named, "" for none. A platform need not grant it: the CPU takes
    its own whatever was asked. One choice serves all layers that ask for the same.
    """

    layer: dict[str, Described]
    asked: str
    backend: str
    platform: str


class AttentionSelected(Event, frozen=True):
    """`initialize_metadata_builders`: one set of layers of KV-cache group `group`, on `rank`.

    The layers of a group share `backend` unless it has several sets, counted by `part`. `spec` is
    the class of the KV-cache spec, `block_size` the manager's, `kernel_block_size` the one that
    the kernels work with (0 where it is not told). `cudagraph` says which batches the backend can
    run in a CUDA graph. `layers` names the first of `num_layers`.
    """

    rank: int
    group: int
    part: int
    backend: str
    builder: str
    spec: str
    block_size: int
    kernel_block_size: int
    cudagraph: str
    num_layers: int
    layers: list[str]


class AttentionPrepared(Event, frozen=True):
    """`AttentionGroup.build_metadata`: what the backend of one set of layers is told of a batch.

    Up to 0.31 it is the `build` of the backend's metadata builder, which does not know `ubatch`.
    `num_reqs` and `num_tokens` may be padded for a CUDA graph. `query_lens[i]` tokens of row `i`
    are computed now (one number: all rows alike). `seq_lens[i]` tokens of it then have KV; one
    number: each row has so many more than in this rank's event before. `source` says where they
    were read: `seq_lens` where the backend reads them too, `seq_lens_cpu_upper_bound` where only
    the device has those. `fields`: what differs in the backend's own metadata from the batch
    before; `kind` is its class, and comes when it is another one, with all fields. `ubatch` counts
    parts of a split batch.
    """

    step: int
    rank: int
    group: int
    num_reqs: int
    num_tokens: int
    max_query_len: int
    max_seq_len: int
    query_lens: list[int] | int
    seq_lens: list[int] | int
    fields: dict[str, Described] = {}
    kind: str = ""
    part: int = 0
    ubatch: int = 0
    source: str = "seq_lens"
