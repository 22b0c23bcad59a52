"""A syntax tree -> the places that a locator can name: statements, their branches, calls.

A place knows its lines and what is inside it. How it reads (`forms`) is worked out when asked.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pagewalk.source.canonical import bare, bodies, first_line

KINDS = (
    *("call", "def", "class", "while", "for", "if", "elif", "else", "assign", "return", "raise"),
    *("assert", "with", "try", "except", "finally", "stmt"),
)
_KIND_OF: dict[type[ast.AST], str] = {
    ast.FunctionDef: "def",
    ast.AsyncFunctionDef: "def",
    ast.ClassDef: "class",
    ast.While: "while",
    ast.For: "for",
    ast.AsyncFor: "for",
    ast.If: "if",
    ast.Assign: "assign",
    ast.AugAssign: "assign",
    ast.AnnAssign: "assign",
    ast.Return: "return",
    ast.Raise: "raise",
    ast.Assert: "assert",
    ast.With: "with",
    ast.AsyncWith: "with",
    ast.Try: "try",
    ast.TryStar: "try",
}
_NOT_IN_HEADER = {"body", "orelse", "finalbody", "handlers", "cases"}
_COLON = re.compile(r":\s*(#.*)?$")


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """Lines `first` to `last`, of which the header ends on `head_last`; notes hang on `line`.

    For a branch `node` is its statement, for a call the call.
    """

    kind: str
    node: ast.AST
    first: int
    last: int
    head_last: int
    line: int
    inner: tuple[Place, ...] = ()

    def walk(self) -> Iterator[Place]:
        """All places inside, in source order."""
        for place in self.inner:
            yield place
            yield from place.walk()


def place_of(node: ast.AST, lines: Sequence[str]) -> Place:
    """The place of a module or a statement, with all that is inside."""
    if isinstance(node, ast.Module):
        inner = tuple(_statements(node.body, lines))
        return Place("module", node, 1, len(lines), 1, 1, inner)
    return _statement(node, lines)


def forms(place: Place) -> tuple[str, ...]:
    """How a locator may write the place in full; the first is the longest, for beginnings."""
    match place.kind, place.node:
        case "call", ast.Call() as call:
            function = ast.unparse(call.func)
            return ast.unparse(call), function, function.rpartition(".")[2]
        case "else" | "finally", node:
            return header(node), ""
        case "try", _:
            return ("",)
        case "def" | "class", node:
            return _after_keyword(node), getattr(node, "name", "")
        case "assign", node:
            return header(node), *_targets(node)
        case "assert", ast.Assert(test=test) as node:
            return _after_keyword(node), ast.unparse(test)
        case "with", ast.With(items=items) | ast.AsyncWith(items=items) as node:
            return _after_keyword(node), *map(ast.unparse, items)
        case "stmt", node:
            return (header(node),)
        case _, node:
            return (_after_keyword(node),)


def header(node: ast.AST) -> str:
    """A statement's first logical line as Python itself would write it, without the colon."""
    compound = any(True for _ in bodies(node))
    shown = bare(node, [ast.Pass()]) if compound else node
    if getattr(shown, "decorator_list", None):
        shown.decorator_list = []  # type: ignore[attr-defined]
    text = ast.unparse(shown).strip()
    if not compound:
        return text
    return text.removesuffix("pass").rstrip().removesuffix(":")


def _after_keyword(node: ast.AST) -> str:
    text = header(node).removeprefix("async ")
    return text.partition(" ")[2]


def _targets(node: ast.AST) -> Iterator[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]  # type: ignore
    for target in targets:
        yield ast.unparse(target)
        if isinstance(target, ast.Tuple | ast.List):
            yield from map(ast.unparse, target.elts)


def _statements(nodes: Sequence[ast.AST], lines: Sequence[str]) -> Iterator[Place]:
    for node in nodes:
        if isinstance(node, ast.match_case):
            yield from _calls([node.pattern, node.guard], node.pattern.lineno, None)
            yield from _statements(node.body, lines)
        else:
            yield _statement(node, lines)


def _statement(node: ast.AST, lines: Sequence[str]) -> Place:
    first, last = first_line(node), int(node.end_lineno)  # type: ignore[attr-defined]
    head_last = _head_last(node, lines)
    inner = (*_calls(_in_header(node), first, head_last), *_branches(node, lines))
    line = int(node.lineno)  # type: ignore[attr-defined]
    return Place(_KIND_OF.get(type(node), "stmt"), node, first, last, head_last, line, inner)


