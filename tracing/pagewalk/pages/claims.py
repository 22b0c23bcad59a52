"""A stem -> the predicates of its claims file, and the facts that its trace gives them.

A predicate is a public function of `claims/STEM.py`: it takes a `Run`, asserts, and returns the
facts that sentences show. What it asserts is judged here, for pages and for `pagewalk claims`.
"""

from __future__ import annotations

import ast
import difflib
import re
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from pagewalk.errors import PagewalkError, plain
from pagewalk.pages.once import once
from pagewalk.pages.runs import run_of, stamp
from pagewalk.pages.stem import claims_path, trace_path
from pagewalk.views.evidence import Run

Fact = int | float | str | list[int | float | str]
# What would be markup, a fact, a comment or the end of a quotation. A comparison is none.
_UNSAFE = re.compile(r"""<(?![=\s\d])|^\s*>|[&`*\[\]{}|$"\\#]""")
_LONGEST = 200


@dataclass(frozen=True, slots=True)
class Predicate:
    """One predicate: its sentence (the docstring), its source without it, and itself."""

    name: str
    says: str
    source: str
    judge: Callable[[Run], Any]


@dataclass(frozen=True, slots=True)
class Book:
    """The predicates of one claims file, in the order they stand there."""

    stem: str
    path: Path
    text: str
    predicates: Mapping[str, Predicate]


_books: dict[Path, Book] = {}
_judged: dict[tuple[Path, str], tuple[object, Mapping[str, Fact] | PagewalkError]] = {}


def book(docs: Path, stem: str) -> Book:
    """Load the claims file of a stem; the same object until its text changes."""
    if not __debug__:
        raise PagewalkError(
            "no-asserts", "Claims are assertions: run Python without -O, which leaves them out."
        )
    path = claims_path(docs, stem)
    return once(("book", path), lambda: _book(path, stem))


def _book(path: Path, stem: str) -> Book:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PagewalkError(
            "no-claims",
            f"There is no claims file {plain(path.as_posix(), 120)}: write its predicates there.",
        ) from error
    kept = _books.get(path)
    if kept is None or kept.text != text:
        kept = _books[path] = Book(stem, path, text, _predicates(path, text))
    return kept


def predicate(docs: Path, stem: str, name: str) -> Predicate:
    """One predicate by its name; an error says which names are near."""
    known = book(docs, stem).predicates
    if name not in known:
        near = difflib.get_close_matches(name, known, 1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known) or 'none'}."
        raise PagewalkError(
            "no-predicate", f"claims/{stem}.py has no predicate {plain(name)}: {plain(hint, 200)}"
        )
    return known[name]


def judge(docs: Path, stem: str, name: str, trace: Path | None = None) -> Mapping[str, Fact]:
    """The facts of a predicate on the stem's trace, or on another; an error where it fails."""
    return once(("facts", docs, stem, name, trace), lambda: _judge(docs, stem, name, trace))


def _judge(docs: Path, stem: str, name: str, trace: Path | None) -> Mapping[str, Fact]:
    one = predicate(docs, stem, name)
    path = trace_path(docs, stem) if trace is None else trace
    key = (path, f"{stem}:{name}")
    # The functions are made anew when the file changes: they tell versions apart.
    version = (stamp(path), one.judge)
    kept = _judged.get(key)
    if kept is None or kept[0] != version:
        kept = _judged[key] = (version, _outcome(docs, stem, one, run_of(path)))
    if isinstance(kept[1], PagewalkError):
        raise kept[1]
    return kept[1]


def parse_by(text: str, stem: str) -> tuple[str, str]:
    """`predicate` or `other/stem:predicate` -> stem and predicate."""
    before, colon, name = text.rpartition(":")
    return (before if colon else stem), name


def _outcome(docs: Path, stem: str, one: Predicate, run: Run) -> Mapping[str, Fact] | PagewalkError:
    try:
        facts = one.judge(run)
    except Exception as error:
        return PagewalkError("claim-fails", _failure(stem, one, error, claims_path(docs, stem)))
    try:
        return _facts(facts)
    except PagewalkError as error:
        return PagewalkError(error.slug, f"The predicate {one.name} of claims/{stem}.py {error}")


def _failure(stem: str, one: Predicate, error: Exception, path: Path) -> str:
    """Which line of the predicate failed, in its own words."""
    kind = "" if isinstance(error, AssertionError) else type(error).__name__
    message = plain(" ".join(str(error).split()), 200)
    said = ": ".join(filter(None, (kind, message)))
    frames = [one for one in traceback.extract_tb(error.__traceback__) if one.filename == str(path)]
    line = frames[-1].lineno or 0 if frames else 0
    where = f" in line {line}, `{plain(_statement(path, line), 160)}`" if line else ""
    return (
        f"The predicate {one.name} of claims/{stem}.py does not hold on its trace{where}"
        f"{f' ({said})' if said else ''}: correct the predicate or the page, or record the "
        "trace again."
    )


