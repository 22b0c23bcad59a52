"""The clock that the settings name -> `ClocksCompared`, now and then, off the step path."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from typing import Any

from pagewalk.capture.handshake import ask, parse_address
from pagewalk.capture.settings import Settings
from pagewalk.errors import PagewalkError
from pagewalk.trace.events import ClocksCompared

logger = logging.getLogger("pagewalk")

EVERY = 60 * 10**9  # nanoseconds; machines' clocks drift apart by some microseconds a second


class Peer:
    """Compares this machine's clock with another's. One that does not answer is asked again."""

    def __init__(self, settings: Settings, now: Callable[[], int]) -> None:
        self._address = settings.clock
        self._host = settings.host or socket.gethostname()
        self._now = now
        self._next = now()
        self._told = False

    def ask(self, emit: Callable[[tuple[Any, ...]], None]) -> None:
        """Compare the clocks if it is time for that, and emit what came of it."""
        if not self._address or self._now() < self._next:
            return
        self._next = self._now() + EVERY
        try:
            found = ask(parse_address(self._address), now=self._now)
        except PagewalkError as error:
            if not self._told:
                logger.warning("pagewalk records on without comparing clocks: %s", error)
            self._told = True
            return
        if found.reference == self._host:
            self._address = ""
            return
        emit(
            (
                ClocksCompared,
                found.reference,
                found.offset,
                found.error,
                found.wall_ns,
                found.rounds,
            )
        )


__all__ = ["Peer"]
