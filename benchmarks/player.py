"""What the player costs: loading, scrubbing and seeking a big trace, and the size of the files.

    python benchmarks/generate.py --out build/big.pwk
    python benchmarks/player.py --big build/big.pwk --demo build/demo

Times are taken by the clock of a real Chromium, in a new page for each round; a row's figure is
the median over the rounds. `load` begins with the packed bytes in memory and ends with frame 0.
`scrub` is a drag over the whole trace: the cursor moves by a thousandth, and the running list,
the shares and the changed blocks of the new frame are read. `seek` goes to random frames. These
are the model's own times; the rows that begin with `player` are those of the whole player at
1280 x 900, drawing and layout included: it opens, is dragged over the trace, and jumps.
Rows that miss their aim make the exit code 1.
"""

from __future__ import annotations

import base64
import json
import platform
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from pagewalk.pages.report import report
from pagewalk.pages.sources import SOURCES
from pagewalk.replay.machine import Machine
from pagewalk.trace.read import Trace, open_trace
from pagewalk.views.engines import pick_engine
from pagewalk.views.payload import payload

PLAYER = Path(__file__).parents[1] / "site" / "player"
ORIGIN = "http://pagewalk.test"
SECONDS = 2.0
MEASURE = """async () => {
  const packed = await (await fetch('/data')).arrayBuffer();
  const { load } = await import('/player/model.js');
  const began = performance.now();
  const model = await load(packed);
  const out = { load: performance.now() - began, frames: model.frameCount, blocks: model.blockCount,
    requests: model.requestCount, scrub: [], seek: [] };
  const last = model.frameCount - 1;
  const timed = (list, frame) => {
    const start = performance.now();
    model.seek(frame);
    const seen = model.running().length + model.shares().length + model.changed.length;
    list.push(performance.now() - start);
    return seen;
  };
  for (let n = 0; n <= 1000; n++) timed(out.scrub, Math.round((last * n) / 1000));
  let at = 12345;
  for (let n = 0; n < 1000; n++) {
    at = (at * 1103515245 + 12345) % 2147483648;
    timed(out.seek, at % (last + 1));
  }
  return out;
}"""
DRAW = """async () => {
  await import('/player/element.js');
  const began = performance.now();
  const player = document.createElement('pagewalk-player');
  const ready = new Promise((resolve) => player.addEventListener('trace-ready', resolve));
  player.setAttribute('src', '/data');
  document.body.append(player);
  await ready;
  const out = { open: performance.now() - began, drag: [], jump: [] };
  const last = player.model.frameCount - 1;
  // The player draws in the next frame of the screen: here it is told to, and laid out at once.
  const timed = (list, frame) => {
    const start = performance.now();
    player.app.go(frame, { scrub: true });
    player.view.draw();
    player.getBoundingClientRect();
    list.push(performance.now() - start);
  };
  for (let n = 0; n <= 300; n++) {
    timed(out.drag, Math.round((last * n) / 300));
    await new Promise(requestAnimationFrame);
  }
  let at = 12345;
  for (let n = 0; n < 200; n++) {
    at = (at * 1103515245 + 12345) % 2147483648;
    timed(out.jump, at % (last + 1));
    await new Promise(requestAnimationFrame);
  }
  return out;
}"""
READY = "addEventListener('trace-ready', () => { window.readyAt ??= performance.now(); });"

Row = dict[str, Any]


