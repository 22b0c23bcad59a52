"""A probe's target name -> the owner and the engine's own function, or why it cannot be used."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from pagewalk.probes.spec import Probe


@dataclass(frozen=True, slots=True)
class Target:
    """Where a probed function lives: `owner.__dict__[name] is original`."""

    owner: Any
    name: str
    original: Any

    @property
    def function(self) -> Any:
        """The function itself, also where the class holds it as a class method."""
        return self.original.__func__ if self.of_the_class else self.original

    @property
    def of_the_class(self) -> bool:
        """Its first argument is the class."""
        return isinstance(self.original, classmethod)

    def put(self, stand_in: Any) -> None:
        """Let `stand_in` be called where the function was, and as it was."""
        setattr(self.owner, self.name, classmethod(stand_in) if self.of_the_class else stand_in)


@dataclass(frozen=True, slots=True)
class Unusable:
    """A target that is absent or changed, in words for the trace header."""

    reason: str


def module_of(target: str) -> str:
    """The module part of `module:Class.method`."""
    return target.partition(":")[0]


def resolve(row: Probe, module: ModuleType) -> Target | Unusable:
    """Find the function that `row` names in `module`, and check the parameters it reads."""
    path = row.target.partition(":")[2].split(".")
    owner: Any = module
    for part in path[:-1]:
        owner = getattr(owner, part, None)
        if owner is None:
            return Unusable(f"{part} does not exist")
    original = vars(owner).get(path[-1])
    if original is None:
        inherited = getattr(owner, path[-1], None)
        return Unusable("inherited, not its own" if inherited is not None else "does not exist")
    target = Target(owner, path[-1], original)
    missing = [name for name in row.needs if name not in _parameters(target.function)]
    if missing:
        return Unusable(f"no parameter {', '.join(missing)}")
    return target


def first_line(target: Target) -> int:
    """The line of the function's `def` (or first decorator) in the source that runs; 0 unknown."""
    code = getattr(inspect.unwrap(target.original), "__code__", None)
    return code.co_firstlineno if code is not None else 0


def _parameters(function: Any) -> frozenset[str]:
    try:
        return frozenset(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return frozenset()
