"""A path of this machine -> what may be published of it: package and file, nobody's directories."""

from __future__ import annotations

import functools
import re
import sys
import tempfile
from pathlib import Path

# Stand for a directory while the rest of a path is looked at; no path has such a character.
_MODULES, _PLACES = "/\0/", "/\1/"
_PATH = re.compile(r"(?<![\w./\\-])(?:~|[A-Za-z]:)?/[^\s\"'()<>:;,|]+")


def scrub(text: str) -> str:
    """The text with every absolute path cut: `/home/me/.venv/.../vllm/x.py` is `vllm/x.py`.

    What lies in no directory of Python is left with its file name alone.
    """
    if "/" not in text:
        return text
    # A directory may have a name that no pattern for paths would take.
    for root, mark in _roots():
        text = text.replace(f"{root}/", mark)
    return _PATH.sub(_cut, text)


def _cut(found: re.Match[str]) -> str:
    path = found[0]
    for mark in (_MODULES, "/site-packages/", "/dist-packages/"):
        if mark in path:
            return path.rpartition(mark)[2]
    return path.rpartition("/")[2]


@functools.cache
def _roots() -> tuple[tuple[str, str], ...]:
    """Where Python looks for modules, and where people live, the longest first."""
    modules = {one.rstrip("/") for one in sys.path if one}
    modules |= {str(Path(one).resolve()) for one in modules if one}
    places = {str(Path.home()), str(Path.cwd()), tempfile.gettempdir()}
    # Where one works is no module's folder, even if modules are looked for there.
    marks = dict.fromkeys(modules, _MODULES) | dict.fromkeys(places, _PLACES)
    roots = [(root, mark) for root, mark in marks.items() if root.count("/") > 0 and root != "/"]
    return tuple(sorted(roots, key=lambda one: len(one[0]), reverse=True))


__all__ = ["scrub"]
