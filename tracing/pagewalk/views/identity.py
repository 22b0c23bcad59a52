"""Trace -> who is who: internal ids, the users' own ids, and which one a user means."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field

from pagewalk.errors import PagewalkError, plain
from pagewalk.trace.events import (
    RequestArrived,
    RequestDequeued,
    RequestEnqueued,
    RequestReceived,
    RequestSent,
)
from pagewalk.trace.read import Segment, Trace

_TELL = (RequestArrived, RequestSent, RequestReceived, RequestDequeued, RequestEnqueued)
_NEAREST = 3


@dataclass(slots=True)
class Sighting:
    """One internal request id: the user's id for it, when first seen, and its numbers."""

    id: str
    t: int
    external: str | None = None
    numbers: dict[str, set[int]] = field(default_factory=dict)
    """Segment name -> the numbers that stand for it there. An id may be numbered anew."""
    engine: tuple[str, int] | None = None
    """Segment and number of the engine core that took it, None if none did."""


@dataclass(frozen=True, slots=True)
class Identities:
    """All requests of a trace by internal id, in the order they were first seen."""

    requests: dict[str, Sighting]
    by_external: dict[str, tuple[str, ...]]

    def external(self, request: str) -> str | None:
        """The user's own id of an internal one, None where no Python front end saw it."""
        sighting = self.requests.get(request)
        return sighting.external if sighting else None


def identities(trace: Trace) -> Identities:
    """Collect every request that a front end or an engine core of the trace has seen."""
    found: dict[str, Sighting] = {}
    for segment in trace.segments:
        _collect(segment, found)
    ordered = dict(sorted(found.items(), key=lambda one: (one[1].t, one[0])))
    by_external: dict[str, list[str]] = {}
    for sighting in ordered.values():
        if sighting.external is not None:
            by_external.setdefault(sighting.external, []).append(sighting.id)
    return Identities(ordered, {key: tuple(ids) for key, ids in by_external.items()})


def resolve(known: Identities, wanted: str) -> tuple[str, ...]:
    """The internal ids that `wanted` means: an internal id, a user's id or a unique beginning.

    A user's id may stand for several requests: the samples of n > 1, or an id used again.
    """
    if not known.requests:
        raise PagewalkError(
            "no-requests", "No request is in this trace: nothing was sent while it was recorded."
        )
    if wanted in known.requests:
        return (wanted,)
    if wanted in known.by_external:
        return known.by_external[wanted]
    if wanted:
        return _by_beginning(known, wanted)
    raise _unknown(known, wanted)


def _by_beginning(known: Identities, wanted: str) -> tuple[str, ...]:
    externals = [one for one in known.by_external if one.startswith(wanted)]
    if len(externals) == 1:
        return known.by_external[externals[0]]
    internals = [one for one in known.requests if one.startswith(wanted)]
    if len(internals) == 1:
        return (internals[0],)
    if externals or internals:
        several = externals if len(externals) > 1 else internals
        raise PagewalkError(
            "ambiguous-request",
            f"{len(several)} requests begin with {plain(wanted)} ({_some(several)}): "
            "write more of the id.",
        )
    raise _unknown(known, wanted)


def _unknown(known: Identities, wanted: str) -> PagewalkError:
    near = _nearest(wanted, [*known.by_external, *known.requests])
    are = "nearest is" if len(near) == 1 else "nearest are"
    hint = f"the {are} {_some(near)}; " if near else ""
    return PagewalkError(
        "unknown-request",
        f"No request in this trace is called {plain(wanted) or 'nothing'}: {hint}"
        f"`pagewalk requests TRACE` lists all {len(known.requests)}.",
    )


def _nearest(wanted: str, names: list[str]) -> list[str]:
    """Ids that look alike. Comparing is slow, so long ids and long lists are cut."""
    short = {name[:60]: name for name in names[:2000]}
    found = difflib.get_close_matches(wanted[:60], list(short), n=_NEAREST, cutoff=0.5)
    return [short[one] for one in found]


def _some(names: Iterable[str], most: int = _NEAREST) -> str:
    listed = list(names)
    rest = ", ..." if len(listed) > most else ""
    return ", ".join(plain(one) for one in listed[:most]) + rest


def _collect(segment: Segment, found: dict[str, Sighting]) -> None:
    names = segment.names
    for event in segment.events:
        if not isinstance(event, _TELL):
            continue
        request = names.get(event.request)
        if request is None:
            continue
        sighting = found.get(request)
        if sighting is None:
            sighting = found[request] = Sighting(request, event.t)
        sighting.t = min(sighting.t, event.t)
        if type(event) is RequestArrived:
            sighting.external = event.external
        elif type(event) is RequestEnqueued:
            sighting.engine = (segment.name, event.engine)
    _number(segment, found)


def _number(segment: Segment, found: dict[str, Sighting]) -> None:
    for number, name in segment.names.items():
        if name in found:
            found[name].numbers.setdefault(segment.name, set()).add(number)


__all__ = ["Identities", "Sighting", "identities", "resolve"]
