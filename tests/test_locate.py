"""Locators: each leads to one place, or says which lines it might have meant."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from releases_at_hand import RELEASES, release_params
from small_release import LOOP, NAME, line_of, release, wheel

from pagewalk.errors import PagewalkError
from pagewalk.source.canonical import canonical, code_sha
from pagewalk.source.excerpt import Excerpt, Wanted, cut, find_place
from pagewalk.source.locate import locate, names_of, parse_step
from pagewalk.source.module import parse_symbol
from pagewalk.source.package import Package, open_package

SCHEDULE = "vllm.v1.core.sched.scheduler:Scheduler.schedule"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Package]:
    """The small package."""
    with open_package(release(tmp_path_factory.mktemp("small"))) as package:
        yield package


def at(package: Package, *steps: str, symbol: str = NAME, **more: object) -> Excerpt:
    """The excerpt that some steps lead to."""
    return cut(package, Wanted(symbol, at=steps, **more))  # type: ignore[arg-type]


def said(package: Package, *steps: str, symbol: str = NAME, **more: object) -> tuple[str, str]:
    """The slug and the sentence that some steps lead to."""
    with pytest.raises(PagewalkError) as caught:
        at(package, *steps, symbol=symbol, **more)
    text = str(caught.value)
    assert text.isprintable()
    assert text.endswith((".", "?"))
    return caught.value.slug, text


def outcome(run: Callable[[], Any]) -> Any:
    """What comes of it, or the sentence why not."""
    try:
        return run()
    except PagewalkError as error:
        return _printable(str(error))


def _printable(text: str) -> str:
    assert text.isprintable()
    return text


class TestSteps:
    """One step at a time, in the small package."""

    @pytest.mark.parametrize(
        ("steps", "begins", "ends"),
        [
            (["def skip"], "def skip", "self.skipped.append"),
            (["def skip(job)"], "def skip", "self.skipped.append"),
            (["while budget > 0"], "while budget > 0:", "break@3"),
            (["while budget>0"], "while budget > 0:", "break@3"),
            (["while self.running"], "while self.running", "self.rest"),
            (["while running and budget"], "while self.running", "self.rest"),
            (["while budget >"], "while budget > 0:", "break@3"),
            (["for at, (key, value) in enumerate(self.items())"], "for at,", "at = -1"),
            (["for at, (key"], "for at,", "at = -1"),
            (["while self.running", "if job.is_done"], "if job.is_done", "budget -= 1"),
            (["if job.is_done @2"], "if job.is_done:@2", "break@3"),
            (["if slots is None"], "if slots is None", "break@2"),
            (["elif job.is_late(budget)"], "elif", "break"),
            (["elif"], "elif", "break"),
            (["if job.is_done @1", "else"], "            else:", "budget -= 1"),
            (["else if job.is_done"], "            else:", "budget -= 1"),
            (["for", "else"], "        else:@4", "at = -1"),
            (["while self.running", "else"], "        else:@2", "self.rest"),
            (["try"], "try:", "job.close()"),
            (["try", "else"], "            else:@2", "budget -= 2"),
            (["except (KeyError, ValueError)"], "except (Key", "raise RuntimeError"),
            (["except OSError"], "except OSError", "pass"),
            (["finally"], "finally", "job.close()"),
            (["assign slots"], "slots = self", "            )@2"),
            (["assign first"], "first, second", "first, second"),
            (["assign second"], "first, second", "first, second"),
            (["assign budget @2"], "budget -= 2", "budget -= 2"),
            (["assign budget -= 2"], "budget -= 2", "budget -= 2"),
            (["assign done"], "done: list", "done: list"),
            (["call take"], "slots = self", "            )@2"),
            (["call self.pool.take"], "slots = self", "            )@2"),
            (["call min"], "slots = self", "            )@2"),
            (["call is_late"], "elif", "            ):"),
            (["call stop"], "self.stop", "self.stop"),
            (['call self.stop(job, why="no'], "self.stop", "self.stop"),
            (["call note"], "self.note", "self.note"),
            (["return done"], "return done", "return done"),
            (["return [*done"], "return [", "return ["),
            (["raise RuntimeError"], "raise RuntimeError", "raise RuntimeError"),
            (["assert file.read() == value"], "assert", "assert"),
            (["with self.lock"], "with self.lock", "assert"),
            (["with open(key) as file"], "with self.lock", "assert"),
            (["stmt match budget"], "match budget", "self.note"),
            (["stmt continue"], "continue", "continue"),
            (["stmt pass"], "pass", "pass"),
            (["stmt while budget > 0", "stmt break"], "break@3", "break@3"),
        ],
    )
    def test_leads_there(self, small: Package, steps: list[str], begins: str, ends: str) -> None:
        """Every kind of step; text may be exact, a beginning or a part."""
        found = at(small, *steps)
        expected = [line_of(*_numbered(text)) for text in (begins, ends)]
        assert [found.first, found.last] == expected

    @pytest.mark.parametrize(
        ("steps", "slug", "lines"),
        [
            (["while"], "several-places", ["while self.running", "while budget > 0:"]),
            (["assign budget"], "several-places", ["budget -= 1", "budget -= 2"]),
            (["if job.is_done"], "several-places", ["if job.is_done:", "if job.is_done:@2"]),
            (["call pop"], "several-places", ["job = self.running", "job = self.waiting"]),
            (["while self.waiting"], "no-such-place", ["while self.running", "while budget > 0:"]),
            (["while budget > 0 @2"], "no-such-place", ["while budget > 0:"]),
            (["while budget > 0", "call skip"], "no-such-place", ["job = self.waiting"]),
            (["stmt if job.is_late(budget)"], "no-such-place", ["if job.is_done"]),
        ],
    )
    def test_names_what_it_might_be(
        self, small: Package, steps: list[str], slug: str, lines: list[str]
    ) -> None:
        """No match and several matches list lines."""
        got, text = said(small, *steps)
        assert got == slug
        for line in lines:
            assert f"line {line_of(*_numbered(line))}: " in text

    def test_says_when_there_is_none_of_a_kind(self, small: Package) -> None:
        """No candidate at all."""
        assert "no class is there" in said(small, "class Inner")[1]

    @pytest.mark.parametrize(
        "step", ["", "loop over", "while x @0", "#2", "ïf x", "while\0", "if x\n@2 y z:"]
    )
    def test_refuses_what_is_no_step(self, small: Package, step: str) -> None:
        """A wrong kind names the kinds; anything else finds nothing."""
        slug, _ = said(small, step)
        assert slug in {"bad-locator", "no-such-place"}

    @given(st.text(max_size=60))
    def test_any_text_is_a_step_or_a_sentence(self, text: str) -> None:
        """Never another exception."""
        step = outcome(lambda: parse_step(text))
        assert isinstance(step, str) or text.strip().startswith(step.kind)

    @given(st.text(max_size=60))
    def test_any_text_after_a_kind_finds_or_says(self, small: Package, text: str) -> None:
        """Brackets, quotes, control characters, unfinished Python."""
        found = outcome(lambda: at(small, f"stmt {text}"))
        assert isinstance(found, str) or found.lines


def _numbered(text: str) -> tuple[str, int]:
    begin, _, number = text.partition("@")
    return begin, int(number or 1)


class TestSymbols:
    """What a symbol names."""

    @pytest.mark.parametrize(
        ("symbol", "begins", "ends"),
        [
            ("vllm.engine.loop:Loop.turn", "@traced(", "return [*done"),
            ("vllm.engine.loop:Loop.turn.skip", "def skip", "self.skipped.append"),
            ("vllm.engine.loop:Loop.take", "def take(self, one):", "return one"),
            ("vllm.engine.loop:Loop.size@2", "@size.setter", "self._size = value"),
            ("vllm.engine.loop:chosen@2", "def chosen#2", "return 2"),
            ("vllm.engine.loop:LIMIT", "LIMIT: int", "LIMIT: int"),
            ("vllm.engine.loop:SIZES", "SIZES =", "SIZES ="),
        ],
    )
    def test_is_found(self, small: Package, symbol: str, begins: str, ends: str) -> None:
        """Decorators belong to it; overloads and alternatives do not hide it."""
        found = at(small, symbol=symbol)
        begin, _, number = begins.partition("#")
        assert (found.first, found.last) == (line_of(begin, int(number or 1)), line_of(ends))

    def test_may_be_a_module(self, small: Package) -> None:
        """With a step to the place that is meant."""
        found = at(small, "class Loop", symbol="vllm.engine.loop")
        assert (found.first, found.title) == (line_of("class Loop"), "vllm.engine.loop")

    @pytest.mark.parametrize(
        ("symbol", "slug", "words"),
        [
            ("vllm.engine.loop:Loop.trun", "no-such-symbol", "did you mean turn"),
            ("vllm.engine.loop:Gone", "no-such-symbol", "check the name"),
            ("vllm.engine.loop:Queue", "no-such-symbol", "vllm.engine.parts"),
            ("vllm.engine.loop:Loop.size", "several-symbols", "@1"),
            ("vllm.engine.loop:chosen@3", "no-such-symbol", "2 definitions"),
            ("vllm.engine.gone:Loop", "no-such-module", "vllm.engine.gone"),
            ("torch.nn:Module", "bad-symbol", "not of vllm"),
            ("vllm.engine..loop:Loop", "bad-symbol", "no symbol"),
            ("vllm/../../etc:passwd", "bad-symbol", "no symbol"),
            ("vllm.loop:Loop.\x1b[2J\u202e", "bad-symbol", "no symbol"),
            ("vllm.loop:" + "a" * 100_000 + "!", "bad-symbol", "no symbol"),
            ("", "bad-symbol", "no symbol"),
        ],
    )
    def test_is_one_or_a_sentence(self, small: Package, symbol: str, slug: str, words: str) -> None:
        """What is wrong with it, and what to do."""
        got, text = said(small, symbol=symbol)
        assert got == slug
        assert words in text

    @given(st.text(max_size=80))
    def test_any_text_is_a_symbol_or_a_sentence(self, text: str) -> None:
        """Never another exception, never a path out of the package."""
        symbol = outcome(lambda: parse_symbol(text))
        assert isinstance(symbol, str) or symbol.module.split(".")[0] == "vllm"


class TestExtent:
    """Which lines an excerpt has."""

    def test_to(self, small: Package) -> None:
        """Ends with another place, which must not lie before the beginning."""
        found = at(small, "assign slots", to=("stmt break @1",))
        assert found.last == line_of("break", 2)
        assert said(small, "while budget > 0", to=("def skip",))[0] == "no-such-place"

    def test_head_and_context(self, small: Package) -> None:
        """So many lines of it; so many around it, within the file."""
        first = line_of("while budget > 0:")
        found = at(small, "while budget > 0", head=2, before=1, after=1)
        assert (found.first, found.last) == (first - 1, first + 2)
        assert found.lines[0] == "# then the waiting"
        assert at(small, symbol="vllm.engine.loop:LIMIT", before=1000).first == 1
        whole = at(small, symbol="vllm.engine.loop:LIMIT", before=1000, after=1000)
        assert "\n".join(whole.lines).strip() == LOOP.strip()
        assert said(small, head=1, to=("return",))[0] == "bad-excerpt"

    def test_lines_lose_their_common_indentation(self, small: Package) -> None:
        """And keep the rest."""
        assert at(small, "def skip").lines == (
            "def skip(job) -> None:",
            "    self.skipped.append(job)",
        )

    def test_marks_and_highlights_are_inside(self, small: Package) -> None:
        """What reads the same outside does not count; a call marks the line of its name."""
        found = at(
            small,
            "while self.running",
            marks=((1, ("if job.is_done",)), (2, ("call min",)), (3, ("def turn", "elif"))),
            highlights=(("assign slots",), ("elif",)),
        )
        lines = [line_of(text) for text in ("if job.is_done", "min(job", "elif")]
        assert found.marks == tuple(zip((1, 2, 3), lines, strict=True))
        begin, late = line_of("slots = self"), line_of("elif")
        assert found.highlights == (late, late + 1, late + 2, *range(begin, begin + 4))
        spread = at(
            small,
            "assign parts",
            to=("if parts",),
            marks=((1, ("call first",)), (2, ("call second",))),
            highlights=(("if parts and budget",),),
        )
        assert spread.marks == ((1, line_of(".first()")), (2, line_of(".second(")))
        begin = line_of("self.keep")
        assert spread.highlights == tuple(range(begin - 4, begin))
        outside = ((1, ("call note",)),)
        assert "in the excerpt" in said(small, "while budget > 0", marks=outside)[1]

    def test_link(self, small: Package, tmp_path: Path) -> None:
        """To the lines at the tag of the release, and to nothing for what has no tag."""
        found = at(small, "def skip")
        place = f"vllm/engine/loop.py#L{found.first}-L{found.last}"
        assert found.url == f"https://github.com/vllm-project/vllm/blob/v9.9.0/{place}"
        for version, tag in (("9.9.0+cpu", "v9.9.0"), ("9.9.1rc2", "v9.9.1rc2"), ("9.9.dev1", "")):
            with open_package(release(tmp_path, version=version)) as package:
                assert (f"/blob/{tag}/" in at(package).url) == bool(tag)

    def test_every_place_can_be_named(self, small: Package) -> None:
        """The name that is shown for a place leads back to it."""
        _, symbol = find_place(small, NAME)
        places = list(symbol.walk())
        for place, name in names_of(places).items():
            assert locate(symbol, [name]) is place, name
        assert len(places) == 69

    def test_a_wheel_is_a_tree(self, small: Package, tmp_path: Path) -> None:
        """The same excerpt from both, whatever the ends of its lines."""
        tree = release(tmp_path / "tree")
        with open_package(wheel(tree, tmp_path / "vllm-9.9.0-py3-none-any.whl")) as package:
            assert at(package, "call take") == at(small, "call take")
        path = tree / "vllm/engine/loop.py"
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
        with open_package(tree) as package:
            assert at(package, "call take") == at(small, "call take")


class TestHostileFiles:
    """Whatever the file is: one sentence."""

    def test_lines_are_what_python_counts(self, tmp_path: Path) -> None:
        """Form feeds and separators end no line; a byte order mark and an encoding are read."""
        text = "# coding: latin-1\nclass Loop:\n    turn = 1  # \x0c \x85 é\r    rest = 2\n"
        path = release(tmp_path) / "vllm/engine/loop.py"
        path.write_bytes(text.encode("latin-1"))
        with open_package(tmp_path) as package:
            assert at(package).lines == ("turn = 1  # \x0c \x85 é",)
            assert at(package, symbol="vllm.engine.loop:Loop.rest").first == 4

    @pytest.mark.parametrize(
        ("source", "slug"),
        [
            ("def f(:", "unreadable-source"),
            ("\0", "unreadable-source"),
            ("x = " + "(" * 500 + ")" * 500, "unreadable-source"),
            ("#" * (9 << 20), "unreadable-source"),
            ("", "no-such-symbol"),
            ("class Loop:\n    turn = " + "-" * 3000 + "1\n\n", None),
            ("class Loop:\n    turn = 0x" + "f" * 9999 + "\n", ""),
            ("class Loop:\n    turn = '\\ud800 \u202e'  # \x0c \x85 \u2028\n", ""),
        ],
    )
    def test_one_sentence(self, tmp_path: Path, source: str, slug: str | None) -> None:
        """No Python, too big, too deep, empty, odd; None: depends on the interpreter's limits."""
        tree = release(tmp_path, **{"vllm/engine/loop.py": source})
        with open_package(tree) as package:
            found = outcome(lambda: at(package))
        if slug is not None:
            assert isinstance(found, str) is bool(slug)
        assert isinstance(found, str) or found.last == 2

    def test_a_locator_that_is_too_deep(self, small: Package) -> None:
        """Brackets without end in a step find nothing."""
        assert said(small, "stmt " + "(" * 5000)[0] == "no-such-place"


