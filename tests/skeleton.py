"""A marked function -> its skeleton: the same ways through it, everything else taken out.

Every condition becomes the toss of a coin and every value 0 or 1, so that random walks take
every way the control flow allows, also those that no run of the engine would. Assignments,
deletions and marks stay: a mark that reads a name which is not bound on some way raises there.
"""

from __future__ import annotations

import ast
import random
from contextlib import nullcontext, suppress
from typing import Any, NamedTuple

from pagewalk.capture.recompile import Marker
from pagewalk.capture.sites import PLACEHOLDER

MAX_TOSSES = 400


class _Ways(NamedTuple):
    """A condition: the sites reached if it holds, if it does not, and whether it leaves a loop."""

    then: frozenset[int]
    other: frozenset[int]
    leaves: bool

    def bias(self, target: int) -> float:
        """How often the condition should hold on a walk to that site."""
        if target in self.then:
            return 0.9
        if target in self.other:
            return 0.1
        return 0.05 if self.leaves else 0.5


class _Skeleton(ast.NodeTransformer):
    """Methods are named by `ast.NodeTransformer`. `ways` tells what lies behind each condition."""

    def __init__(self) -> None:
        self.ways: list[_Ways] = []

    def visit_If(self, node: ast.If) -> ast.AST:
        asks_again = all(_is_mark(one) for one in node.body)
        self.generic_visit(node)
        if not asks_again:
            node.test = self._condition(node)
        return node

    def visit_While(self, node: ast.While) -> ast.AST:
        self.generic_visit(node)
        node.test = self._condition(node)
        return node

    def _condition(self, node: ast.If | ast.While) -> ast.expr:
        self.ways.append(_Ways(_sites(node.body), _sites(node.orelse), _leaves(node.body)))
        return _toss(len(self.ways) - 1)

    def visit_For(self, node: ast.For) -> ast.AST:
        self.generic_visit(node)
        node.iter = ast.parse("(toss(),) * toss()", mode="eval").body
        if not isinstance(node.target, ast.Name):
            node.target = ast.Name("anything", ast.Store())
        return node

    def visit_With(self, node: ast.With) -> ast.AST:
        self.generic_visit(node)
        node.items = [ast.withitem(ast.parse("nothing()", mode="eval").body)]
        return node

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        names = [
            one.id
            for target in node.targets
            for one in ast.walk(target)
            if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)
        ]
        return self._bind(names, node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        named = isinstance(node.target, ast.Name) and node.value is not None
        return self._bind([node.target.id] if named else [], node)

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST:
        return ast.Pass()  # on an unbound name it would raise in the engine's own code

    def visit_Delete(self, node: ast.Delete) -> ast.AST:
        return node if all(isinstance(one, ast.Name) for one in node.targets) else ast.Pass()

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._bind([node.name], node)

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        return node if _is_mark(node) else ast.Pass()

    def visit_Assert(self, node: ast.Assert) -> ast.AST:
        return ast.Pass()

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        return ast.Return()

    def visit_Return(self, node: ast.Return) -> ast.AST:
        return ast.Return()

    @staticmethod
    def _bind(names: list[str], node: ast.AST) -> ast.AST:
        if not names:
            return ast.Pass()
        targets = [ast.Name(name, ast.Store()) for name in names]
        return ast.Assign([ast.Tuple(targets, ast.Store())], _tosses(len(names)))


def _is_mark(node: ast.stmt) -> bool:
    call = getattr(node, "value", None)
    place = getattr(getattr(call, "func", None), "value", None)
    return isinstance(place, ast.Constant) and place.value == PLACEHOLDER


def _sites(statements: list[ast.stmt]) -> frozenset[int]:
    """The sites whose marks lie in these statements."""
    nodes = [node for one in statements for node in ast.walk(one)]
    calls = [one.value for one in nodes if isinstance(one, ast.Expr) and _is_mark(one)]
    return frozenset(call.args[0].value for call in calls)


def _leaves(statements: list[ast.stmt]) -> bool:
    return isinstance(statements[-1], ast.Break | ast.Continue | ast.Return)


def _toss(condition: int | None = None) -> ast.expr:
    return ast.parse("toss()" if condition is None else f"toss({condition})", mode="eval").body


def _tosses(count: int) -> ast.expr:
    return ast.Tuple([_toss() for _ in range(count)], ast.Load())


class _Enough(Exception):  # noqa: N818
    """A walk that has tossed the coin often enough."""


def walk_at_random(function: ast.FunctionDef, walks: int, seed: int = 0) -> set[int]:
    """Walk a marked function; the sites that were reached. Raises what a mark raises."""
    arguments = [one.arg for one in (*function.args.args, *function.args.kwonlyargs)]
    goals = sorted(_sites(function.body))
    skeleton = _Skeleton()
    body = [skeleton.visit(one) for one in function.body]
    reached: set[int] = set()
    chance = random.Random(seed)
    left = 0
    biases: list[float] = []

    def toss(condition: int | None = None) -> int:
        nonlocal left
        left -= 1
        if left < 0:
            raise _Enough
        return int(chance.random() < (0.5 if condition is None else biases[condition]))

    def mark(site: int, request: Any, values: tuple[Any, ...]) -> None:
        reached.add(site)

    names = {"toss": toss, "nothing": nullcontext, "marks": Marker(mark)}
    exec(compile(_source(arguments, body), "skeleton", "exec"), names)
    for _ in range(walks):
        left = MAX_TOSSES
        target = chance.choice(goals)
        wild = chance.random() < 0.3
        biases[:] = [chance.random() if wild else ways.bias(target) for ways in skeleton.ways]
        with suppress(_Enough):
            names["walked"](*(0 for _ in arguments))
    return reached


def _source(arguments: list[str], body: list[ast.stmt]) -> str:
    """The walked function as text; its marks are looked up by name."""
    tree = ast.parse(f"def walked({', '.join(arguments)}): pass")
    definition = tree.body[0]
    assert isinstance(definition, ast.FunctionDef)
    definition.body = body
    text = ast.unparse(ast.fix_missing_locations(tree))
    return text.replace(f"{PLACEHOLDER!r}.mark", "marks.mark")


__all__ = ["walk_at_random"]
