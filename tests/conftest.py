"""What all tests share: Hypothesis profiles, vLLM imported once, children forked from here."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from engines.child import Child, start
from engines.patched import changed, probed_functions
from engines.run import Runs
from engines.wire import Wire
from hypothesis import HealthCheck, settings

# A run that a shell put into the background has interrupts off, and with it all that it starts.
# Some tests interrupt what they start.
signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile(
    "ci",
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.register_profile("dev", settings.get_profile("ci"), derandomize=False, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

# What an in-process engine imports beside the modules that have probes.
ALSO = (
    "vllm.v1.executor.uniproc_executor",
    "vllm.v1.worker.cpu_worker",
    "vllm.v1.sample.rejection_sampler",
    "vllm.model_executor.models.llama",
    "vllm.model_executor.layers.quantization.compressed_tensors.compressed_tensors",
)
WITHOUT = "vLLM is not importable here: `make install` brings the CPU build"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "processes: starts an engine of several processes, tens of seconds each"
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if importlib.util.find_spec("vllm") is None:
        for item in items:
            if item.get_closest_marker("engine"):
                item.add_marker(pytest.mark.skip(reason=WITHOUT))


@pytest.fixture(autouse=True)
def own_switches() -> Iterator[None]:
    """A recorder in this process names its run in the environment, for its children: no further."""
    before = {name: value for name, value in os.environ.items() if name.startswith("PAGEWALK")}
    yield
    for name in [name for name in os.environ if name.startswith("PAGEWALK")]:
        del os.environ[name]
    os.environ.update(before)


@pytest.fixture(scope="session")
def vllm_imported() -> None:
    """Import what every engine needs, so that forked children need not. Starts no thread."""
    from pagewalk.bed.settings import settle_environment
    from pagewalk.capture.resolve import module_of
    from pagewalk.probes import PROBES

    settle_environment()
    for name in (*(module_of(row.target) for row in PROBES), *ALSO):
        # A platform's own module cannot be imported on another.
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


@pytest.fixture(scope="session")
def warm(vllm_imported: None) -> None:
    """One scheduler built here: what takes seconds is cached for every forked child."""
    from pagewalk.bed.scheduler import SchedulerBed

    SchedulerBed()


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A tiny model of a kind, made on first use."""
    folder = tmp_path_factory.mktemp("models")

    def make(kind: str) -> Path:
        from pagewalk.bed.models import make

        return make(kind, folder / kind)

    return make


@pytest.fixture(scope="session")
def fork(vllm_imported: None, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Child]:
    """Start a child that has vLLM imported: `fork(name, function).result()`."""
    folder = tmp_path_factory.mktemp("children")

    def begin(name: str, run: Callable[[], Any], timeout: float = 900.0) -> Child:
        return start(name, folder / f"{name}.log", run, timeout)

    return begin


@pytest.fixture(scope="session")
def runs(
    fork: Callable[..., Child],
    models: Callable[[str], Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Runs:
    """The matrix: each case once traced and once not, however many tests ask."""
    return Runs(fork, models, tmp_path_factory.mktemp("traces"))


@pytest.fixture(scope="module")
def wire(vllm_imported: None) -> Iterator[Wire]:
    """Probes in place in this very process, whose events are replayed at once."""
    from pagewalk.capture.install import Installation

    before = probed_functions()
    live = Wire()
    installation = Installation(live, strict=True)
    installation.install()
    yield live
    installation.restore()
    assert changed(before, probed_functions()) == []
