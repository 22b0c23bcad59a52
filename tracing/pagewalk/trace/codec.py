"""Event <-> one JSON line: total in one direction, and never anything but a clear error back."""

from __future__ import annotations

import re
from typing import Any, Union

import msgspec

from pagewalk.errors import PagewalkError, plain
from pagewalk.trace.events import BY_NAME, EVENTS, SCHEMA_VERSION, Event

# `Union` from a tuple has no spelling with `|`.
_DECODER = msgspec.json.Decoder(Union[EVENTS])  # noqa: UP007
_ENCODER = msgspec.json.Encoder()
_ANY = msgspec.json.Decoder()
# All that msgspec raises on bytes that are not an event; the last for JSON nested without end.
_NOT_AN_EVENT = (msgspec.MsgspecError, ValueError, OverflowError, RecursionError)
_POSITION = re.compile(r"\(byte (\d+)\)")


class UnknownEventError(PagewalkError):
    """A line of a newer pagewalk: an event this one has no type for. Readers skip and count it."""

    def __init__(self, name: str, seq: int) -> None:
        super().__init__("unknown-event", f"no event of this pagewalk is named {plain(name)}")
        self.name = name
        self.seq = seq


def encode(event: Event) -> bytes:
    """One line: the event as JSON, and a newline."""
    return _ENCODER.encode(event) + b"\n"


def decode(line: bytes) -> Event:
    """The event of one line, with or without its newline."""
    try:
        event = _DECODER.decode(line)
    except _NOT_AN_EVENT as error:
        raise _reason(line, error) from None
    if event.seq < 0:
        raise PagewalkError("damaged-line", "its seq is negative")
    return event


def check_schema(schema: object, what: str) -> None:
    """Refuse, by name, a trace that says it follows rules this pagewalk does not know."""
    if schema != SCHEMA_VERSION or isinstance(schema, bool):
        raise PagewalkError(
            "unknown-schema",
            f"{plain(what)} follows trace schema {plain(schema)}, and this pagewalk reads schema "
            f"{SCHEMA_VERSION}: open it with the pagewalk that wrote it, or record it again",
        )


def _reason(line: bytes, error: Exception) -> PagewalkError:
    """Why a line is no event: of a newer version, of another schema, or damaged."""
    content = _object(line)
    name, seq = content.get("e"), content.get("seq")
    if name == "SegmentStarted" and isinstance(content.get("schema"), int):
        check_schema(content["schema"], "the segment")
    is_named = isinstance(name, str) and name not in BY_NAME
    if is_named and isinstance(seq, int) and not isinstance(seq, bool) and seq >= 0:
        return UnknownEventError(name, seq)
    return PagewalkError("damaged-line", _sentence(error))


def _object(line: bytes) -> dict[str, Any]:
    try:
        content = _ANY.decode(line)
    except _NOT_AN_EVENT:
        return {}
    return content if isinstance(content, dict) else {}


def _sentence(error: Exception) -> str:
    """The parser's own words, without any of the line's content."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, msgspec.ValidationError):
        return "it is JSON but not an event of this schema"
    position = _POSITION.search(str(error))
    return f"it is not JSON from byte {position[1]} on" if position else "it is not JSON"


__all__ = ["UnknownEventError", "check_schema", "decode", "encode"]
