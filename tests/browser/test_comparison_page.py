"""The comparison of two traces in a browser: both players, at the step of the same number."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from builder import busy_toy, write_trace
from story import Core, write
from typer.testing import CliRunner

from pagewalk.cli import app
from pagewalk.trace.read import open_trace
from pagewalk.views.diff import diff

FRAMES = "[...document.querySelectorAll('pagewalk-player')].map((one) => one.app.frame)"
STEPS = """[...document.querySelectorAll('pagewalk-player')].map(
    (one) => one.model.step(one.app.frame))"""
READY = "[...document.querySelectorAll('pagewalk-player')].every((one) => one.ready)"
HOSTILE = "<img src=x onerror=window.ran=1>$policy\u202e"


def compared(a: Path, b: Path, out: Path) -> Path:
    """The page that the command writes."""
    done = CliRunner().invoke(app, ["diff", str(a), str(b), "--out", str(out)])
    assert out.exists(), done.output
    return out


@pytest.fixture
def toys(tmp_path: Path) -> tuple[Path, Path]:
    """Two runs of one workload, one of them with more room."""
    return (
        write_trace(tmp_path / "few", busy_toy(seed=5, steps=40, num_blocks=24).lines()),
        write_trace(tmp_path / "many", busy_toy(seed=5, steps=40, num_blocks=60).lines()),
    )


def test_both_players_stand_at_the_first_step_that_differs(
    site: Any, toys: tuple[Path, Path], tmp_path: Path
) -> None:
    first = diff(*map(open_trace, toys)).engines[0].first
    assert first is not None
    page = site.open_file(compared(*toys, tmp_path / "diff.html"))
    page.wait_for_function(READY)
    assert page.evaluate(STEPS) == [first.step, first.step]
    assert f"Step {first.step}" in page.locator("#first + p").inner_text()


@pytest.mark.parametrize("moved", [0, 1])
def test_one_follows_the_other(
    moved: int, site: Any, toys: tuple[Path, Path], tmp_path: Path
) -> None:
    page = site.open_file(compared(*toys, tmp_path / "diff.html"))
    page.wait_for_function(READY)
    page.evaluate(f"document.querySelectorAll('pagewalk-player')[{moved}].show({{ step: 7 }})")
    assert page.evaluate(FRAMES) == [7, 7]


def test_a_link_moves_both(site: Any, toys: tuple[Path, Path], tmp_path: Path) -> None:
    page = site.open_file(compared(*toys, tmp_path / "diff.html"))
    page.wait_for_function(READY)
    link = page.locator("#first + p a")
    step = int(link.get_attribute("href").removeprefix("#step="))
    page.evaluate("document.querySelector('pagewalk-player').show({ step: 2 })")
    link.click()
    assert page.evaluate(FRAMES) == [step, step]


def test_names_of_strangers_are_text(site: Any, tmp_path: Path) -> None:
    """An id with markup in one trace alone: it is shown, and does nothing."""
    traces = []
    for name, other in (("a", HOSTILE), ("b", "harmless")):
        core = Core()
        core.add(other)
        core.start()
        core.take(other, [1, 2])
        core.end({other: 6}, new={other: 0})
        traces.append(write(tmp_path / name, core))
    page = site.open_file(compared(*traces, tmp_path / "diff.html"))
    page.wait_for_function(READY)
    assert page.evaluate("window.ran") is None
    assert "Only in A: <img src=x" in page.locator("main").inner_text()


def test_a_directory_is_no_file(toys: tuple[Path, Path], tmp_path: Path) -> None:
    """Nothing is printed of a comparison that could not be written."""
    from pagewalk.errors import PagewalkError

    done = CliRunner().invoke(app, ["diff", *map(str, toys), "--out", str(tmp_path)])
    assert isinstance(done.exception, PagewalkError)
    assert "is a directory: name a file" in str(done.exception)
