"""A real browser without a network: pages from a made-up origin, everything else is an error.

`site` opens pages of http://pagewalk.test, whose paths are files and bytes that a test names. A
request that goes anywhere else, an error in a page and a message on its console fail the test.
"""

from __future__ import annotations

import importlib.util
import mimetypes
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from site_build import Built, build, missing

ORIGIN = "http://pagewalk.test"
PLAYER = Path(__file__).parents[2] / "site" / "player"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
# Types are named here, so that they do not hang on what is installed on the machine.
TYPES = {".js": "text/javascript", ".html": "text/html", ".css": "text/css", ".json": "text/json"}
LOUD = ("error", "warning", "assert")
OWN = ("data:", "blob:", "about:")
PATIENCE = 120_000  # ms that a browser on a busy machine may take to do what it does at once


def without() -> str:
    """Why there can be no browser here, or empty."""
    if importlib.util.find_spec("playwright") is None:
        return "playwright is not installed: requirements/test.txt brings it"
    return "" if executable() else "there is no Chromium here: install the system's `chromium`"


def executable() -> str | None:
    """The system's own Chromium."""
    return next((found for name in BROWSERS if (found := shutil.which(name))), None)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """One browser for a module. Not longer: while it lives, an event loop runs in this process,
    in which forked engines and asyncio would not get on."""
    reason = without()
    if reason and (os.environ.get("CI") or os.environ.get("PAGEWALK_REQUIRE_BROWSER") == "1"):
        pytest.fail(reason)
    if reason:
        pytest.skip(reason)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable())
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The website as `make site` builds it, once for all tests."""
    reason = missing()
    if reason:
        pytest.skip(reason)
    return build(tmp_path_factory.mktemp("built"))


class Site:
    """Pages of one test. `outside` and `errors` are what must not be there at its end; a test
    that expects an error takes it out of `errors`."""

    def __init__(self, browser: Any) -> None:
        self.outside: list[str] = []
        self.errors: list[str] = []
        self.requests: list[str] = []
        self._browser = browser
        self._files: dict[str, tuple[bytes, str]] = {}
        self._folders: dict[str, Path] = {}
        self._contexts: list[Any] = []
        self._opened_files: set[str] = set()
        self.put("/", b"<!doctype html><title>test</title><link rel=icon href=data:,>")
        self.folder("/player/", PLAYER)

    def put(self, path: str, body: bytes, kind: str = "text/html") -> str:
        """Serve bytes under a path; returns the address."""
        self._files[path] = (body, kind)
        return ORIGIN + path

    def folder(self, prefix: str, folder: Path) -> None:
        """Serve the files of a folder under a prefix that ends with a slash."""
        self._folders[prefix] = folder

    def body(self, address: str) -> bytes:
        """What is served under an address of the origin."""
        found = self._find(address.partition("#")[0].removeprefix(ORIGIN))
        return found[0] if found else b""

    def open(self, path: str = "/", **options: Any) -> Any:
        """A page of the origin in a fresh context; `options` are those of the context."""
        page = self._page(**options)
        page.goto(ORIGIN + path)
        return page

    def open_file(self, path: Path, **options: Any) -> Any:
        """A page from the disk, which may ask for nothing but itself."""
        page = self._page(**options)
        self._opened_files.add(path.as_uri())
        page.goto(path.as_uri())
        return page

    def close(self) -> None:
        """Close all pages."""
        for context in self._contexts:
            context.close()

    def _page(self, **options: Any) -> Any:
        context = self._browser.new_context(**{"reduced_motion": "reduce", **options})
        self._contexts.append(context)
        context.set_default_timeout(PATIENCE)
        context.on("request", lambda request: self._asked(request.url))
        context.on("weberror", lambda error: self.errors.append(str(error.error)))
        context.on("console", self._said)
        context.route("**/*", self._answer)
        return context.new_page()

    def _asked(self, url: str) -> None:
        self.requests.append(url)
        own = url.startswith((f"{ORIGIN}/", *OWN)) or url.partition("#")[0] in self._opened_files
        if not own:
            self.outside.append(url)

    def _said(self, message: Any) -> None:
        if message.type in LOUD:
            self.errors.append(f"{message.type}: {message.text}")

    def _answer(self, route: Any) -> None:
        url = route.request.url.partition("#")[0].partition("?")[0]
        if url in self._opened_files:
            route.continue_()
            return
        found = self._find(url.removeprefix(ORIGIN)) if url.startswith(ORIGIN) else None
        if found is None:
            route.abort()
        else:
            route.fulfill(body=found[0], content_type=found[1])

    def _find(self, path: str) -> tuple[bytes, str] | None:
        if path in self._files:
            return self._files[path]
        for prefix, folder in self._folders.items():
            file = folder / path.removeprefix(prefix)
            file = file / "index.html" if file.is_dir() else file
            if path.startswith(prefix) and file.is_file() and file.resolve().is_relative_to(folder):
                kind = TYPES.get(file.suffix) or mimetypes.guess_type(file.name)[0]
                return file.read_bytes(), kind or "application/octet-stream"
        return None


@pytest.fixture
def site(chromium: Any) -> Iterator[Site]:
    """The pages of one test, which must ask for nothing from elsewhere and stay silent."""
    opened = Site(chromium)
    yield opened
    opened.close()
    assert opened.outside == [], "the page asked for something from elsewhere"
    assert opened.errors == [], "the page raised or complained"