def percentile(values: list[float], share: float) -> float:
    """The value below which `share` of the values lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def row(name: str, value: float, unit: str, aim: float | None = None, least: bool = False) -> Row:
    """One line of the table; `least`: the aim is a lower bound."""
    met = None if aim is None else (value >= aim if least else value <= aim)
    return {"name": name, "value": round(value, 3), "unit": unit, "aim": aim, "met": met}


def big_rows(browser: Any, data: bytes, rounds: int) -> tuple[list[Row], Row]:
    """Load, scrub and seek times of a payload, and what it holds."""
    found = [_measured(browser, data, MEASURE) for _ in range(rounds)]
    drawn = [_measured(browser, data, DRAW) for _ in range(rounds)]
    first = found[0]
    holds = {name: first[name] for name in ("frames", "blocks", "requests")}

    def median(of: Callable[[Row], float], rows: list[Row] = found) -> float:
        return statistics.median(of(one) for one in rows)

    return [
        row("load", median(lambda one: one["load"]) / 1e3, "s", 0.6),
        row("scrub p95", median(lambda one: percentile(one["scrub"], 0.95)), "ms", 16),
        row("scrub max", median(lambda one: max(one["scrub"])), "ms"),
        row("seek p95", median(lambda one: percentile(one["seek"], 0.95)), "ms", 16),
        row("seek max", median(lambda one: max(one["seek"])), "ms", 16),
        row("player opens", median(lambda one: one["open"], drawn) / 1e3, "s"),
        row("player drag p95", median(lambda one: percentile(one["drag"], 0.95), drawn), "ms", 16),
        row("player jump p95", median(lambda one: percentile(one["jump"], 0.95), drawn), "ms", 16),
        row("payload", len(data) / 1e6, "MB", 6),
        row("payload as base64", len(base64.b64encode(data)) / 1e6, "MB", 8),
    ], holds


def _measured(browser: Any, data: bytes, script: str) -> Row:
    page = browser.new_page(viewport={"width": 1280, "height": 900})

    def answer(route: Any) -> None:
        path = route.request.url.removeprefix(ORIGIN)
        file = PLAYER / path.removeprefix("/player/")
        if path == "/data":
            route.fulfill(body=data, content_type="application/octet-stream")
        elif path.startswith("/player/") and file.is_file():
            route.fulfill(body=file.read_bytes(), content_type="text/javascript")
        else:
            route.fulfill(body="<!doctype html>", content_type="text/html")

    page.route("**/*", answer)
    page.goto(ORIGIN)
    try:
        return page.evaluate(script)
    finally:
        page.close()


def demo_rows(browser: Any, trace: Trace, rounds: int) -> list[Row]:
    """Size of a small trace's files, and how long its report takes to open from the disk."""
    engine = pick_engine(trace, None)
    text = report(trace, engine).encode()
    times = []
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "report.html"
        file.write_bytes(text)
        for _ in range(rounds):
            page = browser.new_page()
            page.add_init_script(READY)
            page.goto(file.as_uri())
            page.wait_for_function("window.readyAt !== undefined")
            times.append(page.evaluate("window.readyAt") / 1e3)
            page.close()
    return [
        row("demo payload", len(payload(trace, engine, sources=SOURCES)) / 1e3, "kB"),
        row("demo report", len(text) / 1e3, "kB", 150),
        row("demo report opens", statistics.median(times), "s", 0.5),
    ]


def replay_row(trace: Trace) -> Row:
    """Events that replay follows in a second, over and over the engine's whole segment."""
    events = pick_engine(trace, None).segment.events
    done, began = 0, time.perf_counter()
    while time.perf_counter() - began < SECONDS:
        Machine().feed(events)
        done += len(events)
    return row("replay", done / (time.perf_counter() - began) / 1e3, "thousand events/s")


def show(rows: list[Row]) -> None:
    """The table for people."""
    table = Table(title="the player")
    for name in ("what", "value", "unit", "aim", "met"):
        table.add_column(name, justify="right" if name in ("value", "aim") else "left")
    words = {True: "yes", False: "NO", None: ""}
    for one in rows:
        aim = "" if one["aim"] is None else f"{one['aim']:g}"
        table.add_row(one["name"], f"{one['value']:,g}", one["unit"], aim, words[one["met"]])
    Console().print(table)


def main(
    big: Annotated[Path, typer.Option(help="A payload that generate.py wrote.")],
    demo: Annotated[Path, typer.Option(help="A small real trace.")],
    rounds: Annotated[int, typer.Option(help="Pages to measure in.")] = 5,
    out: Annotated[Path | None, typer.Option(help="Where the result goes, as JSON.")] = None,
) -> None:
    """Measure, print, and write the result."""
    from playwright.sync_api import sync_playwright

    trace = open_trace(demo)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
        rows, holds = big_rows(browser, big.read_bytes(), rounds)
        rows += demo_rows(browser, trace, rounds)
        version = browser.version
        browser.close()
    rows.append(replay_row(trace))
    show(rows)
    if out is not None:
        machine = {"python": platform.python_version(), "chromium": version}
        out.parent.mkdir(parents=True, exist_ok=True)
        result = {"machine": machine, "big": holds, "rounds": rounds, "rows": rows}
        out.write_text(json.dumps(result, indent=1) + "\n")
    if any(one["met"] is False for one in rows):
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
