"""Engine function -> the same function with a mark at each of its exits.

Why a request was not scheduled is decided by one `break` or `continue` deep inside
`Scheduler.schedule`, which no wrapper sees. So the function is compiled once more from its
installed source with a call in front of these statements. File, line numbers, signature,
closure and globals stay; nothing of the source is stored. The new function is only handed out
if the same source compiled *without* marks gives the very code that runs; otherwise the caller
gets `CannotRecompile` with a reason and infers the exits from the calls instead.

The mark is a constant of the new code object: no module is touched, and taking the function
out again needs no clean-up. `silence` turns the marks off for calls that are still running.
"""

from __future__ import annotations
import __future__

import ast
import functools
import inspect
import operator
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any

from pagewalk.capture.bindings import own_nodes
from pagewalk.capture.sites import PLACEHOLDER, mark_exits

if TYPE_CHECKING:
    from pagewalk.trace.events import ExitSite

Mark = Callable[[int, Any, "tuple[Any, ...]"], object]
"""`mark(site, request or None, values)`: must not raise, its result is thrown away."""

_CO_NESTED = 0x10
_FUTURES = functools.reduce(
    operator.or_,
    (getattr(__future__, feature).compiler_flag for feature in __future__.all_feature_names),
)
_COMPARED = (
    "co_name",
    "co_code",
    "co_names",
    "co_varnames",
    "co_cellvars",
    "co_freevars",
    "co_argcount",
    "co_posonlyargcount",
    "co_kwonlyargcount",
    "co_firstlineno",
)


class CannotRecompile(Exception):  # noqa: N818 (not an error: the caller has another way)
    """The function cannot be given marks; `reason` says why in a few words."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Marker:
    """Holds the mark for the code object; a constant of it, so it must be hashable."""

    __slots__ = ("mark",)

    def __init__(self, mark: Mark) -> None:
        self.mark = mark


@dataclass(frozen=True, slots=True)
class Recompiled:
    """The function with marks, its exits, and the holder of the mark."""

    function: FunctionType
    sites: tuple[ExitSite, ...]
    marker: Marker

    @property
    def file(self) -> str:
        """The source file, as tracebacks name it."""
        return self.function.__code__.co_filename


def recompile(function: FunctionType, mark: Mark, first_site: int = 0) -> Recompiled:
    """The function with a mark at each exit; sites are numbered from `first_site`.

    Raises:
        CannotRecompile: nothing was changed, and `reason` says why.
    """
    try:
        return _recompile(function, mark, first_site)
    except CannotRecompile:
        raise
    except Exception as error:  # whatever a source holds, the engine must not notice
        raise CannotRecompile(f"{type(error).__name__}: {error}") from error


def silence(recompiled: Recompiled) -> None:
    """Make the marks do nothing, also in calls that are running in another thread."""
    recompiled.marker.mark = _nothing


def _nothing(site: int, request: object, values: tuple[object, ...]) -> None:
    """What a silenced mark does."""


def _recompile(function: FunctionType, mark: Mark, first_site: int) -> Recompiled:
    if not isinstance(function, FunctionType):
        raise CannotRecompile("it is not a plain Python function")
    if hasattr(function, "__wrapped__"):
        raise CannotRecompile("something else has wrapped it")
    tree, imports = _source_of(function)
    if not _same(_compiled(tree, imports, function), function.__code__):
        raise CannotRecompile("the source on disk is not the code that runs")
    sites = mark_exits(tree, function.__qualname__, first_site)
    if not sites:
        raise CannotRecompile("no exit was found in it")
    code = _compiled(tree, imports, function)
    if code.co_freevars != function.__code__.co_freevars:
        raise CannotRecompile("the marks would change its free variables")
    marker = Marker(mark)
    constants = tuple(marker if _is_placeholder(one) else one for one in code.co_consts)
    if marker not in constants:
        raise CannotRecompile("the marks are missing in the compiled code")
    return Recompiled(_function_like(function, code, constants), tuple(sites), marker)


def _is_placeholder(constant: object) -> bool:
    return isinstance(constant, str) and constant == PLACEHOLDER


def _source_of(function: FunctionType) -> tuple[ast.FunctionDef, list[ast.stmt]]:
    """The function's definition in its file, and the imports at the top level of that file."""
    code = function.__code__
    try:
        lines, _ = inspect.findsource(code)
    except (OSError, TypeError) as error:
        raise CannotRecompile(f"its source is not available ({error})") from error
    module = ast.parse("".join(lines))
    imports = [
        node for node in own_nodes(module.body) if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef) and node.name == code.co_name:
            if node.lineno == code.co_firstlineno:
                return node, imports
            if any(one.lineno == code.co_firstlineno for one in node.decorator_list):
                raise CannotRecompile("it has a decorator")
    raise CannotRecompile("its source is not a function definition")


