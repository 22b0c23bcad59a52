"""Engine call -> event: typed tables of probes, one file per engine component.

A row names a target of the engine, the moment of reading and a pure reader. Install, restore,
the compatibility check, the documentation and the tests walk the same rows.
"""

from pagewalk.probes import (
    attention,
    backends,
    batches,
    batches_v2,
    blocks,
    core,
    front,
    graphs,
    queues,
    requests,
    start_up,
    steps,
    tables,
    worker,
)
from pagewalk.probes.spec import Probe

PROBES: tuple[Probe, ...] = (
    *blocks.PROBES,
    *tables.PROBES,
    *queues.PROBES,
    *requests.PROBES,
    *steps.PROBES,
    *core.PROBES,
    *front.PROBES,
    *worker.PROBES,
    *batches.PROBES,
    *batches_v2.PROBES,
    *backends.PROBES,
    *attention.PROBES,
    *graphs.PROBES,
    *start_up.PROBES,
)

__all__ = ["PROBES", "Probe"]
