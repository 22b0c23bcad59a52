"""Make every recording that needs a GPU, one process each, into a directory that can be resumed.

    python scripts/record_gpu.py --out build/gpu                  # all that is not there yet
    python scripts/record_gpu.py --out build/gpu --minutes 9      # in parts: run it again
    python scripts/record_gpu.py --list                           # which, and how long each takes
    python scripts/record_gpu.py --out build/cpu --device cpu     # the same script without a GPU

`summary.txt` says what was recorded, failed or skipped, and why; `keep` holds the traces that are
small enough for `walkthroughs/traces/gpu`. Exit codes: 0 all of it is there, 1 some failed, 2 a
mistake in the call, 3 time was up.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from gpu_recordings.make import Machine, Result, made_before, make
from gpu_recordings.summary import write_summary
from gpu_recordings.table import Recording, chosen, recordings

from pagewalk.bed import models
from pagewalk.capture.header import release
from pagewalk.environment import judge, look
from pagewalk.errors import PagewalkError, plain

FAILED, MISTAKE, LATE = 1, 2, 3
_ASK = (
    "import json, torch\n"
    "cuda = torch.cuda.is_available()\n"
    "print(json.dumps([torch.__version__, torch.cuda.get_device_name() if cuda else '']))"
)


def main(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where recordings go.")] = Path(
        "build/gpu"
    ),
    device: Annotated[str, typer.Option(help="auto, cuda or cpu.")] = "auto",
    only: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Of these alone; demo_* is a pattern.")
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Also what is recorded already.")] = False,
    minutes: Annotated[
        float, typer.Option(help="Start nothing that would end later than this.")
    ] = 0.0,
    show: Annotated[bool, typer.Option("--list", help="Say what there is, and end.")] = False,
) -> None:
    """Record what is owed, and say what became of each."""
    wanted = chosen(recordings(), only or [])
    if not wanted:
        raise PagewalkError("no-such-recording", "No recording has that name: see --list.")
    if show:
        print("\n".join(_listed(one) for one in wanted))
        total = sum(one.minutes for one in wanted if one.device == "cuda")
        print(f"{len(wanted)} recordings; those on a GPU take about {total:.0f} minutes")
        return
    machine = machine_here(device)
    here = tuple(one for one in recordings() if machine.device == "cpu" or one.device == "cuda")
    results = record(here, out, machine, wanted=wanted, again=again, minutes=minutes)
    print("\n" + write_summary(out, results))
    names = {one.name for one in wanted}
    outcomes = {one.outcome for one in results if one.name in names}
    raise typer.Exit(FAILED if "failed" in outcomes else LATE if "owed" in outcomes else 0)


def record(
    all_of_them: tuple[Recording, ...],
    out: Path,
    machine: Machine,
    *,
    wanted: tuple[Recording, ...],
    again: bool = False,
    minutes: float = 0.0,
) -> list[Result]:
    """Make the wanted ones, unless they are there, cannot be made here, or would not end in time.

    How all of them stand is returned, and in the summary from the first one on.
    """
    began = time.monotonic()
    out.mkdir(parents=True, exist_ok=True)
    if machine.device == "cuda":
        # What was compiled for one recording is there for the next, also in a later run.
        os.environ.setdefault("VLLM_CACHE_ROOT", str(out.absolute() / "cache"))
    folder = models.make("llama", out / "models" / "llama").parent
    results = {one.name: _standing(one, out, machine) for one in all_of_them}
    for one in wanted:
        now = results.setdefault(one.name, _standing(one, out, machine))
        if now.outcome == "skipped" or (now.outcome == "recorded" and not again):
            continue
        if minutes and (time.monotonic() - began) / 60 + one.minutes > minutes:
            continue
        print(f"{time.strftime('%H:%M:%S')} {one.name} (about {one.minutes} minutes)", flush=True)
        results[one.name] = make(one, out / one.name, machine, folder)
        print(f"         {results[one.name].outcome} {results[one.name].why}".rstrip(), flush=True)
        write_summary(out, list(results.values()))  # whatever happens next
    return list(results.values())


def _standing(one: Recording, out: Path, machine: Machine) -> Result:
    """How a recording stands before anything is run; one that failed before is tried again."""
    why = one.skipped(machine.device, machine.runners)
    if why:
        return Result(one.name, "skipped", why)
    before = made_before(out / one.name)
    if before is None:
        return Result(one.name, "owed", "It was not made yet.")
    made_on = before.machine
    if made_on and (made_on.device, made_on.release) != (machine.device, machine.release):
        return Result(one.name, "owed", f"What is there is of vLLM {made_on.release}.")
    return before


def machine_here(device: str) -> Machine:
    """What this machine and its vLLM can record on.

    Raises:
        PagewalkError: there is no vLLM, the plugin is not seen, or there is no such device here.
    """
    if device not in ("auto", "cuda", "cpu"):
        raise PagewalkError("bad-option", f"{plain(device)} is no device: write cuda or cpu.")
    here = look()
    for finding in judge(here):
        if finding.stops:
            raise PagewalkError(finding.slug, finding.message)
    torch, name = _torch()
    if device == "cuda" and not name:
        raise PagewalkError("no-gpu", "PyTorch sees no GPU here: say --device cpu.")
    found = "cuda" if name and device != "cpu" else "cpu"
    return Machine(
        found, name if found == "cuda" else "CPU", release(), torch, _runners(Path(here.path))
    )


def _torch() -> tuple[str, str]:
    """PyTorch's version and its GPU; asked in a process that ends and leaves the GPU alone."""
    done = subprocess.run([sys.executable, "-c", _ASK], capture_output=True, text=True, check=False)
    if done.returncode:
        raise PagewalkError("no-torch", "PyTorch cannot be imported here.")
    version, name = json.loads(done.stdout.strip().splitlines()[-1])
    return version, name


def _runners(vllm: Path) -> tuple[int, ...]:
    """The model runners that can be chosen in this release, by its files."""
    told = (vllm / "envs.py").read_text(encoding="utf-8")
    places = {1: "gpu_model_runner.py", 2: "gpu/model_runner.py"}
    found = [number for number, place in places.items() if (vllm / "v1/worker" / place).is_file()]
    return tuple(found) if "VLLM_USE_V2_MODEL_RUNNER" in told else tuple(found[-1:])


def _listed(one: Recording) -> str:
    place = "GPU" if one.device == "cuda" else "CPU"
    return f"{one.name:27} {place}  about {one.minutes} minutes{'  kept' if one.keep else ''}"


if __name__ == "__main__":
    try:
        typer.run(main)
    except PagewalkError as error:
        print(error, file=sys.stderr)
        sys.exit(MISTAKE)
