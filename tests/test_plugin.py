"""The plugin in a process: idle it costs nothing, armed it waits, and it never stops a server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

from pagewalk.capture import plugin, tracing
from pagewalk.capture.header import HEADER
from pagewalk.capture.launch import run_command
from pagewalk.capture.settings import RUN, Settings, from_environment
from pagewalk.errors import PagewalkError
from pagewalk.trace.read import open_trace

REGISTER = """
import json, os, sys
from pagewalk.capture.plugin import register
register()
register()
print(json.dumps(sorted(sys.modules)))
"""
# A process that is traced as a server is, with an engine of twenty lines in vLLM's place.
TOY = """
import sys, types
from pagewalk.capture.plugin import register
register()
name = "vllm.v1.engine.core"
for part in ("vllm", "vllm.v1", "vllm.v1.engine"):
    sys.modules[part] = types.ModuleType(part)
    sys.modules[part].__path__ = []
open(sys.argv[1] + "/core.py", "w").write('''
class EngineCoreProc:
    def _send_engine_dead(self):
        print("dead")
class EngineCore:
    def __init__(self, config, executor):
        pass
    def _initialize_kv_caches(self): pass
    def preprocess_add_request(self, request): pass
    def add_request(self, request): pass
    def abort_requests(self, request_ids): pass
def dump_engine_exception(config): pass
''')
sys.modules["vllm.v1.engine"].__path__ = [sys.argv[1]]
from vllm.v1.engine.core import EngineCoreProc
EngineCoreProc()._send_engine_dead()
"""


def python(code: str, *arguments: str, **environment: str | None) -> Any:
    """Run code in a fresh interpreter; PAGEWALK and its kin are unset unless given."""
    inherited = {name: value for name, value in os.environ.items() if "PAGEWALK" not in name}
    given = {name: value for name, value in environment.items() if value is not None}
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={**inherited, "PYTHONPATH": os.pathsep.join(sys.path), **given},
        capture_output=True,
        text=True,
        timeout=600,
        check=True,
    )


def modules(**environment: str | None) -> set[str]:
    """What is imported after the plugin was registered."""
    return set(json.loads(python(REGISTER, **environment).stdout))


class TestIdle:
    """Without PAGEWALK nothing is imported, patched or written."""

    @pytest.mark.parametrize("value", [None, ""])
    def test_imports_next_to_nothing(self, value: str | None) -> None:
        imported = modules(PAGEWALK=value)
        heavy = {"msgspec", "wrapt", "pagewalk.probes", "pagewalk.trace", "vllm", "logging"}
        assert not heavy & imported
        mine = {name for name in imported if name.startswith("pagewalk")}
        assert mine == {"pagewalk", "pagewalk.capture", "pagewalk.capture.plugin"}

    def test_armed_it_imports_no_engine(self, tmp_path: Path) -> None:
        imported = modules(PAGEWALK=str(tmp_path / "trace"))
        assert "pagewalk.capture.install" in imported
        strange = {"vllm", "torch", "numpy", "rich", "typer"}
        assert not strange & imported
        assert not any(name.startswith("vllm.") for name in imported)

    def test_armed_it_leaves_no_file(self, tmp_path: Path) -> None:
        modules(PAGEWALK=str(tmp_path / "trace"))
        assert not (tmp_path / "trace").exists()

    def test_the_entry_point_is_this_function(self) -> None:
        """As vLLM finds it, where the package is installed."""
        found = [
            one for one in entry_points(group="vllm.general_plugins") if one.name == "pagewalk"
        ]
        if not found:
            pytest.skip("the package is not installed here, only on the path")
        assert {one.value for one in found} == {"pagewalk.capture.plugin:register"}
        assert found[0].load() is plugin.register


class TestArmed:
    """With PAGEWALK, the engine's modules are patched as they are imported."""

    def test_patches_what_is_imported_later(self, tmp_path: Path) -> None:
        done = python(TOY, str(tmp_path), PAGEWALK=str(tmp_path / "trace"))
        assert done.stdout == "dead\n"
        assert done.stderr == ""

    @pytest.mark.parametrize(
        "place",
        ["{tmp}/file", "{tmp}/file/below", "/proc/no/such", "\n", "{tmp}/" + "x" * 300, "~"],
    )
    def test_a_nonsense_place_does_not_stop_the_server(self, place: str, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("mine")
        code = f"import os\nos.chdir({str(tmp_path)!r})\n{TOY}"
        done = python(code, str(tmp_path), PAGEWALK=place.format(tmp=tmp_path))
        assert done.stdout == "dead\n"
        assert "Traceback" not in done.stderr

    def test_a_core_killed_while_it_dies_has_said_so(self, tmp_path: Path) -> None:
        """Its parent may kill it before the writer's next turn."""
        wake = "EngineCore._initialize_kv_caches(None)\n"
        killed = (
            TOY.replace('print("dead")', "import os; os.kill(os.getpid(), 9)")
            .replace("import EngineCoreProc", "import EngineCore, EngineCoreProc")
            .replace("EngineCoreProc()._send", f"{wake}EngineCoreProc()._send")
        )
        with pytest.raises(subprocess.CalledProcessError):
            python(killed, str(tmp_path), PAGEWALK=str(tmp_path / "trace"))
        (segment,) = open_trace(tmp_path / "trace").segments
        assert "EngineFailed" in {type(event).__name__ for event in segment.events}

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("PAGEWALK_EVENTS", "everything"),
            ("PAGEWALK_DIGEST", "sha3"),
            ("PAGEWALK_RECORD_TOKENS", "maybe"),
            (RUN, "no colon"),
            (RUN, ":"),
            (RUN, ":/nowhere"),
        ],
    )
    def test_nonsense_settings_fall_back(self, name: str, value: str, tmp_path: Path) -> None:
        done = python(TOY, str(tmp_path), PAGEWALK=str(tmp_path / "trace"), **{name: value})
        assert (done.stdout, done.stderr) == ("dead\n", "")

    def test_a_working_directory_that_is_gone(self, tmp_path: Path) -> None:
        (tmp_path / "gone").mkdir()
        gone = f"import os\nos.chdir({str(tmp_path / 'gone')!r})\nos.rmdir('../gone')\n"
        done = python(gone + TOY, str(tmp_path), PAGEWALK="trace")
        assert done.stdout == "dead\n"
        assert "the engine goes on untraced" in done.stderr

    def test_a_broken_installation_does_not_stop_the_server(self, tmp_path: Path) -> None:
        broken = "import sys\nsys.modules['msgspec'] = None\n"
        done = python(broken + TOY, str(tmp_path), PAGEWALK=str(tmp_path / "trace"))
        assert done.stdout == "dead\n"
        assert "pagewalk could not start" in done.stderr


