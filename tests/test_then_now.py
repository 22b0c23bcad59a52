"""The page of old and new names: what it calls gone is gone, and what it points to is there."""

from __future__ import annotations

import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest

from pagewalk.source.excerpt import find_place
from pagewalk.source.package import open_package

PAGE = Path(__file__).parents[1] / "walkthroughs" / "then_now.md"
pytestmark = pytest.mark.skipif(find_spec("vllm") is None, reason="no vLLM is installed")

_ROW = re.compile(r"^\| (?P<then>.+?) \| (?P<now>.+) \|$", re.M)
_CODE = re.compile(r"`([^`]+)`")
_SYMBOL = re.compile(r"[a-z_][\w.]*:[A-Z_a-z][\w.]*")


@cache
def words() -> frozenset[str]:
    """Every word of vLLM's Python source, metric names and options with what belongs to them."""
    spec = find_spec("vllm")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    (root,) = spec.submodule_search_locations
    found: set[str] = set()
    for path in Path(root).rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        found.update(re.findall(r"\w+", text))
        found.update(re.findall(r"--[a-z][a-z-]+|vllm:\w+", text))
    return frozenset(found)


def names(side: str) -> list[str]:
    """The names in backticks on one side of the tables."""
    rows = [one[side] for one in _ROW.finditer(PAGE.read_text()) if "You read" not in one["then"]]
    return [name for row in rows for name in _CODE.findall(row)]


@pytest.mark.parametrize("name", names("then"))
def test_is_gone(name: str) -> None:
    """Nothing of that name is left."""
    assert name not in words()


@pytest.mark.parametrize("name", names("now"))
def test_is_there(name: str) -> None:
    """A symbol resolves; an option, a metric or a bare name occurs."""
    if _SYMBOL.fullmatch(name) and not name.startswith("vllm:"):
        with open_package(None) as package:
            assert find_place(package, name)
    elif name != "n":
        assert name in words()


def test_the_finder_knows_what_is_there() -> None:
    """Else everything would be gone."""
    assert {"Scheduler", "--speculative-config", "vllm:num_preemptions"} <= words()
    assert len(names("then")) > 20
