"""The player inside a text: held to a range of steps, and of one height whatever it shows."""

from __future__ import annotations

from typing import Any

import pytest
from builder import busy_toy, write_trace
from player_page import Opener, encoded


@pytest.fixture
def page(site: Any) -> Opener:
    return Opener(site)


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    events = busy_toy(seed=5, steps=50, num_blocks=24, budget=24, max_running=6).lines()
    return encoded(write_trace(tmp_path_factory.mktemp("toy"), events))


class TestRange:
    """`from` and `to` hold the transport."""

    def test_every_way_to_move_stays_in_the_range(self, page: Opener, toy: bytes) -> None:
        stage = page(toy, attributes='src="/trace" from="10" to="20" keys="page"').ready()
        step = "model.step(player.app.frame)"
        assert stage.ask(step) == 10
        assert stage.press("ArrowLeft").ask(step) == 10
        assert stage.press("End").ask(step) == 20
        assert stage.press("ArrowRight").ask(step) == 20
        assert stage.press("Home").ask(step) == 10
        assert stage.go(45).ask(step) == 20
        stage.page.get_by_role("button", name="First step").click()
        assert stage.settled().ask(step) == 10
        slider = stage.page.get_by_role("slider", name="Step")
        ends = [int(slider.get_attribute(end) or -1) for end in ("min", "max")]
        assert [stage.ask("model.step(value)", end) for end in ends] == [10, 20]

    def test_only_events_of_the_range_are_counted_and_jumped_to(
        self, page: Opener, toy: bytes
    ) -> None:
        whole = page(toy).ready()
        marks = whole.ask("[...player.app.marks.preemption]")
        first, last = marks[0], marks[-1]
        assert last > first
        stage = page(toy, attributes=f'src="/trace" from="{first}" to="{last - 1}"').ready()
        held = stage.ask("[...player.app.marks.preemption]")
        assert held == [one for one in marks if first <= one < last]
        assert 0 < len(held) < len(marks)
        told = stage.player.locator("[data-kind=preemption] .many").inner_text()
        assert told == str(len(held))

    def test_it_plays_from_the_beginning_of_the_range_to_its_end(
        self, page: Opener, toy: bytes
    ) -> None:
        stage = page(toy, attributes='src="/trace" from="10" to="14" step="14"').ready()
        stage.ask("player.app.clock.speed = 64")
        stage.ask(
            """(() => { window.seen = []; player.addEventListener('step-change',
            (event) => seen.push(event.detail.step)); player.app.clock.toggle(); })()"""
        )
        stage.page.wait_for_function(
            "seen.length > 1 && !document.querySelector('pagewalk-player').app.clock.playing"
        )
        seen = stage.page.evaluate("seen")
        assert (min(seen), max(seen), seen[-1]) == (10, 14, 14)

    def test_a_step_that_the_trace_lacks_holds_nothing(self, page: Opener, toy: bytes) -> None:
        stage = page(toy, attributes='src="/trace" from="900" to="later"').ready()
        assert stage.ask("[player.app.first, player.app.last, model.frameCount - 1]") == [
            0,
            stage.ask("player.app.end"),
            stage.ask("player.app.end"),
        ]


class TestInAText:
    """`embedded`: the page around has the theme, and nothing below is moved."""

    @pytest.mark.parametrize("width", [390, 700, 1280])
    def test_no_step_changes_its_height(self, page: Opener, toy: bytes, width: int) -> None:
        attributes = 'src="/trace" embedded panes="grid queues step lanes"'
        stage = page(toy, attributes=attributes, viewport={"width": width, "height": 900}).ready()
        heights = set()
        for frame in stage.frames(5):
            stage.show(frame)
            heights.add(stage.ask("player.offsetHeight"))
        assert len(heights) == 1
        assert stage.ask("document.documentElement.scrollWidth - innerWidth") <= 0

    def test_the_theme_is_that_of_the_page(self, page: Opener, toy: bytes) -> None:
        stage = page(toy, attributes='src="/trace" embedded').ready()
        assert not stage.player.locator("button.theme").is_visible()
        stage.ask("document.body.setAttribute('data-md-color-scheme', 'slate')")
        assert stage.settled().ask("player.app.theme") == "dark"
