"""The built site, as files: what it carries, what it leaves out, and that every link leads on."""

from __future__ import annotations

import gzip
import re
from pathlib import Path
from typing import Any

from site_build import CHAPTER, ROOT, UNDER, Built

# What a page may bring before its player's code and after it, without the data of traces and the
# search, which are fetched apart. The bytes are those of the files; a server compresses them.
PAGE = 420_000
PAGE_AND_PLAYER = 600_000
COMPRESSED = 160_000
APART = re.compile(r"/search/|/workers/|\.pgwk$")


def test_every_link_and_anchor_leads_somewhere(built: Built) -> None:
    broken = [
        f"{at or 'home'}: {reference}: {why}"
        for at, page in built.pages.items()
        for _, _, reference in page.references
        if reference and (why := built.broken(at, reference))
    ]
    assert not broken


def test_nothing_but_links_of_the_text_leaves_the_site(built: Built) -> None:
    outside = {
        (tag, value)
        for page in built.pages.values()
        for tag, _, value in page.references
        if value.startswith(("http:", "https:", "//")) and tag != "a"
    }
    assert {value for tag, value in outside if tag != "link"} == set()
    assert all(value.startswith("http://pagewalk.test/") for _, value in outside)


def test_every_page_of_the_plan_is_there(built: Built) -> None:
    pages = {path.relative_to(ROOT / "walkthroughs") for path in ROOT.glob("walkthroughs/**/*.md")}
    wanted = {
        ""
        if one.as_posix() == "index.md"
        else f"{one.with_suffix('').as_posix()}/".replace("index/", "")
        for one in pages
    }
    assert wanted == set(built.pages)
    assert len(wanted) > 20


def test_raw_traces_and_programs_are_not_published(built: Built) -> None:
    published = {file.suffix for file in built.folder.rglob("*") if file.is_file()}
    assert not published & {".py", ".jsonl", ".md", ".yml"}
    assert ".pgwk" in published


def test_it_says_nothing_of_the_machine_that_built_it(built: Built) -> None:
    here = {str(ROOT), str(Path.home()) + "/", str(built.folder)} - {"/"}
    texts = [file for file in built.folder.rglob("*") if file.suffix in {".html", ".json", ".xml"}]
    found = [f.name for f in texts if any(one in f.read_text(encoding="utf-8") for one in here)]
    assert texts
    assert not found


def test_it_carries_the_licence_of_what_it_quotes(built: Built) -> None:
    text = (built.folder / "assets" / "licences" / "vllm.txt").read_text(encoding="utf-8")
    assert "Apache License" in text
    for at in ("", CHAPTER):
        page = (built.folder / at / "index.html").read_text(encoding="utf-8")
        assert "from vLLM, copyright contributors to the vLLM project" in page
        assert any(value.endswith("licence/") for _, _, value in built.pages[at].references)


def test_a_page_stays_light(site: Any, built: Built) -> None:
    site.folder(UNDER, built.folder)
    # One page after the other in one browser: answers that are made up are never kept by it.
    page = site.open(UNDER, viewport={"width": 1280, "height": 900})
    for at in sorted(built.with_players):
        site.requests.clear()
        page.goto(f"http://pagewalk.test{UNDER}{at}")
        page.locator("pagewalk-player").first.scroll_into_view_if_needed()
        page.wait_for_function("document.querySelector('pagewalk-player').ready === true")
        asked = {one for one in site.requests if not APART.search(one)}
        bodies = {one: site.body(one) for one in asked}
        everything = sum(map(len, bodies.values()))
        player = sum(len(body) for one, body in bodies.items() if one.endswith("/assets/player.js"))
        assert player > 0
        assert everything - player < PAGE, f"{at}: {everything - player:,} bytes"
        assert everything < PAGE_AND_PLAYER, f"{at}: {everything:,} bytes"
        assert sum(len(gzip.compress(body)) for body in bodies.values()) < COMPRESSED, at
