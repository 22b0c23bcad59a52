"""The built site in a browser: quiet, narrow, dark, without scripts, and moved by its own text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from player_page import PLAYER
from site_build import CHAPTER, UNDER, Built

READY = f"[...document.querySelectorAll('{PLAYER}')].every((one) => one.ready)"
FIRST = f"document.querySelector('{PLAYER}')"
STEP = f"{FIRST}.app.model.step({FIRST}.app.frame)"
WIDTHS = (390, 1280)
# The frames that each player is measured in. A part of a player has a height of its own, or grows
# with what is in it: so the frames in which a part holds the most or the fewest elements, shown or
# hidden, or the longest or the shortest text, bound the heights of all others. To find them takes
# no layout, which is most of what a frame costs.
CHOOSE = """async () => {
  for (const player of document.querySelectorAll('pagewalk-player')) {
    player.scrollIntoView();
    const shown = (done) => player.addEventListener('trace-ready', done, { once: true });
    if (!player.ready) await new Promise(shown);
    const { app, view } = player;
    const panes = Object.values(view.panes).map((pane) => pane.node);
    const parts = [view.sentence, view.transport.node, ...panes].filter((part) => !part.hidden);
    const ends = new Map();
    for (let frame = app.first; frame <= app.last; frame += 1) {
      app.go(frame);
      view.draw();
      parts.forEach((part, at) => {
        const all = part.getElementsByTagName('*').length;
        const hidden = part.querySelectorAll('[hidden], .none').length;
        [all, hidden, part.textContent.length].forEach((size, kind) => {
          const key = `${at} ${kind}`;
          if (!ends.has(key)) ends.set(key, { least: size, most: size, low: frame, high: frame });
          const end = ends.get(key);
          if (size < end.least) Object.assign(end, { least: size, low: frame });
          if (size > end.most) Object.assign(end, { most: size, high: frame });
        });
      });
    }
    const found = [...ends.values()].flatMap((end) => [end.low, end.high]);
    player.chosen = new Set([app.first, app.last, ...found]);
  }
}"""
# Each player in turn: the height kept for it, that which it needs, and those it has in its frames.
HEIGHTS = """async () => {
  // A player takes note of its new width in one frame of the browser and draws itself in the next.
  for (let n = 0; n < 3; n += 1) await new Promise((done) => requestAnimationFrame(done));
  const found = [];
  for (const player of document.querySelectorAll('pagewalk-player')) {
    const kept = parseFloat(getComputedStyle(player).minHeight);
    player.style.minHeight = '0';
    const heights = new Set();
    for (const frame of player.chosen) {
      player.app.go(frame);
      player.view.draw();
      heights.add(player.offsetHeight);
    }
    player.style.minHeight = '';
    const panes = player.getAttribute('panes') || 'detail';
    found.push({ kept, heights: [...heights], grows: panes.includes('detail') });
  }
  return found;
}"""


class Reader:
    """Opens pages of the built site."""

    def __init__(self, site: Any, built: Built) -> None:
        self.built = built
        self._site = site
        site.folder(UNDER, built.folder)

    def __call__(self, at: str = "", width: int = 1280, height: int = 900, **options: Any) -> Any:
        viewport = {"width": width, "height": height}
        return self._site.open(f"{UNDER}{at}", viewport=viewport, **options)

    def each(self, places: Iterable[str], first: str = "0") -> Iterator[tuple[str, int, Any]]:
        """Each page at each width; what is `first` is done once it is there.

        A page is loaded once, by turns at the narrow width and at the wide one, and resized then:
        so pages that come and pages that change are both looked at, and half as many loaded.
        """
        page = self()
        for number, at in enumerate(places):
            widths = WIDTHS if number % 2 else WIDTHS[::-1]
            for turn, width in enumerate(widths):
                page.set_viewport_size({"width": width, "height": 900})
                if turn == 0:
                    page.goto(f"http://pagewalk.test{UNDER}{at}")
                    page.evaluate(first)
                yield at, width, page

    def players(self, at: str = "", **options: Any) -> Any:
        """A page whose players have been looked at."""
        page = self(at, **options)
        for player in page.locator(PLAYER).all():
            player.scroll_into_view_if_needed()
        page.wait_for_function(READY)
        page.evaluate("scrollTo({ top: 0, behavior: 'instant' })")
        return page


@pytest.fixture
def read(site: Any, built: Built) -> Reader:
    return Reader(site, built)


class TestEveryPage:
    """What holds for each page; the `site` fixture sees to silence and to no request outside."""

    def test_no_page_is_wider_than_the_screen(self, read: Reader) -> None:
        wide = [
            (at, width)
            for at, width, page in read.each(read.built.pages)
            if page.evaluate("document.documentElement.scrollWidth > innerWidth")
        ]
        assert wide == []

    def test_a_player_fills_the_place_kept_for_it(self, read: Reader) -> None:
        measured = 0
        for at, width, page in read.each(read.built.with_players, CHOOSE):
            for one in page.evaluate(HEIGHTS):
                measured += 1
                if one["grows"]:
                    continue
                where = f"{at} at {width}"
                assert len(one["heights"]) == 1, f"{where}: a step moves the page: {one}"
                (needed,) = one["heights"]
                assert needed <= one["kept"] <= needed + 80, f"{where}: {one}"
        assert measured >= len(WIDTHS) * len(read.built.with_players) > 0


class TestText:
    """Links of the text move the player and leave the reader where he is."""

    def test_a_link_moves_the_player_and_nothing_else(self, read: Reader) -> None:
        page = read.players(height=2400)
        for link in page.locator("a.pagewalk-step").all():
            step = int(link.get_attribute("data-step"))
            link.click()
            page.wait_for_function(f"{STEP} === {step}")
            page.locator("a.pagewalk-step[aria-current]").wait_for()
            assert page.locator("a.pagewalk-step[aria-current]").count() == 1
            assert link.get_attribute("aria-current") == "true"
            assert page.evaluate("scrollY") == 0
        assert page.url.endswith(UNDER)

    def test_a_player_off_the_screen_is_brought_and_the_text_found_again(
        self, read: Reader
    ) -> None:
        page = read.players(height=500)
        link = page.locator("a.pagewalk-step").last
        link.scroll_into_view_if_needed()
        top = "document.querySelector('figure.pagewalk-trace').getBoundingClientRect().bottom"
        assert page.evaluate(top) < 160
        link.click()
        back = page.get_by_role("button", name="back to the text")
        back.wait_for(state="attached")
        page.wait_for_function(f"{STEP} === {link.get_attribute('data-step')}")
        top = page.locator(PLAYER).evaluate("one => one.getBoundingClientRect().top")
        assert 0 <= top < 500
        back.click()
        assert page.evaluate("document.activeElement.className") == "pagewalk-step"
        rect = link.evaluate("one => one.getBoundingClientRect().top")
        assert 0 <= rect <= 500
        assert back.count() == 0

    def test_a_link_is_enough_to_load_the_player(self, read: Reader) -> None:
        page = read(CHAPTER, height=500)
        link = page.locator("a.pagewalk-step").last
        link.scroll_into_view_if_needed()
        link.click()
        name = link.get_attribute("data-player")
        step = link.get_attribute("data-step")
        page.wait_for_function(
            "([name, step]) => { const one = document.querySelector(`#${name} pagewalk-player`);"
            "return one.ready && String(one.app.model.step(one.app.frame)) === step; }",
            arg=[name, step],
        )

    def test_a_claim_opens_to_its_proof(self, read: Reader) -> None:
        page = read(CHAPTER)
        claim = page.locator("details.pagewalk-claim").first
        assert not claim.locator("section.pagewalk-proof").is_visible()
        claim.locator("summary").click()
        assert "def " in claim.locator("section.pagewalk-proof").inner_text()


class TestPlaces:
    """Other ways to come to a page and to look at it."""

    def test_going_there_and_back_loads_no_page_anew(self, read: Reader) -> None:
        page = read.players()
        page.evaluate("window.kept = true")
        page.get_by_role("link", name="How to read these pages").click()
        page.wait_for_url("**/how_to_read/")
        page.get_by_role("heading", name="How to read", level=1).wait_for()
        assert page.locator(PLAYER).count() == 0
        page.go_back()
        page.locator(PLAYER).wait_for()
        page.wait_for_function(READY)
        assert page.evaluate("window.kept") is True
        assert page.locator(PLAYER).count() == 1
        assert page.locator(f"{PLAYER} .player").count() == 1
        link = page.locator("a.pagewalk-step").first
        link.click()
        page.wait_for_function(f"{STEP} === {link.get_attribute('data-step')}")

    def test_it_plays_by_itself_unless_motion_is_unwanted(self, read: Reader) -> None:
        playing = f"{FIRST}.app.clock.playing"
        assert read.players().evaluate(playing) is False
        assert read.players(reduced_motion="no-preference").evaluate(playing) is True

    def test_without_scripts_there_is_the_text_the_code_and_a_table(self, read: Reader) -> None:
        page = read(CHAPTER, java_script_enabled=False)
        assert page.locator(f"{PLAYER} table").first.is_visible()
        assert page.locator(".pagewalk-source code").first.is_visible()
        assert page.locator(".pagewalk-claim summary").first.is_visible()
        missing = page.locator(f"{PLAYER} table tbody tr").count()
        assert missing > 0

    def test_with_scripts_the_table_gives_way(self, read: Reader) -> None:
        page = read.players(CHAPTER)
        assert not page.locator(f"{PLAYER} > table, {PLAYER} > * table").first.is_visible()

    def test_dark_and_light_are_those_of_the_system_and_of_the_switch(self, read: Reader) -> None:
        page = read.players(color_scheme="dark")
        player = f"{FIRST}.app.theme"
        paper = "getComputedStyle(document.body).backgroundColor"
        assert page.evaluate(player) == "dark"
        dark = page.evaluate(paper)
        page.locator("label[for=__palette_1]").click()
        page.wait_for_function(f"{player} === 'light'")
        assert page.evaluate(paper) != dark
        page.locator("label[for=__palette_2]").click()
        page.wait_for_function(f"{player} === 'dark'")
        assert page.evaluate(paper) == dark

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    @pytest.mark.parametrize("at", ["", CHAPTER, "claims/", "how_to_read/"])
    def test_axe_finds_nothing_in_what_is_ours(self, read: Reader, at: str, scheme: str) -> None:
        axe = pytest.importorskip("axe_playwright_python.sync_playwright")
        page = read.players(at, color_scheme=scheme)
        # The theme's own: a mark for each note, and the sign that links to a heading.
        context = {"include": [["article"]], "exclude": [[".md-annotation"], [".headerlink"]]}
        found = axe.Axe().run(page, context=context).response["violations"]
        told = [(one["id"], [node["target"] for node in one["nodes"]][:4]) for one in found]
        assert told == []
