"""Statements of a function -> the names that are surely bound after them."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)


def own_nodes(statements: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """All nodes of the statements, without those of functions and classes defined in them."""
    todo = list(statements)
    while todo:
        node = todo.pop()
        yield node
        if not isinstance(node, _SCOPES):
            todo.extend(ast.iter_child_nodes(node))


def parameters(function: ast.FunctionDef) -> set[str]:
    """The names of the parameters."""
    arguments = function.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    every += [one for one in (arguments.vararg, arguments.kwarg) if one is not None]
    return {one.arg for one in every}


def bound_by(statement: ast.stmt) -> set[str]:
    """The names a simple assignment binds; other statements count as binding nothing."""
    if isinstance(statement, ast.Assign):
        return set().union(*(_target_names(target) for target in statement.targets))
    if isinstance(statement, ast.AnnAssign) and statement.value is not None:
        return _target_names(statement.target)
    return set()


def _target_names(target: ast.expr) -> set[str]:
    if isinstance(target, ast.Name):
        return {target.id}
    if isinstance(target, ast.Tuple | ast.List):
        return set().union(*(_target_names(one) for one in target.elts))
    if isinstance(target, ast.Starred):
        return _target_names(target.value)
    return set()


def rebound_in(loop: ast.While | ast.For | ast.AsyncFor) -> set[str]:
    """The names a loop binds anew, whose value may therefore be of an earlier round.

    `x += 1` does not count: it carries the value on.
    """
    carried = {id(node.target) for node in own_nodes(loop.body) if isinstance(node, ast.AugAssign)}
    return {
        node.id
        for node in own_nodes([loop])
        if isinstance(node, ast.Name)
        and isinstance(node.ctx, ast.Store)
        and id(node) not in carried
    }


def unsafe_names(function: ast.FunctionDef) -> set[str]:
    """Names that may be unbound again: deleted, an `except ... as name`, not local, or shared."""
    names: set[str] = set()
    for node in ast.walk(function):
        if isinstance(node, ast.Global | ast.Nonlocal):
            names.update(node.names)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Del):
            names.add(node.id)
        elif isinstance(node, ast.ExceptHandler) and node.name:
            names.add(node.name)
    return names


__all__ = ["bound_by", "own_nodes", "parameters", "rebound_in", "unsafe_names"]
