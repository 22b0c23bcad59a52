"""The direction law, the size budget and the import budget, read from the source by `ast`."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "tracing" / "pagewalk"
MODULES = sorted(ROOT.rglob("*.py"))

# stage -> the stages it may import. `errors` and the package itself are open to all.
SEES = {
    "trace": set(),
    "probes": {"trace"},
    "capture": {"probes", "trace"},
    "replay": {"trace"},
    "views": {"replay", "trace"},
    "source": {"probes", "trace"},
    "pages": {"views", "source", "trace", "replay"},
    "profile": {"views", "trace"},
    "term": {"trace", "replay", "views", "source", "probes", "capture", "bed", "collect"},
    "bed": set(),
    "collect": {"trace"},
}
ENGINE = {"vllm", "torch", "transformers", "tokenizers", "safetensors"}
MAY_IMPORT_ENGINE = {"capture", "bed"}
LIMIT = 300


def stage(path: Path) -> str:
    """The stage a module belongs to: its folder, or its own name for a top-level module."""
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imports(path: Path) -> set[str]:
    """Dotted names of everything the module imports, at any depth and inside functions too."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: modules import each other absolutely"
            names.add(node.module or "")
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def shown(path: Path) -> str:
    """How a module is named in a test's id."""
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", MODULES, ids=shown)
class TestEveryModule:
    """What holds for each module alone."""

    def test_is_short(self, path: Path) -> None:
        """A module stays under the limit."""
        assert len(path.read_text().splitlines()) < LIMIT

    def test_looks_only_where_it_may(self, path: Path) -> None:
        """Stages feed each other from left to right."""
        own = stage(path)
        if own not in SEES:
            return
        seen = {name.split(".")[1] for name in imports(path) if name.startswith("pagewalk.")}
        others = {name for name in seen if name in SEES and name != own}
        assert others <= SEES[own]

    def test_brings_the_engine_in_only_where_it_may(self, path: Path) -> None:
        """VLLM and what it needs are imported by `capture` and the engine bed alone."""
        roots = {name.partition(".")[0] for name in imports(path)}
        assert stage(path) in MAY_IMPORT_ENGINE or not roots & ENGINE

    def test_says_what_it_is(self, path: Path) -> None:
        """A module opens with a docstring."""
        assert ast.get_docstring(ast.parse(path.read_text()))


def test_every_stage_has_its_arrow_line() -> None:
    """The first docstring line of a stage says what goes in and what comes out."""
    stages = ("probes", "capture", "trace", "replay", "views", "source")
    first = {
        name: (
            ast.get_docstring(ast.parse((ROOT / name / "__init__.py").read_text())) or ""
        ).splitlines()[0:1]
        for name in stages
    }
    assert all(line and "->" in line[0] for line in first.values()), first
