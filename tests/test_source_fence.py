"""The `source` fence in Markdown: what it renders, and that every mistake fails the build."""

from __future__ import annotations

import re
import sys
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from small_release import LOOP, NAME, line_of, release, wheel

from pagewalk.errors import PagewalkError
from pagewalk.pages.fences import page_quotes, read_fence

markdown = pytest.importorskip("markdown", reason="the extra `site` is not installed")
superfences = pytest.importorskip("pymdownx.superfences", reason="the extra `site` is missing")

from pagewalk.pages.source_fence import format_source, validate_source  # noqa: E402

EXTENSIONS = ["admonition", "attr_list", "pymdownx.highlight", "pymdownx.superfences"]
NOTES = "\n\n1.  First note.\n"


def render(text: str, formatter: Any = format_source, **options: Any) -> str:
    """The page as HTML."""
    fence = {
        "name": "source",
        "class": "source",
        "format": formatter,
        "validator": validate_source,
    }
    configs = {"pymdownx.superfences": {"custom_fences": [fence]}, **options}
    return str(markdown.markdown(text, extensions=EXTENSIONS, extension_configs=configs))


def fence(*lines: str) -> str:
    """A fence of some lines."""
    return "\n".join(["```source", f"symbol: {NAME}", *lines, "```"])


def refused(text: str) -> str:
    """The sentence that fails the build."""
    with pytest.raises(superfences.SuperFencesException) as caught:
        render(text)
    return str(caught.value)


def shown(html: str) -> dict[int, str]:
    """True line number -> the text of the line."""
    found = re.findall(r'<span id="__span-[a-z0-9-]+-(\d+)">(.*?)\n</span>', html)
    return {int(number): unescape(re.sub("<[^>]*>", "", text)) for number, text in found}


