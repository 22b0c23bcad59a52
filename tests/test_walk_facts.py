"""The walk comment and the facts of a page: what they become, and that mistakes fail the build."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from story import crowded
from walk_pages import (
    FENCES,
    STEM,
    WALK,
    claim,
    docs,
    every,
    markdown,
    one,
    put,
    record,
    refused,
    render,
    superfences,
    text,
    tree,
)

from pagewalk.errors import PagewalkError
from pagewalk.pages.facts import shown, substitute
from pagewalk.pages.stem import find_walk


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    """The folder of the pages."""
    return docs(tmp_path / "docs")


def body(html: str) -> str:
    """The text of the page's paragraphs."""
    return " ".join(text(one) for one in tree(html).findall("p"))


class TestWalk:
    """The comment below the title."""

    def test_scheduler_alone(self, pages: Path) -> None:
        """Nobody executed a model: the line says so."""
        line = one(render(pages, ""), "pagewalk-provenance")
        said = text(line.find("summary"))  # type: ignore[arg-type]
        assert said == "Recorded from vLLM 0.32.0, its scheduler alone, 2026-09-21scenario"
        assert line.get("data-trace") == STEM

    def test_live(self, pages: Path) -> None:
        """A worker ran: its device is named."""
        line = one(render(pages, "", "<!-- walk: chat -->"), "pagewalk-provenance")
        assert "vLLM 0.32.0, a live engine on cpu, 2026-09-21" in text(line)

    def test_opens_to_the_scenario(self, pages: Path) -> None:
        """Its source, and the commands that record and judge it afresh."""
        inside = text(one(render(pages, ""), "pagewalk-recorded"))
        assert "docs/scenarios/scheduler/crowd.py" in inside
        assert "ENGINE = None" in inside
        assert (
            "pagewalk run --out build/crowd -- python docs/scenarios/scheduler/crowd.py" in inside
        )
        assert "pagewalk claims scheduler/crowd --trace build/crowd" in inside

    def test_elsewhere(self) -> None:
        """A page may lie where its stem does not say."""
        found = find_walk(["# Home", "", "<!-- walk: demo at: index -->"])
        assert found is not None
        assert found[0] == 2
        assert (found[1].stem, found[1].at) == ("demo", "index")

    def test_an_example_in_a_fence_is_none(self, pages: Path) -> None:
        """What stands in a fence is text."""
        html = render(pages, f"~~~~text\n{WALK}\n~~~~", walk="")
        assert not every(html, "pagewalk-provenance")
        assert "walk: scheduler/crowd" in html

    @pytest.mark.parametrize(
        ("comment", "words"),
        [
            ("<!-- walk: -->", "write <!-- walk: STEM -->"),
            ("<!-- walk: one two -->", "write <!-- walk: STEM -->"),
            ("<!-- walk: Scheduler/Crowd -->", "is no stem"),
            ("<!-- walk: ../secret -->", "is no stem"),
            ("<!-- walk: /etc/x -->", "is no stem"),
            ("<!-- walk: gone -->", "no trace gone: record it with `pagewalk run"),
        ],
    )
    def test_mistakes(self, pages: Path, comment: str, words: str) -> None:
        """Each is one sentence."""
        assert words in refused(pages, "", comment)

    def test_no_scenario(self, pages: Path) -> None:
        """A trace that nobody can record again proves little."""
        (pages / f"scenarios/{STEM}.py").unlink()
        assert "no scenario" in refused(pages, "")


