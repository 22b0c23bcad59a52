"""`pagewalk traces`: scenarios run, judged, and put in the old trace's place, or not."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from pagewalk.capture.play import play
from pagewalk.cli import main
from pagewalk.errors import PagewalkError
from pagewalk.pages.record import orphans, pick, scenarios
from pagewalk.pages.record_judge import HOST, places_in
from pagewalk.trace.read import open_trace

TESTS = Path(__file__).parent
# A scenario whose engine is a toy: it writes what a recorder would.
TOY = '''
"""A toy."""
import os, sys
from pathlib import Path
from builder import busy_toy, write_trace
ENGINE = None
lines = [one.replace(b'"host":"host"', f'"host":"{os.environ["PAGEWALK_HOST"]}"'.encode())
         for one in busy_toy(seed=SEED, steps=8, dumps='digest').lines()]
write_trace(Path(os.environ["PAGEWALK"]), lines)
'''
CLAIMS = '''
"""Claims of a toy."""
from pagewalk.views.evidence import Run

def it_runs(run: Run) -> dict[str, object]:
    """It takes steps."""
    assert len(run.steps) > 3
    return {"steps": len(run.steps)}
'''
Docs = SimpleNamespace
Say = Callable[..., SimpleNamespace]


@pytest.fixture
def docs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Docs:
    """A folder of pages: `write(stem, program, claims)` adds a scenario."""
    monkeypatch.setenv("PYTHONPATH", str(TESTS))
    root = tmp_path / "pages"

    def write(stem: str, program: str = TOY, claims: str = "", seed: int = 1) -> Path:
        for folder, text in (("scenarios", program.replace("SEED", str(seed))), ("claims", claims)):
            path = root / folder / f"{stem}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            if text:
                path.write_text(text)
        return root / "traces" / stem

    return SimpleNamespace(root=root, write=write)


@pytest.fixture
def say(docs: Docs, capsys: pytest.CaptureFixture[str]) -> Say:
    """Run `pagewalk traces` on these pages."""

    def run(*words: str) -> SimpleNamespace:
        code = main(["traces", *words, "--docs", str(docs.root)])
        out, err = capsys.readouterr()
        return SimpleNamespace(code=code, out=out, err=err)

    return run


def recorded(say: Say, *words: str) -> tuple[int, dict[str, dict]]:
    """The exit code and what became of each scenario."""
    said = say("record", "--json", *words)
    return said.code, {one["stem"]: one for one in json.loads(said.out)["traces"]}


class TestRecord:
    """One scenario after the other, or two at a time."""

    def test_first_then_the_same_then_another(self, docs: Docs, say: Say) -> None:
        trace = docs.write("a/one", claims=CLAIMS)
        code, told = recorded(say)
        assert (code, told["a/one"]["judged"]["outcome"]) == (0, "new")
        steps = told["a/one"]["judged"]["steps"]
        assert len(open_trace(trace).segments) == 1
        assert steps > 3
        code, told = recorded(say)
        assert (code, told["a/one"]["judged"]["told"]) == (0, "same story")
        docs.write("a/one", claims=CLAIMS, seed=3)
        code, told = recorded(say)
        judged = told["a/one"]["judged"]
        assert (code, judged["outcome"]) == (0, "changed")
        assert judged["told"].startswith("step ")
        (fact,) = judged["facts"]
        assert (fact["name"], fact["before"]) == ("it_runs.steps", steps)
        assert fact["after"] == judged["steps"] != steps

    def test_leaves_nothing_beside_the_trace(self, docs: Docs, say: Say) -> None:
        trace = docs.write("a/one")
        recorded(say)
        recorded(say)
        assert [one.name for one in trace.parent.iterdir()] == ["one"]

    def test_names_what_is_wanted(self, docs: Docs, say: Say) -> None:
        docs.write("one")
        trace = docs.write("two")
        code, told = recorded(say, "two")
        assert (code, list(told)) == (0, ["two"])
        assert [one.name for one in trace.parent.iterdir()] == ["two"]

    def test_two_at_a_time(self, docs: Docs, say: Say) -> None:
        """Each waits for the other: alone neither would end."""
        meet = (
            "import os, time\nfrom pathlib import Path\nmine, other = {!r}\n"
            "Path(mine).touch()\nwhile not Path(other).exists(): time.sleep(0.01)\n"
        )
        here = [str(docs.root.parent / name) for name in ("left", "right")]
        docs.write("left", TOY + meet.format(tuple(here)))
        docs.write("right", TOY + meet.format(tuple(reversed(here))))
        code, told = recorded(say, "--limit", "60")
        assert (code, len(told)) == (0, 2)
        assert json.loads(say("record", "--json", "--jobs", "1", "left").out)["traces"]

    def test_in_words(self, docs: Docs, say: Say) -> None:
        docs.write("good", claims=CLAIMS)
        docs.write("bad", "ENGINE = None\nraise SystemExit('no \\x1b[31mroom')\n")
        said = say("record")
        assert said.code == 1
        assert "1 trace recorded, 1 not: what was there is still there" in said.out
        assert "good" in said.err
        assert "bad failed: The scenario ended with exit code 1" in said.err
        assert "\x1b" not in said.out + said.err


class TestRefusals:
    """A trace that must not be kept leaves the old one as it was."""

    SILENT = (
        "\nlines = busy_toy(seed=5, steps=8).lines()\n"
        "lines[0] = lines[0].replace(b'host\":\"host', b'host\":\"docs')\n"
        "write_trace(Path(os.environ['PAGEWALK']), lines)\n"
    )
    FAILS = {
        "scenario-failed": "\nraise SystemExit(3)\n",
        "trace-unknown": SILENT,
        "trace-not-neutral": "\nlines[0] = lines[0].replace(b'docs', b'somewhere')\n"
        "write_trace(Path(os.environ['PAGEWALK']), lines)\n",
        "no-steps": "\nfrom pagewalk.trace.codec import decode\n"
        "write_trace(Path(os.environ['PAGEWALK']), lines[:1])\n",
        "empty-trace": "\n[one.unlink() for one in Path(os.environ['PAGEWALK']).glob('*.jsonl')]\n",
    }

    @pytest.mark.parametrize("slug", FAILS)
    def test_the_old_trace_stays(self, slug: str, docs: Docs, say: Say) -> None:
        trace = docs.write("one")
        recorded(say)
        before = {one.name: one.read_bytes() for one in trace.iterdir()}
        docs.write("one", TOY + self.FAILS[slug], seed=5)
        code, told = recorded(say)
        assert (code, told["one"]["slug"]) == (3 if slug == "trace-unknown" else 1, slug)
        assert told["one"]["why"].count(". ") == 0, "one sentence"
        assert {one.name: one.read_bytes() for one in trace.iterdir()} == before
        assert [one.name for one in trace.parent.iterdir()] == ["one"]

    def test_a_claim_that_does_not_hold(self, docs: Docs, say: Say) -> None:
        trace = docs.write("one", claims=CLAIMS.replace("> 3", "> 3000"))
        code, told = recorded(say)
        assert (code, told["one"]["slug"]) == (1, "claim-fails")
        assert "it_runs" in told["one"]["why"]
        assert "> 3000" in told["one"]["why"]
        assert not trace.exists()

    def test_a_broken_law(self, docs: Docs, say: Say) -> None:
        """A block that is given back twice."""
        twice = (
            "\nfrom builder import renumbered\nfrom pagewalk.trace.codec import encode\n"
            "import msgspec\nfrom pagewalk.trace.events import BlocksFreed, SegmentStarted\n"
            "from pagewalk.trace.events import StateDigested\n"
            "events = busy_toy(seed=1, steps=8, dumps='digest').events\n"
            "at = next(i for i, one in enumerate(events) if isinstance(one, BlocksFreed))\n"
            "events = renumbered([*events[:at], events[at], *events[at:]])\n"
            "events[0] = msgspec.structs.replace(events[0], host='docs')\n"
            "write_trace(Path(os.environ['PAGEWALK']), [encode(one) for one in events])\n"
        )
        docs.write("one", TOY + twice)
        code, told = recorded(say)
        assert (code, told["one"]["slug"]) == (1, "trace-broken")

    def test_a_scenario_that_hangs(self, docs: Docs, say: Say) -> None:
        docs.write("one", TOY + "\nimport threading\nthreading.Event().wait()\n")
        code, told = recorded(say, "--limit", "1")
        assert (code, told["one"]["slug"]) == (1, "scenario-late")

    def test_an_interrupt_ends_all(self, docs: Docs) -> None:
        """Ctrl-C while a scenario runs: it ends too, and the old trace is as it was."""
        interrupt = (
            "\nimport signal, threading\n"
            "os.kill(os.getppid(), signal.SIGINT)\nthreading.Event().wait()\n"
        )
        trace = docs.write("one", TOY + interrupt)
        docs.write("two", TOY + interrupt)
        trace.mkdir(parents=True)
        (trace / "old").touch()
        command = [sys.executable, "-m", "pagewalk.cli", "traces", "record", "--docs"]
        done = subprocess.run([*command, str(docs.root)], capture_output=True, timeout=600)
        assert done.returncode == 130
        assert b"Traceback" not in done.stderr
        assert [one.name for one in trace.iterdir()] == ["old"]
        assert [one.name for one in trace.parent.iterdir()] == ["one"]

    @pytest.mark.parametrize(
        ("program", "word"),
        [
            ("", "does not say what it runs"),
            ("ENGINE = 3\n", "does not say what it runs"),
            ("ENGINE = (\n", "cannot be read"),
            ("ENGINE = None\nARGUMENTS = ['--model']\n", "ARGUMENTS"),
            ("ENGINE = 'gpt'\nARGUMENTS = ('--model', '{model}')\n", "no model gpt"),
        ],
    )
    def test_mistakes_in_a_scenario(self, program: str, word: str, docs: Docs, say: Say) -> None:
        docs.write("one", program or "x = 1\n")
        said = say("record")
        assert said.code == 2
        assert word in said.err
        assert said.err.count("\n") == 1

    def test_mistakes_in_the_call(self, docs: Docs, say: Say, tmp_path: Path) -> None:
        docs.write("scheduler/waiting")
        said = say("record", "scheduler/wating")
        assert said.code == 2
        assert "did you mean scheduler/waiting?" in said.err
        assert main(["traces", "list", "--docs", str(tmp_path / "nowhere")]) == 2


class TestScenarios:
    """What is known of a scenario without running it."""

    def test_is_not_imported(self, docs: Docs) -> None:
        docs.write("a/live", "ENGINE = 'llama'\nARGUMENTS = ('--model', '{model}', '-x')\n1 / 0\n")
        docs.write("hand", "import nowhere\nENGINE = None\n")
        live, hand = scenarios(docs.root)
        assert (live.stem, live.engine, live.wants_model) == ("a/live", "llama", True)
        assert live.command("py", Path("models"))[2:] == ["--model", "models/llama", "-x"]
        assert (hand.stem, hand.engine, hand.wants_model) == ("hand", None, False)
        assert pick((live, hand), ["hand"]) == (hand,)
        assert live.claims == docs.root / "claims" / "a" / "live.py"

    def test_traces_that_nobody_makes(self, docs: Docs, say: Say) -> None:
        docs.write("one", claims=CLAIMS)
        recorded(say)
        assert say("list").code == 0
        (docs.root / "traces" / "one").rename(docs.root / "traces" / "gone")
        said = say("list")
        assert said.code == 1
        assert "No scenario makes the trace gone." in said.out
        assert "missing: trace" in said.out
        assert orphans(docs.root, scenarios(docs.root)) == ("gone",)

    def test_a_list_of_what_there_is(self, docs: Docs, say: Say) -> None:
        docs.write("one", claims=CLAIMS)
        recorded(say)
        (row,) = json.loads(say("list", "--json").out)["traces"]
        assert (row["stem"], row["claims"], row["missing"]) == ("one", 1, [])
        assert row["steps"] > 3


class TestPlay:
    """A program under tracing, whose processes all end with it."""

    def test_what_it_leaves_behind_is_ended(self, tmp_path: Path) -> None:
        program = (
            "import subprocess, sys\n"
            "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
            "print(child.pid)\n"
        )
        log = tmp_path / "log"
        code = play([sys.executable, "-c", program], tmp_path / "t", log, host="h", limit=60)
        assert code == 0
        status = Path(f"/proc/{int(log.read_text())}/stat")
        assert not status.exists() or " Z " in status.read_text()

    def test_a_signal_is_a_code(self, tmp_path: Path) -> None:
        kill = "import os; os.kill(os.getpid(), 9)"
        command = [sys.executable, "-c", kill]
        assert play(command, tmp_path / "t", tmp_path / "log", host="h", limit=60) == 137

    def test_being_stopped(self, tmp_path: Path) -> None:
        stop = threading.Event()
        stop.set()
        wait = [sys.executable, "-c", "import time; time.sleep(600)"]
        with pytest.raises(KeyboardInterrupt):
            play(wait, tmp_path / "t", tmp_path / "log", host="h", limit=60, stop=stop)

    def test_no_such_program(self, tmp_path: Path) -> None:
        with pytest.raises(PagewalkError, match="could not be started"):
            play(["/nowhere/python"], tmp_path / "t", tmp_path / "log", host="h", limit=60)


class TestPlaces:
    """No committed trace names the machine it was recorded on."""

    @pytest.mark.parametrize(
        "text",
        [
            '"file": "/home/ann/x.py"',
            '"error": "OSError: [Errno 2] /tmp/x"',
            '"model": "/root"',
            '"file": "C:\\\\\\\\models\\\\\\\\x"',
            f'"host":"{socket.gethostname()}"',
            '"file": "lib/python3.11/site-packages/vllm/x.py"',
        ],
    )
    def test_found(self, text: str, tmp_path: Path) -> None:
        (tmp_path / "1-0.jsonl").write_text(f'{{"e":"X",{text}}}\n')
        assert len(places_in(tmp_path)) == 1

    def test_what_is_none(self, tmp_path: Path) -> None:
        line = '{"host":"docs","file":"vllm/v1/core/x.py","guard":"a / b > c","id":"a/b","x":"1/2"}'
        (tmp_path / "1-0.jsonl").write_text(line + "\n")
        assert HOST == "docs"
        assert places_in(tmp_path) == ()
