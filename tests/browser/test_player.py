"""The player in a real browser: it shows the model's state, and every way to move it works."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest
from builder import busy_toy, write_trace
from player_page import PLAYER, Opener, encoded
from story import Core, crowded, full_story, write

HOSTILE = (
    "<img src=x onerror=window.ran=1>",
    "</script><script>window.ran=1</script>",
    '"><b onmouseover="window.ran=1">\'`${window.ran=1}',
    "\u202egnp.exe\u202d\u2066 \u200f\u0000\x1b[31m",
    "x" * 10_000,
    "@1",
    "a&step=3#%20%",
    "\U0001f469\u200d\U0001f680" * 60,
)


@pytest.fixture
def page(site: Any) -> Opener:
    return Opener(site)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Three requests in five blocks: one is preempted, resumed and hits the prefix cache."""
    return encoded(write(tmp_path_factory.mktemp("small"), crowded()))


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Some forty requests over some hundred steps, with preemptions, hits and aborts."""
    events = busy_toy(seed=5, steps=50, num_blocks=24, budget=24, max_running=6).lines()
    return encoded(write_trace(tmp_path_factory.mktemp("toy"), events))


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Ids that try to run, to hide, to turn the line around and to fill the screen."""
    core = Core(num_blocks=40)
    for name in HOSTILE:
        core.add(name, prompt=4)
    core.start()
    for at, name in enumerate(HOSTILE[:4]):
        core.take(name, [at + 1])
    core.end(dict.fromkeys(HOSTILE[:4], 4), new=dict.fromkeys(HOSTILE[:4], 0))
    core.start()
    core.refuse(HOSTILE[0], 1, 0)
    core.preempt(HOSTILE[1], 4, 4, [2])
    core.end({HOSTILE[0]: 1})
    return encoded(write(tmp_path_factory.mktemp("hostile"), core))


CELLS = """[...root.querySelectorAll('.cells .cell')].map((one) => [
  one.dataset.state, one.querySelector('.label').textContent])"""
TRUE_CELLS = """(() => {
  const letter = (r) => String.fromCharCode(65 + r);
  return Array.from({ length: model.blockCount }, (_, b) => {
    if (b === model.header.pools[0].null_block) return ['null', '∅'];
    if (model.owner[b] >= 0) {
      const all = [...new Set(model.owners(b).map((one) => letter(one.request)))];
      return ['used', all.join('') + model.slot[b]];
    }
    return [model.cached[b] ? 'cached' : 'free', ''];
  });
})()"""


