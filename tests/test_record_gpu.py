"""`scripts/record_gpu.py`: what it would record on a GPU, and all that it does, on this machine."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields, replace
from itertools import product
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPTS, TESTS = ROOT / "scripts", ROOT / "tests"
sys.path.insert(0, str(SCRIPTS))

from gpu_recordings.make import Machine, Result, made_before, make  # noqa: E402
from gpu_recordings.table import Recording, chosen, recordings  # noqa: E402
from record_gpu import machine_here, record  # noqa: E402

from pagewalk.errors import PagewalkError  # noqa: E402
from pagewalk.pages.record import orphans  # noqa: E402
from pagewalk.pages.stem import check_stem  # noqa: E402
from pagewalk.trace.read import open_trace  # noqa: E402
from pagewalk.views.verdict import check  # noqa: E402

CPU = Machine("cpu", "CPU", "9.9.9", "1.0")
GPU = Machine("cuda", "A GPU", "9.9.9", "1.0")
# A program whose engine is a toy: it writes what a recorder would.
TOY = """
import os
from pathlib import Path
from builder import busy_toy, write_trace
lines = [one.replace(b'"host":"host"', f'"host":"{os.environ["PAGEWALK_HOST"]}"'.encode())
         for one in busy_toy(seed=1, steps=8, dumps='digest').lines()]
