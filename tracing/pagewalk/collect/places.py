"""A URL -> a directory on this machine, and back: any file system that fsspec knows.

Segments are always written to a local directory first, because a process that is killed can
still do that. What travels is a directory that nobody writes to any more.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pagewalk.errors import PagewalkError, plain

HEADER = "header.json"
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*(://|::)")
_SECRET = re.compile(r"//[^/@]*@")
# A name as segments have it; anything else in a listing is left where it is.
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,200}\.jsonl")


def is_url(text: object) -> bool:
    """Whether it names a place by URL, as in `s3://bucket/run` or `file:///tmp/run`."""
    return _URL.match(str(text)) is not None


def shown(place: object) -> str:
    """A place as a message may name it: whole, but without a password."""
    return plain(_SECRET.sub("//", str(place)), 300)


def fetch(url: str, into: Path) -> tuple[str, ...]:
    """Copy the trace at `url` into the directory `into`; sentences on what could not be copied.

    Raises:
        PagewalkError: there is no trace, or its file system cannot be reached.
    """
    files, root = _open(url)
    try:
        listed = _listed(files, root)
        if not any(name.endswith(".jsonl") for name in listed):
            runs = [one for one in _folders(files, root) if _listed(files, one)]
            if len(runs) != 1:
                raise _no_trace(url, [one.rsplit("/", 1)[-1] for one in runs])
            listed = _listed(files, runs[0])
    except PagewalkError:
        raise
    except Exception as error:
        raise _unreachable(url, error) from error
    lost = []
    for name, (path, size) in sorted(listed.items()):
        try:
            with files.open(path, "rb") as source, (into / name).open("wb") as target:
                shutil.copyfileobj(source, target)
        except Exception as error:
            lost.append(f"{plain(name)} was not copied in whole: {_cause(error)}")
            continue
        came = (into / name).stat().st_size
        if size is not None and came < size:
            lost.append(f"{plain(name)} was not copied in whole: {came} of {size} bytes came")
    return tuple(lost)


def push(folder: Path, url: str) -> int:
    """Copy the trace in a directory to `url`, its header last; how many bytes were written.

    Raises:
        PagewalkError: there is something at the URL already, or it cannot be written.
    """
    files, root = _open(url)
    paths = sorted(folder.glob("*.jsonl"))
    paths += [one for one in [folder / HEADER] if one.is_file()]
    written = 0
    try:
        _refuse_used(files, root, url)
        files.makedirs(root, exist_ok=True)
        for path in paths:
            target = f"{root.rstrip('/')}/{path.name}"
            files.put_file(str(path), target)
            size = path.stat().st_size
            if (there := files.info(target).get("size")) not in (None, size):
                raise OSError(f"{there} of {size} bytes of {path.name} are there")
            written += size
    except PagewalkError as error:
        raise PagewalkError(error.slug, f"{error} {_stays(folder)}") from error
    except Exception as error:
        said = f"{shown(url)} cannot be written ({_cause(error)}). {_stays(folder)}"
        raise PagewalkError("cannot-write", said) from error
    return written


def refuse_used(url: str) -> None:
    """Refuse a URL that cannot be reached, or at which something lies already."""
    files, root = _open(url)
    try:
        _refuse_used(files, root, url)
    except PagewalkError:
        raise
    except Exception as error:
        raise _unreachable(url, error) from error


@contextmanager
def local(place: Path | str) -> Iterator[tuple[Path, tuple[str, ...]]]:
    """A trace directory on this machine for the length of a block, and what of it is lost."""
    if not is_url(place):
        yield Path(place), ()
        return
    with tempfile.TemporaryDirectory(prefix="pagewalk-fetched-") as made:
        name = str(place).rstrip("/").rsplit("/", 1)[-1]
        # Named as it was there, because reports and exports are named after it.
        folder = Path(made) / (
            name if re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}", name) else "trace"
        )
        folder.mkdir()
        yield folder, fetch(str(place), folder)


def _open(url: str) -> tuple[Any, str]:
    """The file system of a URL and the path in it."""
    try:
        from fsspec.core import url_to_fs
    except ImportError as error:
        raise PagewalkError(
            "no-fsspec",
            "URLs are read by fsspec, which is not here: pip install 'pagewalk[remote]'.",
        ) from error
    try:
        files, root = url_to_fs(url)
    except Exception as error:
        raise _unreachable(url, error) from error
    if "memory" in _protocols(files):
        raise PagewalkError(
            "memory-url",
            f"{shown(url)} lies in the memory of one process, where no other finds it: name a "
            "directory, or the URL of one.",
        )
    return files, root


def _protocols(files: Any) -> tuple[str, ...]:
    found = files.protocol
    return (found,) if isinstance(found, str) else tuple(found)


def _refuse_used(files: Any, root: str, url: str) -> None:
    # Asked anew: a listing may have been kept from before a run.
    files.invalidate_cache()
    if not files.exists(root):
        return
    if not files.isdir(root) or files.ls(root, detail=False):
        raise PagewalkError(
            "directory-not-empty",
            f"{shown(url)} is there already and not an empty directory: name a new one with --out.",
        )


def _stays(folder: Path) -> str:
    there = plain(folder, 300)
    return f"The trace stays in {there}; `pagewalk collect` takes it to another place."


def _listed(files: Any, root: str) -> dict[str, tuple[str, int | None]]:
    """The files of a trace in a directory: name -> path and size, None where it is not told."""
    found = {}
    for one in files.ls(root, detail=True):
        name = one["name"].rstrip("/").rsplit("/", 1)[-1]
        if one["type"] == "file" and (name == HEADER or _NAME.fullmatch(name)):
            found[name] = (one["name"], one.get("size"))
    return found if any(name != HEADER for name in found) else {}


def _folders(files: Any, root: str) -> list[str]:
    return [one["name"] for one in files.ls(root, detail=True) if one["type"] == "directory"]


def _no_trace(url: str, runs: list[str]) -> PagewalkError:
    if runs:
        names = ", ".join(plain(one) for one in runs[:8])
        return PagewalkError(
            "several-traces", f"{shown(url)} holds {len(runs)} traces ({names}): pass one of them."
        )
    return PagewalkError("empty-trace", f"{shown(url)} holds no segment (<pid>-<n>.jsonl).")


def _unreachable(url: str, error: Exception) -> PagewalkError:
    return PagewalkError("unreachable", f"{shown(url)} cannot be read: {_cause(error)}.")


def _cause(error: Exception) -> str:
    told = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return plain(_SECRET.sub("//", str(told)), 200).rstrip(".")


__all__ = ["fetch", "is_url", "local", "push", "refuse_used", "shown"]
