"""A package and a symbol -> the module's lines and tree, and the node that the symbol names."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache

from pagewalk.errors import PagewalkError, plain
from pagewalk.source.canonical import bodies
from pagewalk.source.package import PACKAGE, Package, parse

_LINE_END = re.compile(r"\r\n|\r|\n")  # what Python counts; splitlines() knows many more
_SYMBOL = re.compile(r"([^:@]+)(?::([^:@]+)(?:@(\d{1,4}))?)?")
_SHOWN = 8


@dataclass(frozen=True, slots=True, eq=False)
class Module:
    """One file: its path in the package, its lines without ends, its tree."""

    name: str
    file: str
    lines: tuple[str, ...]
    tree: ast.Module


@dataclass(frozen=True, slots=True)
class Symbol:
    """`package.module:Class.method`, taken apart; without a path the module itself."""

    text: str
    module: str
    path: tuple[str, ...] = ()
    number: int | None = None

    @property
    def title(self) -> str:
        """The dotted path in the module, or the module's name."""
        return ".".join(self.path) or self.module


def parse_symbol(text: str) -> Symbol:
    """Take `package.module:Class.method` apart; `@2` at the end picks the second of a name."""
    matched = _SYMBOL.fullmatch(text.strip())
    module, path, number = matched.groups() if matched else ("", None, None)
    parts = tuple(path.split(".")) if path else ()
    names = [*module.split("."), *parts]
    if not all(name.isidentifier() for name in names) or (number and int(number) < 1):
        raise PagewalkError(
            "bad-symbol",
            f"{plain(text)} is no symbol: write package.module:Class.method.",
        )
    if names[0] != PACKAGE:
        raise PagewalkError(
            "bad-symbol",
            f"{plain(text)} is not of {PACKAGE}: write {PACKAGE}.module:Class.method.",
        )
    return Symbol(text.strip(), module, parts, int(number) if number else None)


def read_module(package: Package, name: str) -> Module:
    """The module's lines and tree; the same bytes are parsed once."""
    file = package.file(name)
    if file is None:
        raise PagewalkError(
            "no-such-module",
            f"vLLM {plain(package.release)} has no module {plain(name)}; look for where its code "
            "went.",
        )
    return _module(name, file.path, file.text, package.where)


@lru_cache(maxsize=32)
def _module(name: str, path: str, text: bytes, where: str) -> Module:
    tree = parse(text, path, where)
    encoding, _ = tokenize.detect_encoding(io.BytesIO(text).readline)
    return Module(name, path, tuple(_LINE_END.split(text.decode(encoding))), tree)


def find_symbol(module: Module, symbol: Symbol) -> ast.AST:
    """The one definition that the symbol names: a class, a function (nested too), an assignment."""
    node: ast.AST = module.tree
    for depth, name in enumerate(symbol.path):
        is_end = depth == len(symbol.path) - 1
        # Alternatives on the way count as one: the last, as at run time.
        number = symbol.number if is_end else -1
        node = _one(node, name, number, symbol)
    return node


def _one(node: ast.AST, name: str, number: int | None, symbol: Symbol) -> ast.AST:
    bound = list(bindings(list(bodies(node))))
    found = [one for known, one in bound if known == name and not _is_overload(one)]
    defined = [one for one in found if not isinstance(one, ast.ImportFrom)]
    if not defined and found:
        source = found[-1].module if isinstance(found[-1], ast.ImportFrom) else None
        where = f" ({plain(source)}, perhaps)" if source else ""
        raise PagewalkError(
            "no-such-symbol",
            f"{plain(symbol.text)} is only imported there; name the module that defines it{where}.",
        )
    if not defined:
        near = ", ".join(get_close_matches(name, {known for known, _ in bound}, 3))
        advice = f"did you mean {plain(near)}?" if near else "check the name."
        raise PagewalkError(
            "no-such-symbol",
            f"{plain(symbol.text)} does not exist: there is no {plain(name)}; {advice}",
        )
    if number == -1:
        return defined[-1]
    if number is None and len(defined) == 1:
        return defined[0]
    if number is None or number > len(defined):
        lines = ", ".join(str(one.lineno) for one in defined[:_SHOWN])
        raise PagewalkError(
            "several-symbols" if number is None else "no-such-symbol",
            f"{plain(symbol.text)} has {len(defined)} definitions (line {lines}): pick one with "
            f"{plain(symbol.text.partition('@')[0])}@1.",
        )
    return defined[number - 1]


def bindings(inside: Sequence[Sequence[ast.AST]]) -> Iterator[tuple[str, ast.stmt]]:
    """Names bound in a body, under `if`, `try`, `with` and loops too, in source order."""
    for body in inside:
        for node in body:
            match node:
                case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                    yield node.name, node
                case ast.ImportFrom():
                    for alias in node.names:
                        yield alias.asname or alias.name, node
                case ast.Assign():
                    for target in node.targets:
                        if isinstance(target, ast.Name):
                            yield target.id, node
                case ast.AnnAssign(target=ast.Name(id=name)):
                    yield name, node
                case _:
                    yield from bindings(list(bodies(node)))


def _is_overload(node: ast.AST) -> bool:
    names = (
        one.attr if isinstance(one, ast.Attribute) else getattr(one, "id", "")
        for one in getattr(node, "decorator_list", ())
    )
    return "overload" in names


__all__ = ["Module", "Symbol", "bindings", "find_symbol", "parse_symbol", "read_module"]