class TestSettings:
    """The environment is the only way to a process that vLLM starts."""

    def test_off(self) -> None:
        assert from_environment({}) is None
        assert from_environment({"PAGEWALK": ""}) is None

    def test_there_and_back(self, tmp_path: Path) -> None:
        settings = Settings(tmp_path, "lean", True, "hash", "c0ffee", "docs")
        assert from_environment(settings.environment()) == settings

    def test_relative_places_are_made_absolute(self, tmp_path: Path) -> None:
        settings = from_environment({"PAGEWALK": "trace"})
        assert settings is not None
        assert settings.directory == Path.cwd() / "trace"

    def test_defaults(self, tmp_path: Path) -> None:
        settings = from_environment({"PAGEWALK": str(tmp_path), "PAGEWALK_EVENTS": "?"})
        assert settings == Settings(tmp_path, "full", False, "off", "")

    def test_the_run_says_where_it_is(self, tmp_path: Path) -> None:
        """A run that had to go into `run-2`: its children go there too."""
        told = {"PAGEWALK": str(tmp_path), RUN: f"c0ffee:{tmp_path / 'run-2'}"}
        settings = from_environment(told)
        assert settings is not None
        assert (settings.directory, settings.run) == (tmp_path / "run-2", "c0ffee")


class TestOnce:
    """A process is recorded to one place: twice would be everything twice."""

    def test_the_plugin_keeps_out_of_a_traced_block(self, tmp_path: Path) -> None:
        with tracing(tmp_path / "trace"):
            assert os.environ["PAGEWALK"] == str(tmp_path / "trace")
            before = dict(vars(sys.modules["pagewalk.capture.plugin"]))
            plugin.register()
            assert plugin.recording == before["recording"]
        assert plugin.recording == []
        assert "PAGEWALK" not in os.environ

    def test_no_block_in_a_block(self, tmp_path: Path) -> None:
        with tracing(tmp_path / "one"):
            with pytest.raises(PagewalkError, match="traced already"), tracing(tmp_path / "two"):
                pass
            assert not (tmp_path / "two").exists()
            assert os.environ["PAGEWALK"] == str(tmp_path / "one")

    def test_a_block_in_a_traced_process(self, tmp_path: Path) -> None:
        code = (
            "from pagewalk.capture.plugin import register\nregister()\n"
            "from pagewalk.capture import tracing\nfrom pagewalk.errors import PagewalkError\n"
            "try:\n    tracing(__import__('sys').argv[1]).__enter__()\n"
            "except PagewalkError as error:\n    print(error.slug)\n"
        )
        done = python(code, str(tmp_path / "two"), PAGEWALK=str(tmp_path / "one"))
        assert done.stdout == "traced-already\n"

    def test_one_after_the_other(self, tmp_path: Path) -> None:
        for name in ("one", "two"):
            with tracing(tmp_path / name):
                pass
        runs = {json.loads((tmp_path / n / HEADER).read_text())["run"] for n in ("one", "two")}
        assert len(runs) == 2

    def test_an_exception_leaves_nothing_behind(self, tmp_path: Path) -> None:
        with pytest.raises(ZeroDivisionError), tracing(tmp_path / "one"):
            raise ZeroDivisionError
        assert plugin.recording == []
        assert "PAGEWALK" not in os.environ


