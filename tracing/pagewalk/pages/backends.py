"""vLLM's source -> what each attention backend says that it can do, every answer with its line.

Nothing is imported. A backend answers in class variables and small class methods, its own or those
of the classes that it derives from; they are looked up in that order, as Python would.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pagewalk.errors import PagewalkError, plain
from pagewalk.pages.backend_source import DEPTH, Class, Source
from pagewalk.pages.backend_words import Words, counted, in_words
from pagewalk.source.package import Package

REGISTRY = "vllm.v1.attention.backends.registry"
ENUM = "AttentionBackendEnum"
ROOTS = ("AttentionBackend", "AttentionMetadataBuilder")


@dataclass(frozen=True, slots=True)
class Row:
    """One question: the names that answer it, the first that is found, in backend or builder.

    `more` is a method that may add a condition. `none` is what None means, `yes` what True does,
    and `missing` that no class has the name. Where answers are sentences, they are `counted`.
    """

    title: str
    names: tuple[str, ...]
    more: str = ""
    of: str = "backend"
    none: str = "any"
    yes: str = "yes"
    missing: str = "not asked"
    counted: bool = False


ROWS = (
    Row("head sizes", ("get_supported_head_sizes",), more="supports_head_size"),
    Row("model data types", ("supported_dtypes",)),
    Row("KV-cache data types", ("supported_kv_cache_dtypes",), more="supports_kv_cache_dtype"),
    Row("kernel block sizes", ("get_supported_kernel_block_sizes",)),
    Row("KV layouts", ("supported_kv_cache_layouts",)),
    Row("compute capability", ("supports_compute_capability",), yes="any"),
    Row("attention types", ("supports_attn_type",)),
    Row("MLA", ("is_mla",)),
    Row("sliding window", ("supports_sliding_window",)),
    Row("attention sinks", ("supports_sink",)),
    Row("not causal", ("supports_non_causal",)),
    Row("batch invariance", ("supports_batch_invariance",)),
    Row("CUDA graphs", ("get_cudagraph_support", "_cudagraph_support"), of="builder"),
    Row("decodes first, up to", ("reorder_batch_threshold",), of="builder", none="no order"),
    Row("cascade", ("use_cascade_attention",), of="builder", missing="gone"),
    Row("forward writes KV", ("forward_includes_kv_cache_update",)),
    Row("further limits", ("supports_combination",), none="none", counted=True),
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a class says, and where: `owner` says it, which may be a class above (`inherited`)."""

    words: Words
    owner: str = ""
    file: str = ""
    line: int = 0
    url: str = ""
    inherited: bool = False
    more: Answer | None = None


@dataclass(frozen=True, slots=True)
class Backend:
    """A backend of the registry: its name, its class, its answers in the order of ROWS."""

    name: str
    title: str
    file: str
    line: int
    url: str
    answers: tuple[Answer, ...]


def backends(package: Package, names: Iterable[str]) -> tuple[Backend, ...]:
    """What the registry's backends of these names say.

    Raises:
        PagewalkError: the release has no registry, or no such backend in it, or its class is not
            where the registry says.
    """
    source, known = Source(package), registered(package)
    found = []
    for name in names:
        path = known.get(name)
        if not path:
            raise PagewalkError(
                "no-such-backend",
                f"vLLM {plain(package.release)} has no attention backend {plain(name)}: "
                f"`{ENUM}` names those that it has.",
            )
        found.append(_backend(source, name, path))
    return tuple(found)


def registered(package: Package) -> dict[str, str]:
    """Name -> dotted path of the class, for every backend of the registry that has one."""
    enum = Source(package).find(REGISTRY, ENUM)
    if enum is None:
        raise PagewalkError(
            "no-backends",
            f"vLLM {plain(package.release)} has no {ENUM} in {REGISTRY}: "
            "the table of backends reads releases that have it.",
        )
    return {
        target.id: statement.value.value
        for statement in enum.node.body
        if isinstance(statement, ast.Assign)
        for target in statement.targets
        if isinstance(target, ast.Name)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    }


