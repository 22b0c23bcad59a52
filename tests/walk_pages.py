"""A folder of pages with two recorded traces, and Markdown as the site renders it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from story import Core, crowded, full_story, write

markdown = pytest.importorskip("markdown", reason="the extra `site` is not installed")
superfences = pytest.importorskip("pymdownx.superfences", reason="the extra `site` is missing")

from pagewalk.errors import PagewalkError  # noqa: E402
from pagewalk.pages.claim_fence import format_claim  # noqa: E402
from pagewalk.pages.claims_page import format_claims  # noqa: E402
from pagewalk.pages.output_fence import format_output  # noqa: E402
from pagewalk.pages.trace_fence import format_trace  # noqa: E402
from pagewalk.pages.walk import makeExtension, validate  # noqa: E402

STEM = "scheduler/crowd"
WALK = f"<!-- walk: {STEM} -->"
FENCES = {
    "claim": format_claim,
    "claims": format_claims,
    "trace": format_trace,
    "pagewalk": format_output,
}
EXTENSIONS = ["admonition", "attr_list", "tables", "toc", "pymdownx.details", "pymdownx.highlight"]
DAY = 1_790_000_000_000_000_000  # 2026-09-21
PREDICATES = '''"""Claims of the crowded pool."""

from pagewalk.views.evidence import Run


def who_loses(run: Run) -> dict[str, object]:
    """`b` loses its blocks so that `a` can grow."""
    one = run.preemptions[0]
    assert run.name(one.by) == "a"
    return {
        "step": one.step,
        "victim": run.name(one.request),
        "blocks": list(_held(run, one)),
        "share": 0.25,
    }


def _held(run, one):
    return run.before(one.step).tables[one.request][0]


def nobody_ever_loses(run: Run) -> dict[str, object]:
    """No request is preempted."""
    lost = run.preemptions
    assert (
        not lost
    ), f"{len(lost)} lost"
    return {}
'''


def docs(folder: Path) -> Path:
    """A folder of pages: `scheduler/crowd` was fed by hand, `chat` is a live engine's."""
    record(folder, STEM, crowded())
    record(folder, "chat", *full_story())
    put(folder, f"claims/{STEM}.py", PREDICATES)
    put(
        folder,
        "claims/chat.py",
        'def steps(run):\n    """Four steps."""\n    assert len(run.steps) == 4\n'
        '    return {"count": 4}\n',
    )
    return folder


def record(folder: Path, stem: str, *processes: Any) -> None:
    """Write a trace and its scenario."""
    write(folder / "traces" / stem, *processes, wall_ns=DAY)
    put(folder, f"scenarios/{stem}.py", '"""What is run."""\n\nENGINE = None\n')


def two_engines(folder: Path, stem: str) -> None:
    """A trace with two engines: three requests in the first, none in the second."""
    record(folder, stem, crowded(), Core(pid=300, dp_rank=1, num_blocks=7))


def put(folder: Path, name: str, text: str) -> Path:
    """Write a file."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def fence(language: str, *lines: str) -> str:
    """A fence of some lines."""
    return "\n".join([f"```{language}", *lines, "```"])


def claim(name: str, by: str = "who_loses", says: str = "It holds.") -> str:
    """A claim fence."""
    return fence("claim", f"id: {name}", f"says: {says}", f"by: {by}")


def render(folder: Path, text: str, walk: str = WALK) -> str:
    """The page as HTML."""
    custom = [
        {"name": name, "class": name, "format": make, "validator": validate}
        for name, make in FENCES.items()
    ]
    return str(
        markdown.markdown(
            f"# Page\n\n{walk}\n\n{text}",
            extensions=[*EXTENSIONS, "pymdownx.superfences", makeExtension(docs=str(folder))],
            extension_configs={"pymdownx.superfences": {"custom_fences": custom}},
        )
    )


def refused(folder: Path, text: str, walk: str = WALK) -> str:
    """The sentence that fails the build."""
    with pytest.raises((PagewalkError, superfences.SuperFencesException)) as caught:
        render(folder, text, walk)
    sentence = str(caught.value)
    assert sentence.isprintable()
    return sentence


def tree(html: str) -> ElementTree.Element:
    """HTML as a tree: this also says that every element is closed where it should be."""
    # The parser of XML knows neither valueless attributes nor empty elements without a slash.
    closed = re.sub(r"<(br|hr|img)([^>]*?)/?>", r"<\1\2/>", html)
    return ElementTree.fromstring(f"<page>{closed}</page>")


def one(html: str, css: str) -> ElementTree.Element:
    """The only element of a class."""
    found = every(html, css)
    assert len(found) == 1, css
    return found[0]


def every(html: str, css: str) -> list[ElementTree.Element]:
    """All elements of a class, in order."""
    return [one for one in tree(html).iter() if css in (one.get("class") or "").split()]


def text(element: ElementTree.Element) -> str:
    """What a reader reads in it."""
    return " ".join("".join(element.itertext()).split())
