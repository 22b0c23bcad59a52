"""The wheel: pure Python, whole, and a folder that holds it unpacked is enough for a machine.

That is how it travels to a machine without a package index: unpacked into a folder on PYTHONPATH.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE")
ASK = """
from importlib.metadata import entry_points
import pagewalk
(found,) = [one for one in entry_points(group="vllm.general_plugins") if one.name == "pagewalk"]
print(found.dist.locate_file(""), pagewalk.__file__, found.load().__module__, sep="\\n")
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this tree, built from a copy: nothing is left beside the sources."""
    for tool in ("pip", "setuptools"):
        try:
            # Not looked for as a module: to do so, setuptools replaces modules of this process.
            distribution(tool)
        except PackageNotFoundError:
            pytest.skip(f"{tool} builds the wheel and is not installed here")
    room = tmp_path_factory.mktemp("wheel")
    tree = room / "tree"
    tree.mkdir()
    for name in SOURCES:
        shutil.copy(ROOT / name, tree / name)
    leave = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in ("tracing", "site/player"):
        shutil.copytree(ROOT / name, tree / name, ignore=leave)
    words = ["wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(room), str(tree)]
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (path,) = room.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def unpacked(wheel: Path) -> Path:
    """The folder that it is unpacked to."""
    target = wheel.parent / "own"
    with zipfile.ZipFile(wheel) as file:
        file.extractall(target)
    return target


def python(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """This Python, which finds pagewalk in the folder first."""
    return subprocess.run(
        [sys.executable, *words],
        env={**os.environ, "PYTHONPATH": str(folder)},
        cwd=folder.parent,
        capture_output=True,
        text=True,
        check=False,
    )


def test_is_pure_python_and_whole(wheel: Path) -> None:
    """For any platform; every module is in it, and the player as it is in the sources."""
    assert wheel.name.endswith("-py3-none-any.whl")
    with zipfile.ZipFile(wheel) as file:
        names = set(file.namelist())
        player = {
            name.removeprefix("pagewalk/player/"): file.read(name)
            for name in names
            if name.startswith("pagewalk/player/")
        }
    modules = {
        path.relative_to(ROOT / "tracing").as_posix()
        for path in (ROOT / "tracing" / "pagewalk").rglob("*.py")
    }
    assert modules - names == set()
    assert player == {path.name: path.read_bytes() for path in (ROOT / "site/player").iterdir()}
    assert [name for name in names if name.endswith((".so", ".pyd", ".pyc"))] == []


def test_is_seen_by_vllm_in_a_folder(unpacked: Path) -> None:
    """The plugin's entry point comes from the folder, and so does what it loads."""
    done = python(unpacked, "-c", ASK)
    assert done.returncode == 0, done.stderr
    place, module, plugin = done.stdout.splitlines()
    assert Path(place) == unpacked
    assert Path(module).is_relative_to(unpacked)
    assert plugin == "pagewalk.capture.plugin"


def test_makes_a_report_in_a_folder(unpacked: Path, tmp_path: Path) -> None:
    """The commands work, and the player they put into a report is the wheel's."""
    report = tmp_path / "report.html"
    trace = ROOT / "walkthroughs" / "traces" / "demo"
    words = ["open", str(trace), "--no-browser", "--out", str(report)]
    done = python(unpacked, "-m", "pagewalk.cli", *words)
    assert done.returncode == 0, done.stderr
    assert "pagewalk-player" in report.read_text(encoding="utf-8")
