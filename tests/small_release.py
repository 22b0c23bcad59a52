"""A small package that stands for a vLLM release: in a directory, in a wheel, with edits."""

from __future__ import annotations

import zipfile
from pathlib import Path

LOOP = '''\
from __future__ import annotations

from typing import overload

from vllm.engine.parts import Queue

LIMIT: int = 8
SIZES = {"small": 1}


def traced(name):
    return lambda function: function


class Loop:
    """Turns what waits into what runs."""

    @overload
    def take(self, one: int) -> int: ...

    @overload
    def take(self, one: str) -> str: ...

    def take(self, one):
        return one

    @property
    def size(self):
        return self._size

    @size.setter
    def size(self, value):
        self._size = value

    @traced(
        "turn",
    )
    async def turn(
        self, budget: int, *, hurry: bool = False
    ) -> list[str]:
        """One turn."""
        done: list[str] = []

        def skip(job) -> None:
            self.skipped.append(job)

        # first the running
        while self.running and budget > 0:
            job = self.running.pop(0)
            if job.is_done:
                skip(job)
                continue
            elif job.is_late(
                budget
            ):
                break
            else:
                budget -= 1  # (1) one for each
            slots = self.pool.take(
                job,
                min(job.need, budget),
            )
            if slots is None:
                self.stop(job, why="no \\"slots\\"")
                break
            done.append(job.name)
        else:
            self.rest()

        parts = (
            self.queue
            .first()
            .second(budget)
        )
        if (
            parts
            and budget
        ):
            self.keep(parts)

        # then the waiting
        while budget > 0:
            job = self.waiting.pop(0)
            try:
                first, second = job.split()
            except (KeyError, ValueError) as error:
                raise RuntimeError(f"bad {job}") from error
            except OSError:
                pass
            else:
                budget -= 2
            finally:
                job.close()
            if job.is_done:
                break
        for at, (key, value) in enumerate(self.items()):
            with self.lock, open(key) as file:
                assert file.read() == value, "differs"
        else:
            at = -1
        match budget:
            case 0:
                return done
            case int(left) if left > 5:
                self.note(left)
        return [*done, str(at)]


if LIMIT:

    def chosen():
        return 1

else:

    def chosen():
        return 2
'''
PARTS = """\
class Queue:
    def pop(self, at):
        return self.items.pop(at)
"""
FILES = {
    "vllm/__init__.py": "raise RuntimeError('must not be imported')\n",
    "vllm/_version.py": "__version__ = version = '9.9.0'\n",
    "vllm/engine/__init__.py": "",
    "vllm/engine/loop.py": LOOP,
    "vllm/engine/parts.py": PARTS,
}
NAME = "vllm.engine.loop:Loop.turn"


def release(
    folder: Path, *edits: tuple[str, str], version: str = "9.9.0", **files: str | None
) -> Path:
    """Write the package below a folder; an edit replaces text that is once in the loop's file."""
    loop = LOOP
    for old, new in edits:
        assert loop.count(old) == 1, old
        loop = loop.replace(old, new)
    written = {**FILES, "vllm/engine/loop.py": loop, **files}
    written["vllm/_version.py"] = f"__version__ = version = '{version}'\n"
    for name, text in written.items():
        if text is not None:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    return folder


def wheel(tree: Path, path: Path) -> Path:
    """The same package as a wheel file."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(tree.rglob("*.py")):
            archive.write(file, file.relative_to(tree).as_posix())
    return path


def line_of(text: str, number: int = 1) -> int:
    """The line of the loop's file that holds the text, its n-th."""
    lines = [at for at, line in enumerate(LOOP.splitlines(), 1) if text in line]
    return lines[number - 1]


__all__ = ["FILES", "LOOP", "NAME", "line_of", "release", "wheel"]
