"""Conditions of the engine's source -> guard expressions: negated, split and judged harmless."""

from __future__ import annotations

import ast

_OPPOSITE: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.GtE,
    ast.GtE: ast.Lt,
    ast.Gt: ast.LtE,
    ast.LtE: ast.Gt,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_HARMLESS = (ast.Constant, ast.Compare, ast.UnaryOp, ast.Not, ast.cmpop, ast.expr_context)


def negated(test: ast.expr) -> ast.expr:
    """The opposite condition, in the form a reader would write it."""
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        return test.operand
    if isinstance(test, ast.Compare) and len(test.ops) == 1:
        return ast.Compare(test.left, [_OPPOSITE[type(test.ops[0])]()], test.comparators)
    return ast.UnaryOp(ast.Not(), test)


def split(test: ast.expr, operator: type[ast.boolop]) -> list[ast.expr]:
    """The operands of a chain of `and` or of `or`; one operand if it is no such chain."""
    if isinstance(test, ast.BoolOp) and isinstance(test.op, operator):
        return list(test.values)
    return [test]


def names_in(test: ast.expr) -> set[str] | None:
    """The names of a condition that may be evaluated again, None if it may not.

    Only local names, constants, `not` and comparisons: no call, no attribute, no item.
    """
    names: set[str] = set()
    for node in ast.walk(test):
        if isinstance(node, ast.Name):
            names.add(node.id)
        elif not isinstance(node, _HARMLESS) or isinstance(node, ast.In | ast.NotIn):
            return None
    return names


def is_endless(loop: ast.While) -> bool:
    """`while True:`."""
    return isinstance(loop.test, ast.Constant) and bool(loop.test.value)


__all__ = ["is_endless", "names_in", "negated", "split"]