def _backend(source: Source, name: str, path: str) -> Backend:
    module, _, title = path.rpartition(".")
    itself = source.find(module, title)
    if itself is None:
        raise PagewalkError(
            "no-such-backend",
            f"vLLM {plain(source.release)} has no class statement of {plain(name)} at "
            f"{plain(path)}: it is made at run time, or the source is not whole; name another.",
        )
    chain = list(_chain(source, itself))
    builder = _builder(source, chain)
    chains = {"backend": chain, "builder": list(_chain(source, builder)) if builder else []}
    line = itself.node.lineno
    return Backend(
        name=name,
        title=title,
        file=source.file(itself.module),
        line=line,
        url=source.link(itself.module, line, line),
        answers=tuple(_answer(source, one, chains[one.of]) for one in ROWS),
    )


def _answer(source: Source, row: Row, chain: list[Class]) -> Answer:
    found = _said(chain, row.names)
    if found is None:
        return Answer(Words((row.missing,)))
    more = None
    if row.more:
        # What the root says of it is only that the list decides.
        extra = _said([one for one in chain if one.node.name not in ROOTS], (row.more,))
        more = _told(source, chain, extra, row) if extra is not None else None
    return _told(source, chain, found, row, more)


def _told(
    source: Source,
    chain: list[Class],
    found: tuple[Class, ast.stmt],
    row: Row,
    more: Answer | None = None,
) -> Answer:
    owner, node = found
    words = counted(node, row.none) if row.counted else in_words(node, row.none, row.yes)
    return Answer(
        words=words,
        owner=owner.node.name,
        file=source.file(owner.module),
        line=node.lineno,
        url=source.link(owner.module, node.lineno, node.end_lineno or node.lineno),
        inherited=owner is not chain[0],
        more=more,
    )


def _said(chain: list[Class], names: tuple[str, ...]) -> tuple[Class, ast.stmt] | None:
    """The first class that says one of the names, and its statement."""
    for one in chain:
        for name in names:
            node = _member(one.node, name)
            # A method that hands on a class variable says nothing by itself.
            if node is not None and not _hands_on(node, names):
                return one, node
    return None


def _member(node: ast.ClassDef, name: str) -> ast.stmt | None:
    for statement in node.body:
        if isinstance(statement, ast.FunctionDef) and statement.name == name:
            return statement
        if isinstance(statement, ast.Assign) and any(
            isinstance(one, ast.Name) and one.id == name for one in statement.targets
        ):
            return statement
        if (
            isinstance(statement, ast.AnnAssign)
            and isinstance(statement.target, ast.Name)
            and statement.target.id == name
            and statement.value is not None
        ):
            return statement
    return None


def _hands_on(node: ast.stmt, names: tuple[str, ...]) -> bool:
    """Whether a method returns `cls.<one of names>`."""
    last = node.body[-1] if isinstance(node, ast.FunctionDef) else None
    value = last.value if isinstance(last, ast.Return) else None
    return isinstance(value, ast.Attribute) and value.attr in names


def _builder(source: Source, chain: list[Class]) -> Class | None:
    """The metadata builder that the backend names."""
    found = _said(chain, ("get_builder_cls",))
    if found is None or not isinstance(found[1], ast.FunctionDef):
        return None
    last = found[1].body[-1]
    if isinstance(last, ast.Return) and isinstance(last.value, ast.Name):
        return source.find(found[0].module, last.value.id)
    return None


def _chain(source: Source, itself: Class) -> Iterator[Class]:
    """A class and those above it, as far as they are vLLM's: each before what it derives from."""
    waiting, seen = [itself], set()
    while waiting and len(seen) < DEPTH:
        one = waiting.pop(0)
        if (one.module, one.node.name) in seen:
            continue
        seen.add((one.module, one.node.name))
        yield one
        above = (source.find(one.module, _name(base)) for base in one.node.bases)
        waiting += [found for found in above if found is not None]


def _name(base: ast.expr) -> str:
    """The name of a base class, its type arguments left out."""
    base = base.value if isinstance(base, ast.Subscript) else base
    return base.id if isinstance(base, ast.Name) else ""


__all__ = ["ENUM", "REGISTRY", "ROWS", "Answer", "Backend", "Row", "backends", "registered"]
