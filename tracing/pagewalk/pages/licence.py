"""The vLLM that pages quote -> the text of its licence, which the built site carries.

The repository holds no file of vLLM; the site holds excerpts of it, and so owes its readers this.
"""

from __future__ import annotations

import importlib.util
import re
import zipfile
from pathlib import Path

from pagewalk.source.package import PACKAGE, chosen

PLACE = Path("assets/licences/vllm.txt")
_MOST = 1 << 20
_IN_METADATA = re.compile(r"vllm[\w.]*-[^/]*\.dist-info/(?:licenses/)?LICENSE(?:\.txt)?", re.I)
_INSTEAD = """\
The excerpts of source code on this site are from vLLM.
Copyright contributors to the vLLM project. Licensed under the Apache License, Version 2.0.

The vLLM that this site was built from does not carry the text of its licence. It is found in the
file LICENSE of vLLM's repository, and at

    https://www.apache.org/licenses/LICENSE-2.0
"""


def licence(path: Path | None) -> str:
    """The licence text that a wheel, a directory or (None) the installed vLLM brings along.

    Where there is none, a text that says where it is found.
    """
    found = _in_wheel(path) if path is not None and path.is_file() else _in_folder(_root(path))
    return found or _INSTEAD


def write_licence(docs: Path) -> Path:
    """Put the licence of the quoted vLLM among the files of the site."""
    target = docs / PLACE
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(licence(chosen()), encoding="utf-8")
    return target


def _root(path: Path | None) -> Path | None:
    """The directory in which `vllm/` and its metadata lie side by side."""
    if path is not None:
        return path.parent if path.name == PACKAGE else path
    spec = importlib.util.find_spec(PACKAGE)
    places = spec.submodule_search_locations if spec else None
    return Path(next(iter(places))).parent if places else None


def _in_folder(root: Path | None) -> str:
    for file in sorted(root.glob("vllm*.dist-info/**/LICENSE*")) if root else ():
        if _IN_METADATA.fullmatch(file.relative_to(root).as_posix()):
            return _text(file.read_bytes())
    return ""


def _in_wheel(path: Path) -> str:
    with zipfile.ZipFile(path) as archive:
        for one in archive.infolist():
            if _IN_METADATA.fullmatch(one.filename) and one.file_size <= _MOST:
                return _text(archive.read(one))
    return ""


def _text(data: bytes) -> str:
    return data[:_MOST].decode("utf-8", "replace")


__all__ = ["PLACE", "licence", "write_licence"]
