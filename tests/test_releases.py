"""The static check of a release: by its source alone, whatever the file is."""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from releases_at_hand import release_params

from pagewalk.capture.sites import mark_exits
from pagewalk.errors import PagewalkError
from pagewalk.probes import PROBES
from pagewalk.probes.exits import EXIT_TARGETS
from pagewalk.source.releases import ReleaseReport, check_release

SCHEDULER = """
from vllm.base import Base, Named as Other
from .queue import Queue

class Scheduler(Base[int], Other):
    def schedule(self, throttle=False, *, hurry):
        while self.running and token_budget > 0:
            if input_budget <= draft_slots:
                break
            if something_nobody_knows(request):
                continue

    async def later(self, one, /, two): ...

    if True:
        def conditional(self): ...
    try:
        from_c = len
    except ImportError:
        def from_c(self, fallback): ...

def schedule(config): ...
"""
BASE = """
class Root:
    def rooted(self, request): ...
class Base(Root):
    def schedule(self): ...
    def inherited(self, blocks): ...
class Named(Missing, Named): ...
try:
    from elsewhere import outside
except ImportError:
    from vllm.core import outside
from vllm.base import circle
"""
FILES = {
    "vllm/__init__.py": "raise RuntimeError('must not be imported')",
    "vllm/_version.py": "version: str\n__version__ = version = '9.8.7'\n",
    "vllm/core/__init__.py": "from .queue import Queue as Line\nfrom ..base import Base\n",
    "vllm/core/queue.py": "class Queue:\n    def pop(self): ...\n",
    "vllm/core/scheduler.py": SCHEDULER,
    "vllm/base.py": BASE,
}


def row(target: str, *needs: str, optional: bool = False) -> Any:
    """A probe row, as far as the check looks at it."""
    return SimpleNamespace(target=target, needs=needs, component="core", optional=optional)


@pytest.fixture
def unpacked(tmp_path: Path) -> Path:
    """A small package in a directory."""
    for name, text in FILES.items():
        path = tmp_path / "unpacked" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "unpacked"


@pytest.fixture
def wheel(tmp_path: Path) -> Callable[..., Path]:
    """The same package in a wheel, with changes."""

    def make(name: str = "vllm-1.2.3-py3-none-any.whl", **changes: str | bytes | None) -> Path:
        files: dict[str, str | bytes | None] = {**FILES, **changes}
        with zipfile.ZipFile(tmp_path / name, "w", zipfile.ZIP_DEFLATED) as archive:
            for path, text in files.items():
                if text is not None:
                    archive.writestr(path, text)
        return tmp_path / name

    return make


