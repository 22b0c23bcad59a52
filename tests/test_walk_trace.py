"""The `trace` fence, its payload, and the links of the prose that move a player."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import pytest
from story import Core, crowded
from walk_pages import (
    STEM,
    WALK,
    docs,
    every,
    fence,
    one,
    put,
    record,
    refused,
    render,
    text,
    two_engines,
)

from pagewalk.pages import payloads
from pagewalk.pages.payloads import ensure_payload, named_traces
from pagewalk.pages.trace_table import MOST_ROWS

HOSTILE = "<script>x</script>&quot;\"'"


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    """The folder of the pages."""
    return docs(tmp_path / "docs")


def player(html: str) -> dict[str, str]:
    """The attributes of the only player."""
    figure = one(html, "pagewalk-trace")
    return dict(figure[0].attrib)


class TestFence:
    """What a fence becomes."""

    def test_player(self, pages: Path) -> None:
        """All that the fence says, as attributes; the request by its internal id."""
        made = fence(
            "trace",
            "panes: grid queues",
            'step: "[[who_loses.step]]"',
            'steps: "1..[[who_loses.step]]"',
            "select: b",
            "name: crowd",
            "play: true",
            "caption: Look at `b` in step [[who_loses.step]].",
        )
        html = render(pages, made)
        figure = one(html, "pagewalk-trace")
        assert (figure.tag, figure.get("id"), figure.get("data-trace")) == ("figure", "crowd", STEM)
        assert player(html) == {
            "data-src": f"assets/traces/{STEM}.pgwk",
            "embedded": "embedded",
            "panes": "grid queues",
            "step": "2",
            "from": "1",
            "to": "2",
            "select": "b",
            "play": "play",
            "style": "--blocks:5;--requests:3",
            "data-search-exclude": "data-search-exclude",
        }
        caption = figure.find("figcaption")
        assert caption is not None
        assert text(caption) == "Look at b in step 2."
        assert (pages / f"assets/traces/{STEM}.pgwk").is_file()

    def test_nothing_said(self, pages: Path) -> None:
        """The page's trace, its first engine, the player's own choice of the rest."""
        html = render(pages, fence("trace"))
        assert set(player(html)) == {"data-src", "embedded", "style", "data-search-exclude"}
        assert one(html, "pagewalk-trace").get("id") == "trace-1"

    def test_internal_id(self, pages: Path) -> None:
        """An author's name is resolved: vLLM appends characters to it."""
        html = render(pages, fence("trace", "trace: chat", "select: chat"))
        assert player(html)["select"] == "chat-aaaa"

    def test_other_engine(self, pages: Path) -> None:
        """It has a file of its own."""
        two_engines(pages, "pair")
        html = render(pages, fence("trace", "trace: pair", "engine: 1"))
        assert player(html)["data-src"] == "assets/traces/pair-engine1.pgwk"
        assert player(html)["style"] == "--blocks:7;--requests:0"
        assert one(html, "pagewalk-trace").get("data-engine") == "1"

    def test_table_without_script(self, pages: Path) -> None:
        """A sentence of the step on show, and the steps of the range."""
        html = render(pages, fence("trace", "step: 2", "steps: 2..3"))
        table = one(html, "pagewalk-fallback")
        assert text(table[0]) == (
            "Step 2: b is preempted so that a can grow. It loses 8 computed tokens."
        )
        rows = [[text(cell) for cell in row] for row in table.iter("tr")]
        assert rows[0][0] == "step"
        assert rows[1:] == [
            ["2", "1/16", "a 1", "", "b", "2", "1", "preempted_this_step"],
            ["3", "1/16", "a 1", "", "", "2", "1", "full_sequence_blocks (b)"],
        ]
        assert [row.get("aria-current") for row in table.iter("tr")] == [None, "step", None]

    def test_quiet_step(self, pages: Path) -> None:
        """One in which nothing happened says that."""
        table = one(render(pages, fence("trace", "step: 4")), "pagewalk-fallback")
        assert text(table[0]) == "Step 4: nothing is admitted, preempted or refused."

    def test_long_runs_are_cut(self, pages: Path) -> None:
        """The rows around the step on show, and how many there are besides."""
        it = Core()
        it.add("long", prompt=90)
        for at in range(80):
            it.start()
            it.end({"long": 1}, new={} if at else {"long": 0})
            it.update("long")
        record(pages, "long", it)
        table = one(render(pages, fence("trace", "trace: long", "step: 60")), "pagewalk-fallback")
        numbers = [int(text(row[0])) for row in table.iter("tr") if text(row[0]).isdigit()]
        assert numbers == list(range(45, 45 + MOST_ROWS))
        assert "50 more steps" in text(table)

    def test_hostile_ids(self, pages: Path) -> None:
        """A client's request id is text, in attributes too."""
        it = Core()
        it.add(HOSTILE)
        it.start()
        it.take(HOSTILE, [1, 2])
        it.end({HOSTILE: 6}, new={HOSTILE: 0})
        record(pages, "hostile", it)
        html = render(pages, fence("trace", "trace: hostile", "step: 1"))
        assert "<script" not in html
        shown = {text(name) for name in one(html, "pagewalk-fallback").iter("bdi")}
        assert shown == {HOSTILE}
        selected = render(pages, fence("trace", "trace: hostile", f"select: {json.dumps(HOSTILE)}"))
        assert player(selected)["select"] == HOSTILE

    def test_ids_that_markdown_reads(self, pages: Path) -> None:
        """Its own control characters would end an attribute: such an id is refused."""
        name = "\x0234\x03 onload=x"
        it = Core()
        it.add(name)
        it.start()
        it.end({name: 6}, new={name: 0})
        record(pages, "hostile", it)
        html = render(pages, fence("trace", "trace: hostile", "step: 1"))
        assert "\x02" not in html
        assert "�34� onload=x" in html
        asked = fence("trace", "trace: hostile", r'select: "\x0234\x03 onload=x"')
        assert "characters that cannot be shown" in refused(pages, asked)

    @pytest.mark.parametrize(
        ("lines", "words"),
        [
            (["trace: gone"], "no trace gone: record it"),
            (["trace: ../x"], "is no stem"),
            (["engine: 1"], "has 1 engines, counted from 0"),
            (["engine: -1"], "`engine` is a number"),
            (["panes: grid bench"], "no pane bench"),
            (["step: 9"], "There is no step 9"),
            (["step: soon"], "`step` is the number of a step"),
            (["steps: 3"], "`steps` is a range"),
            (["steps: 3..2"], "`steps` is a range"),
            (["steps: 2..9"], "There is no step 9"),
            (["step: 1", "steps: 2..3"], "step 1 is not among the steps 2..3"),
            (["select: zebra"], "0 requests of this engine are named"),
            (["name: Trace 1"], "`name` is small letters"),
            (["play: soon"], "`play` is true or false"),
            (["speed: 3"], "no key speed"),
        ],
    )
    def test_mistakes(self, pages: Path, lines: list[str], words: str) -> None:
        """Each fails the build with one sentence."""
        said = refused(pages, fence("trace", *lines))
        assert words in said
        assert said.startswith("page scheduler/crowd, trace fence: ")

    def test_names_are_the_pages(self, pages: Path) -> None:
        """Two players of one name cannot be told apart."""
        made = fence("trace", "name: twin")
        assert "two players named twin" in refused(pages, f"{made}\n\n{made}")


