"""vLLM's source -> its classes by the names that a module knows them by, nothing imported."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from pagewalk.source.excerpt import link
from pagewalk.source.package import Package

DEPTH = 20  # imports that hand a name on, or classes above a class; vLLM has five


@dataclass(frozen=True, slots=True)
class Class:
    """A class where it is defined."""

    module: str
    node: ast.ClassDef


class Source:
    """The classes of a release as its modules know them; each module is looked through once."""

    def __init__(self, package: Package) -> None:
        self.release = package.release
        self._package = package
        self._known: dict[str, _Names] = {}

    def find(self, module: str, name: str, depth: int = 0) -> Class | None:
        """The class of that name: the module's own, or one that it imports from vLLM."""
        names = self._names(module) if name and depth < DEPTH else None
        if names is None:
            return None
        if name in names.classes:
            return Class(module, names.classes[name])
        imported = names.imported.get(name)
        return self.find(*imported, depth + 1) if imported else None

    def file(self, module: str) -> str:
        """The path of a module's file in the package."""
        return self._names(module).file

    def link(self, module: str, first: int, last: int) -> str:
        """Where lines of a module are on the web."""
        return link(self.release, self.file(module), first, last)

    def _names(self, module: str) -> _Names:
        if module not in self._known:
            self._known[module] = self._read(module)
        return self._known[module]

    def _read(self, module: str) -> _Names:
        tree, file = self._package.module(module), self._package.file(module)
        names = _Names(file.path if file is not None else "", {}, {})
        # Imports under a condition count too: which of them runs depends on the machine.
        for node in ast.walk(tree) if tree is not None else ():
            if isinstance(node, ast.ClassDef):
                names.classes.setdefault(node.name, node)
            elif isinstance(node, ast.ImportFrom):
                home = _home(node, module, self._package.is_package(module))
                for one in node.names:
                    names.imported.setdefault(one.asname or one.name, (home, one.name))
        return names


@dataclass(frozen=True, slots=True)
class _Names:
    """What the names of a module stand for: its classes, and where others are imported from."""

    file: str
    classes: dict[str, ast.ClassDef]
    imported: dict[str, tuple[str, str]]


def _home(node: ast.ImportFrom, module: str, is_package: bool) -> str:
    """The module that an import names, a relative one worked out."""
    if not node.level:
        return node.module or ""
    parts = module.split(".")
    keep = parts[: len(parts) - node.level + is_package]
    return ".".join([*keep, *([node.module] if node.module else [])])


__all__ = ["DEPTH", "Class", "Source"]