def _branches(node: ast.AST, lines: Sequence[str]) -> Iterator[Place]:
    """What is in the bodies of a statement; each branch after the first is a place itself."""
    match node:
        case ast.If():
            yield from _statements(node.body, lines)
            yield from _orelse(node, lines)
        case ast.For() | ast.AsyncFor() | ast.While():
            yield from _statements(node.body, lines)
            yield from _branch("else", node, node.body, node.orelse, lines)
        case ast.Try() | ast.TryStar():
            yield from _statements(node.body, lines)
            before: list[ast.stmt] = node.body
            for handler in node.handlers:
                inside = (
                    *_calls([handler.type], handler.lineno, None),
                    *_statements(handler.body, lines),
                )
                end = int(handler.end_lineno or 0)
                head = _head_last(handler, lines)
                yield Place("except", handler, handler.lineno, end, head, handler.lineno, inside)
                before = handler.body
            yield from _branch("else", node, before, node.orelse, lines)
            yield from _branch("finally", node, node.orelse or before, node.finalbody, lines)
        case _:
            for body in bodies(node):
                yield from _statements(body, lines)


def _orelse(top: ast.If, lines: Sequence[str]) -> Iterator[Place]:
    """The `elif` branches and the `else` of an `if`, each with its own body alone."""
    node = top
    while _is_elif(node.orelse, lines):
        following = node.orelse[0]
        assert isinstance(following, ast.If)
        node = following
        head = _head_last(node, lines)
        inner = (*_calls([node.test], node.lineno, head), *_statements(node.body, lines))
        end = int(node.body[-1].end_lineno or 0)
        yield Place("elif", node, node.lineno, end, head, node.lineno, inner)
    yield from _branch("else", top, node.body, node.orelse, lines)


def _is_elif(orelse: Sequence[ast.stmt], lines: Sequence[str]) -> bool:
    if len(orelse) != 1 or not isinstance(orelse[0], ast.If):
        return False
    return lines[orelse[0].lineno - 1].lstrip().startswith("elif")


def _branch(
    word: str,
    node: ast.AST,
    before: Sequence[ast.stmt],
    body: Sequence[ast.stmt],
    lines: Sequence[str],
) -> Iterator[Place]:
    """A branch without a header of its own; trees do not say where its word is, the text does."""
    if not body:
        return
    begin, last = first_line(body[0]), int(body[-1].end_lineno or 0)
    line = begin
    for number in range(begin, int(before[-1].end_lineno or 0), -1):
        if re.match(rf"\s*{word}\s*:", lines[number - 1]):
            line = number
            break
    yield Place(word, node, line, last, line, line, tuple(_statements(body, lines)))


def _in_header(node: ast.AST) -> list[object]:
    return [value for name, value in ast.iter_fields(node) if name not in _NOT_IN_HEADER]


def _calls(parts: Sequence[object], first: int, head_last: int | None) -> Iterator[Place]:
    """Each call in some expressions; its lines are those of the statement or the header."""
    nodes = [
        node
        for part in parts
        for root in (part if isinstance(part, list) else [part])
        if isinstance(root, ast.AST)
        for node in ast.walk(root)
        if isinstance(node, ast.Call)
    ]
    # By the end of what is called: in `a.b().c(d())` that is b, c, d.
    nodes.sort(key=lambda call: (call.func.end_lineno or 0, call.func.end_col_offset or 0))
    for call in nodes:
        last = head_last or int(call.end_lineno or 0)
        yield Place("call", call, first, last, last, int(call.func.end_lineno or call.lineno))


def _head_last(node: ast.AST, lines: Sequence[str]) -> int:
    """The line that ends the header of a compound statement, or a simple statement."""
    inner = next(bodies(node), None)
    start, end = int(node.lineno), int(node.end_lineno)  # type: ignore[attr-defined]
    if inner is None:
        return end
    ends = [
        int(one.end_lineno)
        for part in _in_header(node)
        for root in (part if isinstance(part, list) else [part])
        if isinstance(root, ast.AST)
        for one in ast.walk(root)
        if getattr(one, "end_lineno", None)
    ]
    known = max([start, *ends])
    following = inner[0]
    body = (
        following.pattern.lineno if isinstance(following, ast.match_case) else first_line(following)
    )
    for number in range(known, body):
        if _COLON.search(lines[number - 1]):
            return number
    return known


__all__ = ["KINDS", "Place", "forms", "header", "place_of"]