def _statement(path: Path, line: int) -> str:
    """The statement that covers a line, on one line."""
    text = _books[path].text if path in _books else ""
    best: ast.stmt | None = None
    for node in ast.walk(ast.parse(text)):
        covers = isinstance(node, ast.stmt) and node.lineno <= line <= (node.end_lineno or 0)
        if covers and (best is None or node.lineno >= best.lineno):
            best = node  # type: ignore[assignment]
    if best is None:
        return ""
    if hasattr(best, "body"):  # the head of a loop or a condition, not all that is in it
        return text.splitlines()[line - 1].strip()
    return " ".join((ast.get_source_segment(text, best) or "").split())


def _facts(value: Any) -> Mapping[str, Fact]:
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise PagewalkError(
            "bad-facts", "returns no facts: let it return a dict of names and values."
        )
    return {key: _fact(key, one) for key, one in value.items()}


def _fact(key: str, value: Any) -> Fact:
    if isinstance(value, list | tuple):
        return [_single(key, one) for one in value]
    return _single(key, value)


def _single(key: str, value: Any) -> int | float | str:
    if isinstance(value, str):
        # A request id comes from a client, and facts are put into Markdown and YAML.
        if len(value) > _LONGEST or not value.isprintable() or _UNSAFE.search(value):
            raise PagewalkError(
                "unsafe-fact",
                f"returns as {plain(key)} a text with marks that Markdown reads ({plain(value)}): "
                "return it without them.",
            )
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise PagewalkError(
            "bad-facts",
            f"returns as {plain(key)} a {type(value).__name__}: facts are int, float, str, or "
            "lists of them.",
        )
    return value


def _predicates(path: Path, text: str) -> Mapping[str, Predicate]:
    shown = plain(path.as_posix(), 120)
    try:
        tree = ast.parse(text)
        module = ModuleType(f"pagewalk_claims_{abs(hash(str(path)))}")
        module.__file__ = str(path)
        sys.modules[module.__name__] = module  # what dataclasses look for
        # Not imported as a file: no compiled copy shall lie among the pages.
        exec(compile(tree, str(path), "exec", dont_inherit=True), module.__dict__)
    except Exception as error:
        raise PagewalkError(
            "bad-claims",
            f"{shown} cannot be loaded ({type(error).__name__}: {plain(error, 160)}): correct it.",
        ) from error
    functions = {one.name: one for one in tree.body if isinstance(one, ast.FunctionDef)}
    calls = {name: _names(node) for name, node in functions.items()}
    found: dict[str, Predicate] = {}
    for name, node in functions.items():
        if name.startswith("_"):
            continue
        says = ast.get_docstring(node)
        if not says:
            raise PagewalkError(
                "no-sentence",
                f"The predicate {plain(name)} of {shown} has no docstring: say in one sentence "
                "what is true.",
            )
        function = module.__dict__[name]
        if not isinstance(function, FunctionType):
            raise PagewalkError("bad-claims", f"{shown}: {plain(name)} is no function: rename it.")
        source = _source(text, node, functions, calls)
        found[name] = Predicate(name, " ".join(says.split("\n\n")[0].split()), source, function)
    return found


def _names(node: ast.FunctionDef) -> frozenset[str]:
    return frozenset(one.id for one in ast.walk(node) if isinstance(one, ast.Name))


def _source(
    text: str,
    node: ast.FunctionDef,
    functions: Mapping[str, ast.FunctionDef],
    calls: Mapping[str, frozenset[str]],
) -> str:
    """A predicate without its docstring, and then the helpers that it calls."""
    wanted, helpers = [node], []
    while wanted:
        names = calls[wanted.pop().name]
        new = [
            one
            for name, one in functions.items()
            if name in names and name.startswith("_") and one not in helpers
        ]
        helpers += new
        wanted += new
    helpers.sort(key=lambda one: one.lineno)
    return "\n\n\n".join(_lines(text, one) for one in (node, *helpers))


def _lines(text: str, node: ast.FunctionDef) -> str:
    lines = text.splitlines()
    first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
    end = node.end_lineno or node.lineno
    docs = node.body[0]
    if ast.get_docstring(node) is None or len(node.body) == 1:
        return "\n".join(lines[first - 1 : end])
    kept = lines[first - 1 : docs.lineno - 1] + lines[(docs.end_lineno or docs.lineno) : end]
    return "\n".join(kept)


__all__ = ["Book", "Fact", "Predicate", "book", "judge", "parse_by", "predicate"]
