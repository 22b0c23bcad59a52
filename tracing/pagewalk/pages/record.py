"""The scenarios of the pages -> what each one runs, and where its trace, claims and page lie.

A scenario says what it needs in constants, which are read without importing it:

    ENGINE = "llama"                        # a live engine with the bed's model of that kind
    ENGINE = None                           # a scheduler fed by hand
    ARGUMENTS = ("--model", "{model}")      # what it must be called with, if anything
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pagewalk.errors import PagewalkError, plain
from pagewalk.pages.stem import check_stem, claims_path, scenario_path

SCENARIOS, TRACES = "scenarios", "traces"
GPU = "gpu"  # traces below it are made by `scripts/record_gpu.py`, on a machine that has one
MODEL = "{model}"


@dataclass(frozen=True, slots=True)
class Scenario:
    """One program below `scenarios/`; its stem is its path without `.py`."""

    stem: str
    docs: Path
    engine: str | None
    arguments: tuple[str, ...] = ()

    @property
    def path(self) -> Path:
        """The program."""
        return scenario_path(self.docs, self.stem)

    @property
    def trace(self) -> Path:
        """The directory of its committed trace."""
        return self.docs / TRACES / self.stem

    @property
    def claims(self) -> Path:
        """The file of the predicates that its trace must satisfy."""
        return claims_path(self.docs, self.stem)

    def command(self, python: str, models: Path) -> list[str]:
        """How to run it; `models` holds a directory for each kind of model."""
        model = str(models / self.engine) if self.engine else ""
        return [python, str(self.path), *(one.replace(MODEL, model) for one in self.arguments)]

    @property
    def wants_model(self) -> bool:
        """Whether a model must be on disk before it is run."""
        return any(MODEL in one for one in self.arguments)


def scenarios(docs: Path) -> tuple[Scenario, ...]:
    """Every scenario below a folder of pages, by stem.

    Raises:
        PagewalkError: there is no such folder, or a program does not say what it needs.
    """
    folder = docs / SCENARIOS
    if not folder.is_dir():
        raise PagewalkError(
            "no-scenarios",
            f"{plain(folder)} is no folder; name the folder of the pages with --docs.",
        )
    paths = sorted(path for path in folder.rglob("*.py") if "__pycache__" not in path.parts)
    return tuple(_read(docs, path) for path in paths)


def pick(found: Sequence[Scenario], stems: Sequence[str]) -> tuple[Scenario, ...]:
    """The scenarios that a user named, all of them if none."""
    known = {one.stem: one for one in found}
    for stem in stems:
        if stem not in known:
            near = get_close_matches(stem, known, 1)
            advice = f"did you mean {plain(near[0])}?" if near else "`pagewalk traces list` has all"
            raise PagewalkError("no-such-scenario", f"There is no scenario {plain(stem)}: {advice}")
    return tuple(known[stem] for stem in dict.fromkeys(stems)) if stems else tuple(found)


def orphans(docs: Path, found: Sequence[Scenario]) -> tuple[str, ...]:
    """Traces that no scenario makes, by stem: of a scenario that was renamed, say.

    Those from a GPU are of the scenarios of other traces, on another device.
    """
    folder = docs / TRACES
    known = {one.stem for one in found}
    stems = {
        path.parent.relative_to(folder).as_posix()
        for path in folder.rglob("header.json")
        if not any(part.startswith(".") for part in path.relative_to(folder).parts)
    }
    return tuple(sorted(one for one in stems - known if not one.startswith(f"{GPU}/")))


def _read(docs: Path, path: Path) -> Scenario:
    stem = check_stem(path.relative_to(docs / SCENARIOS).with_suffix("").as_posix())
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError) as error:
        raise PagewalkError(
            "bad-scenario",
            f"The scenario {plain(stem)} cannot be read ({type(error).__name__}): correct it.",
        ) from error
    constants = dict(_constants(tree))
    engine, arguments = constants.get("ENGINE", ...), constants.get("ARGUMENTS", ())
    if engine is not None and not isinstance(engine, str):
        raise PagewalkError(
            "bad-scenario",
            f'The scenario {plain(stem)} does not say what it runs: give it `ENGINE = "llama"` '
            "for a live engine, or `ENGINE = None` for a scheduler fed by hand.",
        )
    if not isinstance(arguments, tuple) or not all(isinstance(one, str) for one in arguments):
        raise PagewalkError(
            "bad-scenario", f"ARGUMENTS of the scenario {plain(stem)} is a tuple of texts."
        )
    return Scenario(stem, docs, engine, arguments)


def _constants(tree: ast.Module) -> list[tuple[str, Any]]:
    """Names that the module binds to literals."""
    found = []
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            try:
                found.append((node.targets[0].id, ast.literal_eval(node.value)))
            except ValueError:
                continue
    return found


__all__ = ["MODEL", "Scenario", "orphans", "pick", "scenarios"]