class TestFacts:
    """`[[predicate.key]]`."""

    @pytest.mark.parametrize(
        ("written", "read"),
        [
            ("[[who_loses.step]]", "2"),
            ("[[ who_loses.victim ]]", "b"),
            ("[[who_loses.blocks]]", "3, 4"),
            ("[[who_loses.blocks.1]]", "4"),
            ("[[who_loses.share]]", "0.25"),
            ("[[chat:steps.count]]", "4"),
            ("`[[who_loses.step]]`", "2"),
            ("[see [[who_loses.step]]](https://x.test)", "see 2"),
            ("\\[[who_loses.step]]", "[[who_loses.step]]"),
            ("\\[[whatever]]", "[[whatever]]"),
            ("[[1, 2], [3]]", "[[1, 2], [3]]"),
            ("x[[a, b]]", "x[[a, b]]"),
        ],
    )
    def test_value(self, pages: Path, written: str, read: str) -> None:
        """What the reader sees."""
        assert body(render(pages, f"It is {written}.")) == f"It is {read}."

    def test_in_fences(self, pages: Path) -> None:
        """A command on the page has the trace's numbers, an example keeps its marks."""
        html = render(pages, "```sh\nx --step [[who_loses.step]]\n```\n")
        assert "--step 2" in text(tree(html))
        html = render(pages, "~~~~text\n\\[[who_loses.step]]\n~~~~\n")
        assert "[[who_loses.step]]" in text(tree(html))

    @pytest.mark.parametrize(
        ("written", "words"),
        [
            ("[[gone.step]]", "no predicate gone: there are who_loses, nobody_ever_loses"),
            ("[[who_lose.step]]", "did you mean who_loses?"),
            ("[[who_loses.steps]]", "returns no steps: did you mean step?"),
            ("[[who_loses.zebra]]", "it returns step, victim, blocks, share"),
            ("[[who_loses.blocks.2]]", "has no place 2: it is 3, 4"),
            ("[[who_loses.step.0]]", "has no place 0"),
            ("[[who_loses]]", "write a predicate and a key"),
            ("[[other:who_loses.step]]", "no claims file"),
            ("[[nobody_ever_loses.x]]", "does not hold"),
        ],
    )
    def test_mistakes(self, pages: Path, written: str, words: str) -> None:
        """Page, line, fact and next step, in one sentence."""
        said = refused(pages, f"Text.\n\nIt is {written}.")
        assert words in said
        assert said.startswith("page scheduler/crowd, line 7, the fact ")

    def test_a_page_without_a_stem(self, pages: Path) -> None:
        """It may name a stem, and must; other double brackets are its own."""
        html = render(pages, "It is [[chat:steps.count]], [[Event]].", walk="")
        assert body(html) == "It is 4, [[Event]]."
        assert "has no stem" in refused(pages, "[[who_loses.step]]", walk="")

    @pytest.mark.parametrize(
        "name",
        ["<img src=x onerror=alert(1)>", "`x`", "[x](javascript:y)", "a\x1b[2J", "*a*", "[[a.b]]"],
    )
    def test_hostile_names(self, pages: Path, name: str) -> None:
        """A client's request id does not come into a page as Markdown."""
        text = f'def who(run):\n    """It."""\n    return {{"name": {name!r}}}\n'
        put(pages, f"claims/{STEM}.py", text)
        assert "marks that Markdown reads" in refused(pages, "[[who.name]]")

    @pytest.mark.parametrize("value", ["None", "True", "{}", "[[1]]", "object()"])
    def test_what_is_no_fact(self, pages: Path, value: str) -> None:
        """A sentence shows numbers and words."""
        put(
            pages,
            f"claims/{STEM}.py",
            f'def who(run):\n    """It."""\n    return {{"it": {value}}}\n',
        )
        assert "facts are int, float, str, or lists" in refused(pages, "[[who.it]]")

    def test_comparisons_are_no_markup(self, pages: Path) -> None:
        """The guards of exits may be shown."""
        put(
            pages,
            f"claims/{STEM}.py",
            'def why(run):\n    """It."""\n    return {"it": "a <= b > c < 3"}\n',
        )
        assert body(render(pages, "`[[why.it]]`, [[why.it]]")) == "a <= b > c < 3, a <= b > c < 3"

    def test_a_new_trace_has_new_facts(self, pages: Path) -> None:
        """What is kept in memory is the trace that lies there."""
        assert substitute("[[chat:steps.count]]", pages, None) == "4"
        put(
            pages,
            "claims/chat.py",
            'def steps(run):\n    """It."""\n    return {"count": len(run.steps)}\n',
        )
        (pages / "traces/chat/300-0.jsonl").unlink()
        assert substitute("[[chat:steps.count]]", pages, None) == "4"
        for file in (pages / "traces/chat").glob("*.jsonl"):
            file.unlink()
        record(pages, "chat", crowded())
        assert substitute("[[chat:steps.count]]", pages, None) == "5"

    def test_shown(self) -> None:
        """Numbers as a reader types them."""
        assert [shown(one) for one in (12345, 1 / 3, 2.0, ["a", 1])] == [
            "12345",
            "0.333333",
            "2",
            "a, 1",
        ]


def test_claims_need_assertions(pages: Path) -> None:
    """Python -O leaves them out: then nothing is judged at all."""
    script = (
        "import sys; from pathlib import Path; from pagewalk.pages.claims import judge\n"
        f"judge(Path({str(pages)!r}), 'chat', 'steps')"
    )
    optimized = subprocess.run([sys.executable, "-O", "-c", script], capture_output=True, text=True)
    assert "run Python without -O" in optimized.stderr
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_the_extension_alone_says_what_is_missing(pages: Path) -> None:
    """A fence without the extension names it."""
    custom = [{"name": "claim", "class": "claim", "format": FENCES["claim"]}]
    with pytest.raises(superfences.SuperFencesException, match=r"add it to markdown_extensions"):
        markdown.markdown(
            claim("x"),
            extensions=["pymdownx.superfences"],
            extension_configs={"pymdownx.superfences": {"custom_fences": custom}},
        )
    with pytest.raises(PagewalkError, match="is no stem"):
        find_walk(["<!-- walk: A -->"])