class TestWhatIsShown:
    """The picture is the model's state, at every step."""

    def test_every_block_shows_its_owner_and_its_place(self, page: Opener, small: bytes) -> None:
        stage = page(small).ready()
        for frame in stage.frames():
            stage.show(frame)
            assert stage.ask(CELLS) == stage.ask(TRUE_CELLS), f"frame {frame}"
        assert {"used", "cached", "free", "null"} >= {state for state, _ in stage.ask(CELLS)}

    def test_the_sentence_is_made_from_what_happened(self, page: Opener, small: bytes) -> None:
        stage = page(small).ready().go(2)
        assert "B b is preempted so that A a can grow." in stage.sentence
        assert "8 computed tokens" in stage.sentence
        stage.go(5)
        assert "B b is resumed: 4 of its 9 tokens were in the prefix cache" in stage.sentence

    def test_the_lanes_of_the_queues_are_the_engine_s(self, page: Opener, toy: bytes) -> None:
        stage = page(toy).ready()
        shown = """[...root.querySelectorAll('.queue-' + value + ' .who')]
          .map((one) => Number(one.dataset.request))"""
        seen = set()
        for frame in stage.frames(7):
            stage.show(frame)
            waiting = stage.ask("[...model.queue('waiting')]")
            lost = [r for r in waiting if stage.ask("model.status(value).preempted", r)]
            assert stage.ask(shown, "running") == stage.ask("[...model.running()]")
            assert stage.ask(shown, "preempted") == lost
            assert stage.ask(shown, "waiting") == [r for r in waiting if r not in lost]
            seen |= {"lost"} if lost else set()
            seen |= {"waiting"} if len(waiting) > len(lost) else set()
        assert seen == {"lost", "waiting"}

    def test_the_block_table_of_a_chosen_request_is_shown_slot_by_slot(
        self, page: Opener, small: bytes
    ) -> None:
        stage = page(small, attributes='src="/trace" select="a" step="3"').ready()
        slots = stage.player.locator(".slot")
        blocks = stage.ask("[...model.table(0)[0].blocks]")
        assert len(blocks) == 3
        assert slots.evaluate_all("all => all.map((one) => Number(one.dataset.block))") == blocks
        assert stage.player.locator(".lines path").count() == len(blocks)

    def test_a_chosen_block_tells_its_life(self, page: Opener, small: bytes) -> None:
        stage = page(small).ready().go(2)
        stage.player.locator(".cells .cell").nth(4).click()
        stage.settled()
        rows = stage.player.locator(".life li").count()
        assert rows == stage.ask("model.blockLife(4).length") > 3
        assert stage.player.locator(".life li.now").count() >= 1

    def test_the_text_table_tells_the_same(self, page: Opener, small: bytes) -> None:
        stage = page(small).ready().go(3)
        stage.player.locator(".as-table summary").click()
        stage.settled()
        rows = stage.player.locator(".as-table tbody tr")
        texts = [" ".join(one.split()) for one in rows.all_inner_texts()]
        assert texts[0] == "A a running 1 10 10 0→1 1→2 2→4"
        assert len(texts) == stage.ask("model.running().length + model.queue('waiting').length")

    def test_facts_lead_to_source_lines_and_fetch_nothing(self, page: Opener, small: bytes) -> None:
        stage = page(small).ready().go(2)
        stage.player.locator(".all summary").click()
        stage.settled()
        links = stage.player.locator("a.source").evaluate_all(
            "all => all.map((one) => [one.href, one.rel])"
        )
        assert any("/v0.32.0/vllm/v1/core/sched/scheduler.py" in href for href, _ in links)
        assert all(href.startswith("https://") and "noopener" in rel for href, rel in links)

    def test_a_request_is_followed_from_process_to_process(
        self, page: Opener, tmp_path: Path
    ) -> None:
        data = encoded(write(tmp_path / "trace", *full_story()))
        stage = page(data, attributes='src="/trace" select="chat-aaaa"').ready()
        hops = stage.player.locator(".hops li")
        assert hops.count() == stage.ask("model.moments(0).length") > 4
        assert stage.player.locator(".hops .hop").count() >= 2


