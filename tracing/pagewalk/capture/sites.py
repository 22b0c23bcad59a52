"""The tree of an engine function -> its exits, each with a mark put in front of it.

A mark is the call `<PLACEHOLDER>.mark(site, request or None, (values...))`. It reads nothing
but names that are bound on every way to it in the same round of the loop, so it can neither
fail nor tell the value of the request before. Nested functions stay as they are.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pagewalk.capture.bindings import bound_by, own_nodes, parameters, rebound_in, unsafe_names
from pagewalk.capture.guards import is_endless, names_in, negated, split
from pagewalk.probes.exits import QUIET, REQUEST_NAME, VALUE_NAMES, classify
from pagewalk.trace.events import ExitSite

if TYPE_CHECKING:
    from collections.abc import Sequence

PLACEHOLDER = "\0pagewalk"
ALLOCATE, RUNNING, WAITING = "allocate", "running", "waiting"
Names = frozenset[str]


@dataclass(frozen=True)
class _Place:
    """Where a statement stands: in which loop, and under which guards, the nearest first."""

    loop: str = ""
    leaves: tuple[type[ast.stmt], ...] = ()  # statements that here are an exit to be marked
    guards: tuple[ast.expr, ...] = ()

    def under(self, guard: ast.expr) -> _Place:
        return replace(self, guards=(guard, *self.guards))


class _Marker:
    """One pass over a function: rewrites statement lists and collects the sites."""

    def __init__(self, qualname: str, function: ast.FunctionDef, first_site: int) -> None:
        self.qualname = qualname
        self.sites: list[ExitSite] = []
        self._first = first_site
        self._unsafe = frozenset(unsafe_names(function))

    def block(
        self, statements: list[ast.stmt], known: Names, place: _Place
    ) -> tuple[list[ast.stmt], Names | None]:
        """The statements with marks, and the names bound after them; None if none come after."""
        marked: list[ast.stmt] = []
        after: Names | None = known
        for statement in statements:
            # After a `break` nothing runs; the old names are as good as any for dead code.
            known = known if after is None else after
            before, behind, after = self._statement(statement, known, place)
            marked += [*before, statement, *behind]
        return marked, after

    def _statement(
        self, node: ast.stmt, known: Names, place: _Place
    ) -> tuple[list[ast.stmt], list[ast.stmt], Names | None]:
        match node:
            case ast.Break() | ast.Continue():
                return self._exit(node, known, place), [], None
            case ast.Return():
                return self._return(node, known, place), [], None
            case ast.Raise():
                return [], [], None
            case ast.If():
                return [], [], self._if(node, known, place)
            case ast.While() | ast.For() | ast.AsyncFor():
                return [], [], self._loop(node, known, place)
            case ast.With() | ast.AsyncWith():
                node.body, _ = self.block(node.body, known, place)
                return [], [], known
            case ast.Try() | ast.TryStar():
                return [], [], self._try(node, known, place)
            case ast.Match():
                for case in node.cases:
                    case.body, _ = self.block(case.body, known, place)
                return [], [], known
            case _:
                return [], [], known | (bound_by(node) - self._unsafe)

    def _exit(self, node: ast.stmt, known: Names, place: _Place) -> list[ast.stmt]:
        if not isinstance(node, place.leaves):
            return []
        if not place.guards:
            return [self._mark(node, ast.Constant(True), known, place)]
        guard, *within = place.guards
        parts = split(guard, ast.Or)
        told = [part for part in parts if self._kind(part, place, within) not in QUIET]
        if not told:
            return []
        if len(told) == len(parts):
            return [self._mark(node, guard, known, place, within)]
        # One guard for a quiet way out and for one that tells: ask again for the latter alone.
        rest = told[0] if len(told) == 1 else ast.BoolOp(ast.Or(), told)
        names = names_in(rest)
        if names is None or not names <= known:
            return [self._mark(node, guard, known, place, within)]
        return [_only_if(rest, [self._mark(node, rest, known, place, within)], [], node)]

    def _return(self, node: ast.Return, known: Names, place: _Place) -> list[ast.stmt]:
        value = node.value
        none = value is None or (isinstance(value, ast.Constant) and value.value is None)
        if not none or not place.guards or place.loop:
            return []
        place = replace(place, loop=ALLOCATE)
        return [self._mark(node, place.guards[0], known, place, place.guards[1:])]

    def _if(self, node: ast.If, known: Names, place: _Place) -> Names | None:
        gate = not node.orelse and any(
            isinstance(one, ast.While) and _label(one) == WAITING for one in node.body
        )
        node.body, then = self.block(node.body, known, place.under(node.test))
        node.orelse, other = self.block(node.orelse, known, place.under(negated(node.test)))
        if gate:
            node.orelse = self._gate(node, known)
        if then is None or other is None:
            return other if then is None else then
        return then & other

    def _gate(self, node: ast.If, known: Names) -> list[ast.stmt]:
        """Marks for a waiting loop that was not even entered: which condition kept it shut."""
        place = _Place(WAITING)
        first, *others = split(node.test, ast.And)
        names = names_in(first)
        if not others or names is None or not names <= known:
            return [self._mark(node, negated(node.test), known, place)]
        rest = others[0] if len(others) == 1 else ast.BoolOp(ast.And(), others)
        closed = [self._mark(node, negated(first), known, place)]
        other = [self._mark(node, negated(rest), known, place)]
        return [_only_if(negated(first), closed, other, node)]

    def _loop(self, node: ast.While | ast.For | ast.AsyncFor, known: Names, place: _Place) -> Names:
        steady = known - rebound_in(node)
        label = _label(node) if isinstance(node, ast.While) else ""
        if label:
            inside = _Place(label, (ast.Break, ast.Continue))
        elif isinstance(node, ast.While) and is_endless(node) and place.leaves:
            # Trying again until it works: giving up is an exit, going round once more is not.
            inside = replace(place, leaves=(ast.Break,))
        else:
            inside = replace(place, leaves=())
        node.body, _ = self.block(node.body, steady, inside)
        node.orelse, _ = self.block(node.orelse, steady, place)
        if label and isinstance(node, ast.While):
            node.orelse = self._natural_end(node, steady, label) + node.orelse
        return steady

    def _natural_end(self, node: ast.While, known: Names, label: str) -> list[ast.stmt]:
        """A mark for each condition of the loop that can be asked again and tells something."""
        marks: list[ast.stmt] = []
        for part in split(node.test, ast.And):
            guard, names = negated(part), names_in(part)
            if names and names <= known and classify(ast.unparse(guard), label) not in QUIET:
                mark = self._mark(node, guard, known, _Place(label))
                marks.append(_only_if(guard, [mark], [], node))
        return marks

    def _try(self, node: ast.Try | ast.TryStar, known: Names, place: _Place) -> Names:
        node.body, through = self.block(node.body, known, place)
        node.orelse, _ = self.block(node.orelse, through or known, place)
        for handler in node.handlers:
            handler.body, _ = self.block(handler.body, known, place)
        node.finalbody, _ = self.block(node.finalbody, known, place)
        return known

    def _kind(self, guard: ast.expr, place: _Place, within: Sequence[ast.expr] = ()) -> str:
        return classify(ast.unparse(guard), place.loop, [ast.unparse(one) for one in within])

    def _mark(
        self,
        node: ast.stmt,
        guard: ast.expr,
        known: Names,
        place: _Place,
        within: Sequence[ast.expr] = (),
    ) -> ast.stmt:
        site = self._first + len(self.sites)
        names = [name for name in VALUE_NAMES if name in known]
        text, kind = ast.unparse(guard), self._kind(guard, place, within)
        self.sites.append(ExitSite(site, self.qualname, node.lineno, text, kind, place.loop, names))
        request: ast.expr = ast.Constant(None)
        if REQUEST_NAME in known:
            request = ast.Name(REQUEST_NAME, ast.Load())
        values = ast.Tuple([ast.Name(name, ast.Load()) for name in names], ast.Load())
        call = ast.Call(
            ast.Attribute(ast.Constant(PLACEHOLDER), "mark", ast.Load()),
            [ast.Constant(site), request, values],
            [],
        )
        return _placed(ast.Expr(call), node)


def _label(loop: ast.While) -> str:
    """Which of the scheduler's two passes a loop is; nothing for any other loop."""
    nodes = list(own_nodes([loop.test]))
    attributes = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    if "running" in attributes:
        return RUNNING
    calls = {node.attr for node in own_nodes(loop.body) if isinstance(node, ast.Attribute)}
    return WAITING if "peek_request" in calls else ""


def _only_if(
    test: ast.expr, body: list[ast.stmt], orelse: list[ast.stmt], at: ast.stmt
) -> ast.stmt:
    return _placed(ast.If(test, body, orelse), at)


def _placed(statement: ast.stmt, at: ast.stmt) -> ast.stmt:
    """Give inserted nodes the first line of the statement they stand for, and only these."""
    for node in ast.walk(statement):
        if "lineno" in node._attributes and not hasattr(node, "lineno"):
            node.lineno = node.end_lineno = at.lineno
            node.col_offset = at.col_offset
            node.end_col_offset = at.col_offset
    return statement


def mark_exits(function: ast.FunctionDef, qualname: str, first_site: int = 0) -> list[ExitSite]:
    """Put marks into the tree (in place) and return the sites, numbered from `first_site`."""
    marker = _Marker(qualname, function, first_site)
    known = frozenset(parameters(function)) - frozenset(unsafe_names(function))
    function.body, _ = marker.block(function.body, known, _Place())
    return marker.sites


__all__ = ["PLACEHOLDER", "mark_exits"]
