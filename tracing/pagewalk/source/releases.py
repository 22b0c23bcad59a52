"""The source of a vLLM release and the probe rows -> which rows fit it: present, absent, changed.

By syntax trees alone: nothing is imported, so a release can be judged that does not run here.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pagewalk.errors import PagewalkError, plain
from pagewalk.source.module import bindings
from pagewalk.source.package import PACKAGE, Package, open_package

if TYPE_CHECKING:
    from pathlib import Path

State = Literal["present", "absent", "changed"]
Function = ast.FunctionDef | ast.AsyncFunctionDef
FindExits = Callable[[ast.FunctionDef, str], Sequence[Any]]
"""A function's tree and qualified name -> its exits, with `line`, `guard`, `kind` and `loop`."""

_UNKNOWN = "unknown"
_MAX_HOPS = 16  # of bases and re-exports; more is a circle


@dataclass(frozen=True, slots=True)
class RowReport:
    """What became of one probe row; `detail` says why it is not simply present."""

    component: str
    target: str
    state: State
    detail: str = ""
    optional: bool = False

    @property
    def fits(self) -> bool:
        """Whether the probe works on this release, or may be missing."""
        return self.state == "present" or (self.optional and self.state == "absent")


@dataclass(frozen=True, slots=True)
class UnknownExit:
    """An exit whose guard the table of kinds does not know."""

    function: str
    line: int
    guard: str


@dataclass(frozen=True, slots=True)
class ReleaseReport:
    """The static check of one release."""

    release: str
    where: str
    rows: tuple[RowReport, ...]
    num_exits: int = 0
    unknown_exits: tuple[UnknownExit, ...] = ()

    @property
    def fits(self) -> bool:
        """Whether every row works and every exit has a name."""
        return all(row.fits for row in self.rows) and not self.unknown_exits


def check_release(
    path: str | Path | None,
    rows: Sequence[Any],
    find_exits: FindExits | None = None,
    exit_targets: Sequence[str] = (),
) -> ReleaseReport:
    """Check rows (`target`, `needs`, `component`, perhaps `optional`) against a release.

    `path` is a wheel file or a directory with `vllm/` in it; None stands for the installed one.
    With `find_exits` the exits of the functions `exit_targets` are counted and the unknown listed.
    """
    with open_package(path) as package:
        try:
            return _checked(package, rows, find_exits, exit_targets)
        except RecursionError as error:
            raise PagewalkError(
                "unreadable-source",
                f"{plain(package.where)} holds code that is nested too deeply to be vLLM's; "
                "check the file.",
            ) from error


def _checked(
    package: Package,
    rows: Sequence[Any],
    find_exits: FindExits | None,
    exit_targets: Sequence[str],
) -> ReleaseReport:
    reports = tuple(_check_row(package, row) for row in rows)
    exits = [
        (target.partition(":")[2], leaving)
        for target in (exit_targets if find_exits is not None else ())
        for leaving in _exits_of(package, target, find_exits)
    ]
    unknown = tuple(
        UnknownExit(function, leaving.line, leaving.guard)
        for function, leaving in exits
        if leaving.kind == _UNKNOWN
    )
    return ReleaseReport(package.release, package.where, reports, len(exits), unknown)


def _exits_of(package: Package, target: str, find_exits: FindExits | None) -> Sequence[Any]:
    found = find(package, target)
    if find_exits is None or not isinstance(found.node, ast.FunctionDef):
        return ()
    return find_exits(found.node, target.partition(":")[2])


def _check_row(package: Package, row: Any) -> RowReport:
    found = find(package, row.target)
    optional = bool(getattr(row, "optional", False))
    if found.node is None:
        return RowReport(row.component, row.target, "absent", found.detail, optional)
    state: State = "present"
    detail = found.detail
    if isinstance(found.node, Function):
        missing = [name for name in row.needs if name not in _parameters(found.node)]
        if missing:
            state, detail = "changed", f"no parameter {', '.join(missing)}"
    return RowReport(row.component, row.target, state, detail, optional)


@dataclass(frozen=True, slots=True)
class Found:
    """Where a target led: the defining node, or None and a reason."""

    node: ast.stmt | None
    detail: str = ""


def find(package: Package, target: str) -> Found:
    """Resolve `module:Class.method` (or `module:function`), following bases and re-exports."""
    module, _, path = target.partition(":")
    first, *rest = path.split(".")
    if package.module(module) is None:
        return Found(None, f"module {module} does not exist")
    place = _definition(package, module, first, _MAX_HOPS)
    if place is None:
        return Found(None, f"{first} does not exist in {module}")
    module, node = place
    detail = ""
    for part in rest:
        if not isinstance(node, ast.ClassDef):
            return Found(None, f"{path} does not exist in {module}")
        member = _member(package, module, node, part, _MAX_HOPS)
        if member is None:
            return Found(None, f"{node.name}.{part} does not exist")
        if member.owner != node.name:
            detail = f"inherited from {member.owner}"
        module, node = member.module, member.node
    return Found(node, detail)


@dataclass(frozen=True, slots=True)
class _Member:
    module: str
    owner: str
    node: ast.stmt


def _member(
    package: Package, module: str, owner: ast.ClassDef, name: str, hops: int
) -> _Member | None:
    own = _last(bindings([owner.body]), name)
    if own is not None:
        return _Member(module, owner.name, own)
    for base in owner.bases if hops else ():
        if isinstance(base, ast.Subscript):  # Generic[...] and the like
            base = base.value
        if not isinstance(base, ast.Name):
            continue
        place = _definition(package, module, base.id, hops - 1)
        if place is not None and isinstance(place[1], ast.ClassDef):
            found = _member(package, place[0], place[1], name, hops - 1)
            if found is not None:
                return found
    return None


def _definition(package: Package, module: str, name: str, hops: int) -> tuple[str, ast.stmt] | None:
    """The module and the node that define a name, through `from ... import` in the package."""
    tree = package.module(module)
    node = None if tree is None else _last(bindings([tree.body]), name)
    if not isinstance(node, ast.ImportFrom):
        return None if node is None else (module, node)
    source = _import_source(package, module, node)
    if not hops or source is None or source.partition(".")[0] != PACKAGE:
        return None
    original = next((one.name for one in node.names if (one.asname or one.name) == name), name)
    return _definition(package, source, original, hops - 1)


def _import_source(package: Package, module: str, node: ast.ImportFrom) -> str | None:
    if not node.level:
        return node.module
    parts = module.split(".")
    keep = len(parts) - node.level + package.is_package(module)
    if keep < 1:
        return None
    return ".".join([*parts[:keep], *([node.module] if node.module else [])])


def _last(found: Iterator[tuple[str, ast.stmt]], name: str) -> ast.stmt | None:
    """The last binding of the name; a definition in this file wins over an import of it."""
    nodes = [node for bound, node in found if bound == name]
    defined = [node for node in nodes if not isinstance(node, ast.ImportFrom)]
    return (defined or nodes or [None])[-1]


def _parameters(function: Function) -> set[str]:
    arguments = function.args
    return {one.arg for one in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)}


__all__ = [
    "FindExits",
    "ReleaseReport",
    "RowReport",
    "State",
    "UnknownExit",
    "check_release",
    "find",
]