class TestMoves:
    """Buttons, slider, keys, links and the page around."""

    def test_buttons_and_slider_move_and_say_where(self, page: Opener, small: bytes) -> None:
        stage = page(small).ready()
        slider = stage.page.get_by_role("slider", name="Step")
        stage.page.get_by_role("button", name="Next step").click()
        assert stage.settled().frame == 1
        assert slider.get_attribute("aria-valuetext").startswith("step 1. ")
        slider.fill("4")
        assert stage.settled().frame == 4
        assert "step 4" in slider.get_attribute("aria-valuetext")
        stage.page.get_by_role("button", name="Last step").click()
        assert stage.settled().frame == stage.ask("model.frameCount") - 1
        stage.page.get_by_role("button", name="First step").click()
        assert stage.settled().frame == 0

    def test_every_key_does_what_the_help_says(self, page: Opener, toy: bytes) -> None:
        stage = page(toy).ready()
        assert stage.press("ArrowRight").frame == 1
        assert stage.press("Shift+ArrowRight").frame == 11
        assert stage.press("ArrowLeft").frame == 10
        assert stage.press("End").frame == stage.ask("model.frameCount") - 1
        assert stage.press("Home").frame == 0
        assert stage.press("]").frame == stage.ask("model.marks.preemption[0]")
        stage.press("]")
        assert stage.press("[").frame == stage.ask("model.marks.preemption[0]")
        stage.press("b")
        free = stage.ask("[...model.freeQueue(0)]")
        places = stage.player.locator(".cells .place").evaluate_all(
            "all => all.map((one) => Number(one.textContent))"
        )
        assert free == sorted((b for b, at in enumerate(places) if at), key=places.__getitem__)
        stage.press("?")
        assert stage.page.get_by_role("dialog").is_visible()
        stage.press("Escape")
        assert not stage.player.locator("dialog").is_visible()
        stage.press("/")
        assert stage.ask("root.activeElement.type") == "search"

    def test_space_plays_and_a_step_of_one_s_own_ends_the_play(
        self, page: Opener, small: bytes
    ) -> None:
        stage = page(small).ready()
        stage.ask(
            """(() => { window.moved = 0;
            player.addEventListener('step-change', () => { window.moved += 1; }); })()"""
        )
        stage.ask("player.app.clock.speed = 64")
        stage.page.keyboard.press(" ")
        stage.page.wait_for_function("moved > 0")
        stage.page.wait_for_function(
            "document.querySelector('pagewalk-player').app.clock.playing === false"
        )
        assert stage.settled().frame == stage.ask("model.frameCount") - 1
        stage.ask("player.app.clock.speed = 0.01")
        stage.press(" ")
        assert stage.ask("player.app.clock.playing") is True
        stage.press("ArrowRight")
        assert stage.ask("player.app.clock.playing") is False

    def test_arrow_keys_walk_over_the_blocks_and_do_not_step(
        self, page: Opener, small: bytes
    ) -> None:
        stage = page(small).ready()
        stage.player.locator(".cells .cell").first.focus()
        stage.press("ArrowRight")
        assert stage.ask("root.activeElement.dataset.block") == "1"
        stage.press("Enter")
        assert (stage.frame, stage.ask("player.app.block")) == (0, 1)

    def test_a_request_is_found_by_a_part_of_its_id(self, page: Opener, toy: bytes) -> None:
        stage = page(toy).ready()
        name = stage.ask("model.name(7)")
        stage.page.get_by_role("searchbox").fill(name)
        stage.press("Enter")
        assert stage.ask("player.app.request") == 7

    def test_the_address_brings_back_step_and_choice(self, page: Opener, small: bytes) -> None:
        stage = page(small).ready().go(3)
        stage.ask("player.show({ request: 'b', block: 3 })")
        stage.page.wait_for_function("location.hash.includes('block')")
        assert stage.ask("location.hash") == "#step=3&request=b&block=3"
        again = page(small, fragment="#step=3&request=b&block=3").ready()
        assert (again.frame, again.ask("[player.app.request, player.app.block]")) == (3, [1, 3])
        again.page.evaluate("location.hash = '#step=5&request=a'")
        again.page.wait_for_function("document.querySelector('pagewalk-player').app.frame === 5")

    def test_an_anchor_of_the_page_is_left_alone(self, page: Opener, small: bytes) -> None:
        stage = page(small, fragment="#chapter-2").ready().go(3)
        quiet = page(small, attributes='src="/trace" embedded', fragment="#step=2").ready()
        stage.ask("player.writeHash()")
        assert stage.ask("location.hash") == "#chapter-2"
        assert quiet.go(3).frame == 3
        assert not quiet.ask("player.hashTimer")
        assert quiet.ask("location.hash") == "#step=2"

    def test_attributes_and_show_move_it_and_tell_the_page(
        self, page: Opener, small: bytes
    ) -> None:
        stage = page(small, attributes='src="/trace" step="2" panes="grid step"').ready()
        assert stage.frame == 2
        hidden = stage.page.locator(f"{PLAYER} .queues, {PLAYER} .lanes, {PLAYER} .table")
        assert not any(one.is_visible() for one in hidden.all())
        told = stage.ask(
            """(() => { let heard;
            player.addEventListener('step-change', (event) => { heard = event.detail; });
            player.setAttribute('step', '4'); return heard; })()"""
        )
        assert told == {"frame": 4, "step": 4, "request": None, "block": -1}
        assert stage.settled().frame == 4


