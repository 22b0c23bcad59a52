"""The website, really built: by MkDocs as `make site` does it, and what is found in its pages."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from dataclasses import dataclass
from functools import cached_property
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

ROOT = Path(__file__).parents[2]
# A folder of the origin, as most hosts serve a project.
UNDER = "/pagewalk/"
SITE_URL = f"http://pagewalk.test{UNDER}"
CHAPTER = "scheduler/preemption/"


class PageText(HTMLParser):
    """The ids of a page, and what it refers to: (element, attribute, value)."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.references: list[tuple[str, str, str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("id", "name") and value:
                self.ids.add(value)
            elif name in ("href", "src", "action") and value is not None:
                self.references.append((tag, name, value))
            elif name == "data-src" and value is not None:
                # The page's script reads it from the root of the site on.
                self.references.append((tag, name, UNDER + value))


@dataclass(frozen=True)
class Built:
    """A built site: `pages` by their address below its root, "" being the first."""

    folder: Path

    @cached_property
    def pages(self) -> dict[str, PageText]:
        found = {}
        for file in sorted(self.folder.rglob("index.html")):
            at = file.parent.relative_to(self.folder).as_posix()
            found["" if at == "." else f"{at}/"] = PageText(file.read_text(encoding="utf-8"))
        return found

    @cached_property
    def with_players(self) -> list[str]:
        """The pages with a player on them."""
        tag = "pagewalk-player"
        return [at for at, page in self.pages.items() if any(t == tag for t, *_ in page.references)]

    def broken(self, at: str, reference: str) -> str:
        """Why a reference of a page leads nowhere on this site; empty if it does or leaves it."""
        target = urlsplit(urljoin(SITE_URL + at, reference))
        if target.scheme in ("http", "https") and target.netloc != urlsplit(SITE_URL).netloc:
            return ""
        path = unquote(target.path)
        if not path.startswith(UNDER):
            return "outside of the site"
        file = self.folder / path.removeprefix(UNDER)
        page = path.removeprefix(UNDER)
        if file.is_dir():
            page, file = page.rstrip("/") + "/" if page else "", file / "index.html"
        if not file.is_file():
            return "no such file"
        anchor = unquote(target.fragment)
        known = self.pages.get(page)
        if anchor and known is not None and anchor not in known.ids:
            return "no such anchor"
        return ""


def missing() -> str:
    """Why the site cannot be built here, or empty."""
    for name, brings in (("material", "requirements/site.txt"), ("vllm", "`make demo`")):
        if importlib.util.find_spec(name) is None:
            return f"{name} is not installed: {brings} brings it"
    return ""


def build(folder: Path) -> Built:
    """Build the site into a folder; warnings are errors, as for `make site`."""
    run("pagewalk.pages.site", "walkthroughs", str(folder))
    return Built(folder)


def run(module: str, *arguments: str) -> None:
    """Run a module in the project's root, without network settings of its own."""
    told = {"NO_MKDOCS_2_WARNING": "1", "SITE_URL": SITE_URL}
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env={**os.environ, **told},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{module}: {done.stderr[-3000:]}"


__all__ = ["CHAPTER", "ROOT", "SITE_URL", "UNDER", "Built", "PageText", "build", "missing", "run"]