EVERYTHING = '''\
@decorate(1)
async def function[T](a, /, b: int = 0x10, *args: T, c=None, **more) -> "text":
    """Docstring."""
    global one
    x: int = 1_000_000_000_000_000_000_000; y = z = b"\\x00\\xff"; w = ...
    async with a as b, c: await d
    for i, *j in k: continue
    else: x @= ~-1 // 2 ** 3j
    try: import m.n as o
    except* (E, F) as e: raise G from e
    finally: del p[1:2, ::3], q.r
    while not (s := t if u else v): break
    match w:
        case {"k": [1, *rest], **kw} | A(b, c=-1.5) if None: return
        case _: yield from (lambda *l: {f"{n!r:>{m}} {o=}" "é" 'q' for n in [] if True})
'''


class TestHash:
    """The hash of what code does."""

    def test_is_the_same_under_every_python(self) -> None:
        """Recorded under 3.11, 3.12 and 3.13; whoever changes the walk makes every lock stale."""
        text = EVERYTHING.replace("function[T]", "function").replace(": T", "")
        tree = ast.parse(text)
        assert code_sha(tree.body, 1, 99) == "d754df031b283b75"
        # Fields that a later release may add are empty where nobody uses them.
        tree.body[0].type_params = []  # type: ignore[attr-defined]
        tree.body[0].added = None  # type: ignore[attr-defined]
        tree.body[0]._fields = (*tree.body[0]._fields, "added")  # type: ignore[misc]
        assert code_sha(tree.body, 1, 99) == "d754df031b283b75"

    @pytest.mark.skipif(sys.version_info < (3, 12), reason="type parameters came with 3.12")
    def test_sees_type_parameters(self) -> None:
        """Where they are used they count."""
        plain = ast.parse(EVERYTHING.replace("[T]", ""))
        assert canonical(ast.parse(EVERYTHING)) != canonical(plain)

    @pytest.mark.parametrize(
        ("one", "other", "same"),
        [
            ("f(a)", "f( a )  # why", True),
            ("f('a')", 'f("a")', True),
            ("f(a)", "f((a))", True),
            ("f(None)", "f()", False),
            ("x = None", "x = 'None'", False),
            ("x = 1", "x = 1.0", False),
            ("x = 1", "x = True", False),
            ("x = 'a'", "x = b'a'", False),
            ("x = []", "x = ()", False),
            ("return_ = 1", "return_: int = 1", False),
            ("if a: b\nelse: c", "if a: b", False),
            ("if a: b\nc", "if a:\n  b\n  c", False),
            ("for a in b: c", "async def f():\n async for a in b: c", False),
        ],
    )
    def test_tells_code_from_layout(self, one: str, other: str, same: bool) -> None:
        """Comments, quotes and brackets do not count, anything else does."""
        hashes = {code_sha(ast.parse(text).body, 1, 99) for text in (one, other)}
        assert (len(hashes) == 1) is same

    def test_of_a_part_sees_only_the_part(self) -> None:
        """Lines below, and what encloses the lines, do not change it."""
        tree = ast.parse(LOOP)
        first = line_of("while budget > 0:")
        changed = LOOP.replace("job.close()", "job.open()")
        assert code_sha(tree.body, first, first + 2) == code_sha(
            ast.parse(changed).body, first, first + 2
        )
        assert code_sha(tree.body, first, first + 12) != code_sha(
            ast.parse(changed).body, first, first + 12
        )
        inner = "a = 1\nb = 2\n"
        wrapped = "while c:\n    if d:\n        a = 1\n        b = 2\n"
        assert code_sha(ast.parse(inner).body, 1, 2) == code_sha(ast.parse(wrapped).body, 3, 4)

    def test_of_a_part_sees_branches(self) -> None:
        """A statement that goes from one branch to the other."""
        one = "if a:\n    b\n    c\nelse:\n    d\n    e\n"
        other = "if a:\n    b\nelse:\n    c\n    d\n    e\n"
        shas = {code_sha(ast.parse(text).body, 1, 5) for text in (one, other)}
        assert len(shas) == 2


