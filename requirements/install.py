"""Pinned lists -> an environment with the CPU engine in it; run by the Makefile inside `.venv`.

    python requirements/install.py torch
    python requirements/install.py requirements/cpu.txt

torch comes first, and from elsewhere: see `install_torch`.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

TORCH = "torch==2.13.0+cpu"
# PyTorch's own index of CPU builds, asked only where pip is not configured to offer one.
TORCH_INDEX = "https://download.pytorch.org/whl/cpu"
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--no-deps"]


def main() -> None:
    """Install what the only argument names: `torch`, or a list of pins with hashes."""
    (wanted,) = sys.argv[1:]
    if wanted == "torch":
        install_torch()
        return
    pins = sum("==" in line for line in Path(wanted).read_text(encoding="utf-8").splitlines())
    options = ["--require-hashes", "--only-binary", ":all:", "-r", wanted]
    if not _run(options, wanted, pins):
        sys.exit(f"{wanted} could not be installed: see pip's words above.")


def install_torch() -> None:
    """Install the CPU build of torch from where it is offered.

    The local version `+cpu` keeps pip from choosing a CUDA build: where only PyPI is configured,
    the plain version would be one, with gigabytes of CUDA libraries.
    """
    if _run([TORCH], TORCH, 1, loud=False):
        return
    print(f"pip is not configured to offer {TORCH}: asking PyTorch's own index.")
    if not _run(["--index-url", TORCH_INDEX, TORCH], TORCH, 1):
        sys.exit(f"{TORCH} could not be installed: offer its wheel to pip with PIP_FIND_LINKS.")


def _run(options: list[str], what: str, count: int, *, loud: bool = True) -> bool:
    """Run pip, show how far it is, and return whether it did its work."""
    started = time.monotonic()
    words: list[str] = []
    found = 0
    with subprocess.Popen(
        [*PIP, "--progress-bar", "off", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as pip:
        assert pip.stdout is not None
        for line in pip.stdout:
            words.append(line)
            if re.match(r"(Collecting|Processing|Requirement already satisfied)", line):
                found += 1
                _show(f"{what}: downloading {found} of {count}")
            elif line.startswith("Installing collected"):
                _show(f"{what}: unpacking {count}")
    seconds = time.monotonic() - started
    done = pip.returncode == 0
    _show(f"{what}: installed in {seconds:.0f} s\n" if done else "")
    if not done and loud:
        print("".join(words[-20:]), file=sys.stderr)
    return done


def _show(text: str) -> None:
    """Overwrite the line of a terminal; elsewhere print whole lines only."""
    if sys.stdout.isatty():
        print(f"\r\x1b[K{text}", end="", flush=True)
    elif text.endswith("\n"):
        print(text, end="", flush=True)


if __name__ == "__main__":
    main()
