"""This source tree -> a folder that, on PYTHONPATH, shows its plugin to an environment as it is.

    python requirements/overlay.py build/plugin
    PYTHONPATH=tracing:build/plugin python my_vllm_program.py

The folder holds the package's metadata (vLLM finds plugins by their entry points) and those of
its dependencies which the environment lacks. The environment itself is not altered.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path
from re import split
from typing import Any

ROOT = Path(__file__).parent.parent


def main() -> None:
    """Write the folder named by the only argument."""
    target = Path(sys.argv[1])
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    _write_metadata(project, target)
    missing = [line for line in project["dependencies"] if find_spec(split(r"\W", line)[0]) is None]
    if missing:
        _install(missing, target)
    if find_spec("vllm") is None:
        sys.exit("This environment has no vLLM: activate the one that has, or leave ENGINE out.")


def _write_metadata(project: dict[str, Any], target: Path) -> None:
    name, version = project["name"], project["version"]
    folder = target / f"{name}-{version}.dist-info"
    folder.mkdir()
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    (folder / "METADATA").write_text(metadata, encoding="utf-8")
    groups = {**project["entry-points"], "console_scripts": project["scripts"]}
    lines = []
    for group, entries in groups.items():
        lines += [f"[{group}]", *(f"{key} = {value}" for key, value in entries.items()), ""]
    (folder / "entry_points.txt").write_text("\n".join(lines), encoding="utf-8")


def _install(missing: list[str], target: Path) -> None:
    if find_spec("pip") is not None:
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(target)]
    elif (uv := shutil.which("uv")) is not None:
        command = [uv, "pip", "install", "--quiet", "--python", sys.executable]
        command += ["--target", str(target)]
    else:
        sys.exit(f"This environment lacks {', '.join(missing)} and has no pip: install them first.")
    if subprocess.run([*command, *missing], check=False).returncode:
        sys.exit(f"{', '.join(missing)} could not be installed into {target}: see pip's message.")


if __name__ == "__main__":
    main()
