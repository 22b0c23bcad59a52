"""The bundler, the story and the report, without a browser."""

from __future__ import annotations

import base64
import gzip
import hashlib
import re
import stat
from html.parser import HTMLParser
from pathlib import Path

import pytest
import typer
from builder import busy_toy, write_trace
from story import Core, crowded, error_of, write
from typer.testing import CliRunner

from pagewalk import cli_open
from pagewalk.errors import PagewalkError
from pagewalk.pages.bundle import bundle, player_folder
from pagewalk.pages.plain import isolated
from pagewalk.pages.report import report
from pagewalk.pages.sources import SOURCES
from pagewalk.pages.story import Who, story
from pagewalk.probes import PROBES
from pagewalk.trace import events as ev
from pagewalk.trace.exit_kinds import SENTENCES
from pagewalk.trace.read import open_trace
from pagewalk.views.engines import pick_engine
from pagewalk.views.steps import steps

DEMO_SIZE = 150_000
LONGEST_MODULE = 300


class Page(HTMLParser):
    """The scripts, styles and policy of a page."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.styles: list[str] = []
        self.policy = ""
        self.loads: list[str] = []
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        facts = dict(attrs)
        self._inside = tag
        if tag == "script":
            self.scripts.append((facts, ""))
        if tag == "style":
            self.styles.append("")
        if facts.get("http-equiv") == "Content-Security-Policy":
            self.policy = facts["content"] or ""
        if tag in ("link", "img", "iframe", "object", "embed") or (
            tag == "script" and "src" in facts
        ):
            self.loads.append(tag)

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "script":
            facts, text = self.scripts[-1]
            self.scripts[-1] = (facts, text + data)
        if self._inside == "style":
            self.styles[-1] += data


def report_of(folder: Path) -> str:
    """The report of a trace directory with one engine."""
    trace = open_trace(folder)
    return report(trace, pick_engine(trace, None))


def modules(folder: Path, **texts: str) -> Path:
    """A folder of modules: `a` becomes a.js."""
    for name, text in texts.items():
        (folder / f"{name}.js").write_text(text)
    return folder


def hashed(text: str) -> str:
    """As a policy names it."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def test_a_report_of_a_cut_trace_says_so(tmp_path: Path) -> None:
    """Killed in the middle of a line: what is there holds, and the end is missing."""
    core = crowded()
    core.emit(ev.SegmentEnded, "closed")
    folder = write(tmp_path / "trace", core)
    (segment,) = folder.glob("*.jsonl")
    whole = report_text(folder)
    segment.write_bytes(segment.read_bytes()[:-30])
    sentence = "no orderly end: its last events may be missing"
    assert sentence not in whole
    assert sentence in report_text(folder)


def report_text(folder: Path) -> str:
    """The report of a trace directory."""
    trace = open_trace(folder)
    return report(trace, pick_engine(trace, None))


