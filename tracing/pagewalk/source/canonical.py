"""A syntax tree -> a hash of what the code does, the same under every Python from 3.11 on.

`ast.dump` and `ast.unparse` differ between releases of Python. This walk writes the type and the
fields of each node and leaves out what is empty, what is about layout, and what later releases
added as empty fields.
"""

from __future__ import annotations

import ast
import copy
import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence

_LEFT_OUT = {"ctx", "kind", "type_comment"}
_BODIES = ("body", "handlers", "orelse", "finalbody", "cases")
_DIGITS = 16  # of a sha256: enough to tell that code has changed
_ELSE = "/"  # between the branches of a statement that is shown in part


def code_sha(statements: Sequence[ast.AST], first: int, last: int) -> str:
    """Hash what the lines from `first` to `last` do; comments and layout do not count.

    A statement that the lines cover in part counts with its header, if that is among them, and
    with those statements of its body that are. What encloses the lines does not count.
    """
    return _sha("\n".join(_within(statements, first, last)))


def text_sha(lines: Sequence[str]) -> str:
    """Hash the lines as they are written, but for their common indentation."""
    return _sha("\n".join(lines))


def canonical(node: object) -> str:
    """One line for a tree: `Type(field=...)`, without positions."""
    if isinstance(node, ast.JoinedStr):
        return f"JoinedStr({','.join(_pieces(node))})"
    if isinstance(node, ast.AST):
        fields = (
            f"{name}={canonical(value)}"
            for name, value in ast.iter_fields(node)
            if name not in _LEFT_OUT and value is not None and value != []
        )
        return f"{type(node).__name__}({','.join(fields)})"
    if isinstance(node, list):
        return f"[{','.join(map(canonical, node))}]"
    return _constant(node)


def first_line(node: ast.AST) -> int:
    """The first line of a statement, its decorators included."""
    lines = [one.lineno for one in getattr(node, "decorator_list", ())]
    return min([*lines, _line(node)])


def bodies(node: ast.AST) -> Iterator[list[ast.AST]]:
    """The lists of statements, handlers or cases inside a statement."""
    if not isinstance(node, ast.expr):
        for name in _BODIES:
            inner = getattr(node, name, None)
            if isinstance(inner, list) and inner:
                yield inner


def bare(node: ast.AST, body: Sequence[ast.AST] = ()) -> ast.AST:
    """A compound statement as its header alone."""
    header = copy.copy(node)
    for name in _BODIES:
        if isinstance(getattr(node, name, None), list):
            setattr(header, name, list(body) if name == "body" else [])
    return header


def _within(statements: Iterable[ast.AST], first: int, last: int) -> Iterator[str]:
    for node in statements:
        begin, end = first_line(node), _end(node)
        if end < first or begin > last:
            continue
        inner = list(bodies(node))
        if not inner or (first <= begin and end <= last):
            yield canonical(node)
            continue
        if first_line(inner[0][0]) > first:
            yield canonical(bare(node))
        parts = (list(_within(body, first, last)) for body in inner)
        for at, part in enumerate([one for one in parts if one]):
            if at:
                yield _ELSE
            yield from part


def _pieces(node: ast.JoinedStr) -> Iterator[str]:
    """What an f-string is made of; some releases put in empty text, or cut text in two."""
    text = ""
    for value in node.values:
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            text += value.value
            continue
        if text:
            yield _constant(text)
        text = ""
        yield canonical(value)
    if text:
        yield _constant(text)


def _line(node: ast.AST) -> int:
    # A `case` has no position of its own, but its pattern has.
    return int(getattr(node, "lineno", 0) or _line(node.pattern))  # type: ignore[attr-defined]


def _end(node: ast.AST) -> int:
    end = getattr(node, "end_lineno", None)
    return int(end) if end else _end(node.body[-1])  # type: ignore[attr-defined]


def _constant(value: object) -> str:
    match value:
        case str():
            return json.dumps(value)  # `repr` depends on what a release calls printable
        case bytes():
            return f"b{value.hex()}"
        case bool():
            return str(value)
        case int():
            return hex(value)  # decimal digits are limited in number
        case _:
            return repr(value)


def _sha(text: str) -> str:
    # Lone surrogates can be written in source.
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]


__all__ = ["bare", "bodies", "canonical", "code_sha", "first_line", "text_sha"]
