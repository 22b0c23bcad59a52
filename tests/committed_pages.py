"""The committed pages, scenarios, traces and claims, as the tests of the site need them."""

from __future__ import annotations

import ast
import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from pagewalk.errors import PagewalkError
from pagewalk.pages.record import Scenario, scenarios
from pagewalk.trace import events as ev
from pagewalk.trace.codec import encode
from pagewalk.trace.read import Trace

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "walkthroughs"
SCENARIOS = scenarios(DOCS)
# A chapter is a folder of pages that stand on recorded runs.
CHAPTERS = sorted({one.stem.partition("/")[0] for one in SCENARIOS if "/" in one.stem})
# What no CPU engine runs is told from the source alone, and the page says so at its top.
SOURCE_ONLY = ("attention/backends.md", "workers/runner_v2.md")
# Two ranks of a model on two cores take minutes, and a killed worker is killed at any moment.
SLOW = ("workers/executor", "workers/executor_dies")

# What an engine writes while it is built, before anybody asks it for anything.
_BIRTH = (
    ev.SegmentStarted,
    ev.RoleTaken,
    ev.ProbesInstalled,
    ev.ExitsDeclared,
    ev.EngineConfigured,
    ev.PoolCreated,
    ev.TablesCreated,
    ev.QueueCreated,
)


def stems(folder: str) -> list[str]:
    """Stems of the Python files below a folder of the pages."""
    return sorted(
        path.relative_to(DOCS / folder).with_suffix("").as_posix()
        for path in (DOCS / folder).rglob("*.py")
        if "__pycache__" not in path.parts
    )


def predicates() -> list[tuple[str, str]]:
    """Stem and name of every predicate, read without running the file."""
    return [
        (stem, node.name)
        for stem in stems("claims")
        for node in ast.parse((DOCS / "claims" / f"{stem}.py").read_text()).body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
    ]


def chapter_pages(all_of_them: bool = False) -> list[Path]:
    """The pages of the chapters; those that open one or have no run only when asked for."""
    return sorted(
        page
        for chapter in CHAPTERS
        for page in (DOCS / chapter).glob("*.md")
        if all_of_them
        or (page.stem != "index" and page.relative_to(DOCS).as_posix() not in SOURCE_ONLY)
    )


def newborn(trace: Trace, folder: Path) -> Path:
    """The same engines, built and never asked for anything: the beginning of each segment."""
    folder.mkdir(parents=True)
    (folder / "header.json").write_bytes((trace.path / "header.json").read_bytes())
    for segment in trace.segments:
        born = [one for one in segment.events if isinstance(one, _BIRTH)]
        lines = [encode(msgspec.structs.replace(one, seq=seq)) for seq, one in enumerate(born)]
        (folder / segment.name).write_bytes(b"".join(lines))
    return folder


def perform(scenario: Scenario, out: Path, models: Callable[[str], Path]) -> list[str]:
    """Run a scenario traced, in this process: the work of a forked child."""
    from pagewalk.capture import tracing

    model = models(scenario.engine) if scenario.engine and scenario.wants_model else Path()
    command = scenario.command(sys.executable, model.parent)
    sys.argv = command[1:]
    sys.path.insert(0, str(scenario.path.parent))  # as of a program that is run
    with tracing(out, digest="hash", host="docs", strict=True):
        runpy.run_path(str(scenario.path), run_name="__main__")
    return sys.argv


def why_not(judge: Callable[[], Any]) -> str:
    """The slug of the error that judging ends with, "" where there is none."""
    try:
        judge()
    except PagewalkError as error:
        return error.slug
    return ""


__all__ = [
    "CHAPTERS",
    "DOCS",
    "ROOT",
    "SCENARIOS",
    "chapter_pages",
    "newborn",
    "perform",
    "predicates",
    "stems",
    "why_not",
]
