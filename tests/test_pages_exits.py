"""The `exits` fence: every exit of the scheduler, where it is, and a step that took it."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Callable
from pathlib import Path

import pytest
import walk_pages
from committed_pages import DOCS
from msgspec.structs import replace
from story import ALLOCATE, FILE, KINDS, SITES, Core, crowded
from walk_pages import docs, every, fence, put, record, refused, render, text, tree

from pagewalk.pages.exits import PASSES, ExitRow, exit_rows
from pagewalk.pages.exits_fence import format_exits
from pagewalk.pages.runs import run_of
from pagewalk.pages.stem import trace_path
from pagewalk.source.package import open_package

# What the crowded story never does.
MISSING = {
    "max_num_seqs": "it needs more requests",
    "max_loras": "it needs adapters",
    "nothing_to_schedule": "it needs two steps in flight",
    "self_preempted": "it needs a pool for one",
    "token_budget": "it needs a longer prompt",
    "no_blocks": "it needs a request that runs",
}
REASONS = ["missing:", *(f"  {kind}: {why}" for kind, why in MISSING.items())]


def source_of(name: str, *sites: tuple[int, str, str]) -> str:
    """A module with a method whose lines hold these ways out: line, guard, statement."""
    owner, method = name.split(".")
    lines = [f"class {owner}:", f"    def {method}(self):", "        while True:"]
    for line, guard, statement in sites:
        lines += [""] * (line - 1 - len(lines))
        lines.append(f"            if {guard}: {statement}")
    return "\n".join(lines) + "\n"


@pytest.fixture
def vllm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A release whose exits are those of the story."""
    root = tmp_path / "release"
    put(root, "vllm/__init__.py", "")
    put(root, "vllm/_version.py", "__version__ = version = '0.32.0'\n")
    loops = [(site.line, site.guard, "break") for site in SITES]
    put(root, "vllm/v1/core/sched/scheduler.py", source_of("Scheduler.schedule", *loops))
    refusals = [(site.line, site.guard, "return None") for site in ALLOCATE]
    manager = source_of("KVCacheManager.allocate_slots", *refusals)
    put(root, "vllm/v1/core/kv_cache_manager.py", manager)
    monkeypatch.setenv("PAGEWALK_VLLM", str(root))
    monkeypatch.setitem(walk_pages.FENCES, "exits", format_exits)
    return root


@pytest.fixture
def pages(tmp_path: Path, vllm: Path) -> Path:
    """The folder of the pages."""
    return docs(tmp_path / "docs")


def exits(*lines: str) -> str:
    """A fence."""
    return fence("exits", "traces: [scheduler/crowd]", *lines)


class TestTable:
    """What a fence becomes."""

    def test_every_exit_has_a_row(self, pages: Path) -> None:
        html = render(pages, exits(*REASONS))
        rows = [one for one in tree(html).iter("tr") if one.get("data-kind")]
        assert len(rows) == len(KINDS) + len(ALLOCATE)
        lines = [int(text(one)) for one in every(html, "pagewalk-exit-line")]
        assert sorted(lines) == sorted([*(one.line for one in SITES), 539, 579])
        url = "https://github.com/vllm-project/vllm/blob/v0.32.0/vllm/v1/core"
        links = {one.get("href") for cell in every(html, "pagewalk-exit-line") for one in cell}
        assert f"{url}/sched/scheduler.py#L700-L700" in links
        assert f"{url}/kv_cache_manager.py#L539-L539" in links

    def test_an_example_is_of_a_step_that_took_it(self, pages: Path) -> None:
        html = render(pages, exits(*REASONS))
        told = {
            (row.get("data-kind"), text(row[0])): text(row[-1])
            for row in tree(html).iter("tr")
            if row.get("data-kind")
        }
        # The story: step 1 ends with its budget, step 2 preempts.
        assert told["token_budget", "700"] == "step 1"
        assert told["preempted_this_step", "703"] == "step 2"
        assert told["no_blocks", "702"] == "step 3 b"
        assert told["no_blocks", "579"] == "step 2 a", "the refusal, by what was asked for"
        assert told["self_preempted", "708"] == f"not recorded: {MISSING['self_preempted']}"

    def test_what_it_does_and_means(self, pages: Path) -> None:
        html = render(pages, exits(*REASONS))
        effects = [text(one) for one in every(html, "pagewalk-exit-effect")]
        assert effects == ["ends the pass"] * len(KINDS) + ["refuses the blocks"] * 2
        assert "No request" not in text(every(html, "pagewalk-exits-waiting")[0])
        meanings = [text(one) for one in every(html, "pagewalk-exit-meaning")]
        assert "max_loras As many LoRA adapters" in " ".join(meanings)
        (note,) = every(html, "pagewalk-exits-note")
        assert text(note) == "5 of 11 exits are recorded. Lines are those of vLLM 0.32.0."

    def test_every_cell_says_its_column(self, pages: Path) -> None:
        """A phone shows a row as a card."""
        html = render(pages, exits(*REASONS))
        heads = {one.get("data-head") for one in tree(html).iter("td")}
        assert heads == {text(one) for one in tree(html).iter("th")}

    def test_an_example_from_another_page_is_linked(self, pages: Path) -> None:
        record(pages, "chapter/other_more", crowded())
        put(pages, "chapter/other.md", "# Other\n")
        html = render(pages, fence("exits", "traces: [chapter/other_more]", *REASONS))
        (link, *_) = every(html, "pagewalk-exit-page")
        assert (text(link), link.get("href")) == ("chapter/other_more", "../chapter/other.md")

    def test_the_page_itself_comes_first_then_all_others(self, pages: Path) -> None:
        record(pages, "a/early", crowded())
        html = render(pages, fence("exits", *REASONS))
        assert every(html, "pagewalk-exit-page") == []

    def test_engines_are_told_apart(self, pages: Path) -> None:
        record(pages, "scheduler/crowd", Core(pid=100, num_blocks=7), crowded(dp_rank=1))
        html = render(pages, exits(*REASONS))
        told = [text(one) for one in every(html, "pagewalk-exit-example")]
        assert "engine 1, step 3 b" in told

    def test_a_guard_cannot_break_out(self, pages: Path, vllm: Path) -> None:
        guard = "new_blocks is '<b>&\"`*'"
        sites = [replace(one, guard=guard) if one.line == 702 else one for one in SITES]
        core = crowded()
        core.events = [
            replace(one, sites=sites) if getattr(one, "file", "") == FILE else one
            for one in core.events
        ]
        record(pages, "scheduler/crowd", core)
        html = render(pages, exits(*REASONS))
        assert guard in [text(one) for one in every(html, "pagewalk-exit-guard")]
        assert "<b>" not in html


