"""Zensical builds the same pages from the same file: every directive leaves its mark."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest
from site_build import CHAPTER, ROOT, Built, missing, run

MARKS = ("pagewalk-tick", "pagewalk-source", "<pagewalk-player", "pagewalk-provenance")


@pytest.fixture(scope="module")
def zensical() -> Built:
    """The site, built by Zensical where `make zensical` builds it."""
    if importlib.util.find_spec("zensical") is None:
        pytest.skip("zensical is not installed: `make zensical` brings it")
    if reason := missing():
        pytest.skip(reason)
    run("pagewalk.pages.prepare", "walkthroughs")
    run("zensical", "build", "--clean", "--config-file", "zensical.yml")
    return Built(ROOT / "build" / "zensical")


def text(built: Built, at: str) -> str:
    return (built.folder / at / "index.html").read_text(encoding="utf-8")


def test_every_directive_leaves_its_mark(zensical: Built) -> None:
    page = text(zensical, CHAPTER)
    assert [mark for mark in MARKS if mark not in page] == []
    assert "pagewalk-exits" in text(zensical, "scheduler/exits/")
    assert "pagewalk-tick" in text(zensical, "claims/")


def test_no_fence_and_no_fact_is_left_as_it_was_written(zensical: Built) -> None:
    shown = re.compile(r"<code>(?:symbol|says|panes|traces): |\[\[\w+\.\w+\]\]")
    left = [at for at in zensical.pages if shown.search(text(zensical, at))]
    assert [at for at in left if not at.startswith("contribute/")] == []


def test_the_files_of_the_player_are_there(zensical: Built) -> None:
    wanted = {Path("walk.js"), Path("site.css"), Path("assets/player.js")}
    assert {one for one in wanted if not (zensical.folder / one).is_file()} == set()
    assert list(zensical.folder.glob("assets/traces/**/*.pgwk"))