write_trace(Path(os.environ["PAGEWALK"]), lines)
"""
BROKEN = TOY.replace(".lines()]", ".lines()]\nlines = lines[:-4] + lines[-2:]")
CRASH = """
import os, signal
print('RuntimeError: out of luck', flush=True)
os.kill(os.getpid(), signal.SIGSEGV)
"""
HANG = """
import os, signal
open(PLACE, 'w').write(str(os.getpid()))
signal.pause()
"""
COUNTED = TOY + "open(PLACE, 'a').write('.')\n"
Toy = Callable[..., Recording]


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Toy:
    """A recording of a program given as text."""
    monkeypatch.setenv("PYTHONPATH", str(TESTS))

    def make_toy(name: str, text: str = TOY, minutes: float = 1.0, **more: object) -> Recording:
        program = tmp_path / f"{name}.py"
        program.write_text(text)
        return Recording(name, program, **{"device": "cpu", "minutes": minutes, **more})  # type: ignore[arg-type]

    return make_toy


def run(out: Path, *wanted: Recording, **how: object) -> dict[str, Result]:
    """What became of each."""
    results = record(wanted, out, CPU, wanted=wanted, **how)  # type: ignore[arg-type]
    return {one.name: one for one in results}


class TestTable:
    """What there is to record."""

    def test_has_all_that_is_asked_for(self) -> None:
        """Three programs, eager and with graphs, two backends, runner V2 scheduling ahead."""
        there = {
            (
                one.name.split("_")[0],
                one.runner,
                one.engine["async_scheduling"],
                one.engine["enforce_eager"],
                one.engine["attention_backend"],
            )
            for one in recordings()
            if one.device == "cuda" and one.traced
        }
        stories, modes = ("demo", "preemption", "many"), (True, False)
        backends = ("FLASH_ATTN", "TRITON_ATTN")
        assert there >= {(s, 2, True, *rest) for s, *rest in product(stories, modes, backends)}
        assert there >= {(s, 1, False, mode, "FLASH_ATTN") for s, mode in product(stories, modes)}

    def test_names_are_stems_and_programs_are_there(self) -> None:
        """A name becomes a directory of traces."""
        names = [one.name for one in recordings()]
        assert len(set(names)) == len(names)
        assert [check_stem(name) for name in names] == names
        assert [one.name for one in recordings() if not one.program.is_file()] == []

    def test_a_part_fits_into_ten_minutes(self) -> None:
        """No recording needs more, so that a command of ten minutes always gets on."""
        assert all(one.minutes < 5 for one in recordings())

    def test_the_readme_counts_them(self) -> None:
        """What it says is owed is what the script would make."""
        text = (ROOT / "README.md").read_text(encoding="utf-8")
        section = text.partition("\n## On a GPU\n")[2].partition("\n## ")[0]
        there = [one.traced for one in recordings() if one.device == "cuda"]
        for word, kind in (("trace", True), ("table", False)):
            owed = sum(map(int, re.findall(rf"\| (\d+) {word}s?(?= \|)", section)))
            assert owed == there.count(kind) > 0

    def test_says_why_not_here(self) -> None:
        """A machine without a GPU, one with, and a release without a choice."""
        table = {one.name: one for one in recordings()}
        graphs, old = table["demo_v2_graphs_triton"], table["demo_v1_eager_flash"]
        needs = "It needs a CUDA GPU: model runner V2, TRITON_ATTN, CUDA graphs."
        assert graphs.skipped("cpu", (1, 2)) == needs
        assert graphs.skipped("cuda", (2,)) == ""
        assert old.skipped("cuda", (1, 2)) == ""
        assert "no model runner V1" in old.skipped("cuda", (2,))
        assert table["demo_v1_eager_cpu"].skipped("cpu", (1, 2)) == ""

    def test_the_environment_chooses_the_runner(self) -> None:
        """No argument of vLLM does."""
        chosen_by = {
            one.runner: one.environment["VLLM_USE_V2_MODEL_RUNNER"]
            for one in recordings()
            if one.device == "cuda"
        }
        assert chosen_by == {1: "0", 2: "1"}

    def test_patterns(self) -> None:
        """One name, several by a pattern, or all."""
        everything = recordings()
        assert [one.name for one in chosen(everything, ["demo_v1_eager_cpu"])] == [
            "demo_v1_eager_cpu"
        ]
        assert {one.name[:4] for one in chosen(everything, ["demo_*"])} == {"demo"}
        assert chosen(everything, []) == everything


class TestRecord:
    """The run over all of them, with programs that are toys."""

    def test_one_that_crashes_costs_only_itself(self, toy: Toy, tmp_path: Path) -> None:
        """It is told with its error, and what comes after it is recorded."""
        done = run(tmp_path / "out", toy("first"), toy("crash", CRASH), toy("last"))
        assert [one.outcome for one in done.values()] == ["recorded", "failed", "recorded"]
        assert done["crash"].why == "It ended with exit code 139: RuntimeError: out of luck"
        told = json.loads((tmp_path / "out" / "summary.json").read_text())
        assert [one["outcome"] for one in told] == ["recorded", "failed", "recorded"]
        text = (tmp_path / "out" / "summary.txt").read_text()
        assert re.search(r"^crash +failed +It ended with exit code 139", text, re.MULTILINE)
        assert "2 recorded, 1 failed" in text

    @pytest.mark.parametrize(
        ("printed", "said"),
        [
            ("ValueError: no\nRuntimeError: Engine core initialization failed. See above.", "no"),
            ("a.b.ValidationError: 1 error for X\n  Value error, V2 requires Y", "V2 requires Y"),
            ("Traceback\nOutOfMemoryError: 3 GiB", "OutOfMemoryError: 3 GiB"),
            ("all went well", "all went well"),
            ("", "nothing"),
        ],
    )
    def test_the_cause_is_told(self, toy: Toy, tmp_path: Path, printed: str, said: str) -> None:
        """The first error that says something, or the last thing that was said."""
        text = f"import sys\nprint({printed!r}, flush=True)\nsys.exit(3)\n"
        why = run(tmp_path / "out", toy("bad", text))["bad"].why
        assert why.startswith("It ended with exit code 3: ")
        assert why.endswith(said)

    def test_what_is_there_is_not_made_again(self, toy: Toy, tmp_path: Path) -> None:
        """Unless it failed, or is asked for."""
        out, times = tmp_path / "out", tmp_path / "times"
        one = toy("one", COUNTED.replace("PLACE", repr(str(times))))
        first = run(out, one, toy("bad", CRASH))
        second = run(out, one, toy("bad"))
        assert second["one"] == first["one"]
        assert second["bad"].outcome == "recorded"
        assert times.read_text() == "."
        run(out, one, again=True)
        assert times.read_text() == ".."

    def test_one_of_another_release_is_owed(self, toy: Toy, tmp_path: Path) -> None:
        """What an older release left is no recording of this one."""
        out, one = tmp_path / "out", toy("one")
        run(out, one)
        newer = replace(CPU, release="10.0")
        (result,) = record((one,), out, newer, wanted=())
        assert (result.outcome, result.why) == ("owed", "What is there is of vLLM 9.9.9.")
        (result,) = record((one,), out, newer, wanted=(one,))
        assert (result.outcome, result.machine) == ("recorded", newer)

    def test_half_made_is_not_made(self, toy: Toy, tmp_path: Path) -> None:
        """A run that was killed leaves no result, and its rest is cleared away."""
        out, one = tmp_path / "out", toy("one")
        (out / "one" / "trace").mkdir(parents=True)
        (out / "one" / "trace" / "1-0.jsonl").write_text("half a li")
        assert made_before(out / "one") is None
        assert run(out, one)["one"].outcome == "recorded"
        assert check(open_trace(out / "one" / "trace")).outcome == "holds"

    def test_one_that_hangs_is_given_up(self, toy: Toy, tmp_path: Path) -> None:
        """With its processes."""
        pids = tmp_path / "pids"
        text = HANG.replace("PLACE", repr(str(pids)))
        done = run(tmp_path / "out", toy("hang", text, minutes=4 / 300), toy("next"))
        assert done["hang"].why == "It was still running after 4 seconds."
        assert done["next"].outcome == "recorded"
        with pytest.raises(ProcessLookupError):
            os.kill(int(pids.read_text()), 0)

    def test_a_trace_that_does_not_hold_is_no_recording(self, toy: Toy, tmp_path: Path) -> None:
        """`pagewalk check` has the last word."""
        done = run(tmp_path / "out", toy("broken", BROKEN))
        assert done["broken"].outcome == "failed"
        assert done["broken"].why.startswith("`pagewalk check` says ")

    def test_time_is_up_before_it_would_be_over(self, toy: Toy, tmp_path: Path) -> None:
        """A recording that would end too late is not begun, a shorter one is."""
        done = run(tmp_path / "out", toy("long", minutes=3), toy("short"), minutes=2)
        assert [one.outcome for one in done.values()] == ["owed", "recorded"]
        assert not (tmp_path / "out" / "long").exists()

    def test_small_traces_are_kept_with_their_device(self, toy: Toy, tmp_path: Path) -> None:
        """What goes into the repository is whole, and says what it was recorded on."""
        out = tmp_path / "out"
        both = toy("small", device="cuda", keep=True), toy("other", device="cuda")
        record(both, out, GPU, wanted=both)
        assert [one.name for one in (out / "keep").iterdir()] == ["small"]
        kept = open_trace(out / "keep" / "small")
        assert kept.header.device == "A GPU"
        assert check(kept).outcome == "holds"

    def test_another_engine_than_the_one_asked_for(self, toy: Toy, tmp_path: Path) -> None:
        """A device, a backend or a mode that vLLM changed by itself is noticed."""
        one = toy("one")
        (result,) = record((one,), tmp_path, CPU, wanted=(one,))
        assert result.outcome == "recorded"
        facts = {"device": "cpu", "async_scheduling": False, "graphs": {}}
        facts |= {"backends": ["X"], "runners": ["V1"]}
        from gpu_recordings.make import _refuse_other

        asked = {"attention_backend": "X", "enforce_eager": True}
        _refuse_other(replace(one, engine=asked), facts)
        for other, said in (
            ({**facts, "device": "cuda"}, "with device cuda, not with cpu"),
            ({**facts, "backends": ["Y"]}, r"with backends \['Y'\], not with \['X'\]"),
            ({**facts, "async_scheduling": True}, "with async_scheduling True"),
            ({**facts, "runners": ["V2"]}, "with runners"),
        ):
            with pytest.raises(PagewalkError, match=said):
                _refuse_other(replace(one, engine=asked), other)
        with pytest.raises(PagewalkError, match="No step of the engine ran a CUDA graph"):
            _refuse_other(
                replace(one, engine={**asked, "enforce_eager": False}),
                {**facts, "graphs": {"NONE": 4}},
            )


def test_a_trace_from_a_gpu_is_nobodys_orphan(tmp_path: Path) -> None:
    """It has no scenario of its own: it is another trace's, on another device."""
    (tmp_path / "scenarios").mkdir()
    for stem in ("gpu/demo_v2_eager_flash", "gone"):
        (tmp_path / "traces" / stem).mkdir(parents=True)
        (tmp_path / "traces" / stem / "header.json").touch()
    assert orphans(tmp_path, ()) == ("gone",)