class TestRows:
    """What becomes of a row."""

    @pytest.mark.parametrize(
        ("target", "needs", "state", "detail"),
        [
            ("vllm.core.scheduler:Scheduler.schedule", ("throttle", "hurry"), "present", ""),
            ("vllm.core.scheduler:Scheduler.later", ("one", "two"), "present", ""),
            ("vllm.core.scheduler:schedule", ("config",), "present", ""),
            ("vllm.core.scheduler:Scheduler.conditional", (), "present", ""),
            ("vllm.core.scheduler:Scheduler", (), "present", ""),
            ("vllm.core.scheduler:Queue.pop", (), "present", ""),
            ("vllm.core:Line.pop", (), "present", ""),
            ("vllm.core:Base.inherited", ("blocks",), "present", ""),
            (
                "vllm.core.scheduler:Scheduler.inherited",
                ("blocks",),
                "present",
                "inherited from Base",
            ),
            ("vllm.core.scheduler:Scheduler.rooted", (), "present", "inherited from Root"),
            (
                "vllm.core.scheduler:Scheduler.schedule",
                ("now", "throttle"),
                "changed",
                "no parameter now",
            ),
            (
                "vllm.core.scheduler:Scheduler.gone",
                (),
                "absent",
                "Scheduler.gone does not exist",
            ),
            (
                "vllm.core.scheduler:Gone.schedule",
                (),
                "absent",
                "Gone does not exist in vllm.core.scheduler",
            ),
            ("vllm.gone:Gone.schedule", (), "absent", "module vllm.gone does not exist"),
            (
                "vllm.core.scheduler:schedule.inner",
                (),
                "absent",
                "schedule.inner does not exist in vllm.core.scheduler",
            ),
            ("vllm.base:circle", (), "absent", "circle does not exist in vllm.base"),
            ("vllm.base:Named.method", (), "absent", "Named.method does not exist"),
            ("vllm:..", (), "absent", " does not exist in vllm"),
        ],
    )
    def test_states(
        self, unpacked: Path, target: str, needs: tuple[str, ...], state: str, detail: str
    ) -> None:
        """Found in the class, a base, another module, or not; with its parameters, or not."""
        (found,) = check_release(unpacked, [row(target, *needs)]).rows
        assert (found.state, found.detail) == (state, detail)

    def test_fits(self, unpacked: Path) -> None:
        """A row may be missing if it is optional; it may not be changed."""
        gone = "vllm.core.scheduler:Scheduler.gone"
        assert not check_release(unpacked, [row(gone)]).fits
        assert check_release(unpacked, [row(gone, optional=True)]).fits
        changed = row("vllm.core.scheduler:schedule", "gone", optional=True)
        assert not check_release(unpacked, [changed]).fits

    def test_unknown_exits(self, unpacked: Path) -> None:
        """An exit with a guard that the table does not know is named with its line."""
        target = "vllm.core.scheduler:Scheduler.schedule"
        report = check_release(unpacked, [], mark_exits, [target, "vllm.gone:gone"])
        assert report.num_exits == 2
        (unknown,) = report.unknown_exits
        assert unknown.function == "Scheduler.schedule"
        assert unknown.guard == "something_nobody_knows(request)"
        assert SCHEDULER.splitlines()[unknown.line - 1].strip() == "continue"
        assert not report.fits


