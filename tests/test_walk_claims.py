"""The `claim` fence, the list of all claims and `pagewalk claims`: what holds, and what fails."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from story import crowded
from walk_pages import (
    STEM,
    WALK,
    claim,
    docs,
    every,
    fence,
    one,
    put,
    record,
    refused,
    render,
    text,
)

from pagewalk.cli import main
from pagewalk.errors import PagewalkError
from pagewalk.pages.claims import book, judge, predicate
from pagewalk.pages.claims_page import listed


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    """The folder of the pages."""
    return docs(tmp_path / "docs")


class TestFence:
    """What a claim becomes."""

    def test_line(self, pages: Path) -> None:
        """A tick, the sentence with its facts as Markdown, release, place and date."""
        says = "Step [[who_loses.step]] takes from `[[who_loses.victim]]` *all* blocks."
        html = render(pages, claim("takes-all", says=says))
        made = one(html, "pagewalk-claim")
        assert (made.tag, made.get("id")) == ("details", "claim-takes-all")
        assert text(one(html, "pagewalk-tick")) == "✓"
        sentence = one(html, "pagewalk-says")
        assert text(sentence) == "Step 2 takes from b all blocks."
        assert [child.tag for child in sentence] == ["code", "em"]
        assert text(one(html, "pagewalk-where")) == "0.32.0 · scheduler alone · 2026-09-21"

    def test_of_another_stem(self, pages: Path) -> None:
        """Its release, device and date are those of that trace, and so is the command."""
        html = render(pages, claim("four", by="chat:steps"))
        assert text(one(html, "pagewalk-where")) == "0.32.0 · cpu · 2026-09-21"
        assert "pagewalk claims chat" in text(one(html, "pagewalk-proof"))

    def test_proof(self, pages: Path) -> None:
        """The docstring as text, the source without it, and the helpers that it calls."""
        proof = one(render(pages, claim("x")), "pagewalk-proof")
        said = text(proof)
        assert said.startswith("b loses its blocks so that a can grow. def who_loses(run: Run)")
        assert said.count("so that a can grow") == 1
        assert said.index("assert run.name") < said.index("def _held(run, one):")
        assert "nobody_ever_loses" not in said
        assert said.endswith("pagewalk claims scheduler/crowd")
        assert proof.get("data-search-exclude") is not None

    @pytest.mark.parametrize(
        "around",
        [
            "Text before.\n{}\nText after.",
            "- item\n\n    {}\n\n- next",
            '??? question "How many?"\n\n    Text.\n    {}\n    Text.',
            "> Quoted.\n>\n> {}",
        ],
    )
    def test_stands_where_it_was_written(self, pages: Path, around: str) -> None:
        """In lists and boxes, and right behind a line of text."""
        before = around.partition("{}")[0].rpartition("\n")[2]
        html = render(pages, around.format(claim("x").replace("\n", f"\n{before}")))
        assert one(html, "pagewalk-claim").tag == "details"
        assert "data-pagewalk" not in html
        assert "wzxhzdk" not in html

    def test_an_example_is_not_judged(self, pages: Path) -> None:
        """A fence in a fence is text."""
        html = render(pages, f"~~~~text\n{claim('x', by='gone')}\n~~~~")
        assert not every(html, "pagewalk-claim")
        assert "by: gone" in html

    def test_several(self, pages: Path) -> None:
        """Each is judged and stands in its place."""
        html = render(pages, f"{claim('x')}\n\nText.\n\n{claim('y', by='chat:steps')}")
        assert [made.get("id") for made in every(html, "pagewalk-claim")] == ["claim-x", "claim-y"]


class TestMistakes:
    """Each fails the build with one sentence that names the page."""

    @pytest.mark.parametrize(
        ("made", "words"),
        [
            (claim("x", by="gone"), "has no predicate gone"),
            (claim("x", by="other/stem:gone"), "no claims file"),
            (claim("x", by="no such"), "`by` of the claim x is a predicate"),
            (claim("X"), "`id` is small letters"),
            (claim("x", says="No full stop"), "end it with a full stop"),
            (claim("x", says="A colon: here."), "no YAML"),
            (claim("x", says="Block #3 is cut #here."), "YAML cuts `says` at its #"),
            (fence("claim", "id: x", "says: It."), "`by` is missing"),
            (fence("claim", "id: x", "says: It.", "by: who_loses", "at: 3"), "no key at"),
            (fence("claim", "- a list"), "lines of `key: value`"),
            (fence("claim"), "`id` is missing"),
            ('```claim title="x"\nid: y\n```', "no option title"),
            ("```claim title=x\nid: y\n```", "no fence begins with ```claim title=x: close it"),
            ("```claim\nid: y\n", "no fence begins with ```claim: close it"),
            ("~~~ {.claim .x}\nid: y\n  ~~~", "no fence begins with ~~~ {.claim .x}"),
            (claim("x") + "\n\n" + claim("x"), "the claim x is on this page already"),
            ("    " + claim("x").replace("\n", "\n    "), "stands in an indented block"),
        ],
    )
    def test_fails_the_build(self, pages: Path, made: str, words: str) -> None:
        """Whatever is wrong with a fence."""
        assert words in refused(pages, made)

    def test_names_the_page(self, pages: Path) -> None:
        """And the fence."""
        assert refused(pages, claim("x", by="gone")).startswith("page scheduler/crowd, claim fence")

    def test_a_claim_that_fails(self, pages: Path) -> None:
        """The failing line of the predicate, in one line, and its message."""
        said = refused(pages, claim("x", by="nobody_ever_loses"))
        assert "the claim x fails: The predicate nobody_ever_loses of claims/scheduler" in said
        assert '`assert ( not lost ), f"{len(lost)} lost"` (1 lost): correct' in said

    @pytest.mark.parametrize(
        ("body", "words"),
        [
            ("raise SystemError('odd\\x1b[2J')", "(SystemError: odd\\x1b[2J)"),
            ("run.step(99)", "PagewalkError: There is no step 99"),
            ("for one in run.steps:\n        assert not one", "`assert not one`"),
            ("return 3", "returns no facts"),
            ("return {1: 2}", "returns no facts"),
        ],
    )
    def test_a_predicate_that_breaks(self, pages: Path, body: str, words: str) -> None:
        """Anything but facts is a claim that fails."""
        put(pages, f"claims/{STEM}.py", f'def odd(run):\n    """It."""\n    {body}\n')
        assert words in refused(pages, claim("x", by="odd"))

    @pytest.mark.parametrize(
        ("source", "words"),
        [
            ("def odd(run):\n    return {}\n", "has no docstring"),
            ("def odd(run:\n", "cannot be loaded (SyntaxError"),
            ("import nowhere_at_all\n", "cannot be loaded (ModuleNotFoundError"),
            ('def odd(run):\n    """It."""\n\nodd = 3\n', "odd is no function"),
        ],
    )
    def test_a_claims_file_that_breaks(self, pages: Path, source: str, words: str) -> None:
        """Nothing in it is judged."""
        put(pages, f"claims/{STEM}.py", source)
        assert words in refused(pages, claim("x", by="odd"))

    def test_no_walk_comment(self, pages: Path) -> None:
        """A claim stands on a trace."""
        assert "write <!-- walk: STEM -->" in refused(pages, claim("x"), walk="")

    def test_an_id_of_another_page(self, pages: Path) -> None:
        """Ids are the site's."""
        put(pages, "chat.md", f"# Chat\n\n<!-- walk: chat -->\n\n{claim('x', by='steps')}\n")
        assert "the claim x is on the page chat already" in refused(pages, claim("x"))
        assert render(pages, claim("y"))


