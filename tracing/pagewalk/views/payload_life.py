"""Requests of an engine -> their moments in all processes, as columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pagewalk.trace.read import Trace
from pagewalk.views.identity import Identities
from pagewalk.views.payload_columns import Column, column
from pagewalk.views.payload_header import start_of
from pagewalk.views.payload_moments import MomentIndex
from pagewalk.views.payload_words import Words


def life_columns(
    trace: Trace, names: Sequence[str], known: Identities
) -> tuple[dict[str, Any], list[Column]]:
    """Header entries and columns: for each request how many moments it has, and what they are."""
    index, words, start = MomentIndex(trace), Words(), start_of(trace)
    counts, what, when, began, process, role = [], [], [], [], [], []
    for name in names:
        found = index.of(name, known.external(name))
        counts.append(len(found))
        for one in found:
            what.append(words(one.what))
            when.append(max(0, one.t - start))
            began.append(max(0, one.t - one.start))
            process.append(one.pid)
            role.append(words(one.role))
    return {"moment_words": words.listed}, [
        column("moment_count", counts),
        column("moment_what", what),
        column("moment_time", when, delta=True),
        column("moment_took", began),
        column("moment_process", process),
        column("moment_role", role),
    ]


__all__ = ["life_columns"]
