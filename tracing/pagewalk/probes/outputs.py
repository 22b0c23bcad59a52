"""EngineCoreOutputs -> plain lists. Each runs on every step for every request: one pass in C."""

from __future__ import annotations

from operator import attrgetter
from typing import Any

_REQUEST_ID = attrgetter("request_id")
_NEW_TOKEN_IDS = attrgetter("new_token_ids")


def request_ids(outputs: list[Any]) -> list[str]:
    """The internal id of each output's request."""
    return list(map(_REQUEST_ID, outputs))


def token_counts(outputs: list[Any]) -> list[int]:
    """How many new tokens each output carries."""
    return list(map(len, map(_NEW_TOKEN_IDS, outputs)))


def outputs_of(update: dict[int, Any]) -> list[Any]:
    """What `update_from_output` returned, an EngineCoreOutputs per front end, as one list."""
    if len(update) == 1:
        (client,) = update.values()
        return client.outputs  # type: ignore[no-any-return]
    return [one for client in update.values() for one in client.outputs]


__all__ = ["outputs_of", "request_ids", "token_counts"]