class TestJudge:
    """Predicates and their files."""

    def test_on_another_trace(self, pages: Path) -> None:
        """The recorded one is not asked."""
        with pytest.raises(PagewalkError, match="does not hold"):
            judge(pages, STEM, "who_loses", pages / "traces" / "chat")
        assert judge(pages, STEM, "who_loses")["step"] == 2

    def test_a_changed_file_is_judged_anew(self, pages: Path) -> None:
        """The site is built again and again in one process while an author writes."""
        assert judge(pages, "chat", "steps") == {"count": 4}
        path = pages / "claims/chat.py"
        path.write_text(path.read_text().replace("== 4", "== 5"))
        with pytest.raises(PagewalkError, match="assert len"):
            judge(pages, "chat", "steps")

    def test_leaves_no_compiled_files(self, pages: Path) -> None:
        """They would be copied into the site."""
        judge(pages, STEM, "who_loses")
        assert not list(pages.rglob("__pycache__"))

    def test_predicates(self, pages: Path) -> None:
        """Public functions in their order; the first paragraph of the docstring is the sentence."""
        known = book(pages, STEM)
        assert list(known.predicates) == ["who_loses", "nobody_ever_loses"]
        assert predicate(pages, STEM, "nobody_ever_loses").says == "No request is preempted."


