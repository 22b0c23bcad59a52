"""Event types -> the page that documents the trace format. `python -m pagewalk.trace.page`."""

from __future__ import annotations

import inspect
import types
import typing
from typing import Any

import msgspec

from pagewalk.trace.events import (
    FAMILIES,
    SCHEMA_HISTORY,
    SCHEMA_VERSION,
    BlocksTaken,
    Event,
    ExitSite,
)

_TITLES = {
    "process": "The process and its segment",
    "blocks": "Engine objects, blocks and block tables",
    "steps": "Requests in the scheduler, and one step",
    "life": "Front end, sockets, workers, digests",
    "attention": "Attention: the backend, and what it is told of a batch",
    "graphs": "CUDA graphs: how a batch is run, and which layers are called for it",
    "start_up": "A worker before its first step",
}

_HEAD = """\
<!-- Written by `python -m pagewalk.trace.page` (`make docs`). Do not edit. -->
# The trace format

A trace is a directory. It holds one `header.json` and one segment for each process that took
part: `<pid>-<n>.jsonl`. A segment is a text file with one JSON object a line. Each object is one
event: something that happened in that process. `jq` reads it, and so does `pagewalk`.

This is schema version {version}. {history}

## How to read a line

```json
{example}
```

- `e` is the name of the event. All names are below.
- `seq` counts the events of this process from 0. A gap in it means that lines were lost.
- `t` is the time in nanoseconds: `time.monotonic_ns()`, the clock all processes of one machine
  share. `SegmentStarted` has the wall-clock time that belongs to its own `t`.
- A field that holds its default value is left out.
- `engine`, `pool`, `table`, `queue` and `request` are small numbers. They stand for objects of
  this process. `RequestNamed` says which request id a number stands for.

Every preemption, with `jq` alone:

```sh
jq -c 'select(.e == "RequestPreempted")' TRACE/*.jsonl
```

## Rules

- A segment only grows. Whatever ends the process, the lines before its last flush are whole. The
  last line may be cut; readers leave it out and say so.
- Lost or late data is an event too: `Dropped`, `ProbeFailed`. After a loss the recorder writes the
  whole state as `StateDumped`, and replay goes on from there. Between the two nothing is known.
- The order of events is the order of `seq` in one process. Across processes it is `t`.
- No prompt text and no token id is recorded, unless `--record-tokens` asked for token ids. A block
  hash is salted with a secret that is thrown away, so it cannot be tried against guessed prompts.
- New fields get defaults and go last. A reader ignores fields and events that it does not know,
  and refuses a schema version that it does not know.

## The header

`header.json` holds `schema`, `run` (the id that joins the processes), `pagewalk` (the recorder's
version), `wall_ns`, `command` (the program's name only), `level` (`lean` or `full`) and `digest`.
What the engine is, is said by events: `SegmentStarted`, `EngineConfigured`, `ProbesInstalled`.

"""


def page() -> str:
    """The whole page, Markdown."""
    example = msgspec.json.encode(_example()).decode()
    history = " ".join(f"Version {number}: {text}" for number, text in SCHEMA_HISTORY.items())
    parts = [_HEAD.format(version=SCHEMA_VERSION, history=history, example=example)]
    for family, events in FAMILIES.items():
        parts.append(f"## {_TITLES[family]}\n\n")
        parts.extend(_section(event) for event in events)
    parts.append("## Values inside events\n\n")
    parts.append(_section(ExitSite, base=0))
    return "".join(parts).rstrip() + "\n"


def _example() -> Event:
    return BlocksTaken(412, 1_983_979_383_704, 0, [9, 4, 11])


def _section(event: type[msgspec.Struct], base: int = 2) -> str:
    hints = typing.get_type_hints(event)
    fields = msgspec.structs.fields(event)[base:]
    lines = [f"### {event.__name__}\n\n{inspect.cleandoc(event.__doc__ or '')}\n\n"]
    if fields:
        lines.append("| field | type | default |\n| --- | --- | --- |\n")
        for field in fields:
            default = "" if field.required else f"`{_default(field)}`"
            lines.append(f"| `{field.name}` | `{_type(hints[field.name])}` | {default} |\n")
        lines.append("\n")
    return "".join(lines)


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.default is not msgspec.NODEFAULT:
        return msgspec.json.encode(field.default).decode()
    factory: Any = field.default_factory
    return msgspec.json.encode(factory()).decode()


def _type(hint: Any) -> str:
    """The JSON type in words that fit a table cell."""
    if hint is msgspec.Raw:
        return "any"
    if hint is type(None):
        return "null"
    origin = typing.get_origin(hint)
    if origin in (types.UnionType, typing.Union):
        return " or ".join(_type(one) for one in typing.get_args(hint))
    if origin is list:
        return f"list of {_type(typing.get_args(hint)[0])}"
    if origin is dict:
        key, value = typing.get_args(hint)
        return f"{_type(key)} → {_type(value)}"
    return {int: "integer", str: "string", bool: "boolean", float: "number"}.get(
        hint, getattr(hint, "__name__", str(hint))
    )


if __name__ == "__main__":
    print(page(), end="")
