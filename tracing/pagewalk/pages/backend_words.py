"""A class variable or a small method of a class -> what it says, in words and bits of code.

What is a value is told as one: `[torch.float16]` is "float16". A method that decides between
values by conditions that can be read is told branch by branch. Whatever is longer "depends", with
the values that it may return; the line is linked, and nothing is guessed.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_LONGEST = 90  # characters of a condition that is shown
_BRANCHES = 4
_YES_NO = {True: "yes", False: "no"}
DEPENDS = "depends"


@dataclass(frozen=True, slots=True)
class Words:
    """What is said: parts in order. `code` counts the parts that are code of the release."""

    parts: tuple[str, ...]
    code: tuple[int, ...] = ()

    @property
    def text(self) -> str:
        """All of it on one line."""
        return " ".join(self.parts).replace(" ;", ";")


def in_words(node: ast.stmt, none: str, yes: str = "yes") -> Words:
    """What an assignment or a method says; `none` is what None means there, `yes` what True."""
    words = Words((DEPENDS,))
    if isinstance(node, ast.Assign | ast.AnnAssign):
        words = _of_value(node.value, none)
    elif isinstance(node, ast.FunctionDef):
        words = _of_body(node, none)
    return Words((yes,)) if words.parts == ("yes",) else words


def counted(node: ast.stmt, none: str) -> Words:
    """How many reasons to refuse a method knows: values that it may return and are not None."""
    found = list(_returned(node)) if isinstance(node, ast.FunctionDef) else []
    number = sum(_word(one, none) != none for one in found)
    return Words((none if not number else f"{number} condition{'s' if number > 1 else ''}",))


def _of_value(value: ast.expr | None, none: str) -> Words:
    if isinstance(value, ast.IfExp) and _short(value.test):
        branches = [(value.test, value.body), (None, value.orelse)]
        return _of_branches(branches, none)
    word = _word(value, none)
    if word is not None:
        return Words((word,))
    if value is not None and _short(value):
        return Words((ast.unparse(value),), (0,))
    return Words((DEPENDS,))


def _of_body(node: ast.FunctionDef, none: str) -> Words:
    body = [one for one in node.body if not _is_text(one)]
    if len(body) == 1 and isinstance(body[0], ast.Return):
        return _of_value(body[0].value, none)
    branches = list(_branches(body))
    if branches and len(branches) <= _BRANCHES and all(_readable(one, none) for one in branches):
        return _of_branches(branches, none)
    values = [_word(value, none) for value in _returned(node)]
    # "yes or no" is what every such method may return.
    told = [one for one in dict.fromkeys(values) if one not in (None, "yes", "no")]
    return Words((f"{DEPENDS}: {', or '.join(told)}",) if told else (DEPENDS,))


Branch = tuple[ast.expr | None, ast.expr | None]


def _branches(body: Sequence[ast.stmt]) -> Iterator[Branch]:
    """Condition and value of each `if …: return …`, the last without a condition; else nothing."""
    found: list[Branch] = []
    for statement in body:
        if isinstance(statement, ast.Return):
            found.append((None, statement.value))
            yield from (one for one in found if not _idle(one[0]))
            return
        if (
            not isinstance(statement, ast.If)
            or statement.orelse
            or len(statement.body) != 1
            or not isinstance(statement.body[0], ast.Return)
        ):
            return
        found.append((statement.test, statement.body[0].value))


def _idle(test: ast.expr | None) -> bool:
    """Whether a condition says what is so everywhere: nothing was asked, or the list has it not."""
    if not isinstance(test, ast.Compare) or not isinstance(test.left, ast.Name):
        return False
    against = test.comparators[0]
    if isinstance(test.ops[0], ast.Is):
        return isinstance(against, ast.Constant) and against.value is None
    return (
        isinstance(test.ops[0], ast.NotIn)
        and isinstance(against, ast.Attribute)
        and isinstance(against.value, ast.Name)
        and against.value.id == "cls"
    )


def _readable(branch: Branch, none: str) -> bool:
    test, value = branch
    if test is not None and not _short(test):
        return False
    return _word(value, none) is not None or (value is not None and _short(value))


def _of_branches(branches: list[Branch], none: str) -> Words:
    parts: list[str] = []
    code: list[int] = []
    for place, (test, value) in enumerate(branches):
        end = ";" if place < len(branches) - 1 else ""
        word = _word(value, none)
        if word is None and value is not None:
            code.append(len(parts))
            word = ast.unparse(value)
        parts.append(f"{word}")
        if test is not None:
            parts.append("if")
            code.append(len(parts))
            parts.append(ast.unparse(test))
        elif len(branches) > 1:
            parts[-1:] = ["else", parts[-1]]
            code = [one + 1 if one == len(parts) - 2 else one for one in code]
        if end:
            parts.append(end)
    return Words(tuple(parts), tuple(code))


def _word(value: ast.expr | None, none: str) -> str | None:
    """A value in a word, None where it is not a plain one."""
    if value is None or (isinstance(value, ast.Constant) and value.value is None):
        return none
    if isinstance(value, ast.Constant):
        return _YES_NO.get(value.value) if isinstance(value.value, bool) else str(value.value)
    if isinstance(value, ast.Attribute):
        return _attribute(value)
    if isinstance(value, ast.Call):
        return _call(value)
    if isinstance(value, ast.List | ast.Tuple):
        words = [_word(one, none) for one in value.elts]
        return ", ".join(one for one in words if one) or "any" if None not in words else None
    if isinstance(value, ast.Compare) and _is_membership(value):
        return _word(value.comparators[0], none)
    return None


def _attribute(value: ast.Attribute) -> str | None:
    """`torch.float16` is float16; a member of an enum is its name."""
    if isinstance(value.value, ast.Name) and value.value.id != "cls":
        return value.attr.lower() if value.value.id == "AttentionType" else value.attr
    return None


def _call(value: ast.Call) -> str | None:
    name = value.func
    if isinstance(name, ast.Name) and name.id == "MultipleOf" and len(value.args) == 1:
        return f"multiples of {ast.unparse(value.args[0])}"
    if isinstance(name, ast.Attribute) and isinstance(name.value, ast.Call):
        inner = name.value.func
        if isinstance(inner, ast.Name) and inner.id == "super":
            return "as inherited"
    return None


def _is_membership(value: ast.Compare) -> bool:
    """`attn_type in (…)`: what is in it is the answer."""
    return (
        len(value.ops) == 1
        and isinstance(value.ops[0], ast.In | ast.Eq)
        and isinstance(value.left, ast.Name)
        and value.left.id == "attn_type"
    )


def _returned(node: ast.FunctionDef) -> Iterator[ast.expr | None]:
    """Every value that a function returns, those of functions inside it left out."""
    waiting: list[ast.AST] = list(node.body)
    while waiting:
        one = waiting.pop(0)
        if isinstance(one, ast.Return):
            yield one.value
        elif not isinstance(one, ast.FunctionDef | ast.Lambda | ast.ClassDef):
            waiting[:0] = ast.iter_child_nodes(one)


def _short(value: ast.expr) -> bool:
    """Whether code can be read without its surroundings: it names no local variable by `:=`."""
    return len(ast.unparse(value)) <= _LONGEST and not any(
        isinstance(one, ast.NamedExpr) for one in ast.walk(value)
    )


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


__all__ = ["DEPENDS", "Words", "counted", "in_words"]
