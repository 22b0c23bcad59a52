"""The report in a browser, from the disk: it plays, asks for nothing and runs nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from builder import busy_toy, write_trace
from player_page import PLAYER, Stage
from story import Core, crowded, write

from pagewalk.pages.report import report
from pagewalk.replay.timeline import Timeline
from pagewalk.trace.read import open_trace
from pagewalk.views.engines import pick_engine

HOSTILE = ("<img src=x onerror=window.ran=1>", "</script><script>window.ran=1</script>", "$policy")


def written(folder: Path) -> Path:
    """The report of a trace directory, beside it."""
    trace = open_trace(folder)
    path = folder / "report.html"
    path.write_text(report(trace, pick_engine(trace, None)), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(write(tmp_path_factory.mktemp("small"), crowded()))


def opened(site: Any, path: Path, **options: Any) -> Stage:
    """The report on show."""
    return Stage(site.open_file(path, **options)).ready()


def test_it_plays_from_the_disk_and_asks_for_nothing(site: Any, small: Path) -> None:
    stage = opened(site, small)
    stage.press("ArrowRight")
    assert stage.frame == 1
    assert [one.partition("#")[0] for one in site.requests] == [small.as_uri()]


def test_a_script_that_is_put_into_it_does_not_run(site: Any, small: Path) -> None:
    """The policy is in force: what was not there when it was written is refused."""
    stage = opened(site, small)
    assert site.errors == []
    stage.page.evaluate(
        """() => { const one = document.createElement('script');
        one.textContent = 'window.ran = 1'; document.body.append(one);
        const image = document.createElement('div');
        image.innerHTML = '<img src="data:," onerror="window.ran = 2">';
        document.body.append(image);
        const style = document.createElement('style');
        style.textContent = 'body { display: none }'; document.body.append(style); }"""
    )
    stage.settled()
    assert stage.page.evaluate("window.ran") is None
    assert stage.page.evaluate("getComputedStyle(document.body).display") == "block"
    assert site.errors, "the browser tells of each refusal"
    assert all("Content Security Policy" in one for one in site.errors)
    assert not site.outside
    site.errors.clear()


def test_a_script_that_is_written_into_the_file_does_not_run(site: Any, small: Path) -> None:
    tampered = small.with_name("tampered.html")
    text = small.read_text(encoding="utf-8")
    tampered.write_text(text.replace("<main>", "<main><script>window.ran = 1</script>"))
    stage = opened(site, tampered)
    assert stage.page.evaluate("window.ran") is None
    assert len(site.errors) == 1
    site.errors.clear()


def test_it_shows_the_states_that_replay_has(site: Any, tmp_path: Path) -> None:
    folder = write_trace(tmp_path / "toy", busy_toy(seed=5, steps=30, num_blocks=24).lines())
    stage = opened(site, written(folder))
    engine = pick_engine(open_trace(folder), None)
    timeline = Timeline(engine.segment, engine.number)
    for step in list(timeline.steps)[::4]:
        state = timeline.at(step, "scheduled").state
        stage.go(step)
        running = stage.ask("[...model.running()].map((r) => model.name(r))")
        assert running == state["running"]
        tables = {
            name: stage.ask(
                """(() => { player.show({ request: value });
                return [...model.table(player.app.request)[0].blocks]; })()""",
                name,
            )
            for name in running
        }
        assert tables == {name: next(iter(state["tables"].values()))[name] for name in running}
        assert stage.ask("[...model.freeQueue(0)]") == next(iter(state["free_queue"].values()))


def test_a_link_of_the_story_moves_the_player(site: Any, small: Path) -> None:
    stage = opened(site, small)
    stage.page.locator(".story a", has_text="step 2").first.click()
    stage.page.wait_for_function(f"document.querySelector('{PLAYER}').app.frame === 2")
    stage.settled()
    assert "B b is preempted so that A a can grow." in stage.sentence


def test_the_page_follows_the_theme_of_the_player(site: Any, small: Path) -> None:
    stage = opened(site, small)
    paper = "getComputedStyle(document.body).backgroundColor"
    light = stage.page.evaluate(paper)
    theme = stage.page.get_by_role("button", name="Theme")
    theme.click()
    theme.click()
    assert stage.page.evaluate(paper) != light


def test_it_reads_without_scripts(site: Any, small: Path) -> None:
    page = site.open_file(small, java_script_enabled=False)
    assert "b is preempted so that a can grow." in page.locator(".story").inner_text()
    assert page.locator("noscript").count() == 1


@pytest.mark.parametrize("width", [390, 1280])
def test_it_fits_the_screen_and_axe_finds_nothing(site: Any, small: Path, width: int) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    stage = opened(site, small, viewport={"width": width, "height": 844})
    assert stage.page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    found = axe.Axe().run(stage.page).response["violations"]
    told = [(one["id"], [node["target"] for node in one["nodes"]][:3]) for one in found]
    # Axe adds a style of its own, which the policy refuses.
    site.errors[:] = [one for one in site.errors if "Content Security Policy" not in one]
    assert told == []


def test_hostile_ids_are_text_in_the_page_too(site: Any, tmp_path: Path) -> None:
    core = Core()
    for name in HOSTILE:
        core.add(name, prompt=4)
    core.start()
    core.take(HOSTILE[0], [1])
    core.end({HOSTILE[0]: 4}, new={HOSTILE[0]: 0})
    stage = opened(site, written(write(tmp_path / "trace", core)))
    assert stage.page.evaluate("window.ran") is None
    assert stage.page.locator("main img").count() == 0
    assert HOSTILE[0] in stage.page.locator(".story").inner_text()
