"""Laws -> the page that lists them. `python -m pagewalk.replay.page`."""

from __future__ import annotations

from pagewalk.replay.block_laws import BLOCK_LAWS
from pagewalk.replay.law import Law
from pagewalk.replay.laws import LAWS
from pagewalk.replay.request_laws import REQUEST_LAWS

_HEAD = """\
<!-- Written by `python -m pagewalk.replay.page` (`make docs`). Do not edit. -->
# The laws

A law is a sentence that holds for every legal history of an engine. `pagewalk check TRACE` judges
each of them at every point of a trace where it can be judged. A broken law names the event that
broke it, the step, and the objects.

- `before`, `after`: judged at each of its events, before or after the event is applied.
- `settled`: judged around each step and each update, when the engine is between two calls.

The last column names the function whose behaviour the law states.

"""
_SECTIONS = (
    ("The trace itself", tuple(one for one in LAWS if one not in (*BLOCK_LAWS, *REQUEST_LAWS))),
    ("Blocks", BLOCK_LAWS),
    ("Requests and steps", REQUEST_LAWS),
)


def page() -> str:
    """The whole page, Markdown."""
    parts = [_HEAD]
    for title, laws in _SECTIONS:
        parts.append(f"## {title}\n\n| law | says | judged | of |\n| --- | --- | --- | --- |\n")
        parts.extend(_line(one) for one in laws)
        parts.append("\n")
    return "".join(parts).rstrip() + "\n"


def _line(one: Law) -> str:
    reads = one.reads.removeprefix("vllm.v1.")
    return f"| `{one.name}` | {one.sentence} | {one.moment} | `{reads}` |\n"


if __name__ == "__main__":
    print(page(), end="")
