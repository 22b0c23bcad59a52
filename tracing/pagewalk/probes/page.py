"""Probe rows -> the page that lists them. `python -m pagewalk.probes.page`."""

from __future__ import annotations

import inspect

from pagewalk.probes import PROBES
from pagewalk.probes.spec import Probe

_HEAD = """\
<!-- Written by `python -m pagewalk.probes.page` (`make docs`). Do not edit. -->
# The probes

A probe watches one function of the engine. It reads ids and counts before or after the call and
leaves an event. It changes nothing: arguments, result and exceptions pass untouched.

- `before`, `after`, `around`: when it reads.
- `construct`: it gives a new engine object its number.
- `track`: it watches a container of the engine, so that every change of it is told.
- `marks`: the function is compiled again from its installed source, with a mark at each exit.

`lean` probes are what exact replay and `pagewalk why` need. `full` adds the front end, the core's
input and the workers. `tokens` replaces a row where `--record-tokens` was given.

A probe whose target is missing in a release is left out, together with the others of its
component in that module, and the trace says so. A probe marked *optional* may be missing.

"""


def page() -> str:
    """The whole page, Markdown."""
    parts = [_HEAD]
    for component in dict.fromkeys(row.component for row in PROBES):
        parts.append(f"## {component}\n\n| target | moment | level | reads |\n")
        parts.append("| --- | --- | --- | --- |\n")
        parts.extend(_line(row) for row in PROBES if row.component == component)
        parts.append("\n")
    return "".join(parts).rstrip() + "\n"


def _line(row: Probe) -> str:
    told = inspect.cleandoc(row.read.__doc__ or "").split("\n\n")[0].replace("\n", " ")
    note = f" *Optional: {row.note}.*" if row.optional and row.note else ""
    target = row.target.removeprefix("vllm.v1.")
    return f"| `{target}` | {row.moment} | {row.level} | {told}{note} |\n"


if __name__ == "__main__":
    print(page(), end="")