class TestPayloads:
    """The files that the players read."""

    def test_before_a_build(self, pages: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """One for every trace that a fence names, facts replaced."""
        two_engines(pages, "pair")
        shown = fence("trace", 'steps: "1..[[who_loses.step]]"')
        other = fence("trace", "trace: pair", "engine: 1")
        example = f"~~~~text\n{fence('trace', 'trace: gone')}\n~~~~"
        put(pages, f"{STEM}.md", f"# Crowd\n\n{WALK}\n\n{shown}\n\n{other}\n\n{example}\n")
        assert named_traces(pages) == ((STEM, 0), ("pair", 1))
        assert payloads.main([str(pages)]) == 0
        assert capsys.readouterr().out.startswith("2 payloads under ")
        made = {one.name for one in (pages / "assets").rglob("*.pgwk")}
        assert made == {"crowd.pgwk", "pair-engine1.pgwk"}

    def test_made_once(self, pages: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A second run writes nothing."""
        path = ensure_payload(pages, STEM)
        before = path.read_bytes()
        assert gzip.decompress(before)
        monkeypatch.setattr(payloads, "payload", None)  # would fail if it were called
        assert ensure_payload(pages, STEM) == path
        # Neither does a trace that was only copied: what is in it counts.
        for file in (pages / "traces" / STEM).iterdir():
            os.utime(file, (1, 1))
        assert ensure_payload(pages, STEM).read_bytes() == before

    def test_made_anew(self, pages: Path) -> None:
        """For another trace, and for a file that is damaged."""
        path = ensure_payload(pages, STEM)
        before = path.read_bytes()
        path.write_bytes(b"half")
        assert ensure_payload(pages, STEM).read_bytes() == before
        record(pages, STEM, crowded(policy="priority"))
        assert ensure_payload(pages, STEM).read_bytes() != before

    def test_mistakes(
        self, pages: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """One sentence, and 2."""
        assert payloads.main([str(tmp_path / "gone")]) == 2
        assert "name the folder of the pages" in capsys.readouterr().err
        put(pages, "x.md", f"# X\n\n{WALK}\n\n{fence('trace', 'trace: gone')}\n")
        assert payloads.main([str(pages)]) == 2
        assert "no trace gone" in capsys.readouterr().err


class TestLinks:
    """`[text](#step=…&request=…&block=…&player=…)`."""

    def test_link(self, pages: Path) -> None:
        """It leads to the player; what it shows stands in attributes."""
        link = "[look *here*](#step=[[who_loses.step]]&request=b&block=4)"
        html = render(pages, f"{fence('trace')}\n\nNow {link}.")
        made = one(html, "pagewalk-step")
        assert text(made) == "look here"
        assert dict(made.attrib) == {
            "class": "pagewalk-step",
            "href": "#trace-1",
            "data-player": "trace-1",
            "data-step": "2",
            "data-request": "b",
            "data-block": "4",
        }

    def test_nearest_player(self, pages: Path) -> None:
        """The one above, else the first below, or the one that is named."""
        first, second = fence("trace"), fence("trace", "name: other", "trace: chat")
        page = (
            f"[one](#step=1)\n\n{first}\n\n[two](#step=2)\n\n{second}\n\n[three](#request=chat)"
            " [four](#step=5&player=trace-1)\n"
        )
        links = every(render(pages, page), "pagewalk-step")
        assert [link.get("href") for link in links] == [
            "#trace-1",
            "#trace-1",
            "#other",
            "#trace-1",
        ]
        assert links[2].get("data-request") == "chat-aaaa"

    def test_in_a_claim(self, pages: Path) -> None:
        """What a claim says may move the player too."""
        made = fence("claim", "id: x", 'says: "[Step 2](#step=2) hurts."', "by: who_loses")
        html = render(pages, f"{fence('trace')}\n\n{made}")
        assert one(html, "pagewalk-step").get("data-step") == "2"

    def test_other_anchors_are_left_alone(self, pages: Path) -> None:
        """A link to a heading is one."""
        html = render(pages, "[up](#page) [x](#stepping=3) [y](https://x.test/#step=9)")
        assert not every(html, "pagewalk-step")
        assert 'href="#page"' in html

    @pytest.mark.parametrize(
        ("href", "words"),
        [
            ("#step=9", "There is no step 9"),
            ("#step=soon", "step is a number"),
            ("#request=zebra", "0 requests of this engine"),
            ("#block=5", "there are the blocks 0 to 4 only"),
            ("#step=1&player=gone", "no player gone on the page"),
            ("#step=1&steps=2", "steps=2 says nothing"),
            ("#step=", "says nothing"),
            ("#step=1&step=2", "says nothing"),
        ],
    )
    def test_mistakes(self, pages: Path, href: str, words: str) -> None:
        """A moment that the trace does not have fails the build."""
        said = refused(pages, f"{fence('trace')}\n\n[x]({href})")
        assert words in said
        assert said.startswith("page scheduler/crowd, the link #")

    def test_no_player(self, pages: Path) -> None:
        """There is nothing to move."""
        assert "no player on the page: write a trace fence" in refused(pages, "[x](#step=1)")