@pytest.mark.skipif(not RELEASES, reason="no vLLM is at hand")
@pytest.mark.parametrize("path", release_params())
class TestOnVllm:
    """Excerpts that pages will have, on every release at hand."""

    @pytest.mark.parametrize(
        ("wanted", "begins"),
        [
            (Wanted(SCHEDULE, at=("while req_index < len(self.running)",), head=3), "while req_in"),
            (Wanted(SCHEDULE, at=("while req_index", "while True")), "while True:"),
            (
                Wanted("vllm.v1.core.sched.scheduler:Scheduler._preempt_request"),
                "def _preempt_request(",
            ),
            (Wanted("vllm.v1.core.block_pool:BlockPool.get_new_blocks"), "def get_new_blocks("),
            (
                Wanted(
                    "vllm.v1.core.kv_cache_manager:KVCacheManager.allocate_slots",
                    at=("call allocate_new_blocks",),
                ),
                "new_blocks = self.coordinator.allocate_new_blocks(",
            ),
        ],
        ids=["running-loop", "allocation", "preemption", "new-blocks", "slots"],
    )
    def test_resolves(self, path: str | None, wanted: Wanted, begins: str) -> None:
        """By symbol and structure alone; the lines are the file's own."""
        with open_package(path) as package:
            found = cut(package, wanted)
            _, symbol = find_place(package, wanted.symbol)
        assert found.lines[0].startswith(begins)
        assert symbol.first <= found.first <= found.last <= symbol.last
        assert len(found.lines) == found.last - found.first + 1

    def test_every_place_of_the_schedule_can_be_named(self, path: str | None) -> None:
        """The longest function that pages quote."""
        with open_package(path) as package:
            _, symbol = find_place(package, SCHEDULE)
        places = list(symbol.walk())
        names = names_of(places)
        assert len(places) > 300
        for place in places[::7]:
            assert locate(symbol, [names[place]]) is place, names[place]


@pytest.mark.skipif(None not in RELEASES, reason="vLLM is not installed")
def test_both_loops_of_the_pinned_release() -> None:
    """The waiting loop's test is also a part of the running loop's: the exact one wins."""
    with open_package(None) as package:
        if not package.release.startswith("0.32."):
            pytest.skip(f"vLLM {package.release} is installed, the pages are of 0.32")
        running = cut(package, Wanted(SCHEDULE, at=("while req_index < len(self.running)",)))
        waiting = cut(package, Wanted(SCHEDULE, at=("while token_budget > 0",)))
        nested = cut(package, Wanted(f"{SCHEDULE}.skip_request"))
        with pytest.raises(PagewalkError, match="matches nothing"):
            cut(package, Wanted(SCHEDULE, at=("while self.waiting",)))
    assert running.last < nested.first <= nested.last < waiting.first
    assert "vllm" not in sys.modules or waiting.url.startswith("https://github.com/vllm-project/")
