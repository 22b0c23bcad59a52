"""The pane of the workers: every row, slot, change and mark is what the trace says."""

from __future__ import annotations

import json
import random
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from builder import busy_toy, write_trace
from conftest import Site
from player_page import PLAYER, Opener, Stage, encoded
from toy_workers import swapped, with_workers

from pagewalk.pages.report import report
from pagewalk.replay.batches import Batch
from pagewalk.trace.events import BatchPrepared
from pagewalk.trace.read import Trace, open_trace
from pagewalk.views.engines import Engine, engines, pick_engine
from pagewalk.views.executed import Held, executed, held
from pagewalk.views.payload import payload
from pagewalk.views.steps import steps

TRACES = Path(__file__).parents[2] / "walkthroughs" / "traces"
TWO_RANKS = TRACES / "workers" / "executor"
STYLE = Path(__file__).parents[2] / "site" / "theme" / "site.css"
LOAD = """async (url) => {
  const { load } = await import('/player/model.js');
  window.model = await load(await (await fetch(url)).arrayBuffer());
}"""
# As text: what carries values out of the page drops the key "__proto__".
AT = """(steps) => JSON.stringify(steps.map((step) => {
  const m = model.seek(model.frameOfStep(step));
  const name = (request) => m.name(request) ?? null;
  return m.batches().map((one) => ({
    rank: one.rank, verdict: one.verdict, said: one.said, about: name(one.about),
    since: one.since < 0 ? null : m.step(one.since), worked: one.worked,
    rows: one.rows.map((row) => [row.row, name(row.request), row.computed, row.tokens, row.slots,
      row.change, row.from, row.state < 0 ? null : row.state]),
    gone: one.gone.map((row) => [row.row, name(row.request)]),
  }));
}))"""


def fault_step() -> int:
    """The last step in which rank 1 of the recorded trace has two rows of one token each."""
    trace = open_trace(TWO_RANKS)
    ran = (one.batch for one in held(trace, pick_engine(trace, None)))
    return max(
        one.step
        for one in ran
        if one.rank == 1 and len(one.rows) == 2 and all(row.tokens == 1 for row in one.rows)
    )


def recorded() -> list[Path]:
    """The traces of the site that hold batches."""
    found = []
    for header in sorted(TRACES.rglob("header.json")):
        files = header.parent.glob("*.jsonl")
        if any(b'"e":"BatchPrepared"' in one.read_bytes() for one in files):
            found.append(header.parent)
    return found


class Wanted:
    """What a trace says of its workers, worked out from its events alone."""

    def __init__(self, trace: Trace, engine: Engine) -> None:
        self.steps = {one.step: one for one in steps(engine)}
        self.of: dict[int, list[dict[str, Any]]] = {one: [] for one in self.steps}
        known = set(engine.segment.names.values())
        before: dict[tuple[int, str], Batch] = {}
        every = sorted(held(trace, engine), key=lambda one: one.batch.step)
        for one in sorted(every, key=lambda one: (one.batch.rank, one.segment.name)):
            place = (one.batch.rank, one.segment.name)
            if one.batch.step not in self.steps:
                continue
            self.of[one.batch.step].append(self._told(one, before.get(place), known))
            before[place] = one.batch

    def _told(self, one: Held, before: Batch | None, known: set[str]) -> dict[str, Any]:
        batch = one.batch
        was = {row.request: row.row for row in before.rows} if before else {}
        here = {row.request for row in batch.rows}
        step, said = self.steps[batch.step], {"running": "back"}
        shares = () if step.unknown else step.scheduled
        admitted = {one.request: said.get(one.admission, one.admission) for one in shares}
        rows = []
        for row in batch.rows:
            from_, change = was.get(row.request, -1), ""
            if row.request not in was:
                change = admitted.get(row.request, "entered")
            elif from_ != row.row:
                change = "moved"
            slots = [spread(batch, row, group) for group in range(len(row.tables))]
            name = row.request if row.request in known else None
            change, from_ = ("", -1) if name is None else (change, from_)
            rows.append([row.row, name, row.computed, row.tokens, slots, change, from_, row.state])
        request, said = one.found or (None, "")
        return {
            "rank": batch.rank,
            "verdict": 2 if one.found else 1 if one.complete else 3,
            "said": said,
            "about": request if request in known else None,
            "since": before.step if before else None,
            "worked": any(one is None for row in batch.rows for one in row.slots),
            "rows": rows,
            "gone": [[at, name] for name, at in was.items() if name not in here and name in known],
        }