class TestBundler:
    """Modules in, one classic script out."""

    def test_a_module_comes_after_what_it_imports(self, tmp_path: Path) -> None:
        folder = modules(
            tmp_path,
            a='// The first.\nimport { b, two as second } from "./b.js";\nb(second);\n',
            b='import {\n  c,\n} from "./c.js";\nexport function b() { return c; }\n'
            "const inner = 2;\nexport { inner as two };\n",
            c="/** One. */\nexport const c = 1;\n",
        )
        script = bundle(folder, "a.js")
        assert "import" not in script
        assert "export" not in script
        assert "The first" not in script
        assert (
            script.index("const c = 1") < script.index("function b()") < script.index("b(second)")
        )
        assert "const { b: b" not in script
        assert "const { b, two: second } = m1;" in script
        assert "return { b, two: inner };" in script

    @pytest.mark.parametrize(
        ("text", "what"),
        [
            ('import one from "./b.js";\n', "an import of another form"),
            ('import * as b from "./b.js";\n', "an import of another form"),
            ('import "./b.js";\n', "an import of another form"),
            ('import { b } from "elsewhere";\n', "an import of another form"),
            ("export default 1;\n", "an export of another form"),
            ("export let b = 1;\n", "an export of another form"),
            ('export { b } from "./b.js";\n', "an export of another form"),
            ('const b = import("./b.js");\n', "a dynamic import"),
            ("const here = import.meta.url;\n", "import.meta"),
            ("await 1;\n", "an await outside a function"),
            ('const a = "</SCRIPT>";\n', "the end of a script element"),
            ('const a = "<!--";\n', "the start of an HTML comment"),
        ],
    )
    def test_what_it_does_not_understand_is_refused_by_name(
        self, tmp_path: Path, text: str, what: str
    ) -> None:
        error = error_of(lambda: bundle(modules(tmp_path, a=text), "a.js"))
        assert error.slug == "module-form"
        assert what in str(error)
        assert "a.js" in str(error)

    def test_circles_and_missing_things_are_named(self, tmp_path: Path) -> None:
        circle = modules(
            tmp_path,
            a='import { b } from "./b.js";\nexport const a = 1;\n',
            b='import { a } from "./a.js";\nexport const b = 1;\n',
            c='import { no } from "./d.js";\n',
            d="export const yes = 1;\n",
            e='import { x } from "./gone.js";\n',
        )
        assert "a.js -> b.js -> a.js" in str(error_of(lambda: bundle(circle, "a.js")))
        assert "c.js imports no" in str(error_of(lambda: bundle(circle, "c.js")))
        assert "gone.js, which e.js imports" in str(error_of(lambda: bundle(circle, "e.js")))

    def test_the_player_s_modules_are_short_and_say_what_they_are(self) -> None:
        found = sorted(player_folder().glob("*.js"))
        assert len(found) > 10
        for path in found:
            lines = path.read_text(encoding="utf-8").splitlines()
            assert len(lines) < LONGEST_MODULE, path.name
            assert lines[0].startswith("// "), path.name

    def test_every_module_of_the_player_is_used(self) -> None:
        texts = [path.read_text(encoding="utf-8") for path in player_folder().glob("*.js")]
        imported = set(re.findall(r'from "\./([\w-]+\.js)"', "\n".join(texts)))
        there = {path.name for path in player_folder().glob("*.js")}
        assert there - imported == {"diff.js", "page.js", "loader.js"}

    def test_the_player_says_of_exits_what_the_terminal_says(self) -> None:
        text = (player_folder() / "exits.js").read_text(encoding="utf-8")
        assert dict(re.findall(r'^  (\w+): "(.*)",$', text, re.M)) == SENTENCES

    def test_links_lead_to_what_the_probes_watch(self) -> None:
        assert set(SOURCES.values()) <= {probe.target for probe in PROBES}
        assert all(hasattr(ev, name) for name in SOURCES)


class TestReport:
    """One file, and nothing but it."""

    def test_its_policy_names_each_of_its_scripts_and_styles_and_no_more(
        self, tmp_path: Path
    ) -> None:
        page = Page(report_of(write(tmp_path, crowded())))
        rules = dict(one.strip().partition(" ")[::2] for one in page.policy.split(";"))
        texts = {facts.get("id", ""): text for facts, text in page.scripts}
        running = [text for facts, text in page.scripts if facts.get("type") != "text/plain"]
        player = gzip.decompress(base64.b64decode(texts["script"])).decode()
        assert rules["default-src"] == "'none'"
        assert rules["script-src"].split() == [hashed(running[0]), hashed(player)]
        assert rules["style-src"].split() == [hashed(one) for one in page.styles]
        assert len(running) == len(page.styles) == 1
        assert "unsafe" not in page.policy
        assert page.loads == []

    def test_it_is_the_same_for_the_same_trace(self, tmp_path: Path) -> None:
        folder = write(tmp_path, crowded())
        assert report_of(folder) == report_of(folder)

    def test_it_is_small(self, tmp_path: Path) -> None:
        folder = write_trace(tmp_path, busy_toy(seed=3, steps=90).lines())
        text = report_of(folder)
        assert text.count('<tr><th><a href="#step=') > 90
        assert len(text.encode()) <= DEMO_SIZE

    def test_it_tells_what_happened_and_whether_it_is_true(self, tmp_path: Path) -> None:
        text = report_of(write(tmp_path, crowded()))
        plain = re.sub(r"<[^>]*>", "", text)
        assert "b is preempted so that a can grow. It loses 8 computed tokens." in plain
        assert "b is resumed; 4 of its 9 tokens were in the prefix cache." in plain
        assert "c waits: it needs 2 blocks" in plain
        assert "Every law holds" in plain or "Not all could be checked" in plain
        assert "vLLM 0.32.0" in plain
        assert "The trace holds no digests" in plain

    def test_a_broken_law_is_told_as_broken(self, tmp_path: Path) -> None:
        core = crowded()
        core.emit(ev.BlocksFreed, 0, [4])
        core.emit(ev.BlocksFreed, 0, [4])
        core.start()
        core.end({})
        plain = re.sub(r"<[^>]*>", "", report_of(write(tmp_path, core)))
        assert "Broken: a law does not hold" in plain

    def test_an_engine_without_steps_has_a_report(self, tmp_path: Path) -> None:
        assert "Nothing was scheduled" in report_of(write(tmp_path, Core()))

    def test_strangers_text_is_shown_and_does_nothing(self) -> None:
        assert isolated("<b>&\u202e\x1b", 20) == "<bdi>&lt;b&gt;&amp;��</bdi>"
        long = isolated("x" * 10_000, 20)
        assert "…" in long
        assert len(long) < 400
        assert isolated("\ud800", 5) == "<bdi>�</bdi>"