@pytest.fixture(autouse=True)
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The small release, as the environment names it."""
    tree = release(tmp_path / "tree")
    monkeypatch.setenv("PAGEWALK_VLLM", str(tree))
    return tree


class TestHtml:
    """What a fence becomes."""

    def test_true_line_numbers(self) -> None:
        """Each line has its number in the file, beside it and in its id."""
        html = render(fence('at: "while self.running"'))
        first = line_of("while self.running")
        lines = shown(html)
        assert list(lines) == list(range(first, line_of("self.rest") + 1))
        assert lines[first] == "while self.running and budget > 0:"
        assert lines[first + 1] == "    job = self.running.pop(0)"
        numbers = re.findall(r'data-linenos="\s*(\d+) "', html)
        assert [int(number) for number in numbers] == list(lines)

    def test_empty_lines_count(self) -> None:
        """Those at the ends too."""
        lines = shown(render(fence("at: while budget > 0", "head: 1", "before: 2")))
        first = line_of("while budget > 0:")
        assert list(lines) == [first - 2, first - 1, first]
        assert lines[first - 2] == ""

    def test_highlights(self) -> None:
        """The lines of the statement, and no others."""
        html = render(fence('at: "while self.running"', "hl: [assign slots]"))
        lit = re.findall(r'__span-[a-z0-9-]+-(\d+)">(?:<a[^>]*></a>)*<span class="hll">', html)
        first = line_of("slots = self")
        assert [int(number) for number in lit] == list(range(first, first + 4))

    def test_marks(self) -> None:
        """At the end of their lines, also inside brackets, two on a line as well."""
        html = render(
            fence(
                'at: "while self.running"',
                "marks: {1: assign slots, 2: call min, 3: call take}",
            )
            + "\n\n1.  a\n2.  b\n3.  c\n"
        )
        lines = shown(html)
        assert lines[line_of("slots = self")].endswith("take(  # (1)!  # (3)!")
        assert lines[line_of("min(job")].endswith("min(job.need, budget),  # (2)!")
        assert html.count('<span class="c1">  # (') == 3
        assert 'class="pagewalk-source highlight annotate"' in html

    def test_numbers_in_comments_of_vllm_are_no_marks(self) -> None:
        """The text node is split; what the reader sees is the comment."""
        html = render(fence("at: else if job.is_done", "marks: {1: else}") + NOTES)
        assert "# <span>(</span>1) one for each" in html
        assert shown(html)[line_of("one for each")] == "    budget -= 1  # (1) one for each"

    def test_title_and_link(self) -> None:
        """The symbol or the page's words, the place, and the tag's lines."""
        html = render(fence("at: def skip"))
        first = line_of("def skip")
        url = f"https://github.com/vllm-project/vllm/blob/v9.9.0/vllm/engine/loop.py#L{first}"
        assert f'<a href="{url}-L{first + 1}">' in html
        assert '<span class="filename">Loop.turn <span' in html
        assert f"vllm/engine/loop.py, lines {first} to {first + 1}, vLLM 9.9.0" in html
        one = render(fence("at: return done", "title: 'All <b>\"done\"</b>'"))
        assert "All &lt;b&gt;&quot;done&quot;&lt;/b&gt;" in one
        assert f"loop.py, line {line_of('return done')}, vLLM" in one

    def test_no_link_to_what_has_no_tag(self, tree: Path) -> None:
        """A development version."""
        release(tree, version="9.9.1.dev3+g0123")
        html = render(fence())
        assert "github.com" not in html
        assert "vLLM 9.9.1.dev3+g0123" in html

    def test_ids_do_not_depend_on_the_page(self) -> None:
        """A fence before it, or another setting, changes nothing."""
        one = fence("at: def skip")
        html = render(f"{fence()}\n\n```python\nx\n```\n\n{one}")
        settings = {"linenums": False, "line_spans": "x", "linenums_style": "table"}
        for other in (render(one), render(one, **{"pymdownx.highlight": settings})):
            assert other.strip() in html
        assert '<div id="mine" ' in render(fence("id: mine"))

    def test_search_leaves_it_out(self) -> None:
        """One attribute on the outermost element, and no table in it."""
        html = render(fence())
        assert 'data-search-exclude=""' in html[: html.index(">")]
        assert "<table" not in html
        assert html.count("<div") == 1

    def test_code_is_escaped(self, tree: Path) -> None:
        """What looks like markup in the source is text."""
        release(tree, ("1\n\nelse", "'</span><script>x</script>\x1b'\n\nelse"))
        html = render("```source\nsymbol: vllm.engine.loop:chosen@1\n```")
        assert "<script>" not in html
        assert "&lt;/span&gt;&lt;script&gt;" in html

    def test_is_the_next_element_before_its_notes(self) -> None:
        """What Material needs; in admonitions and lists too."""
        text = fence("at: def skip", "marks: {1: def skip}") + NOTES
        assert re.search(r"</code></pre></div>\s*<ol>", render(text))
        inner = text.replace("\n", "\n    ")
        for outer in ("!!! note\n\n", "-   item\n\n"):
            assert re.search(r"</code></pre></div>\s*<ol>", render(f"{outer}    {inner}"))

    def test_from_a_wheel(
        self, tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The same HTML."""
        from_tree = render(fence())
        path = wheel(tree, tmp_path / "vllm-9.9.0-py3-none-any.whl")
        monkeypatch.setenv("PAGEWALK_VLLM", str(path))
        assert render(fence()) == from_tree