class TestMistakes:
    """Each is one sentence that fails the build."""

    @pytest.mark.parametrize(
        ("lines", "word"),
        [
            ([], "no trace takes the exit"),
            ([*REASONS, "  paused: it needs a pause"], "every exit of that kind is recorded"),
            (["missing: [max_loras]"], "`missing` is a reason for each kind"),
            (["missing: {max_loras: 3}"], "`missing` is a reason for each kind"),
            (["traces: all"], "no YAML|list of stems"),
            (["exits: all"], "no key exits"),
        ],
    )
    def test_in_the_fence(self, lines: list[str], word: str, pages: Path) -> None:
        body = lines if "traces: all" in lines else ["traces: [scheduler/crowd]", *lines]
        told = refused(pages, fence("exits", *body))
        assert any(one in told for one in word.split("|")), told

    def test_a_trace_that_is_not_there(self, pages: Path) -> None:
        assert "no trace scheduler/none" in refused(
            pages, fence("exits", "traces: [scheduler/none]")
        )

    def test_a_trace_without_marks(self, pages: Path) -> None:
        record(pages, "scheduler/crowd", crowded(marked=False))
        assert "declares no exits" in refused(pages, exits())

    def test_another_release(self, pages: Path, vllm: Path) -> None:
        put(vllm, "vllm/_version.py", "__version__ = version = '0.33.0'\n")
        assert "is of vLLM 0.32.0 and the source of 0.33.0" in refused(pages, exits())

    @pytest.mark.parametrize(
        "edit",
        [
            lambda source: f"\n{source}",
            lambda source: source.replace("new_blocks is None: break", "waited > 3: break"),
            lambda source: source.replace("new_blocks is None: break", "new_blocks is None: pass"),
        ],
        ids=["moved", "another guard", "no exit"],
    )
    def test_a_source_that_differs(
        self, edit: Callable[[str], str], pages: Path, vllm: Path
    ) -> None:
        path = vllm / "vllm/v1/core/sched/scheduler.py"
        path.write_text(edit(path.read_text()))
        assert "is not the exit that the trace recorded" in refused(pages, exits(*REASONS))


@pytest.mark.engine
class TestRealExits:
    """The table of the site, on the vLLM that is installed and the traces that are committed."""

    @pytest.fixture(scope="class")
    def rows(self) -> tuple[ExitRow, ...]:
        stems = ["scheduler/exits", "scheduler/waiting"]
        with open_package(None) as package:
            return exit_rows(DOCS, stems, package)

    def test_they_are_those_of_the_source(self, rows: tuple[ExitRow, ...]) -> None:
        """All that marking finds in the installed file, and nothing else."""
        from pagewalk.capture.sites import mark_exits
        from pagewalk.probes.exits import EXIT_TARGETS

        found = set()
        for target in EXIT_TARGETS:
            module, _, name = target.partition(":")
            spec = importlib.util.find_spec("vllm")
            assert spec is not None
            root = Path(next(iter(spec.submodule_search_locations or ())))
            path = root.parent / f"{module.replace('.', '/')}.py"
            tree = ast.parse(path.read_text())
            holder = next(
                node
                for node in tree.body
                if isinstance(node, ast.ClassDef) and node.name == name.split(".")[0]
            )
            function = next(
                node
                for node in holder.body
                if isinstance(node, ast.FunctionDef) and node.name == name.split(".")[1]
            )
            found |= {(one.line, one.guard, one.kind) for one in mark_exits(function, name)}
        assert {(one.line, one.guard, one.kind) for one in rows} == found

    def test_their_examples_took_them(self, rows: tuple[ExitRow, ...]) -> None:
        taken = [one for one in rows if one.example is not None]
        assert len(taken) > 20
        for row in taken:
            one = row.example
            assert one is not None
            engine = run_of(trace_path(DOCS, one.stem)).engines[one.engine]
            step = engine.step(one.step)
            lines = [left.line for left in step.exits] + [539, 579] * bool(step.refused)
            assert row.line in lines

    def test_breaks_and_skips(self, rows: tuple[ExitRow, ...]) -> None:
        effects = {(one.loop, one.kind): one.effect for one in rows}
        assert effects["waiting", "no_blocks"] == "ends the pass"
        assert effects["waiting", "max_loras"] == "skips the request"
        assert effects["waiting", "paused"] == "keeps the pass from beginning"
        assert effects["allocate", "no_blocks"] == "refuses the blocks"
        assert {one.loop for one in rows} == set(PASSES)
