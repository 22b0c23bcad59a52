"""Pages rendered again in one process: what changed is seen, what stands is not made twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from story import Core
from walk_pages import STEM, claim, docs, fence, put, record, refused, render

from pagewalk.errors import PagewalkError
from pagewalk.pages import claim_fence, claims, claims_page, runs
from pagewalk.pages.once import looked_once, once
from pagewalk.pages.stem import payload_path
from pagewalk.source.excerpt import Wanted, cut
from pagewalk.source.package import open_package

BLOCKS = '''def blocks(run):
    """The pool has blocks."""
    assert run.engine.num_blocks > 0
    return {"count": run.engine.num_blocks}
'''


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    return docs(tmp_path / "docs")


class TestChanges:
    """Each is in the page that is rendered next."""

    def test_a_claims_file(self, pages: Path) -> None:
        """Its facts, the code that readers see, and whether it holds."""
        text = f"{claim('c')}\n\n[[who_loses.share]]"
        assert "0.25" in render(pages, text)
        path = pages / f"claims/{STEM}.py"
        path.write_text(path.read_text().replace("0.25", "0.75"))
        again = render(pages, text)
        assert "0.25" not in again
        assert again.count("0.75") == 2
        path.write_text(path.read_text().replace('== "a"', '== "zebra"'))
        assert "does not hold" in refused(pages, text)

    def test_a_trace(self, pages: Path) -> None:
        """Its facts, its date, what a command prints of it, and the player's data."""
        put(pages, "claims/again.py", BLOCKS)
        text = f"{fence('trace')}\n\n{fence('pagewalk', 'show TRACE')}\n\nIt has [[blocks.count]]."
        walk = "<!-- walk: again -->"
        record(pages, "again", Core(pid=300, num_blocks=7))
        first = render(pages, text, walk)
        data = payload_path(pages, "again").read_bytes()
        assert "It has 7." in first
        record(pages, "again", Core(pid=300, num_blocks=9))
        second = render(pages, text, walk)
        assert "It has 9." in second
        assert "--blocks:9;" in second
        assert payload_path(pages, "again").read_bytes() != data

    def test_a_scenario(self, pages: Path) -> None:
        """The program that was run stands on the page."""
        render(pages, "")
        path = pages / f"scenarios/{STEM}.py"
        path.write_text(path.read_text().replace("What is run.", "What was run twice."))
        assert "What was run twice." in render(pages, "")

    def test_another_page(self, pages: Path) -> None:
        """An id that it takes is taken, and free once it is gone."""
        assert render(pages, claim("x"))
        other = put(
            pages, "chat.md", f"# Chat\n\n<!-- walk: chat -->\n\n{claim('x', by='steps')}\n"
        )
        assert "is on the page chat already" in refused(pages, claim("x"))
        other.unlink()
        assert render(pages, claim("x"))

    def test_the_source_that_is_quoted(self, tmp_path: Path) -> None:
        """A function is looked for in the file as it is now."""
        file = put(tmp_path, "vllm/one.py", "def f():\n    return 1\n")
        wanted = Wanted("vllm.one:f", at=("return",))
        with open_package(tmp_path) as package:
            assert cut(package, wanted).lines == ("return 1",)
            file.write_text("\n\ndef f():\n    x = 1\n    return 2\n")
            again = cut(package, wanted)
        assert (again.lines, again.first) == (("return 2",), 5)


class TestOnce:
    """While one page is rendered, files stand still."""

    def test_a_page_looks_at_each_file_once(
        self, pages: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """However many facts and claims it has."""
        seen: Counter[tuple[str, str]] = Counter()

        def counted(module: Any, name: str, file: Callable[..., Path]) -> None:
            real = getattr(module, name)

            def look(*arguments: Any) -> Any:
                seen[name, file(*arguments).name] += 1
                return real(*arguments)

            monkeypatch.setattr(module, name, look)

        counted(runs, "_stamp", lambda path: path)
        counted(claims, "_book", lambda path, stem: path)
        counted(claims_page, "pages_by_claim", lambda folder: folder)
        facts = "[[who_loses.step]] [[who_loses.victim]] [[who_loses.blocks]] [[chat:steps.count]]"
        text = "\n\n".join([facts, facts, claim("a"), claim("b"), claim("c", by="chat:steps")])
        assert render(pages, text).count("pagewalk-tick") == 3
        assert seen == {
            ("_stamp", "crowd"): 1,
            ("_stamp", "chat"): 1,
            ("_book", "crowd.py"): 1,
            ("_book", "chat.py"): 1,
            ("pages_by_claim", "docs"): 1,
        }

    def test_without_a_piece_of_work_every_look_is_new(self) -> None:
        looks = iter("abc")
        assert [once("key", lambda: next(looks)) for _ in range(3)] == ["a", "b", "c"]

    def test_an_error_is_not_kept(self) -> None:
        with looked_once():
            with pytest.raises(PagewalkError):
                once("key", _fail)
            assert once("key", lambda: 1) == once("key", lambda: 2) == 1

    def test_what_is_inside_belongs_to_what_is_around_it(self) -> None:
        kept: dict[Any, Any] = {}
        with looked_once():
            assert once("key", lambda: 1) == 1
            with looked_once():
                assert once("key", lambda: 2) == 1
            with looked_once(kept):
                assert once("key", lambda: 3) == 3
            assert once("key", lambda: 4) == 1
        with looked_once(kept):
            assert once("key", lambda: 5) == 3
        assert once("key", lambda: 6) == 6

    def test_a_body_is_read_once_for_its_page_and_for_the_list(self) -> None:
        body = "id: x\nsays: It holds.\nby: who_loses\n"
        assert claim_fence.read_claim(body, STEM) is claim_fence.read_claim(body, STEM)
        assert claim_fence.read_claim(body, "chat").stem == "chat"


def _fail() -> None:
    raise PagewalkError("no", "It is not there: make it.")
