"""The `pagewalk` fence: a command and what it really prints; and the terms of the glossary."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from walk_pages import (
    STEM,
    claim,
    docs,
    every,
    fence,
    one,
    put,
    refused,
    render,
    text,
    tree,
    two_engines,
)

from pagewalk.cli import main
from pagewalk.pages.output_fence import READING

GLOSSARY = """# Glossary

### Free queue
<!-- forms: free queues, FreeKVCacheBlockQueue -->
Blocks. A free queue is linked nowhere here.

### `null block`
Block 0.

### step {#one-step}
A turn.
"""


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    """The folder of the pages."""
    return docs(tmp_path / "docs")


def code(html: str, css: str) -> list[str]:
    """The text of blocks, line for line."""
    return ["".join(made.itertext()).strip("\n") for made in every(html, css)]


class TestOutput:
    """What a fence becomes."""

    def test_command_and_output(
        self, pages: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As a reader types it, and as the command prints it, at 100 columns without colour."""
        monkeypatch.setenv("COLUMNS", "50")
        html = render(pages, fence("pagewalk", "why TRACE b --step [[who_loses.step]]"))
        assert os.environ["COLUMNS"] == "50"
        assert "NO_COLOR" not in os.environ
        assert code(html, "pagewalk-command") == ["pagewalk why build/crowd b --step 2"]
        monkeypatch.setenv("COLUMNS", "100")
        main(["why", str(pages / "traces" / STEM), "b", "--step", "2"])
        printed = capsys.readouterr().out
        assert "so that a can grow" in printed
        shown = code(html, "pagewalk-printed")[0]
        assert shown.splitlines() == [line.rstrip() for line in printed.strip("\n").splitlines()]
        assert one(html, "pagewalk-output").get("data-search-exclude") is not None

    def test_several_and_other_traces(self, pages: Path) -> None:
        """Each command with its own output."""
        two_engines(pages, "pair")
        html = render(
            pages,
            fence("pagewalk", "requests TRACE:chat", "", "pagewalk show TRACE:pair --engine 0"),
        )
        assert code(html, "pagewalk-command") == [
            "pagewalk requests build/chat",
            "pagewalk show build/pair --engine 0",
        ]
        assert "chat-aaaa" in code(html, "pagewalk-printed")[0]

    @pytest.mark.parametrize("command", READING)
    def test_reading_commands(self, pages: Path, command: str) -> None:
        """All of them; a verdict that is not good is an answer too."""
        more = {"request": " b", "why": " b", "blocks": " --step 2"}.get(command, "")
        html = render(pages, fence("pagewalk", f"{command} TRACE{more}"))
        assert code(html, "pagewalk-printed")[0]

    def test_no_place_of_a_machine(self, pages: Path) -> None:
        """The directory is named as readers name it."""
        html = render(pages, fence("pagewalk", "check TRACE", "show TRACE"))
        assert str(pages) not in html
        assert "traces/scheduler" not in html

    @pytest.mark.parametrize(
        ("line", "words"),
        [
            ("", "no command"),
            ("open TRACE", "is no reading command: use show"),
            ("run -- rm -rf x", "is no reading command"),
            ("show; rm TRACE", "is no reading command"),
            ("show 'TRACE", "is no command (No closing quotation)"),
            ("show build/demo", "names no trace"),
            ("show TRACE:gone", "no trace gone"),
            ("why TRACE zebra", "`pagewalk why build/crowd zebra` fails: "),
            ("blocks TRACE --step 99", "There is no step 99"),
            ("show TRACE --colour", "fails: "),
        ],
    )
    def test_mistakes(self, pages: Path, line: str, words: str) -> None:
        """A command that readers cannot run fails the build."""
        said = refused(pages, fence("pagewalk", line))
        assert words.lower() in said.lower()
        assert said.startswith("page scheduler/crowd, pagewalk fence: ")


class TestGlossary:
    """Terms are linked where a page first uses them."""

    def links(self, pages: Path, page: str) -> list[tuple[str, str | None]]:
        """Text and address of each term's link."""
        html = render(pages, page)
        return [(text(made), made.get("href")) for made in every(html, "pagewalk-term")]

    @pytest.fixture(autouse=True)
    def glossary(self, pages: Path) -> Path:
        """Three terms."""
        return put(pages, "glossary.md", GLOSSARY)

    def test_first_use(self, pages: Path) -> None:
        """In any form and case, once a page, as a relative link to the term."""
        page = "A FreeKVCacheBlockQueue, Free\nqueues; *the* free queue.\n\nThe Null block. Steps."
        assert self.links(pages, page) == [
            ("FreeKVCacheBlockQueue", "../glossary.md#free-queue"),
            ("Null block", "../glossary.md#null-block"),
        ]

    def test_own_anchor_and_several_in_a_line(self, pages: Path) -> None:
        """The text around them stays."""
        page = "In a step, *a* null block is no step of the free queue: *so* it is."
        html = render(pages, page)
        assert [link for _, link in self.links(pages, page)] == [
            "../glossary.md#one-step",
            "../glossary.md#null-block",
            "../glossary.md#free-queue",
        ]
        paragraph = next(made for made in tree(html).findall("p"))
        assert text(paragraph) == (
            "In a step, a null block is no step of the free queue: so it is."
        )

    @pytest.mark.parametrize(
        "page",
        [
            "## The free queue",
            "[the free queue](https://x.test)",
            "`free queue`",
            "    free queue\n",
            "| free queue |\n|--|\n| x |",
            '??? note "free queue"\n\n    x',
            '!!! note "free queue"\n\n    x',
            "free-queue, step-wise, freequeue",
            claim("x", says="A free queue is here."),
        ],
    )
    def test_left_alone(self, pages: Path, page: str) -> None:
        """Headings, links, code, heads of tables and boxes, claims, parts of words."""
        assert self.links(pages, page) == []

    def test_after_what_is_left_alone(self, pages: Path) -> None:
        """The first use is the first that can be a link."""
        page = "## The free queue\n\n| free queue |\n|--|\n| a free queue |\n\nfree queue"
        html = render(pages, page)
        made = one(html, "pagewalk-term")
        assert made.get("href") == "../glossary.md#free-queue"
        assert 'a <a class="pagewalk-term"' in html

    def test_no_glossary(self, pages: Path, glossary: Path) -> None:
        """No file, no links; nor from the file itself."""
        glossary.unlink()
        assert self.links(pages, "A free queue.") == []

    def test_not_where_the_place_is_unknown(self, pages: Path) -> None:
        """A link has to know its page."""
        assert "pagewalk-term" not in render(pages, "A free queue.", walk="")

    def test_twice(self, pages: Path) -> None:
        """A term that means two things is a mistake."""
        put(pages, "glossary.md", f"{GLOSSARY}\n### free queues\nX.\n")
        assert "has free queues twice" in refused(pages, "A free queue.")
