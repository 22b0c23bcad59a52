"""A recording -> its trace or table in a folder of its own, judged, and what became of it.

Each runs in processes of its own: what crashes or hangs there costs that recording alone.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import msgspec

from gpu_recordings.table import Recording
from pagewalk.capture.play import play
from pagewalk.errors import PagewalkError, plain
from pagewalk.pages.record_judge import HOST, places_in
from pagewalk.trace.events import AttentionSelected, BatchPrepared, GraphChosen
from pagewalk.trace.read import open_trace
from pagewalk.variables import in_environment

RESULT, TRACE, LOG, TABLE = "result.json", "trace", "log", "overhead.json"
SMALL = 700_000  # bytes of a trace that may lie in the repository
_ERROR = re.compile(r"\b((?:\w+\.)*\w*(?:Error|Exception|Interrupt)): (.+)")
_HOLLOW = "Engine core initialization failed"  # the cause is the error before it


@dataclass(frozen=True)
class Machine:
    """What the recordings are made on."""

    device: Literal["cuda", "cpu"]
    name: str
    release: str
    torch: str
    runners: tuple[int, ...] = (1, 2)


@dataclass(frozen=True)
class Result:
    """What became of a recording: recorded, failed or skipped and why, or still to be made."""

    name: str
    outcome: Literal["recorded", "failed", "skipped", "owed"]
    why: str = ""
    seconds: float = 0.0
    machine: Machine | None = None
    facts: dict[str, Any] = field(default_factory=dict)


def made_before(folder: Path) -> Result | None:
    """What an earlier run left for a recording, None if it never came to an end."""
    try:
        return msgspec.json.decode((folder / RESULT).read_bytes(), type=Result)
    except (OSError, ValueError):
        return None


def make(one: Recording, folder: Path, machine: Machine, models: Path) -> Result:
    """Record into `folder`, whose content is replaced, and leave the result there as well."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    began = time.monotonic()
    result = Result(one.name, "recorded", machine=machine)
    try:
        facts = _trace(one, folder, machine, models) if one.traced else _table(one, folder)
        result = replace(result, facts=facts)
    except PagewalkError as error:
        result = replace(result, outcome="failed", why=str(error))
    except Exception as error:  # of this recording alone, like a crash of its engine
        why = f"{type(error).__name__}: {plain(str(error), 200)}"
        result = replace(result, outcome="failed", why=why)
    result = replace(result, seconds=round(time.monotonic() - began, 1))
    _write(folder / RESULT, json.dumps(asdict(result), indent=1))
    return result


def _trace(one: Recording, folder: Path, machine: Machine, models: Path) -> dict[str, Any]:
    trace, log = folder / TRACE, folder / LOG
    player = Path(__file__).with_name("play.py")
    words = [word.replace("{model}", str(models / "llama")) for word in one.arguments]
    command = [sys.executable, str(player), json.dumps(one.engine), str(one.program), *words]
    try:
        with in_environment(one.environment):
            code = play(command, trace, log, host=HOST, limit=one.seconds)
    except PagewalkError as error:
        raise _late(one) if error.slug == "scenario-late" else error from error
    _refuse(code, log)
    if machine.device == "cuda":
        _name_device(trace, machine.name)
    facts = {"check": _check(trace, folder), **_told(trace)}
    _refuse_other(one, facts)
    facts["bytes"] = sum(file.stat().st_size for file in trace.iterdir())
    facts["kept"] = one.keep and facts["bytes"] <= SMALL and not places_in(trace)
    return facts


def _table(one: Recording, folder: Path) -> dict[str, Any]:
    """The ratios of the benchmark; a void run has not been recorded."""
    words = ["--engine", json.dumps(one.engine), "--out", str(folder / TABLE)]
    command = [sys.executable, str(one.program), *one.arguments, *words]
    with in_environment(one.environment):
        code = _run(command, folder / LOG, one)
    with contextlib.suppress(OSError, ValueError):
        table = json.loads((folder / TABLE).read_text(encoding="utf-8"))
        if table["void"]:
            raise PagewalkError(
                "void", f"The untraced runs differ by more than {table['guard']:.0%}: run it again."
            )
        return {"modes": table["modes"]}
    _refuse(code or 1, folder / LOG)
    return {}