class TestStory:
    """Sentences from events alone."""

    def test_each_refusal_is_told_when_it_begins(self, tmp_path: Path) -> None:
        trace = open_trace(write(tmp_path, crowded()))
        told = {
            one.step: [
                "".join(p.request if isinstance(p, Who) else p for p in s) for s in one.sentences
            ]
            for one in story(steps(pick_engine(trace, None)))
        }
        assert told[1] == ["a and b are admitted."]
        assert told[2] == ["b is preempted so that a can grow. It loses 8 computed tokens."]
        assert told[3] == ["b waits: it needs 3 blocks and 0 are free."] or "b" in told[3][0]
        assert 4 not in told
        assert told[5][0] == "b is resumed; 4 of its 9 tokens were in the prefix cache."


class TestOpen:
    """`pagewalk open`."""

    @pytest.fixture
    def app(self) -> typer.Typer:
        app = typer.Typer()
        app.command()(cli_open.open_report)
        return app

    def test_it_writes_into_the_trace_and_prints_where(
        self, app: typer.Typer, tmp_path: Path
    ) -> None:
        folder = write(tmp_path / "trace", crowded())
        done = CliRunner().invoke(app, [str(folder)])
        assert done.exit_code == 0, done.output
        assert done.stdout == f"{folder / 'report.html'}\n"
        assert (folder / "report.html").read_text().startswith("<!doctype html>")
        assert not list(folder.glob(".*.part"))

    def test_a_report_does_not_change_what_the_trace_is(
        self, app: typer.Typer, tmp_path: Path
    ) -> None:
        folder = write(tmp_path / "trace", crowded())
        first = CliRunner().invoke(app, [str(folder)])
        text = (folder / "report.html").read_text()
        again = CliRunner().invoke(app, [str(folder), "--out", str(tmp_path / "other.html")])
        assert (first.exit_code, again.exit_code) == (0, 0)
        assert (tmp_path / "other.html").read_text() == text

    def test_no_browser_opens_where_nobody_sits(
        self, app: typer.Typer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        opened: list[str] = []
        monkeypatch.setattr(cli_open.webbrowser, "open", opened.append)
        folder = write(tmp_path / "trace", crowded())
        CliRunner().invoke(app, [str(folder)])
        assert opened == []
        monkeypatch.setattr(cli_open, "_has_display", lambda: True)
        CliRunner().invoke(app, [str(folder), "--no-browser"])
        assert opened == []
        CliRunner().invoke(app, [str(folder)])
        assert opened == [(folder / "report.html").resolve().as_uri()]

    def test_what_cannot_be_written_is_said_in_a_sentence(
        self, app: typer.Typer, tmp_path: Path
    ) -> None:
        folder = write(tmp_path / "trace", crowded())
        for out in (tmp_path, tmp_path / "gone" / "report.html"):
            error = CliRunner().invoke(app, [str(folder), "--out", str(out)]).exception
            assert isinstance(error, PagewalkError)
            assert "--out" in str(error)

    def test_a_trace_that_may_not_be_written_to_is_left_alone(
        self, app: typer.Typer, tmp_path: Path
    ) -> None:
        folder = write(tmp_path / "trace", crowded())
        folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
        try:
            (folder / "probe").touch()
        except PermissionError:
            error = CliRunner().invoke(app, [str(folder)]).exception
            assert isinstance(error, PagewalkError)
            assert error.slug == "cannot-write"
        else:
            pytest.skip("this user may write everywhere")
        finally:
            folder.chmod(stat.S_IRWXU)