class TestPlaces:
    """Where a release can be read from."""

    def check(self, path: Path | None) -> ReleaseReport:
        """One row that all of them have."""
        return check_release(path, [row("vllm.core.scheduler:Scheduler.schedule")])

    def test_directory(self, unpacked: Path) -> None:
        """The directory that holds the package, or the package itself."""
        assert self.check(unpacked).fits
        assert self.check(unpacked).release == "9.8.7"
        assert self.check(unpacked / "vllm").fits

    def test_wheel(self, wheel: Callable[..., Path]) -> None:
        """The version in the package wins over the metadata, that over the file's name."""
        assert self.check(wheel()).fits
        metadata = {"vllm-4.5.dist-info/METADATA": "Name: vllm\nVersion: 4.5.6\n"}
        assert self.check(wheel(**metadata)).release == "9.8.7"
        assert self.check(wheel(**metadata, **{"vllm/_version.py": None})).release == "4.5.6"
        assert self.check(wheel(**{"vllm/_version.py": None})).release == "1.2.3"
        assert self.check(wheel("some.whl", **{"vllm/_version.py": "version = x"})).release == ""

    def test_nothing_is_imported(self, unpacked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Not even the package itself, which raises."""
        monkeypatch.syspath_prepend(unpacked)
        monkeypatch.delitem(sys.modules, "vllm", raising=False)
        assert check_release(None, [row("vllm.core.scheduler:schedule")]).release == "9.8.7"
        assert "vllm" not in sys.modules

    def test_not_installed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Nothing to check, and what to do."""
        monkeypatch.delitem(sys.modules, "vllm", raising=False)
        monkeypatch.setattr(sys, "path", [])
        with pytest.raises(PagewalkError, match="not installed"):
            check_release(None, [])


class TestHostileFiles:
    """Whatever the file is: a report or one clear sentence."""

    def said(self, path: Path, find_exits: Any = None) -> str:
        """The sentence."""
        target = "vllm.core.scheduler:Scheduler.schedule"
        with pytest.raises(PagewalkError) as caught:
            check_release(path, [row(target)], find_exits, [target])
        text = str(caught.value)
        assert text.isprintable()
        assert text.endswith(".")
        return text

    def test_not_there(self, tmp_path: Path) -> None:
        """A path that leads nowhere, with something nasty in its name."""
        assert "does not exist" in self.said(tmp_path / "gone\x1b[2J.whl")

    def test_not_a_package(self, tmp_path: Path, wheel: Callable[..., Path]) -> None:
        """A directory and a wheel of something else."""
        assert "holds no vllm directory" in self.said(tmp_path)
        other = wheel(**dict.fromkeys(FILES), **{"torch/__init__.py": ""})
        assert "holds no vllm directory" in self.said(other)

    @pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\0" * 1000, b"# text"])
    def test_not_a_wheel(self, tmp_path: Path, content: bytes) -> None:
        """A file that is no archive."""
        path = tmp_path / "vllm-1.whl"
        path.write_bytes(content)
        assert "not a readable wheel" in self.said(path)

    @pytest.mark.parametrize(
        "source",
        [
            b"def f(:",
            b"\0",
            b"\xff\xfe",
            b"x = " + b"(" * 5000,
            b"x = " + b"-" * 100_000 + b"1",
            b"# coding: nonsense\n",
        ],
        ids=["syntax", "null", "encoding", "deep", "minus", "coding"],
    )
    def test_not_python(self, wheel: Callable[..., Path], source: bytes) -> None:
        """Source that cannot be read."""
        said = self.said(wheel(**{"vllm/core/scheduler.py": source}))
        assert "vllm/core/scheduler.py" in said

    def test_nested_too_deeply(self, wheel: Callable[..., Path]) -> None:
        """A chain of conditions that Python can parse and nobody can walk."""
        chain = "        elif a: break\n" * 800
        head = "class Scheduler:\n  def schedule(self):\n    while self.running:\n"
        source = f"{head}        if a: break\n{chain}"
        assert "nested too deeply" in self.said(
            wheel(**{"vllm/core/scheduler.py": source}), mark_exits
        )

    def test_too_big(self, wheel: Callable[..., Path], unpacked: Path) -> None:
        """A module that unpacks to more than any module has."""
        big = b"#" * (9 << 20)
        assert "larger than" in self.said(wheel(**{"vllm/core/scheduler.py": big}))
        (unpacked / "vllm/core/scheduler.py").write_bytes(big)
        assert "larger than" in self.said(unpacked)

    @given(data=st.data())
    def test_mutated_wheels(
        self, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        """Bytes of a wheel changed, cut or doubled at random."""
        path = tmp_path_factory.getbasetemp() / "mutated.whl"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, text in FILES.items():
                archive.writestr(name, text)
        content = bytearray(path.read_bytes())
        for _ in range(data.draw(st.integers(1, 4))):
            at = data.draw(st.integers(0, len(content) - 1))
            content[at] = data.draw(st.integers(0, 255))
        path.write_bytes(content[: data.draw(st.integers(len(content) // 2, len(content)))])
        with suppress(PagewalkError):
            report = check_release(path, [row("vllm.core.scheduler:Scheduler.schedule")])
            assert len(report.rows) == 1


class TestReleases:
    """The rows of this package against the releases at hand."""

    @pytest.mark.parametrize("path", release_params())
    def test_every_row_fits(self, path: str | None) -> None:
        """No probe target is missing or changed, and every exit is known."""
        report = check_release(path, PROBES, mark_exits, EXIT_TARGETS)
        assert [one for one in report.rows if not one.fits] == []
        assert report.unknown_exits == ()
        assert report.num_exits > 20
        assert report.release

    def test_nothing_is_there(self, unpacked: Path) -> None:
        """A package with none of the modules says so row by row."""
        report = check_release(unpacked, PROBES, mark_exits, EXIT_TARGETS)
        assert {one.state for one in report.rows} == {"absent"}
        assert report.num_exits == 0
        assert not report.fits
