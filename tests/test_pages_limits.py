"""What every page of a chapter has, and how long it may be."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from committed_pages import DOCS, SCENARIOS, chapter_pages
from page_text import Page, read_page, words

from pagewalk.pages.claim_fence import read_claim
from pagewalk.pages.claims import predicate
from pagewalk.pages.fences import page_quotes
from pagewalk.pages.stem import find_walk
from pagewalk.source.excerpt import cut
from pagewalk.source.package import chosen, open_package

MOST_WORDS = 1200
LONGEST_SENTENCE, LONGEST_AVERAGE = 35, 18
SHORTEST_EXCERPT, LONGEST_EXCERPT = 3, 15
CLAIMS = 5


@cache
def page(path: Path) -> Page:
    """A page, taken apart once."""
    return read_page(path.read_text(encoding="utf-8"))


def shown(path: Path) -> str:
    """How a page is named in a test's id."""
    return path.relative_to(DOCS).as_posix()


def stem_of(path: Path) -> str:
    """The stem that a page stands on."""
    found = find_walk(path.read_text(encoding="utf-8").splitlines())
    assert found is not None, "it has no walk comment"
    return found[1].stem


EVERY_PAGE = pytest.mark.parametrize("path", chapter_pages(all_of_them=True), ids=shown)
CHAPTER_PAGE = pytest.mark.parametrize("path", chapter_pages(), ids=shown)


@CHAPTER_PAGE
class TestWhole:
    """The page grammar: what no page of a chapter lacks."""

    def test_stands_on_its_own_trace(self, path: Path) -> None:
        assert stem_of(path) == path.relative_to(DOCS).with_suffix("").as_posix()

    def test_proves_what_it_says(self, path: Path) -> None:
        claims = [read_claim(one.body, stem_of(path)) for one in page(path).of("claim")]
        assert len(claims) >= CLAIMS
        assert len({one.id for one in claims}) == len(claims)

    def test_shows_a_trace_and_a_source(self, path: Path) -> None:
        assert page(path).of("trace")
        # The table of exits is made from the source, too.
        assert page(path).of("source") or page(path).of("exits")

    def test_can_be_run_and_has_exercises(self, path: Path) -> None:
        titles = [title for _, title in page(path).headings]
        assert {"Run it", "Exercises"} <= set(titles)
        run = f"walkthroughs/scenarios/{stem_of(path)}.py"
        assert any("pagewalk run" in one.body and run in one.body for one in page(path).fences)

    def test_names_its_invariant(self, path: Path) -> None:
        assert any("**Invariant: " in one.text for one in page(path).texts)

    def test_is_short(self, path: Path) -> None:
        assert page(path).words <= MOST_WORDS


@EVERY_PAGE
class TestReadable:
    """Sentences that a newcomer can follow, and numbers that a trace supplies."""

    def test_no_sentence_is_long(self, path: Path) -> None:
        long = [
            f"line {line}: {sentence}"
            for line, sentence in page(path).sentences()
            if len(words(sentence)) > LONGEST_SENTENCE
        ]
        assert long == []

    def test_sentences_are_short_on_average(self, path: Path) -> None:
        lengths = [len(words(sentence)) for _, sentence in page(path).sentences()]
        assert sum(lengths) / len(lengths) <= LONGEST_AVERAGE

    def test_no_number_is_typed(self, path: Path) -> None:
        """Numbers are facts, or stand in code: `16` as an example, `4 * 5` as a reckoning."""
        typed = [f"line {line}: {number}" for line, number in page(path).typed_numbers()]
        assert typed == []

    def test_every_claim_has_its_predicate(self, path: Path) -> None:
        for fence in page(path).of("claim"):
            claim = read_claim(fence.body, stem_of(path))
            assert predicate(DOCS, claim.stem, claim.name).name == claim.name


def test_a_claim_stands_once_on_the_site() -> None:
    ids: dict[str, str] = {}
    for path in sorted(DOCS.rglob("*.md")):
        for fence in page(path).of("claim"):
            claim = read_claim(fence.body, "any")
            assert claim.id not in ids, f"{shown(path)} and {ids.get(claim.id)}: {claim.id}"
            ids[claim.id] = shown(path)


def test_every_trace_is_on_a_page() -> None:
    """Its stem is a page's own, or a page names it."""
    texts = [path.read_text(encoding="utf-8") for path in DOCS.rglob("*.md")]
    lost = [one.stem for one in SCENARIOS if not any(_names(text, one.stem) for text in texts)]
    assert lost == []


def _names(text: str, stem: str) -> bool:
    return any(
        f"{mark}{stem}" in text for mark in ("walk: ", "trace: ", "by: ", "[[", "scenarios/")
    )


@pytest.mark.engine
@EVERY_PAGE
def test_excerpts_are_short(path: Path) -> None:
    """3 to 15 lines of vLLM's source each, cut from the release that is installed."""
    with open_package(chosen()) as package:
        lengths = {
            one.line: len(cut(package, one.wanted).lines)
            for one in page_quotes(shown(path), path.read_text(encoding="utf-8"))
        }
    wrong = {
        line: length
        for line, length in lengths.items()
        if not SHORTEST_EXCERPT <= length <= LONGEST_EXCERPT
    }
    assert wrong == {}, "line of the fence: lines of the excerpt"
