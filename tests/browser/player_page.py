"""A page with the player on it: opened through the `site` fixture, asked and moved by tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pagewalk.pages.sources import SOURCES
from pagewalk.trace.read import open_trace
from pagewalk.views.engines import pick_engine
from pagewalk.views.payload import payload

PLAYER = "pagewalk-player"
_PAGE = """<!doctype html><html lang=en><meta charset=utf-8><title>player</title>
<link rel=icon href=data:,>
<meta name=viewport content="width=device-width,initial-scale=1">
<script type=module src=/player/element.js></script>
<main><h1>A player</h1><pagewalk-player {attributes}></pagewalk-player></main>"""
_TWO_FRAMES = (
    "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
)


def encoded(folder: Path) -> bytes:
    """The payload of a trace directory with one engine."""
    trace = open_trace(folder)
    return payload(trace, pick_engine(trace, None), sources=SOURCES)


class Stage:
    """A page with a player on it."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.player = page.locator(PLAYER)

    def ask(self, script: str, value: Any = None) -> Any:
        """Evaluate an expression with `player`, `model`, `root` and `value` at hand."""
        return self.page.evaluate(
            f"(value) => {{ const player = document.querySelector('{PLAYER}');"
            f"const model = player.model, root = player.shadowRoot; return {script}; }}",
            value,
        )

    def ready(self) -> Stage:
        """Wait until a trace is on show."""
        self.page.wait_for_function(f"document.querySelector('{PLAYER}')?.ready === true")
        return self.settled()

    def settled(self) -> Stage:
        """Wait until what was changed is drawn."""
        self.page.evaluate(_TWO_FRAMES)
        return self

    def go(self, step: int | str) -> Stage:
        """Show a step, as the page around would."""
        self.ask("player.show({ step: value })", step)
        return self.settled()

    def frames(self, every: int = 1) -> list[int]:
        """The numbers of the frames, or of some of them."""
        return list(range(0, self.ask("model.frameCount"), every))

    def show(self, frame: int) -> None:
        """Show a frame and wait for it."""
        self.ask("player.app.go(value)", frame)
        self.settled()

    def press(self, key: str) -> Stage:
        """A key, on whatever has the focus."""
        self.page.keyboard.press(key)
        return self.settled()

    @property
    def frame(self) -> int:
        """The frame on show."""
        return int(self.player.locator(".player").get_attribute("data-frame") or -1)

    @property
    def sentence(self) -> str:
        """What the player says of the step, on one line."""
        return " ".join(self.player.locator(".sentence").inner_text().split())


class Opener:
    """Opens pages with a player of this payload on them."""

    def __init__(self, site: Any) -> None:
        self.site = site

    def __call__(
        self,
        data: bytes | None,
        attributes: str = 'src="/trace" keys="page"',
        fragment: str = "",
        **context: Any,
    ) -> Stage:
        """A page in a fresh context. Without data, the trace's address answers nothing."""
        self.site.put("/page", _PAGE.format(attributes=attributes).encode())
        if data is not None:
            self.site.put("/trace", data, "application/octet-stream")
        wide = {"viewport": {"width": 1280, "height": 900}}
        return Stage(self.site.open(f"/page{fragment}", **(wide | context)))


__all__ = ["PLAYER", "Opener", "Stage", "encoded"]
