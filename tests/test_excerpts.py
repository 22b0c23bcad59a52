"""Fences, the lock, and what became of each excerpt in another release; the commands too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_release import LOOP, NAME, line_of, release, wheel

from pagewalk.cli_excerpt import check, excerpt, page, update
from pagewalk.errors import PagewalkError
from pagewalk.pages.fences import page_quotes, quotes, read_fence, stable_id
from pagewalk.source import drift_page
from pagewalk.source.drift import Judged
from pagewalk.source.excerpt import Wanted
from pagewalk.source.lock import Entry, read_lock, write_lock

PAGE = f"""\
# Turning

```source
symbol: {NAME}
at: "while self.running"
head: 3
marks: {{1: while self.running}}
id: running
```

1.  A note.

=== "Tab"

    ~~~source
    symbol: {NAME}.skip
    id: skip
    ~~~

```python
source = "no fence"
```

> ``` {{.source}}
> symbol: {NAME}
> at: [while budget > 0, call close]
> before: 1
> id: close
> ```
"""


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The small release that pages stand on."""
    tree = release(tmp_path / "old")
    monkeypatch.setenv("PAGEWALK_VLLM", str(tree))
    monkeypatch.chdir(tmp_path)
    return tree


@pytest.fixture
def pages(tree: Path, tmp_path: Path) -> Path:
    """A folder with one page, whose excerpts are locked."""
    folder = tmp_path / "walkthroughs"
    (folder / "part").mkdir(parents=True)
    (folder / "part" / "turn.md").write_text(PAGE)
    assert update() == 0
    return folder


def told(capsys: pytest.CaptureFixture[str], code: int, **more: Any) -> dict[str, Any]:
    """What the check says, by id, and that it exits so."""
    capsys.readouterr()
    assert check(as_json=True, **more) == code
    said = json.loads(capsys.readouterr().out)
    assert said["well"] is (code == 0)
    return {one["id"]: one for one in said["excerpts"]}


def statuses(said: dict[str, Any]) -> dict[str, str]:
    """Id -> status."""
    return {name: one["status"] for name, one in said.items()}


