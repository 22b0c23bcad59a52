"""Generated pages are what the code generates, and pages speak of what there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.cli import app as typer_app
from typer.testing import CliRunner

from pagewalk.probes import PROBES
from pagewalk.probes import page as probes_page
from pagewalk.replay import page as laws_page
from pagewalk.source import drift_page
from pagewalk.source.lock import LOCK, read_lock
from pagewalk.trace import page as trace_page
from pagewalk.trace.events import EVENTS


def commands_page() -> str:
    """What Typer writes of the commands."""
    written = CliRunner().invoke(typer_app, [*COMMANDS, "--title", "The commands"])
    return written.output.rstrip() + "\n"


ROOT = Path(__file__).parents[1]
COMMANDS = ["pagewalk.cli", "utils", "docs", "--name", "pagewalk"]
REFERENCE = ROOT / "walkthroughs" / "reference"


@pytest.mark.parametrize(
    ("name", "page"),
    [
        ("trace-format", trace_page.page),
        ("probes", probes_page.page),
        ("laws", laws_page.page),
        ("cli", commands_page),
    ],
)
def test_generated_pages_are_fresh(name: str, page: object) -> None:
    """`make docs` would change nothing."""
    assert callable(page)
    assert (REFERENCE / f"{name}.md").read_text() == page()


def test_every_event_is_on_the_page() -> None:
    """Each event has its section."""
    text = (REFERENCE / "trace-format.md").read_text()
    assert [event.__name__ for event in EVENTS if f"### {event.__name__}\n" not in text] == []


def test_every_probe_emits_a_documented_event() -> None:
    """Each row has a reader with a sentence that the page prints."""
    assert [row.target for row in PROBES if not row.read.__doc__] == []


def test_readme_names_only_commands_that_exist() -> None:
    """`pagewalk X` and `make X` in the README are commands that there are."""
    from typer.main import get_command

    from pagewalk.cli import app

    text = (ROOT / "README.md").read_text()
    commands = set(get_command(app).commands)  # type: ignore[attr-defined]
    named = set(re.findall(r"pagewalk ([a-z]+)(?= [A-Z\[-]|`)", text))
    assert named
    assert named <= commands
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    made = set(re.findall(r"`make ([a-z]+)", text)) | set(re.findall(r"^make ([a-z]+)", text, re.M))
    assert made
    assert made <= targets


def test_the_page_of_releases_knows_every_probe() -> None:
    """Each component has its row, with as many probes as there are now."""
    text = (REFERENCE / "compatibility.md").read_text()
    for component in {row.component for row in PROBES}:
        rows = [row for row in PROBES if row.component == component]
        (line,) = [one for one in text.splitlines() if one.startswith(f"| {component} |")]
        assert f" of {len(rows)} |" in line


def test_the_page_of_what_changed_is_about_these_excerpts() -> None:
    """`make changed` has run since the lock was last written."""
    text = (ROOT / "walkthroughs" / "changed_0_33.md").read_text()
    assert f"excerpts: {drift_page.digest(read_lock(ROOT / LOCK))} -->" in text
