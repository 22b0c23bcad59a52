"""The vLLM sources that tests can read: the installed one, and more by an environment variable.

PAGEWALK_RELEASES=/wheels/vllm-0.33.0.whl:/unpacked/vllm-0.26.0 pytest tests/test_exits.py
"""

from __future__ import annotations

import ast
import os
from importlib.util import find_spec

import pytest

from pagewalk.probes.exits import EXIT_TARGETS
from pagewalk.source.package import open_package
from pagewalk.source.releases import find

MORE = tuple(part for part in os.environ.get("PAGEWALK_RELEASES", "").split(os.pathsep) if part)
INSTALLED = (None,) if find_spec("vllm") is not None else ()
RELEASES = (*INSTALLED, *MORE)

needs_a_release = pytest.mark.skipif(
    not RELEASES, reason="vLLM is not installed and PAGEWALK_RELEASES names no other"
)


def release_params() -> list[object]:
    """A pytest parameter per release, or one that is skipped with the reason."""
    if not RELEASES:
        return [pytest.param(None, marks=needs_a_release, id="none")]
    return [pytest.param(path, id="installed" if path is None else path) for path in RELEASES]


def exit_functions(path: str | None) -> list[tuple[str, ast.FunctionDef]]:
    """Fresh syntax trees of the functions whose exits are marked, with their qualified names."""
    with open_package(path) as package:
        found = [(target.partition(":")[2], find(package, target).node) for target in EXIT_TARGETS]
    assert all(isinstance(node, ast.FunctionDef) for _, node in found)
    return [(name, node) for name, node in found if isinstance(node, ast.FunctionDef)]


__all__ = ["RELEASES", "exit_functions", "needs_a_release", "release_params"]
