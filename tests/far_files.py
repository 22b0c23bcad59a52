"""A file system in another process, reached over a socket: `far://`, as fsspec wants it."""

from __future__ import annotations

import io
import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xmlrpc.client import Binary, ServerProxy
from xmlrpc.server import SimpleXMLRPCServer

from fsspec import AbstractFileSystem, register_implementation

_SPAWN = multiprocessing.get_context("fork")


class FarFiles(AbstractFileSystem):
    """Each call is one question to the other process. `cut` bytes are left off what is read."""

    protocol = "far"
    cachable = False
    address = ""
    cut = 0

    def _ask(self, name: str, *what: Any) -> Any:
        with ServerProxy(self.address, use_builtin_types=True) as peer:
            return getattr(peer, name)(*what)

    def ls(self, path: str, detail: bool = True, **more: Any) -> list[Any]:
        found = self._ask("listed", self._strip_protocol(path))
        if found is None or found == "":
            raise FileNotFoundError(path)
        return found if detail else [one["name"] for one in found]

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        self._ask("made", self._strip_protocol(path))

    def _open(self, path: str, mode: str = "rb", **more: Any) -> Any:
        if "w" in mode:
            return _Upload(self, path)
        data = self._ask("got", path)
        return io.BytesIO(data[: len(data) - self.cut])


class _Upload(io.BytesIO):
    def __init__(self, files: FarFiles, path: str) -> None:
        super().__init__()
        self._files, self._path = files, path

    def close(self) -> None:
        if not self.closed:
            self._files._ask("put", self._path, Binary(self.getvalue()))
        super().close()


def _serve(root: Path, ready: Any) -> None:
    def place(path: str) -> Path:
        return root / path.strip("/")

    def listed(path: str) -> Any:
        if not place(path).is_dir():
            return ""
        return [
            {
                "name": f"{path.strip('/')}/{one.name}",
                "size": one.stat().st_size,
                "type": "directory" if one.is_dir() else "file",
            }
            for one in sorted(place(path).iterdir())
        ]

    def made(path: str) -> bool:
        place(path).mkdir(parents=True, exist_ok=True)
        return True

    def put(path: str, data: bytes) -> bool:
        place(path).write_bytes(data)
        return True

    def got(path: str) -> bytes:
        return place(path).read_bytes()

    with SimpleXMLRPCServer(
        ("127.0.0.1", 0), logRequests=False, allow_none=True, use_builtin_types=True
    ) as server:
        for one in (listed, made, put, got):
            server.register_function(one)
        ready.send(server.server_address[1])
        server.serve_forever()


@contextmanager
def far_files(root: Path) -> Iterator[Path]:
    """Serve `root` from another process as `far://`, in this process's fsspec."""
    here, there = _SPAWN.Pipe()
    process = _SPAWN.Process(target=_serve, args=(root, there), daemon=True)
    process.start()
    FarFiles.address = f"http://127.0.0.1:{here.recv()}/"
    register_implementation("far", FarFiles, clobber=True)
    try:
        yield root
    finally:
        process.kill()
        process.join()
        FarFiles.cut = 0