def _check(trace: Path, folder: Path) -> dict[str, Any]:
    """What `pagewalk check` says, which must be that all holds."""
    told = folder / "check.json"
    command = [sys.executable, "-m", "pagewalk.cli", "check", "--json", str(trace)]
    with told.open("wb") as file:
        code = subprocess.run(command, stdout=file, stderr=file, check=False).returncode
    try:
        said = json.loads(told.read_text(encoding="utf-8"))
    except ValueError:
        raise PagewalkError("check-failed", f"`pagewalk check` ended with {code}.") from None
    if said["outcome"] != "holds":
        why = [*said["losses"], *said["problems"], "see its check.json"][0]
        raise PagewalkError("check", f"`pagewalk check` says {said['outcome']}: {plain(why, 200)}")
    if not said["steps"]:
        raise PagewalkError("no-steps", "No engine step was recorded.")
    held = {name: said[name] for name in ("outcome", "steps", "snapshots", "diverging")}
    counts = ("steps", "entries", "slots", "lengths", "unknown", "differing")
    return {**held, "ranks": [{name: one[name] for name in counts} for one in said["ranks"]]}


def _told(trace: Path) -> dict[str, Any]:
    """What the trace itself says of its engine."""
    opened = open_trace(trace)
    engine = opened.header.engines[0].configured
    events = [event for segment in opened.segments for event in segment.events]
    backends = {event.backend for event in events if isinstance(event, AttentionSelected)}
    graphs = Counter(event.mode for event in events if isinstance(event, GraphChosen))
    runners = {event.runner for event in events if isinstance(event, BatchPrepared)}
    return {
        "device": engine.device,
        "release": engine.release,
        "async_scheduling": bool(engine.settings.get("async_scheduling")),
        "runners": sorted(runners),
        "backends": sorted(backends),
        "graphs": dict(graphs),
        "failed_probes": dict(opened.header.failed),
        "absent_probes": sorted(opened.header.absent),
    }


def _refuse_other(one: Recording, facts: dict[str, Any]) -> None:
    """An engine that quietly ran something else is not the recording that was asked for."""
    wanted = {"device": one.device, "async_scheduling": one.engine.get("async_scheduling", False)}
    # Older releases may leave out the events that tell these two.
    told = {"runners": f"V{one.runner}", "backends": one.engine.get("attention_backend")}
    wanted |= {name: [value] for name, value in told.items() if facts[name]}
    for name, value in wanted.items():
        if one.engine and facts[name] != value:
            raise PagewalkError(
                "other-engine", f"The engine ran with {name} {facts[name]}, not with {value}."
            )
    if one.engine.get("enforce_eager") is False and set(facts["graphs"]) == {"NONE"}:
        raise PagewalkError("no-graphs", "No step of the engine ran a CUDA graph.")


def _name_device(trace: Path, name: str) -> None:
    """The header says on what it was recorded."""
    file = trace / "header.json"
    header = json.loads(file.read_text(encoding="utf-8"))
    _write(file, json.dumps({**header, "device": name}) + "\n")


def _run(command: Sequence[str], log: Path, one: Recording) -> int:
    """Run untraced, in a process group that ends with it."""
    environment = {name: value for name, value in os.environ.items() if name != "PAGEWALK"}
    with log.open("wb") as file:
        child = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            return child.wait(one.seconds)
        except subprocess.TimeoutExpired:
            raise _late(one) from None
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()


def _late(one: Recording) -> PagewalkError:
    return PagewalkError("late", f"It was still running after {one.seconds:.0f} seconds.")


def _refuse(code: int, log: Path) -> None:
    """The error that a program died of, in one sentence."""
    if not code:
        return
    lines = log.read_text("utf-8", "replace").strip().splitlines()
    found = [(at, told[0]) for at, line in enumerate(lines) if (told := _ERROR.search(line))]
    telling = [(at, text) for at, text in found if _HOLLOW not in text]
    if telling:
        at, said = telling[0]
        # A message of several lines has its reason in the second.
        said += "".join(f" {line.strip()}" for line in lines[at + 1 : at + 2] if line[:2] == "  ")
    else:
        said = lines[-1] if lines else "nothing"
    raise PagewalkError("program-failed", f"It ended with exit code {code}: {plain(said, 300)}")


def _write(path: Path, text: str) -> None:
    """Whole or not at all: the run may be killed at any time."""
    beside = path.with_name(f".{path.name}.part")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)


__all__ = ["TABLE", "TRACE", "Machine", "Result", "made_before", "make"]