class TestList:
    """The `claims` fence."""

    def test_all_pages(self, pages: Path) -> None:
        """By page, with links, release, device, date, tick, and a count."""
        put(pages, "chat.md", f"# The chat\n\n<!-- walk: chat -->\n\n{claim('four', by='steps')}\n")
        says = "Step [[who_loses.step]] hurts `b`."
        body = f"{claim('hurts', says=says)}\n\n{claim('too', by='chat:steps')}"
        put(pages, f"{STEM}.md", f"# The *crowd*\n\n{WALK}\n\n{body}\n")
        put(pages, "other.md", f"# No walk\n\n~~~~text\n{claim('none')}\n~~~~\n")
        html = render(pages, fence("claims", f"pages: [{STEM}]"), walk="")
        box = one(html, "pagewalk-claims")
        assert text(box[0]).startswith("3 claims on 2 pages.")
        titles = [text(title) for title in every(html, "pagewalk-page")]
        assert titles == ["The crowd2", "The chat1"]
        links = [(link.get("href"), text(link)) for link in box.iter("a")]
        assert links == [
            ("scheduler/crowd.md", "The crowd"),
            ("scheduler/crowd.md#claim-hurts", "Step 2 hurts b."),
            ("scheduler/crowd.md#claim-too", "It holds."),
            ("chat.md", "The chat"),
            ("chat.md#claim-four", "It holds."),
        ]
        places = [text(place) for place in every(html, "pagewalk-where")]
        assert places == [
            "0.32.0 · scheduler alone · 2026-09-21",
            "0.32.0 · cpu · 2026-09-21",
            "0.32.0 · cpu · 2026-09-21",
        ]
        assert len(every(html, "pagewalk-tick")) == 3

    def test_links_of_a_deeper_page(self, pages: Path) -> None:
        """They are relative to it."""
        put(pages, "chat.md", f"# Chat\n\n<!-- walk: chat -->\n\n{claim('four', by='steps')}\n")
        put(pages, "scheduler/other.md", f"# O\n\n{WALK}\n\n{claim('x')}\n")
        box = one(render(pages, fence("claims")), "pagewalk-claims")
        hrefs = [link.get("href") for link in box.iter("a")]
        assert hrefs == ["../chat.md", "../chat.md#claim-four", "other.md", "other.md#claim-x"]

    def test_links_in_sentences(self, pages: Path) -> None:
        """They move a player on their page; here the whole sentence is one link."""
        made = claim("x", says="'[Step `2`](#step=2&request=b) hurts.'")
        put(pages, f"{STEM}.md", f"# Crowd\n\n{WALK}\n\n{fence('trace')}\n\n{made}\n")
        box = one(render(pages, fence("claims"), walk=""), "pagewalk-claims")
        assert [text(link) for link in box.iter("a")] == ["Crowd", "Step 2 hurts."]

    def test_none(self, pages: Path) -> None:
        """A site without claims says so."""
        assert "0 claims on 0 pages." in text(
            one(render(pages, fence("claims")), "pagewalk-claims")
        )

    def test_one_that_fails(self, pages: Path) -> None:
        """The list never shows a tick that nobody judged."""
        made = claim("x", by="nobody_ever_loses")
        put(pages, f"{STEM}.md", f"# Crowd\n\n{WALK}\n\n{made}\n")
        assert "does not hold" in refused(pages, fence("claims"), walk="")

    def test_a_changed_page_is_read_anew(self, pages: Path) -> None:
        """While an author writes."""
        assert listed(pages) == ()
        path = put(pages, f"{STEM}.md", f"# Crowd\n\n{WALK}\n\n{claim('x')}\n")
        assert [one.ids for one in listed(pages)] == [frozenset({"x"})]
        path.write_text(path.read_text().replace("id: x", "id: longer"))
        assert [one.ids for one in listed(pages)] == [frozenset({"longer"})]

    def test_mistakes(self, pages: Path) -> None:
        """Of the fence itself, and of a fence on another page."""
        assert "`pages` is a list" in refused(pages, fence("claims", "pages: 3"))
        put(pages, f"{STEM}.md", f"# Crowd\n\n{WALK}\n\n{claim('x', says='No stop')}\n")
        assert "page scheduler/crowd, a claim fence" in refused(pages, fence("claims"), walk="")