class TestCheck:
    """What becomes of the excerpts of a page."""

    def test_same(self, pages: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Nothing has changed."""
        said = told(capsys, 0)
        assert statuses(said) == {"running": "same", "skip": "same", "close": "same"}
        assert said["running"]["page"] == "walkthroughs/part/turn.md"
        assert [said[name]["line"] for name in ("running", "skip", "close")] == [3, 15, 24]

    @pytest.mark.parametrize(
        ("edits", "running", "skip", "close"),
        [
            ([("LIMIT: int = 8", "\nLIMIT: int = 8")], "moved", "moved", "moved"),
            ([("# then the waiting", "# last the waiting")], "same", "same", "same"),
            ([("job.close()", "job.close()  # always")], "same", "same", "comments only"),
            ([("finally:", "finally:  # ?")], "same", "same", "comments only"),
            ([("job.close()", "job.close(now)")], "same", "same", "changed"),
            ([("append(job)", "add(job)")], "same", "changed", "same"),
            ([("job.close()", "job.shut()")], "same", "same", "gone"),
            ([("def skip(job)", "def leave(job)")], "same", "gone", "same"),
            ([("if slots is None", "while self.running.any: pass\n            if slots is None")],
             "ambiguous", "same", "moved"),
            ([("while self.running and budget > 0", "while budget > 0 and self.running")],
             "changed", "same", "same"),
        ],
    )  # fmt: skip
    def test_another_release(
        self,
        pages: Path,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
        edits: list[tuple[str, str]],
        running: str,
        skip: str,
        close: str,
    ) -> None:
        """Each edit has its status, in a tree and in a wheel; both release names are told."""
        new = release(tmp_path / "new", *edits, version="9.9.1")
        expected = {"running": running, "skip": skip, "close": close}
        well = set(expected.values()) <= {"same", "moved"}
        for against in (new, wheel(new, tmp_path / "vllm-9.9.1-py3-none-any.whl")):
            assert statuses(told(capsys, 0 if well else 1, against=against)) == expected

    def test_diff_is_made_when_asked(
        self, pages: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """From the release that the lock is of, if that is at hand; the lock holds no code."""
        new = release(tmp_path / "new", ("append(job)", "add(job)"), version="9.9.1")
        diff = told(capsys, 1, against=new)["skip"]["diff"]
        assert "-    self.skipped.append(job)" in diff
        assert "+    self.skipped.add(job)" in diff
        assert "9.9.0" in diff[0]
        assert "9.9.1" in diff[1]
        assert "append" not in (tmp_path / "excerpts.lock").read_text()

    def test_without_the_old_release_only_the_diff_is_lost(
        self,
        pages: Path,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """The status needs hashes alone."""
        new = release(tmp_path / "new", ("append(job)", "add(job)"), version="9.9.1")
        monkeypatch.setenv("PAGEWALK_VLLM", str(tmp_path / "gone"))
        skip = told(capsys, 1, against=new)["skip"]
        assert (skip["status"], skip["diff"]) == ("changed", [])

    def test_no_diff_from_a_release_that_the_lock_is_not_of(
        self, pages: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """It would show changes that somebody has read already, or none."""
        locked = release(tmp_path / "new", ("append(job)", "add(job)"), version="9.9.1")
        assert update(against=locked) == 0
        newest = release(tmp_path / "newest", ("append(job)", "push(job)"), version="9.9.2")
        skip = told(capsys, 1, against=newest)["skip"]
        assert (skip["status"], skip["detail"], skip["diff"]) == ("changed", "since 9.9.1", [])

    def test_module_gone(
        self, pages: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """A release without the file."""
        new = release(tmp_path / "new", version="9.9.1", **{"vllm/engine/loop.py": None})
        assert set(statuses(told(capsys, 1, against=new)).values()) == {"gone"}

    def test_lost_mark(
        self, pages: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """The excerpt is there, and a note of it has nothing to hang on."""
        page = pages / "part" / "turn.md"
        page.write_text(page.read_text().replace("{1: while self.running}", "{1: call gone}"))
        running = told(capsys, 1)["running"]
        assert running["status"] == "changed"
        assert "a mark or highlight is lost" in running["detail"]

    def test_edited_and_unused(self, pages: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """A fence that asks for something else, one that is new, one that has gone."""
        page = pages / "part" / "turn.md"
        page.write_text(page.read_text().replace("head: 3", "head: 4").replace("skip\n", "new\n"))
        page.write_text(page.read_text().replace(f"{NAME}.new", f"{NAME}.skip"))
        said = statuses(told(capsys, 1))
        assert said == {
            "running": "unlocked",
            "new": "unlocked",
            "close": "same",
            "skip": "unused",
        }
        assert update() == 0
        assert statuses(told(capsys, 0)) == {"running": "same", "new": "same", "close": "same"}

    def test_what_people_read(
        self, pages: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Place, lines, difference and a count; nothing moves the cursor."""
        edits = [("append(job)", 'add("\x1b[2J\u202e\\n")'), ("LIMIT: int", "\n\nLIMIT: int")]
        new = release(tmp_path / "new", *edits, version="9.9.1")
        assert check(against=new) == 1
        text = capsys.readouterr().out
        first = line_of("def skip")
        assert f"walkthroughs/part/turn.md:15  {NAME}.skip  {first}-{first + 1} -> " in text
        assert r'+    self.skipped.add("\x1b[2J\u202e\n")' in text
        assert "3 excerpts, vLLM 9.9.1: 2 moved, 1 changed." in text
        assert all(line.isprintable() for line in text.splitlines())


class TestLock:
    """The file itself."""

    def test_update_keeps_what_is_lost(
        self, pages: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """The entry of an excerpt that cannot be found stays, so that it is not forgotten."""
        new = release(tmp_path / "new", ("def skip(job)", "def leave(job)"), version="9.9.1")
        assert update(against=new) == 1
        releases = {entry.id: entry.release for entry in read_lock(tmp_path / "excerpts.lock")}
        assert releases == {"running": "9.9.1", "skip": "9.9.0", "close": "9.9.1"}

    def test_is_sorted_and_stable(self, pages: Path, tmp_path: Path) -> None:
        """The same pages give the same bytes."""
        lock = tmp_path / "excerpts.lock"
        before = lock.read_bytes()
        entries = read_lock(lock)
        assert [entry.id for entry in entries] == ["close", "running", "skip"]
        assert update() == 0
        write_lock(lock, reversed(entries))
        assert lock.read_bytes() == before

    @pytest.mark.parametrize(
        ("text", "slug"),
        [
            ("", "bad-lock"),
            ("[]", "bad-lock"),
            ('{"schema": 1}', "bad-lock"),
            ('{"schema": 1, "excerpts": [{"id": "\\u001b[2J"}]}', "bad-lock"),
            ('{"schema": 2, "excerpts": []}', "unknown-lock"),
            ("[" * 100_000, "bad-lock"),
            ("\0\udcff", "bad-lock"),
        ],
    )
    def test_broken(self, tmp_path: Path, text: str, slug: str) -> None:
        """One sentence."""
        path = tmp_path / "excerpts.lock"
        path.write_bytes(text.encode("utf-8", "surrogateescape"))
        with pytest.raises(PagewalkError) as caught:
            read_lock(path)
        assert caught.value.slug == slug
        assert str(caught.value).isprintable()

    def test_absent_is_empty(self, tmp_path: Path) -> None:
        """Before the first update."""
        assert read_lock(tmp_path / "excerpts.lock") == ()

    def test_a_place_that_cannot_be_read_or_written(self, tmp_path: Path) -> None:
        """A folder by the lock's name."""
        with pytest.raises(PagewalkError, match="cannot be read"):
            read_lock(tmp_path)
        with pytest.raises(PagewalkError, match="cannot be written"):
            write_lock(tmp_path, ())

    def test_statuses_need_a_look_or_not(self) -> None:
        """Same and moved are well, nothing else."""
        entry = Entry(
            id="a", page="p", symbol="s", release="1", file="f", first=1, last=2, code="", text=""
        )
        assert Judged("a", "p", 1, "s", "moved", now=entry).is_well
        assert not Judged("a", "p", 1, "s", "comments only", now=entry).is_well


class TestPage:
    """The page about another release."""

    def test_names_every_excerpt_and_holds_no_code(self, pages: Path, tmp_path: Path) -> None:
        """Counts, places in both releases, lines that came and went."""
        edits = [("append(job)", "add(job)"), ("LIMIT: int", "\n\nLIMIT: int")]
        new = release(tmp_path / "new", *edits, version="9.9.1")
        assert page(new, tmp_path / "changed.md") == 0
        text = (tmp_path / "changed.md").read_text()
        first = line_of("def skip")
        assert "# What 9.9.1 changed" in text
        assert "**2 of 3 do the same there.**" in text
        assert "## Changed" in text
        assert "| [part/turn](part/turn.md) | `Loop.turn.skip` |" in text
        assert f"[{first} to {first + 1}](" in text
        assert f"[{first + 2} to {first + 3}](" in text
        assert "| +1 −1 |" in text
        assert "| [part/turn](part/turn.md) | 3 | 0 | 2 |" in text
        assert "add(job)" not in text

    def test_is_stale_when_the_lock_changes(self, pages: Path, tmp_path: Path) -> None:
        """It carries what it was made of."""
        page(release(tmp_path / "new", version="9.9.1"), tmp_path / "changed.md")
        entries = read_lock(tmp_path / "excerpts.lock")
        text = (tmp_path / "changed.md").read_text()
        assert drift_page.digest(entries) in text
        assert drift_page.digest(entries[1:]) not in text


class TestFences:
    """Fences in Markdown."""

    def test_are_found_wherever_they_are(self) -> None:
        """In tabs and quotations; those in longer fences and other languages are text."""
        page = f"````markdown\n{PAGE}````\n\n{PAGE}".replace("> ```", "> ~~~~")
        found = page_quotes("a.md", page)
        assert [one.id for one in found] == ["running", "skip", "close"]
        assert found[0].wanted.marks == ((1, ("while self.running",)),)
        assert found[2].wanted.at == ("while budget > 0", "call close")

    @pytest.mark.parametrize(
        ("body", "words"),
        [
            ("", "lines of `key: value`"),
            ("text", "lines of `key: value`"),
            ("at: return", "needs `symbol"),
            ("symbol: 3", "needs `symbol"),
            ("symbol: torch.nn:Module", "not of vllm"),
            ("symbol: vllm.a:b\nlines: 3-4", "no key lines"),
            ("symbol: vllm.a:b\nat: if a: b", "no YAML in its line 2"),
            ("symbol: vllm.a:b\nat:\n- while a:", "put quotes around"),
            ("symbol: vllm.a:b\nat: loop", "no step"),
            ("symbol: vllm.a:b\nat: 3", "a step or a list of steps"),
            ("symbol: vllm.a:b\nhl: [[if a, 3]]", "a step or a list of steps"),
            ("symbol: vllm.a:b\nhead: -1", "a number of lines"),
            ("symbol: vllm.a:b\nhead: yes", "a number of lines"),
            ("symbol: vllm.a:b\nbefore: 100000000000", "a number of lines"),
            ("symbol: vllm.a:b\nmarks: [if a]", "numbers with a step each"),
            ("symbol: vllm.a:b\nmarks: {one: if a}", "numbers with a step each"),
            ("symbol: vllm.a:b\nmarks: {2: if a}", "counts 1, 2, 3"),
            ("symbol: vllm.a:b\ntitle: [a]", "`title` is text"),
            ("symbol: vllm.a:b\nid: <b>", "`id` is small letters"),
            ("symbol: vllm.a:b\n\x1b[2J: 1", "no YAML"),
            ("symbol: vllm.a:b\n? {a: b}\n: 1", ""),
            ("symbol: !!python/name:os.system", "no YAML"),
            ("- " * 5000, "longer than"),
            ("[" * 4000, ""),
        ],
    )
    def test_wrong_bodies(self, body: str, words: str) -> None:
        """One sentence, that says what to write."""
        with pytest.raises(PagewalkError) as caught:
            read_fence(body)
        assert words in str(caught.value)
        assert str(caught.value).isprintable()

    @given(st.text(alphabet="symbol: vlatif\n[]{}'\"#&*!|>-@1?\x1b", max_size=60))
    def test_any_body(self, text: str) -> None:
        """A fence or a sentence."""
        try:
            fence = read_fence(text)
        except PagewalkError as error:
            said = str(error)
        else:
            said = fence.id
        assert said.isprintable()

    def test_mistakes_name_page_and_line(self, tmp_path: Path) -> None:
        """Wrong bodies, fences that do not end, ids that are there twice."""
        for text, words in (
            ("\n```source\nat: x\n```\n", "turn.md, line 2: The source fence"),
            (f"```source\nsymbol: {NAME}\n", "turn.md, line 1: the fence is not closed"),
            (f"    ```source\nsymbol: {NAME}\n", "turn.md, line 1: the fence is not closed"),
            (f"```source\nsymbol: {NAME}\n```\n" * 2, "turn.md, line 4: the excerpt of line 1"),
        ):
            (tmp_path / "turn.md").write_text(text)
            with pytest.raises(PagewalkError) as caught:
                quotes(tmp_path)
            assert words in str(caught.value)

    def test_folders_and_files_that_cannot_be_read(self, tmp_path: Path) -> None:
        """No folder, no text."""
        with pytest.raises(PagewalkError, match="no folder"):
            quotes(tmp_path / "gone")
        (tmp_path / "turn.md").write_bytes(b"\xff")
        with pytest.raises(PagewalkError, match="cannot be read"):
            quotes(tmp_path)

    def test_ids_depend_on_what_is_asked_alone(self) -> None:
        """Not on marks, not on other fences."""
        one = Wanted(NAME, at=("return",))
        assert stable_id(one) == stable_id(Wanted(NAME, at=("return",), marks=((1, ("return",)),)))
        assert stable_id(one).startswith("src-loop-turn-")
        others = (Wanted(NAME), Wanted(NAME, at=("return",), head=1), Wanted(NAME, to=("return",)))
        assert len({stable_id(wanted) for wanted in (one, *others)}) == 4


class TestDiscovery:
    """`pagewalk excerpt`."""

    def test_shows_code_locators_and_fence(
        self, tree: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """The fence that it prints asks for just what it shows."""
        assert excerpt(NAME, at=["while self.running", "if job.is_done"], calls=True) == 0
        text = capsys.readouterr().out
        first = line_of("if job.is_done")
        assert f"{first}  if job.is_done:\n" in text
        assert f"{first + 1}  call skip\n" in text
        assert f"{line_of('elif')}  elif job.is_late(budget)\n" in text
        body = text.partition("```source\n")[2].partition("```")[0]
        assert read_fence(body).wanted == Wanted(NAME, ("while self.running", "if job.is_done"))

    def test_json(self, tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """The same as one object."""
        assert excerpt(NAME, at=["def skip"], to=["stmt break @1"], as_json=True) == 0
        said = json.loads(capsys.readouterr().out)
        assert said["excerpt"]["last"] == line_of("break")
        assert said["excerpt"]["lines"][0] == "def skip(job) -> None:"
        assert [line_of("def skip"), "def skip"] in said["locators"]
        assert 'to: "stmt break @1"' in said["fence"]

    def test_against_wins_over_the_environment(
        self, tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """A wheel that is named."""
        new = release(tmp_path / "new", ("append(job)", "add(job)"), version="9.9.1")
        path = wheel(new, tmp_path / "vllm-9.9.1-py3-none-any.whl")
        assert excerpt(f"{NAME}.skip", against=path) == 0
        text = capsys.readouterr().out
        assert "self.skipped.add(job)" in text
        assert "/blob/v9.9.1/vllm/engine/loop.py#L" in text

    def test_backslashes_stay(self, tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Code is shown as it is, unless it plays tricks on terminals."""
        assert excerpt(NAME, at=["call stop"]) == 0
        line = LOOP.splitlines()[line_of("self.stop") - 1].strip()
        assert f"  {line}\n" in capsys.readouterr().out
