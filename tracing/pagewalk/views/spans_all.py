"""Trace -> the steps of its engines one at a time, and then all that is told of their requests."""

from __future__ import annotations

from collections.abc import Iterator

from pagewalk.trace.read import Trace
from pagewalk.views.engines import Engine, engines
from pagewalk.views.execution import executions
from pagewalk.views.identity import identities
from pagewalk.views.spans import Stay, Stays
from pagewalk.views.spans_outside import Outside
from pagewalk.views.spans_told import Told
from pagewalk.views.step import Step
from pagewalk.views.walk import Report


class Telling:
    """Take the steps of each of `chosen` (all engines, if None), then ask for the requests."""

    def __init__(self, trace: Trace, chosen: tuple[Engine, ...] | None = None) -> None:
        self.trace = trace
        self.every = engines(trace)
        self.chosen = self.every if chosen is None else chosen
        self._stays: dict[str, tuple[Engine, Stay]] = {}

    def steps(self, engine: Engine, report: Report | None = None) -> Iterator[Step]:
        """The steps of one engine, in order."""
        stays = Stays(engine, executions(self.trace, engine), report)
        yield from stays
        for request, stay in stays.of.items():
            self._stays[request] = (engine, stay)

    def requests(self) -> Iterator[Told]:
        """The requests by when they were first seen; with all engines, also those of none."""
        known, outside = identities(self.trace), Outside(self.trace)
        whole = len(self.chosen) == len(self.every)
        # A request whose name was lost stands in no list of names.
        nameless = [one for one in self._stays if one not in known.requests]
        for request in (*known.requests, *nameless):
            engine, stay = self._stays.get(request, (None, None))
            sighting = known.requests.get(request)
            if stay is None and not (whole and (sighting is None or sighting.engine is None)):
                continue
            external = known.external(request)
            moments = tuple(outside.of(request, external))
            yield Told(request, external, engine, stay, moments)


__all__ = ["Telling"]
