"""A wheel, a directory or the installed vLLM -> its modules as syntax trees, nothing imported.

The files are somebody else's: sizes are bounded, nothing is unpacked to disk, nothing is run,
and whatever cannot be read is one clear sentence.
"""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import warnings
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pagewalk.errors import PagewalkError, plain

PACKAGE = "vllm"
VLLM = "PAGEWALK_VLLM"  # the environment's word for which wheel or directory pages are made of
_MAX_BYTES = 8 << 20  # of one module; the longest of vLLM has less than half a megabyte
_VERSION = re.compile(r"^(?:__version__|version)\b[^=\n]*=[^'\"\n]*['\"]([\w.+!-]+)['\"]", re.M)
_METADATA = re.compile(r"^Version:\s*([\w.+!-]+)\s*$", re.M)
_NAME_IN_WHEEL = re.compile(r"^[A-Za-z0-9_.]+-([\w.+!]+)-")

ReadFile = Callable[[str], "bytes | None"]


@dataclass(frozen=True, slots=True)
class File:
    """One module's file: its path from the root of the package on, and its bytes."""

    path: str
    text: bytes
    is_package: bool


class Package:
    """Reads modules of one vLLM, by dotted name; each file is parsed once."""

    def __init__(self, where: str, release: str, read_file: ReadFile) -> None:
        self.where = where
        self.release = release
        self._read_file = read_file
        self._modules: dict[str, tuple[ast.Module | None, bool]] = {}

    def module(self, name: str) -> ast.Module | None:
        """The syntax tree of a module, None if there is no such file in the package."""
        return self._parsed(name)[0]

    def is_package(self, name: str) -> bool:
        """Whether the module is the `__init__` of a package."""
        return self._parsed(name)[1]

    def file(self, name: str) -> File | None:
        """The file of a module as it is, None if there is none in the package."""
        path = name.replace(".", "/")
        for candidate, package in ((f"{path}.py", False), (f"{path}/__init__.py", True)):
            text = self._read_file(candidate)
            if text is not None:
                return File(candidate, text, package)
        return None

    def _parsed(self, name: str) -> tuple[ast.Module | None, bool]:
        if name not in self._modules:
            file = self.file(name)
            self._modules[name] = (
                (None, False)
                if file is None
                else (parse(file.text, file.path, self.where), file.is_package)
            )
        return self._modules[name]


def chosen() -> Path | None:
    """The wheel or directory that the environment names, None for the installed package."""
    named = os.environ.get(VLLM)
    return Path(named) if named else None


@contextmanager
def open_package(path: str | Path | None) -> Iterator[Package]:
    """Open a wheel file, a directory that holds `vllm/`, or (None) the installed package."""
    if path is None:
        yield _installed()
        return
    path = Path(path)
    if path.is_dir():
        yield _directory(path)
        return
    if not path.exists():
        raise PagewalkError(
            "no-such-release",
            f"{plain(path)} does not exist; give a vLLM wheel file or the directory it was "
            "unpacked into.",
        )
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise _bad_wheel(path) from error
    with archive:
        yield _wheel(path, archive)


def parse(text: bytes, name: str, where: str) -> ast.Module:
    """The syntax tree of a file; what is no Python is one sentence with the file's name."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of an invalid escape, say: not ours to tell
            return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise PagewalkError(
            "unreadable-source",
            f"{plain(name)} in {plain(where)} is not Python that this interpreter can read "
            f"({type(error).__name__}); check that the file is whole.",
        ) from error


def _installed() -> Package:
    try:
        spec = importlib.util.find_spec(PACKAGE)
    except (ImportError, ValueError):
        spec = None
    if spec is None or not spec.submodule_search_locations:
        raise PagewalkError(
            "no-vllm",
            "vLLM is not installed in this environment; give a wheel file or a directory with "
            "--against.",
        )
    return _directory(Path(next(iter(spec.submodule_search_locations))))


def _directory(path: Path) -> Package:
    itself = path.name == PACKAGE and (path / "__init__.py").is_file()
    root = path.parent if itself else path
    if not (root / PACKAGE).is_dir():
        raise PagewalkError(
            "no-vllm-there",
            f"{plain(path)} holds no vllm directory; give the directory that the wheel was "
            "unpacked into.",
        )

    def read_file(name: str) -> bytes | None:
        file = root / name
        try:
            if not file.is_file():
                return None
            if file.stat().st_size > _MAX_BYTES:
                raise _too_big(name, str(path))
            return file.read_bytes()
        except OSError as error:
            raise PagewalkError(
                "unreadable-source",
                f"{plain(file)} cannot be read ({error.strerror or type(error).__name__}); "
                "check its permissions.",
            ) from error

    return Package(str(path), _release(read_file, ""), read_file)


def _wheel(path: Path, archive: zipfile.ZipFile) -> Package:
    sizes = {info.filename: info.file_size for info in archive.infolist()}
    if not any(name.startswith(f"{PACKAGE}/") for name in sizes):
        raise PagewalkError(
            "no-vllm-there",
            f"{plain(path)} is not a vLLM wheel: it holds no vllm directory; give another file.",
        )

    def read_file(name: str) -> bytes | None:
        if name not in sizes:
            return None
        if sizes[name] > _MAX_BYTES:
            raise _too_big(name, str(path))
        try:
            with archive.open(name) as file:
                text = file.read(_MAX_BYTES + 1)
        except Exception as error:  # zlib, lzma, struct, encryption: a broken file has many
            raise _bad_wheel(path) from error
        if len(text) > _MAX_BYTES:
            raise _too_big(name, str(path))
        return text

    metadata = next((one for one in sizes if one.endswith(".dist-info/METADATA")), None)
    named = _NAME_IN_WHEEL.match(path.name)
    fallback = named.group(1) if named else ""
    if metadata is not None:
        found = _METADATA.search(_text(read_file(metadata)))
        fallback = found.group(1) if found else fallback
    return Package(str(path), _release(read_file, fallback), read_file)


def _release(read_file: ReadFile, fallback: str) -> str:
    found = _VERSION.search(_text(read_file(f"{PACKAGE}/_version.py")))
    return found.group(1) if found else fallback


def _text(text: bytes | None) -> str:
    return (text or b"").decode("utf-8", "replace")


def _bad_wheel(path: Path) -> PagewalkError:
    return PagewalkError(
        "bad-wheel", f"{plain(path)} is not a readable wheel file; download it again."
    )


def _too_big(name: str, where: str) -> PagewalkError:
    return PagewalkError(
        "unreadable-source",
        f"{plain(name)} in {plain(where)} is larger than any module of vLLM; check the file.",
    )


__all__ = ["PACKAGE", "VLLM", "File", "Package", "chosen", "open_package", "parse"]
