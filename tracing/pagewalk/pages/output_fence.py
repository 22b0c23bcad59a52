"""A `pagewalk` fence -> a reading command and what it really prints, run when the page is built.

    why TRACE long --step [[nobody_admitted.step]]
    show TRACE:scheduler/waiting_lora

TRACE is the page's trace, `TRACE:STEM` another one. Readers see the name that they gave it when
they recorded it themselves, as the page's "Run it" says.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from typing import Any
from xml.etree.ElementTree import Element

from pagewalk.errors import PagewalkError, plain
from pagewalk.pages.stem import STEM, Page, short, trace_path
from pagewalk.pages.walk_body import bad, fenced
from pagewalk.pages.walk_html import SEARCH, add, code
from pagewalk.variables import in_environment

LANGUAGE = "pagewalk"
READING = ("show", "request", "requests", "why", "blocks", "check")
_WIDTH = 100
_MISTAKE = 2
_TRACE = re.compile(rf"TRACE(?::({STEM.pattern}))?")


def format_output(
    source: str,
    language: str,
    class_name: str,
    options: Mapping[str, Any],
    md: Any,
    **kwargs: Any,
) -> str:
    """The fence's body -> HTML; whatever goes wrong fails the build with one sentence."""
    return fenced(LANGUAGE, md, lambda page: _element(source, page, md))


def _element(source: str, page: Page, md: Any) -> Element:
    commands = [line.strip() for line in source.splitlines() if line.strip()]
    if not commands:
        raise bad("it has no command; write one, as in `show TRACE`")
    box = Element("section", {"class": "pagewalk-output", SEARCH: SEARCH})
    for command in commands:
        shown, printed = run(command, page)
        add(box, "div", "", "pagewalk-command").text = code(md, shown, "text")
        add(box, "div", "", "pagewalk-printed").text = code(md, printed, "text")
    return box


def run(command: str, page: Page) -> tuple[str, str]:
    """A command as readers type it, and its output."""
    try:
        words = shlex.split(command.removeprefix("pagewalk "))
    except ValueError as error:
        raise bad(f"{plain(command, 120)} is no command ({plain(error)})") from error
    if not words or words[0] not in READING:
        raise bad(f"{plain(command, 120)} is no reading command: use {', '.join(READING)}")
    real: list[str] = []
    shown = ["pagewalk"]
    names: dict[str, str] = {}
    for word in words:
        trace = _TRACE.fullmatch(word)
        if trace is None:
            real.append(word)
            shown.append(shlex.quote(word))
            continue
        stem = trace[1] or page.stem
        path = trace_path(page.docs, stem).as_posix()
        names[path] = f"build/{short(stem)}"
        real.append(path)
        shown.append(names[path])
    if not names:
        raise bad(f"{plain(command, 120)} names no trace: write TRACE where it stands")
    told = " ".join(shown)
    printed = _printed(real, told)
    for path, name in names.items():
        printed = printed.replace(path, name)
    return told, printed


def _printed(arguments: list[str], told: str) -> str:
    from pagewalk.cli import main

    out, err = StringIO(), StringIO()
    # No colour, and the same width wherever the site is built.
    plain_terminal = in_environment({"NO_COLOR": "1", "COLUMNS": str(_WIDTH)})
    with plain_terminal, redirect_stdout(out), redirect_stderr(err):
        code = main(arguments)
    if code == _MISTAKE:
        said = " ".join(err.getvalue().split()).removeprefix("pagewalk: ")
        raise PagewalkError("command-fails", f"`{plain(told, 160)}` fails: {said}")
    lines = [line.rstrip() for line in out.getvalue().splitlines()]
    return "\n".join(lines).strip("\n")


__all__ = ["LANGUAGE", "READING", "format_output", "run"]