class TestCommand:
    """`pagewalk claims`."""

    def test_one_stem(self, pages: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """A line for each predicate, and its facts; 1 where one fails."""
        assert main(["claims", "chat", "--docs", str(pages)]) == 0
        assert capsys.readouterr().out.splitlines() == [
            "chat",
            "  ✓ steps  Four steps.",
            "      count 4",
            "",
            "1 claim: all hold.",
        ]
        assert main(["claims", STEM, "--docs", str(pages)]) == 1
        said = capsys.readouterr().out
        assert "step 2 · victim b · blocks 3, 4 · share 0.25" in said
        assert "  ✕ nobody_ever_loses  The predicate nobody_ever_loses" in said
        assert said.endswith("1 of 2 claims do not hold.\n")

    def test_all(self, pages: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Every claims file, by name."""
        assert main(["claims", "--docs", str(pages), "--json"]) == 1
        told = json.loads(capsys.readouterr().out)
        assert [(one["stem"], one["predicate"], one["holds"]) for one in told["claims"]] == [
            ("chat", "steps", True),
            (STEM, "who_loses", True),
            (STEM, "nobody_ever_loses", False),
        ]
        assert told["well"] is False
        assert told["claims"][1]["facts"]["blocks"] == [3, 4]

    def test_a_trace_of_ones_own(
        self, pages: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """What a reader recorded is judged, not what lies beside the page."""
        record(tmp_path / "mine", "crowd", crowded())
        mine = tmp_path / "mine/traces/crowd"
        call = ["claims", "chat", "--docs", str(pages), "--trace", str(mine)]
        assert main(call) == 1
        assert "`assert len(run.steps) == 4`" in capsys.readouterr().out

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (["gone"], "no claims file"),
            (["--trace", "x"], "name its STEM before --trace"),
            (["chat", "--trace", "nowhere"], "nowhere is no trace"),
            (["No/Stem"], "is no stem"),
        ],
    )
    def test_mistakes(
        self, pages: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
    ) -> None:
        """One sentence, and 2."""
        assert main(["claims", *words, "--docs", str(pages)]) == 2
        assert said in capsys.readouterr().err

    def test_no_claims(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """In a folder that is not the pages'."""
        assert main(["claims", "--docs", str(tmp_path)]) == 2
        assert "name their folder with --docs" in capsys.readouterr().err