class TestPlaces:
    """Dark, narrow, calm, empty, damaged, gone and back."""

    def test_dark_follows_the_system_the_page_and_the_attribute(
        self, page: Opener, small: bytes
    ) -> None:
        stage = page(small, color_scheme="dark").ready()
        theme = "root.querySelector('.player').dataset.theme"
        assert stage.ask(theme) == "dark"
        stage.ask("document.body.setAttribute('data-md-color-scheme', 'default')")
        assert stage.settled().ask(theme) == "light"
        stage.ask("player.setAttribute('theme', 'dark')")
        assert stage.ask(theme) == "dark"

    @pytest.mark.parametrize("width", [390, 700, 1000, 1600])
    def test_nothing_is_wider_than_the_screen(self, page: Opener, toy: bytes, width: int) -> None:
        stage = page(toy, viewport={"width": width, "height": 844}).ready()
        stage.ask("player.show({ step: 20, request: 0, block: 3 })")
        stage.settled()
        assert stage.ask("document.documentElement.scrollWidth - innerWidth") <= 0
        inner = stage.ask("root.querySelector('.player').scrollWidth")
        assert inner <= stage.ask("player.clientWidth")

    def test_a_step_does_not_move_the_page_below(self, page: Opener, toy: bytes) -> None:
        stage = page(toy).ready()
        heights = set()
        for frame in stage.frames(5):
            stage.show(frame)
            heights.add(stage.ask("root.querySelector('.columns').offsetHeight"))
        assert len(heights) == 1

    def test_reduced_motion_stops_what_moves_by_itself(self, page: Opener, small: bytes) -> None:
        stage = page(small, attributes='src="/trace" play').ready()
        assert stage.ask("player.app.clock.playing") is False
        lively = page(small, attributes='src="/trace" play', reduced_motion="no-preference").ready()
        assert lively.ask("player.app.clock.playing") is True
        duration = "getComputedStyle(root.querySelector('.cells .cell')).transitionDuration"
        assert stage.ask(duration) == "0s"

    def test_hostile_ids_are_text_and_nothing_else(self, page: Opener, hostile: bytes) -> None:
        stage = page(hostile).ready().go(2)
        for request in range(len(HOSTILE)):
            stage.ask("player.show({ request: value })", request)
            stage.settled()
            assert (
                stage.ask("[...root.querySelectorAll('img, script, b[onmouseover]')].length") == 0
            )
        assert stage.ask("window.ran") is None
        assert stage.ask("document.documentElement.scrollWidth - innerWidth") <= 0
        longest = stage.ask(
            "Math.max(...[...root.querySelectorAll('bdi')].map((b) => [...b.textContent].length))"
        )
        assert longest <= 60
        text = stage.ask("[...root.querySelectorAll('bdi')].map((one) => one.textContent).join('')")
        assert not set(text) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200f")

    def test_hostile_ids_survive_the_address(self, page: Opener, hostile: bytes) -> None:
        for request in range(len(HOSTILE)):
            stage = page(hostile).ready()
            stage.ask("player.show({ step: 1, request: value })", request)
            stage.page.wait_for_function("location.hash.includes('request')")
            found = stage.ask("location.hash")
            assert len(found) < 1000
            again = page(hostile, fragment=found).ready()
            assert again.ask("player.app.request") == request

    def test_an_empty_trace_is_shown_as_one(self, page: Opener, tmp_path: Path) -> None:
        stage = page(encoded(write(tmp_path / "trace", Core()))).ready()
        assert stage.player.locator(".cells .cell").count() == 12
        assert stage.page.get_by_role("button", name="Play").is_visible()
        stage.press("ArrowRight")
        stage.press(" ")

    @pytest.mark.parametrize("data", [b"", b"no payload", gzip.compress(b"PGWK....")])
    def test_what_cannot_be_read_is_told_in_a_sentence(self, page: Opener, data: bytes) -> None:
        stage = page(data)
        message = stage.player.locator(".message.hurts")
        message.wait_for()
        assert message.inner_text().startswith("This trace cannot be shown: ")
        assert message.inner_text().endswith(".")
        # The model may note for developers what it stumbled over.
        page.site.errors.clear()

    def test_a_missing_file_is_told_in_a_sentence(self, page: Opener) -> None:
        stage = page(None)
        message = stage.player.locator(".message.hurts")
        message.wait_for()
        assert "address cannot be reached" in message.inner_text()
        assert len(page.site.errors) == 1
        page.site.errors.clear()

    def test_it_can_be_taken_away_and_put_back(self, page: Opener, small: bytes) -> None:
        stage = page(small).ready().go(3)
        stage.page.evaluate(
            """() => { window.kept = document.querySelector('pagewalk-player');
            kept.app.clock.start(); kept.remove(); }"""
        )
        assert stage.page.evaluate("kept.app.clock.playing") is False
        assert stage.page.evaluate("kept.model") is None
        stage.press("ArrowRight")
        stage.page.evaluate("document.querySelector('main').append(kept)")
        stage.ready()
        assert stage.ask("[...root.querySelectorAll('.player')].length") == 1
        before = stage.frame
        assert stage.press("ArrowRight").frame == before + 1

    def test_it_can_be_taken_away_while_it_reads(self, page: Opener, small: bytes) -> None:
        stage = page(small).ready()
        stage.page.evaluate(
            """() => { const one = document.querySelector('pagewalk-player');
            for (let at = 0; at < 5; at += 1) { one.remove(); document.body.append(one); } }"""
        )
        stage.ready()
        assert stage.ask(CELLS) == stage.ask(TRUE_CELLS)