class TestMistakes:
    """SuperFences swallows exceptions: each has to come out as its own, in one sentence."""

    @pytest.mark.parametrize(
        ("lines", "words"),
        [
            (["at: call gone"], "`call gone` matches nothing in the symbol"),
            (["at: while"], "`while` matches 2 places"),
            (["at: loop"], "no step of a locator"),
            (["lines: 1-2"], "no key lines"),
            (["at: if a: b"], "no YAML"),
            (["head: 2", "to: return"], "`head` and `to`"),
            (["at: def skip", "marks: {1: call note}"], "in the excerpt"),
            (["at: def skip", "hl: call note"], "in the excerpt"),
        ],
    )
    def test_fails_the_build(self, lines: list[str], words: str) -> None:
        """Whatever is wrong with a fence."""
        text = refused(fence(*lines))
        assert words in text
        assert text.isprintable()

    def test_options_are_refused(self) -> None:
        """In both ways to write them."""
        assert "no option hl_lines" in refused(fence().replace("source", 'source hl_lines="1"', 1))
        assert "no option title" in refused(fence().replace("source", "{.source title=x}", 1))

    def test_source_that_cannot_be_read(self, tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A file that is no Python, a release that is not there, none at all."""
        (tree / "vllm/engine/loop.py").write_text("def f(:")
        assert "not Python" in refused(fence())
        monkeypatch.setenv("PAGEWALK_VLLM", str(tree / "gone"))
        assert "does not exist" in refused(fence())
        monkeypatch.delenv("PAGEWALK_VLLM")
        monkeypatch.delitem(sys.modules, "vllm", raising=False)
        monkeypatch.setattr(sys, "path", [])
        assert "found no vLLM: install it, or set PAGEWALK_VLLM" in refused(fence())

    def test_an_error_of_our_own(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Even what nobody thought of."""
        monkeypatch.setattr("pagewalk.pages.source_fence.read_fence", lambda text: 1 / 0)
        assert "ZeroDivisionError" in refused(fence())

    @pytest.mark.parametrize(
        ("notes", "count"),
        [
            ("", 0),
            ("\n\nText.\n\n1. a\n2. b\n", 0),
            ("\n\n1. a\n", 1),
            ("\n\n1. a\n2. b\n3. c\n", 3),
            ("\n\n* a\n* b\n", 0),
            ("\n\n1.  a\n\n    more\n2.  lost\n", 1),
        ],
    )
    def test_marks_without_notes(self, notes: str, count: int) -> None:
        """A reader would see the number in the code."""
        text = fence("at: def skip", "marks: {1: def skip, 2: call append}") + notes
        assert f"2 marks and the list right after it {count} notes" in refused(text)

    def test_marks_without_notes_in_a_box(self) -> None:
        """Blocks inside blocks are looked at too."""
        inner = fence("at: def skip", "marks: {1: def skip}").replace("\n", "\n    ")
        assert "1 marks" in refused(f"!!! note\n\n    {inner}\n\n1.  outside\n")

    def test_a_list_after_a_fence_without_marks_is_a_list(self) -> None:
        """Nobody counts it."""
        assert "<ol>" in render(fence() + NOTES)


INDENTS = ("", "", "", "    ", "> ", "  ")
PIECES = (
    *("```source", "```", "````", "~~~source", "~~~", "``` source", "``` {.source}", "```python"),
    *("text", "", "symbol: vllm.a:b", "id: one", "id: two", "id: three", "-   item", "> quoted"),
    *("```source x", '```python title="a"', "``` {.python .x}", "```source {.x}", "\t"),
)
LINES = st.tuples(st.sampled_from(INDENTS), st.sampled_from(PIECES)).map("".join)
WHOLE = st.tuples(
    st.sampled_from(INDENTS), st.sampled_from(("```", "~~~", "````")), st.sampled_from("abc")
).map(
    lambda drawn: "\n".join(
        drawn[0] + line
        for line in (f"{drawn[1]}source", "symbol: vllm.a:b", f"id: {drawn[2]}", drawn[1])
    )
)


QUOTED = ["> ```source", "", "  symbol: vllm.a:b", "  id: a", "> ```"]
INDENTED_END = ["```source", "symbol: vllm.a:b", "id: a", "  ```"]


@example([], QUOTED, [])
@example([], INDENTED_END, ["```"])
@given(st.lists(WHOLE, max_size=2), st.lists(LINES, max_size=5), st.lists(WHOLE, max_size=1))
def test_the_scan_finds_what_the_site_finds(
    first: list[str], lines: list[str], last: list[str]
) -> None:
    """Where the scan raises nothing, it names just the fences that SuperFences renders."""
    text = "\n".join([*first, *lines, *last])
    rendered: list[str] = []

    def record(source: str, *rest: Any, **more: Any) -> str:
        rendered.append(read_fence(source).id)
        return "<div></div>"

    try:
        found = [quote.id for quote in page_quotes("page.md", text)]
    except PagewalkError:
        return
    render(text, record)
    assert found == rendered


def test_the_small_release_is_what_the_numbers_are_about() -> None:
    """The helpers count lines of the file that is rendered."""
    assert shown(render(fence("at: return done")))[line_of("return done")] == "return done"
    assert LOOP.count("return done") == 1