def spread(batch: Batch, row: Any, group: int) -> list[int] | None:
    """Every slot of a row: recorded, or by the worker's own table."""
    if row.slots[group] is not None:
        return list(row.slots[group])
    table, size = row.tables[group], batch.block_sizes[group]
    places = range(row.computed, row.computed + row.tokens)
    if table is None or any(at // size >= len(table) for at in places):
        return None
    return [table[at // size] * size + at % size for at in places]


def unrolled(told: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The player's runs of slots as the single slots."""
    for one in told:
        for row in one["rows"]:
            row[4] = [
                runs and [slot for first, many in runs for slot in range(first, first + many)]
                for runs in row[4]
            ]
    return told


def compare(site: Site, trace: Trace, engine: Engine, most: int = 400) -> list[dict[str, Any]]:
    """Hold the player against the trace, steps out of order; all that the trace says."""
    page = site.open()
    data = payload(trace, engine)
    page.evaluate(LOAD, site.put("/data", data, "application/octet-stream"))
    wanted = Wanted(trace, engine)
    order = list(wanted.of)
    random.Random(3).shuffle(order)
    order = order[:most]
    for step, told in zip(order, json.loads(page.evaluate(AT, order)), strict=True):
        assert unrolled(told) == wanted.of[step], f"step {step}"
    marks = page.evaluate("[...model.workers.differing].map((frame) => model.step(frame))")
    assert marks == [at for at, all_ in wanted.of.items() if any(x["verdict"] == 2 for x in all_)]
    return [one for of in wanted.of.values() for one in of]


class TestState:
    """The model's batches are those of the trace."""

    @pytest.mark.parametrize("path", recorded(), ids=lambda one: str(one.relative_to(TRACES)))
    def test_every_recorded_trace(self, path: Path, site: Site) -> None:
        """All steps of all engines whose workers told their batches."""
        trace = open_trace(path)
        ran = [one for engine in engines(trace) if (one := _ran(trace, engine))]
        if not ran:
            # Several engines in one process: a batch does not say whose it is, and nobody guesses.
            page, one = site.open(), engines(trace)[0]
            assert len({engine.segment.pid for engine in engines(trace)}) < len(engines(trace))
            page.evaluate(LOAD, site.put("/data", payload(trace, one), "application/octet-stream"))
            assert page.evaluate("model.workers === null && model.batches().length === 0")
        for engine in ran:
            told = compare(site, trace, engine)
            assert told
            assert {one["verdict"] for one in told} == {1}, "the workers ran what was meant"
            assert all(slots for one in told for row in one["rows"] for slots in row[4])

    def test_two_ranks_have_a_lane_each(self, site: Site) -> None:
        trace = open_trace(TWO_RANKS)
        told = compare(site, trace, pick_engine(trace, None))
        assert {one["rank"] for one in told} == {0, 1}

    def test_a_planted_fault_is_where_it_was_planted(self, site: Site, tmp_path: Path) -> None:
        """In one step of one rank, with the sentence of `pagewalk check`."""
        trace = open_trace(faulty(tmp_path))
        engine = pick_engine(trace, None)
        told = compare(site, trace, engine)
        (wrong,) = (one for one in told if one["verdict"] != 1)
        verdicts = {one.rank: one.first for one in executed(trace, engine)}
        assert verdicts[0] is None
        assert wrong["rank"] == 1
        assert verdicts[1] is not None
        assert verdicts[1].message == f"step {FAULT}, rank 1: {wrong['said']}"
        assert wrong["about"] == verdicts[1].request

    @pytest.mark.parametrize("windows", [(0,), (0, 6)])
    @pytest.mark.parametrize("seed", range(4))
    def test_long_histories_with_troubles(
        self, seed: int, windows: tuple[int, ...], site: Site, tmp_path: Path
    ) -> None:
        """Rows that move, batches that are wrong, lost, silent, or that only the device knows."""
        toy = busy_toy(seed, steps=70, windows=windows, num_blocks=24, budget=24, max_running=6)
        trace = open_trace(with_workers(tmp_path / "trace", toy, seed=seed))
        told = compare(site, trace, pick_engine(trace, None))
        assert len(told) > 100
        assert {one["verdict"] for one in told} >= {1, 2}
        assert {row[5] for one in told for row in one["rows"]} >= {"", "new", "moved", "back"}
        assert any(one["gone"] for one in told)
        assert any(slots is None for one in told for row in one["rows"] for slots in row[4])

    def test_rows_of_states(self, site: Site, tmp_path: Path) -> None:
        """Runner V2: a request keeps its state, whatever row of the batch it has; its slots are
        worked out from what the host wrote to the block table of that state."""
        toy = busy_toy(3, steps=60, num_blocks=24, budget=24, max_running=6)
        trace = open_trace(with_workers(tmp_path / "trace", toy, runner="V2", troubles=()))
        told = compare(site, trace, pick_engine(trace, None))
        assert {one["verdict"] for one in told} == {1}
        assert all(one["worked"] for one in told)
        states = {(row[1], row[7]) for one in told for row in one["rows"] if one["rank"] == 0}
        assert len({state for _, state in states}) > 3
        assert any(row[0] != row[7] for one in told for row in one["rows"])

    def test_a_scheduler_with_losses(self, site: Site, tmp_path: Path) -> None:
        """Where the scheduler's tables are not known, the worker's rows and slots still are."""
        toy = busy_toy(2, steps=40, num_blocks=24)
        path = with_workers(tmp_path / "trace", toy, troubles=())
        file = path / "4711-0.jsonl"
        lines = file.read_bytes().splitlines(keepends=True)
        at = [n for n, line in enumerate(lines) if b'"e":"StepScheduled"' in line][12]
        file.write_bytes(b"".join([*lines[: at + 1], *lines[at + 3 :]]))
        trace = open_trace(path)
        told = compare(site, trace, pick_engine(trace, None))
        assert {one["verdict"] for one in told} == {1, 3}
        assert all(slots for one in told for row in one["rows"] for slots in row[4])


def _ran(trace: Trace, engine: Engine) -> Engine | None:
    return engine if next(iter(held(trace, engine)), None) else None


def faulty(folder: Path) -> Path:
    """The recorded trace of two ranks, with a fault in one step of rank 1."""
    path = folder / "faulty"
    shutil.copytree(TWO_RANKS, path)
    swapped(path, step=FAULT, rank=1)
    return path


@pytest.fixture
def page(site: Site) -> Opener:
    return Opener(site)


@pytest.fixture(scope="module")
def two() -> bytes:
    return encoded(TWO_RANKS)


@pytest.fixture(scope="module")
def wrong(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return encoded(faulty(tmp_path_factory.mktemp("wrong")))


FAULT = fault_step()
ALL = 'src="/trace" keys="page" panes="grid queues step workers lanes table"'
ROWS = """[...root.querySelectorAll('.rank')].map((rank) => [
  rank.querySelector('.mark').hidden ? '' : rank.querySelector('.mark').textContent,
  [...rank.querySelectorAll('.batch li')].map((row) => [
    Number(row.querySelector('.who').dataset.request), row.querySelector('.row-number').textContent,
    row.querySelector('.row-tokens').textContent, row.dataset.change])])"""
TRUE_ROWS = """(() => {
  const marks = ['– not recorded', '✓ as scheduled', '≠ differs', '– not fully compared'];
  const of = new Map(model.batches().map((one) => [one.lane, one]));
  return model.workers.lanes.map((_, lane) => {
    const one = of.get(lane);
    if (!one) return [player.app.shares.length ? marks[0] : '', []];
    return [marks[one.verdict], one.rows.map((row) => [row.request,
      (row.request === one.about ? '≠ ' : '') + 'row ' + row.row, row.tokens === 1
        ? 'token ' + row.computed
        : `tokens ${row.computed}–${row.computed + row.tokens - 1} (${row.tokens})`, row.change])];
  });
})()"""


class TestPane:
    """What is to be seen is what the model says."""

    @pytest.mark.parametrize("which", ["workers/batch", "workers/executor"])
    def test_rows_and_marks_of_every_step(self, which: str, page: Opener) -> None:
        stage = page(encoded(TRACES / which), attributes=ALL).ready()
        seen = set()
        for frame in stage.frames():
            stage.show(frame)
            shown = stage.ask(ROWS)
            assert shown == stage.ask(TRUE_ROWS), f"frame {frame}"
            seen |= {row[3] for _, rows in shown for row in rows}
        assert seen >= ({"", "new", "moved"} if which == "workers/batch" else {"", "new"})

    def test_a_slot_is_block_times_size_plus_offset(self, page: Opener, two: bytes) -> None:
        stage = page(two, attributes=ALL).ready().go(FAULT)
        shown = stage.player.locator(".rank").first.locator(".row-slots").all_inner_texts()
        assert len(shown) == 2
        for text in shown:
            slot, block, size, offset = map(int, re.findall(r"\d+", text))
            assert slot == block * size + offset
            assert size == stage.ask("model.header.tables[0].block_size")

    def test_a_fault_is_told_marked_and_jumped_to(self, page: Opener, wrong: bytes) -> None:
        """By the key, in the sentence of the step, in the lane, and with a sign beside the row."""
        stage = page(wrong, attributes=ALL).ready()
        assert (
            "1 is not what the scheduler meant"
            in stage.player.locator(".workers-told").inner_text()
        )
        stage.press("d")
        assert stage.ask("model.step(player.app.frame)") == FAULT
        assert stage.sentence.startswith("Worker rank 1 did not run what the scheduler meant.")
        lanes = stage.player.locator(".rank")
        assert lanes.nth(0).locator(".mark").inner_text() == "✓ as scheduled"
        assert lanes.nth(1).locator(".mark").inner_text() == "≠ differs"
        assert "the worker writes to" in lanes.nth(1).locator(".said").inner_text()
        assert lanes.nth(1).locator(".row-number").first.inner_text() == "≠ row 0"
        assert lanes.nth(0).locator(".said").inner_text() == ""
        stage.press("End").press("Shift+D")
        assert stage.ask("model.step(player.app.frame)") == FAULT
        stage.press("Home")
        stage.page.get_by_role("button", name="Next step that differs").click()
        assert stage.settled().ask("model.step(player.app.frame)") == FAULT
        assert stage.page.get_by_role("button", name="Next step that differs").is_disabled()

    def test_the_strip_is_tall_where_a_rank_differs(self, page: Opener, wrong: bytes) -> None:
        """Its pixels are read: the second line alone, in one frame alone."""
        stage = page(wrong, attributes=ALL).ready()
        tall = """(() => {
          const { canvas } = player.view.panes.workers.strip;
          const { data, width, height } = canvas.getContext('2d')
            .getImageData(0, 0, canvas.width, canvas.height);
          const at = (lane, frame) => data[4 * (Math.floor((lane + 0.2) * height / 2) * width
            + Math.floor((frame + 0.5) * width / model.frameCount)) + 3] > 0;
          return [0, 1].map((lane) => Array.from({ length: model.frameCount }, (_, f) => f)
            .filter((frame) => at(lane, frame)));
        })()"""
        assert stage.ask(tall) == [[], [stage.ask("model.frameOfStep(value)", FAULT)]]

    def test_choosing_a_row_chooses_the_request(self, page: Opener, two: bytes) -> None:
        stage = page(two, attributes=ALL).ready().go(FAULT)
        row = stage.player.locator(".rank").nth(1).locator(".batch li").nth(1)
        row.locator(".who").click()
        stage.settled()
        assert stage.ask("player.app.request") == 1
        assert row.locator(".who").get_attribute("aria-pressed") == "true"
        mine = stage.player.locator(".cells .mine").evaluate_all(
            "all => all.map((one) => +one.dataset.block)"
        )
        assert mine == stage.ask("[...model.table(1)[0].blocks]")

    def test_pointing_at_a_row_lights_the_blocks_that_it_writes(
        self, page: Opener, two: bytes
    ) -> None:
        """By pointer and by keyboard; nothing stays lit."""
        lit = "[...root.querySelectorAll('.cell.lit')].map((one) => Number(one.dataset.block))"
        stage = page(two, attributes=ALL).ready().go(FAULT)
        rows = stage.player.locator(".rank").first.locator(".batch li")
        rows.nth(1).hover()
        blocks = stage.settled().ask("model.batches()[0].rows[1].slots[0]")
        size = stage.ask("model.header.tables[0].block_size")
        assert stage.ask(lit) == [blocks[0][0] // size]
        stage.player.locator(".workers h2").hover()
        assert stage.settled().ask(lit) == []
        rows.nth(0).locator(".who").focus()
        assert len(stage.settled().ask(lit)) == 1
        stage.press("ArrowRight")
        assert stage.ask(lit) == []

    def test_the_step_s_table_tells_the_same(self, page: Opener, wrong: bytes) -> None:
        stage = page(wrong, attributes=ALL).ready().go(FAULT)
        stage.player.locator(".as-table summary").click()
        stage.settled()
        tables = stage.player.locator(".workers-table table")
        captions = tables.locator("caption").all_inner_texts()
        assert captions[0].startswith("Rank 0: as scheduled.")
        assert captions[1].startswith("Rank 1: differs. row 0 (")
        texts = [
            " ".join(one.split()) for one in tables.nth(0).locator("tbody tr").all_inner_texts()
        ]
        assert len(texts) == 2
        assert all("= block" in one for one in texts)
        stage.go(1)
        assert "new" in tables.nth(0).locator("tbody tr").first.inner_text()

    def test_what_was_not_recorded_is_said(self, page: Opener, tmp_path: Path) -> None:
        toy = busy_toy(1, steps=30, num_blocks=24)
        path = with_workers(tmp_path / "trace", toy, ranks=1, troubles=("lost",))
        stage = page(encoded(path), attributes=ALL).ready()
        stage.show(0)
        assert "Nothing has run yet." in stage.player.locator(".rank .more").inner_text()
        for frame in stage.frames():
            stage.show(frame)
            if stage.ask("player.app.shares.length > 0 && !model.batches().length"):
                break
        assert stage.player.locator(".rank .mark").inner_text() == "– not recorded"
        assert "was not recorded" in stage.player.locator(".rank .more").inner_text()

    def test_without_batches_there_is_no_pane(self, page: Opener, tmp_path: Path) -> None:
        """Asked for, it says so; not asked for, it is not there."""
        data = encoded(write_trace(tmp_path / "toy", busy_toy(0, steps=10).lines()))
        stage = page(data, attributes='src="/trace"').ready()
        assert not stage.player.locator(".workers").is_visible()
        stage = page(data, attributes=ALL).ready()
        assert "No worker of this trace" in stage.player.locator(".workers").inner_text()
        stage.press("d")
        assert stage.frame == 0

    def test_it_is_there_where_nobody_says_which_panes(self, page: Opener, two: bytes) -> None:
        assert page(two, attributes='src="/trace"').ready().player.locator(".rank").count() == 2
        stage = page(two, attributes='src="/trace" embedded').ready()
        assert not stage.player.locator(".workers").is_visible()


class TestForAll:
    """Nobody is left out, and nothing moves the page."""

    @pytest.mark.parametrize("theme", ["light", "dark"])
    @pytest.mark.parametrize("width", [390, 1280])
    def test_axe_finds_nothing(self, page: Opener, wrong: bytes, theme: str, width: int) -> None:
        axe = pytest.importorskip("axe_playwright_python.sync_playwright")
        viewport = {"width": width, "height": 900}
        stage = (
            page(wrong, attributes=f'{ALL} theme="{theme}"', viewport=viewport).ready().go(FAULT)
        )
        stage.ask("player.show({ request: 0 })")
        stage.ask("root.querySelectorAll('details').forEach((one) => { one.open = true; })")
        stage.settled()
        found = axe.Axe().run(stage.page, context=PLAYER).response["violations"]
        assert [(one["id"], [n["target"] for n in one["nodes"]][:3]) for one in found] == []
        assert stage.ask("document.documentElement.scrollWidth - innerWidth") <= 0
        small = stage.ask(
            """[...root.querySelectorAll('.workers button')].filter((one) => {
              const box = one.getBoundingClientRect(); return box.height < 32 || box.width < 32; })
            .map((one) => one.outerHTML.slice(0, 80))"""
        )
        assert small == []

    @pytest.mark.parametrize("width", [390, 700, 1280])
    def test_in_a_text_it_has_the_height_that_is_kept(
        self, page: Opener, wrong: bytes, width: int
    ) -> None:
        """No step changes it, and the page's own sum is the same."""
        attributes = 'src="/trace" embedded panes="workers"'
        stage = page(wrong, attributes=attributes, viewport={"width": width, "height": 900}).ready()
        heights = set()
        for frame in stage.frames():
            stage.show(frame)
            heights.add(stage.ask("root.querySelector('.workers').offsetHeight"))
        narrow, wide = reserved()
        assert heights == {narrow if width < 600 else wide}
        assert stage.ask("document.documentElement.scrollWidth - innerWidth") <= 0

    def test_no_step_changes_its_height(self, page: Opener, wrong: bytes) -> None:
        stage = page(wrong, attributes=ALL).ready()
        heights = set()
        for frame in stage.frames():
            stage.show(frame)
            heights.add(stage.ask("root.querySelector('.workers').offsetHeight"))
        assert len(heights) == 1

    def test_hostile_ids_are_text(self, page: Opener, tmp_path: Path) -> None:
        """In rows, in the sentence of a fault, and in the table."""
        names = ["<img src=x onerror=window.ran=1>", "\u202egnp.exe\u2066", "x" * 10_000]
        toy = busy_toy(0, steps=3)
        for name in names:
            toy.add(name=name)
        toy.run(60)
        path = with_workers(
            tmp_path / "trace", toy, ranks=1, seed=1, troubles=("slots", "left out")
        )
        data = encoded(path)
        stage = page(data, attributes=ALL, viewport={"width": 390, "height": 900}).ready()
        stage.player.locator(".as-table summary").click()
        said = []
        for frame in stage.frames():
            stage.show(frame)
            said.append(stage.player.locator(".rank .said").inner_text())
            assert stage.ask("document.documentElement.scrollWidth - innerWidth") <= 0
        assert any(one for one in said)
        assert not any("\u202e" in one or len(one) > 700 for one in said)
        assert stage.page.evaluate("window.ran") is None
        assert stage.ask("root.querySelectorAll('img').length") == 0

    def test_many_ranks_and_rows(self, page: Opener, tmp_path: Path) -> None:
        """As many lanes as can be read; one that differs is among them."""
        toy = busy_toy(0, steps=12, num_blocks=24)
        path = with_workers(tmp_path / "trace", toy, ranks=20, troubles=())
        file = path / "5019-0.jsonl"
        text = file.read_bytes().replace(b'"slots":[[4,', b'"slots":[[5,', 1)
        file.write_bytes(text)
        stage = page(encoded(path), attributes=ALL).ready().press("d")
        assert stage.player.locator(".rank").count() == 16
        assert stage.player.locator(".mark-differs").count() == 1
        assert stage.player.locator(".strip-labels span").last.inner_text() == "rank 19"


def reserved() -> tuple[int, int]:
    """The heights in the site's style: on a narrow screen and on a wide one."""
    found = re.findall(r"\[panes~=workers\] \{ --workers: (\d+)px", STYLE.read_text())
    wide, narrow = map(int, found)
    return narrow, wide


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of the trace with the fault."""
    path = faulty(tmp_path_factory.mktemp("report"))
    trace = open_trace(path)
    file = path / "report.html"
    file.write_text(report(trace, pick_engine(trace, None)), encoding="utf-8")
    return file


def test_the_report_shows_the_lanes(site: Site, reports: Path) -> None:
    stage = Stage(site.open_file(reports)).ready()
    told = stage.page.get_by_role("region", name="Is it true?").inner_text()
    assert "batches of 2 ranks were held against the scheduler's block tables, 1 differ." in told
    assert f"step {FAULT}, rank 1: row 0 (" in told
    assert stage.player.locator(".rank").count() == 2
    stage.press("d")
    assert stage.player.locator(".mark-differs").is_visible()
    assert stage.ask("player.app.frame") == stage.ask("model.frameOfStep(value)", FAULT)


def test_the_traces_are_there() -> None:
    """What the other tests run on: the two ranks among them."""
    found = recorded()
    assert TWO_RANKS in found
    assert len(found) >= 10
    assert any(
        isinstance(one, BatchPrepared) and one.rank == 1
        for segment in open_trace(TWO_RANKS).segments
        for one in segment.events
    )