def _compiled(
    tree: ast.FunctionDef, imports: Sequence[ast.stmt], function: FunctionType
) -> CodeType:
    """The code object of the function, compiled in surroundings like the original's.

    The class around it makes private names and `__class__` come out as they are, the function
    around that supplies the free variables; what is imported decides how it is called.
    """
    old = function.__code__
    owner = function.__qualname__.rpartition(".")[0].rpartition(".")[2]
    whole: ast.stmt = tree
    if owner and owner != "<locals>":
        whole = _shell(f"class {owner}: pass", whole)
    if old.co_flags & _CO_NESTED:
        free = ", ".join(name for name in old.co_freevars if name != "__class__")
        whole = _shell(f"def surroundings({free}): pass", whole)
    futures = old.co_flags & _FUTURES
    body = [one for one in imports if not _is_future(one)]
    module = ast.Module([*body, whole], [])
    compiled = compile(module, old.co_filename, "exec", flags=futures, dont_inherit=True)
    for code in _inner(compiled):
        if code.co_name == old.co_name and code.co_firstlineno == old.co_firstlineno:
            return code.replace(co_qualname=old.co_qualname)
    raise CannotRecompile("it was not found again in its compiled source")


def _shell(source: str, inner: ast.stmt) -> ast.stmt:
    """An empty class or function with `inner` put into it."""
    shell = ast.parse(source).body[0]
    assert isinstance(shell, ast.ClassDef | ast.FunctionDef)
    shell.body = [inner]
    return shell


def _is_future(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.ImportFrom) and statement.module == "__future__"


def _inner(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _inner(constant)


def _same(one: CodeType, other: CodeType) -> bool:
    """Whether two code objects do the same at the same lines."""
    if any(getattr(one, name) != getattr(other, name) for name in _COMPARED):
        return False
    if list(one.co_lines()) != list(other.co_lines()):
        return False
    if len(one.co_consts) != len(other.co_consts):
        return False
    return all(map(_same_constant, one.co_consts, other.co_consts))


def _same_constant(one: object, other: object) -> bool:
    if isinstance(one, CodeType) and isinstance(other, CodeType):
        return _same(one, other)
    return type(one) is type(other) and repr(one) == repr(other)


def _function_like(
    function: FunctionType, code: CodeType, constants: tuple[Any, ...]
) -> FunctionType:
    cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
    closure = tuple(cells[name] for name in code.co_freevars)
    new = FunctionType(
        code.replace(co_consts=constants),
        function.__globals__,
        function.__name__,
        function.__defaults__,
        closure or None,
    )
    new.__kwdefaults__ = function.__kwdefaults__
    new.__qualname__ = function.__qualname__
    new.__module__ = function.__module__
    new.__doc__ = function.__doc__
    new.__annotations__ = function.__annotations__
    new.__dict__.update(function.__dict__)
    if hasattr(function, "__type_params__"):
        new.__type_params__ = function.__type_params__
    return new


__all__ = ["CannotRecompile", "Mark", "Marker", "Recompiled", "recompile", "silence"]