class TestBig:
    """More than can be shown one by one."""

    @pytest.fixture(scope="class")
    def big(self, tmp_path_factory: pytest.TempPathFactory) -> bytes:
        core = Core(num_blocks=3000)
        names = [f"r{at}" for at in range(400)]
        for name in names:
            core.add(name, prompt=8)
        core.start()
        for at, name in enumerate(names[:300]):
            core.take(name, [2 * at + 1, 2 * at + 2])
        core.end(dict.fromkeys(names[:300], 8), new=dict.fromkeys(names[:300], 0))
        return encoded(write(tmp_path_factory.mktemp("big"), core))

    def test_blocks_become_pixels_in_the_hue_of_their_owner(self, page: Opener, big: bytes) -> None:
        stage = page(big).ready().go(1)
        assert stage.player.locator(".cells .cell").count() == 0
        pixel = """(async () => { const { rgb } = await import('/player/hues.js');
          const grid = player.view.panes.grid.grid; const middle = Math.floor(grid.side / 2);
          const at = (b) => [...grid.pen.getImageData((b % grid.columns) * grid.side + middle,
            Math.floor(b / grid.columns) * grid.side + middle, 1, 1).data.slice(0, 3)];
          return [[1, 4, 21].map((b) => [at(b), rgb(model.owner[b], 'light')]), at(2999)]; })()"""
        pairs, free = stage.ask(pixel)
        for shown, true in pairs:
            assert shown == true
        assert free == [255, 255, 255]

    def test_a_block_among_pixels_is_told_and_chosen_by_keys(
        self, page: Opener, big: bytes
    ) -> None:
        stage = page(big).ready().go(1)
        stage.player.locator(".pixel-grid").focus()
        stage.press("ArrowRight")
        assert stage.ask("player.app.block") == 1
        assert "number 0 of A r0" in stage.player.locator(".card").inner_text()

    def test_no_row_is_made_for_each_of_many_requests(self, page: Opener, big: bytes) -> None:
        stage = page(big).ready().go(1)
        assert stage.player.locator(".lane-label").count() == 0
        assert stage.player.locator(".queues li").count() < 80
        assert stage.player.locator(".queue-running .many").inner_text() == "300"
        assert stage.player.locator(".queue-waiting .many").inner_text() == "100"


class TestForAll:
    """Nobody is left out."""

    @pytest.mark.parametrize("theme", ["light", "dark"])
    def test_axe_finds_nothing(self, page: Opener, toy: bytes, theme: str) -> None:
        axe = pytest.importorskip("axe_playwright_python.sync_playwright")
        stage = page(toy, attributes=f'src="/trace" theme="{theme}"').ready().go(20)
        stage.ask("player.show({ request: 0, block: 3 })")
        stage.ask("root.querySelectorAll('details').forEach((one) => { one.open = true; })")
        stage.settled()
        found = axe.Axe().run(stage.page, context=PLAYER).response["violations"]
        told = [(one["id"], [node["target"] for node in one["nodes"]][:3]) for one in found]
        assert told == []

    def test_every_control_is_large_enough_and_has_a_name(self, page: Opener, toy: bytes) -> None:
        stage = page(toy).ready().go(20)
        small = stage.ask(
            """[...root.querySelectorAll(`.transport button, .top button, .queues button,
            select, input, summary, .order`)]
            .filter((one) => one.checkVisibility()).filter((one) => {
              const box = one.getBoundingClientRect(); return box.height < 32 || box.width < 32; })
            .map((one) => one.outerHTML.slice(0, 120))"""
        )
        assert small == []

    def test_the_same_request_has_the_same_hue_everywhere(self, page: Opener, small: bytes) -> None:
        stage = page(small, attributes='src="/trace" select="b" step="1"').ready()
        hues = stage.ask(
            """[...root.querySelectorAll(`.who[data-request="1"] .chip,
            .who[data-request="1"] .bar, .slots`)]
            .map((one) => one.style.getPropertyValue('--hue'))"""
        )
        assert len(hues) > 3
        assert len(set(hues)) == 1