def script(*words: str) -> subprocess.CompletedProcess[str]:
    """Run the script as a user does."""
    command = [sys.executable, str(SCRIPTS / "record_gpu.py"), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


class TestScript:
    """The command itself."""

    def test_lists_what_there_is(self) -> None:
        """Without an engine and without a GPU."""
        done = script("--list")
        assert done.returncode == 0, done.stderr
        *lines, last = done.stdout.splitlines()
        assert [line.split()[0] for line in lines] == [one.name for one in recordings()]
        assert last.startswith(f"{len(lines)} recordings; ")

    def test_a_mistake_is_one_sentence(self, tmp_path: Path) -> None:
        """A name that is none, a device that is none."""
        done = script("--only", "nothing", "--out", str(tmp_path))
        assert (done.returncode, done.stderr) == (
            2,
            "No recording has that name: see --list.\n",
        )
        done = script("--device", "tpu", "--out", str(tmp_path))
        assert (done.returncode, done.stderr) == (2, "tpu is no device: write cuda or cpu.\n")

    @pytest.mark.engine
    def test_here_is_no_gpu(self) -> None:
        """The machine is looked at, not believed in."""
        pytest.importorskip("torch")
        here = machine_here("cpu")
        assert here.device == "cpu"
        assert set(here.runners) == {1, 2}

    @pytest.mark.engine
    def test_the_release_knows_each_setting(self) -> None:
        """No argument, backend or variable of the table is one that was renamed."""
        pytest.importorskip("vllm")
        from vllm import envs
        from vllm.engine.arg_utils import EngineArgs
        from vllm.v1.attention.backends.registry import AttentionBackendEnum

        arguments = {name for one in recordings() for name in one.engine}
        assert arguments <= {one.name for one in fields(EngineArgs)}
        backends = {one.engine["attention_backend"] for one in recordings()}
        assert backends <= set(AttentionBackendEnum.__members__)
        variables = {name for one in recordings() for name in one.environment}
        ours = {name for name in variables if name.startswith("VLLM_")}
        assert ours <= set(envs.environment_variables)

    @pytest.mark.engine
    def test_records_the_demo_on_this_machine(self, tmp_path: Path) -> None:
        """A real engine: exact, told rightly, and not made twice."""
        words = ["--device", "cpu", "--out", str(tmp_path)]
        words += ["--only", "demo_v1_eager_cpu", "--only", "demo_v2_graphs_flash"]
        done = script(*words)
        assert done.returncode == 0, done.stdout + done.stderr
        told = {one["name"]: one for one in json.loads((tmp_path / "summary.json").read_text())}
        assert told["demo_v2_graphs_flash"]["outcome"] == "skipped"
        assert told["demo_v2_graphs_flash"]["why"].startswith("It needs a CUDA GPU: ")
        assert told["many_v1_eager_cpu"]["outcome"] == "owed"
        facts = told["demo_v1_eager_cpu"]["facts"]
        verdict = check(open_trace(tmp_path / "demo_v1_eager_cpu" / "trace"))
        assert verdict.outcome == facts["check"]["outcome"] == "holds"
        assert verdict.steps == facts["check"]["steps"] > 50
        assert verdict.snapshots == facts["check"]["snapshots"] > 100
        assert facts["device"] == "cpu"
        assert facts["backends"] == ["CPU_ATTN"]
        assert facts["runners"] == ["V1"]
        assert sum(one["steps"] for one in facts["check"]["ranks"]) > 50
        assert facts["failed_probes"] == {}
        before = (tmp_path / "demo_v1_eager_cpu" / "result.json").read_bytes()
        again = script(*words)
        assert again.returncode == 0, again.stderr
        assert (tmp_path / "demo_v1_eager_cpu" / "result.json").read_bytes() == before
        assert "about" not in again.stdout

    @pytest.mark.engine
    def test_measures_the_overhead_on_a_model_without_weights(self, tmp_path: Path) -> None:
        """The table has all modes; whether its figures may be quoted is not asked here."""
        (one,) = chosen(recordings(), ["overhead_tiny_eager_cpu"])
        short = ("--shape", "tiny", "--no-profilers", "--rounds", "1", "--batch", "8")
        short += ("--tokens", "8", "--guard", "1000")
        result = make(replace(one, arguments=short), tmp_path / "table", CPU, tmp_path)
        assert result.outcome == "recorded", result.why
        assert list(result.facts["modes"]) == ["off", "null", "lean", "full"]
        assert result.facts["modes"]["full"]["events_per_step"] > 0
        told = json.loads((tmp_path / "table" / "overhead.json").read_text())
        assert told["engine"]["attention_backend"] == "CPU_ATTN"
        assert told["machine"]["device"]