WOKEN = """
import sys
from pathlib import Path
from pagewalk.capture.recorder import Recorder
from pagewalk.capture.settings import from_environment
Recorder(from_environment()).wake()
sys.exit(int(sys.argv[1]))
"""


class TestLaunch:
    """`pagewalk run`: the command is itself, its processes trace themselves."""

    def test_traces_and_returns_the_exit_code(self, tmp_path: Path) -> None:
        out = tmp_path / "trace"
        assert run_command([sys.executable, "-c", WOKEN, "7"], out, level="lean") == 7
        trace = open_trace(out)
        assert trace.header.command == (Path(sys.executable).name,)
        assert trace.header.level == "lean"
        assert trace.segments[0].started is not None
        assert trace.segments[0].started.run == trace.header.run
        assert trace.segments[0].ended

    def test_a_signal_is_an_exit_code(self, tmp_path: Path) -> None:
        kill = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
        assert run_command([sys.executable, "-c", kill], tmp_path / "trace") == 128 + 9

    def test_no_such_command_leaves_room_for_the_next_try(self, tmp_path: Path) -> None:
        for _ in range(2):
            with pytest.raises(PagewalkError, match="no command"):
                run_command(["no-such-program-anywhere"], tmp_path / "trace")
        assert run_command([sys.executable, "-c", "pass"], tmp_path / "trace") == 0

    def test_what_cannot_be_started(self, tmp_path: Path) -> None:
        (tmp_path / "text").write_text("no program")
        with pytest.raises(PagewalkError, match="could not be started"):
            run_command([str(tmp_path / "text")], tmp_path / "trace")

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
    def test_passes_on_what_ends_it(self, number: signal.Signals, tmp_path: Path) -> None:
        """A supervisor ends `pagewalk run`, and means the server."""
        child = (
            "import signal, sys\n"
            f"signal.signal({int(number)}, lambda *_: (print('told'), sys.exit(5)))\n"
            "print('ready', flush=True)\nsignal.pause()\n"
        )
        launch = (
            "import sys\nfrom pathlib import Path\n"
            "from pagewalk.capture.launch import run_command\n"
            f"sys.exit(run_command([sys.executable, '-c', {child!r}], Path(sys.argv[1])))"
        )
        process = subprocess.Popen(
            [sys.executable, "-c", launch, str(tmp_path / "trace")],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        said, _ = process.communicate(timeout=600)
        assert (said, process.returncode) == ("told\n", 5)
