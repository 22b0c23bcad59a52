"""Facts of a live engine, as values: what a probe saw -> what a trace line says.

Every event is a past-tense fact about one vLLM process. `seq` counts the events of that
process from 0 without gaps; `t` is `time.monotonic_ns()` there. Small integers stand for the
engine's objects: `engine` (a `Scheduler`), `pool` (a `BlockPool`), `table` (the `req_to_blocks`
of one KV-cache manager), `queue` (a `RequestQueue`) and `request` (see `RequestNamed`).
All of them are numbered per process.

New fields have defaults and go last. Changing what a field means raises `SCHEMA_VERSION`.
"""

from __future__ import annotations

import msgspec

SCHEMA_VERSION = 1
SCHEMA_HISTORY = {1: "First version."}


class Event(msgspec.Struct, frozen=True, gc=False, tag_field="e", tag=True, omit_defaults=True):
    """A fact: `e` names it, `seq` orders it in its process, `t` is monotonic nanoseconds."""

    seq: int
    t: int
