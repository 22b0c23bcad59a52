"""What is to be recorded on which device, in the order of its worth, and how long each may take."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal

ROOT = Path(__file__).parents[2]
SCENARIOS = ROOT / "walkthroughs" / "scenarios"
FLASH, TRITON, CPU = "FLASH_ATTN", "TRITON_ATTN", "CPU_ATTN"
_BACKENDS = {"flash": FLASH, "triton": TRITON, "cpu": CPU}

# The network is the loopback, nothing is reported, and what dense models do without stays unused.
_ON_A_GPU = {
    "VLLM_HOST_IP": "127.0.0.1",
    "VLLM_LOOPBACK_IP": "127.0.0.1",
    "GLOO_SOCKET_IFNAME": "lo",
    "NCCL_SOCKET_IFNAME": "lo",
    "VLLM_USE_DEEP_GEMM": "0",
    "VLLM_USE_FLASHINFER_SAMPLER": "0",
    "VLLM_WORKER_MULTIPROC_METHOD": "spawn",
}


@dataclass(frozen=True)
class Recording:
    """One program on one engine, or one measurement of what tracing costs it.

    `engine` are arguments of `LLM` that win over the program's, `runner` is the model runner
    (1 or 2), `keep` says that its trace is small enough for the repository.
    """

    name: str
    program: Path
    arguments: tuple[str, ...] = ()
    engine: dict[str, Any] = field(default_factory=dict)
    runner: int = 1
    device: Literal["cuda", "cpu"] = "cuda"
    minutes: float = 1.0
    traced: bool = True
    keep: bool = False

    @property
    def environment(self) -> dict[str, str]:
        """Variables of its processes: no argument of the engine chooses the model runner."""
        if self.device == "cpu":
            return {}
        return {**_ON_A_GPU, "VLLM_USE_V2_MODEL_RUNNER": str(self.runner - 1)}

    @property
    def seconds(self) -> float:
        """How long it may take before it is given up; a CPU may be busy with other things."""
        return 300 * self.minutes if self.device == "cpu" else 60 + 150 * self.minutes

    def skipped(self, device: str, runners: tuple[int, ...]) -> str:
        """Why it cannot be made on this device with this release, empty where it can."""
        if self.device != device:
            if self.device == "cpu":
                return "It is for machines without a GPU."
            wants = [f"model runner V{self.runner}"] if self.runner == 2 else []
            wants += [self.engine.get("attention_backend", "")]
            wants += [] if self.engine.get("enforce_eager") else ["CUDA graphs"]
            return f"It needs a CUDA GPU: {', '.join(filter(None, wants))}."
        if device == "cuda" and self.runner not in runners:
            return f"This release of vLLM has no model runner V{self.runner} to choose."
        return ""


def recordings() -> tuple[Recording, ...]:
    """All of them; the ones to lose last come first."""
    return tuple(_on_a_gpu()) + tuple(_on_a_cpu())


def chosen(all_of_them: tuple[Recording, ...], names: list[str]) -> tuple[Recording, ...]:
    """Those whose name is given or fits a pattern such as `demo_*`, all where none is given."""
    if not names:
        return all_of_them
    return tuple(one for one in all_of_them if any(fnmatchcase(one.name, name) for name in names))


def _on_a_gpu() -> Iterator[Recording]:
    yield from (_story("demo", 2, graphs, "flash", keep=True) for graphs in (False, True))
    yield _many(2, True, "flash")
    yield from (_story("preemption", 2, graphs, "flash", keep=True) for graphs in (False, True))
    yield _overhead("1b", True, "flash")
    yield _many(2, False, "flash")
    for graphs in (False, True):
        yield _story("demo", 2, graphs, "triton", keep=True)
    for graphs in (False, True):
        yield _many(2, graphs, "triton")
        yield _story("preemption", 2, graphs, "triton")
    yield _overhead("1b", False, "flash")
    yield _overhead("tiny", True, "flash")
    yield _story("demo", 1, False, "flash", keep=True)
    yield from (_many(1, graphs, "flash") for graphs in (False, True))
    yield _story("demo", 1, True, "flash")
    yield from (_story("preemption", 1, graphs, "flash") for graphs in (False, True))


def _on_a_cpu() -> Iterator[Recording]:
    yield _story("demo", 1, False, "cpu")
    yield _story("preemption", 1, False, "cpu")
    yield _many(1, False, "cpu")
    yield _overhead("tiny", False, "cpu")


def _story(what: str, runner: int, graphs: bool, backend: str, keep: bool = False) -> Recording:
    program = SCENARIOS / ("demo.py" if what == "demo" else "scheduler/preemption.py")
    arguments = ("--model", "{model}") if what == "demo" else ()
    return Recording(
        _name(what, runner, graphs, backend),
        program,
        arguments,
        _engine(runner, graphs, backend),
        runner,
        "cpu" if backend == "cpu" else "cuda",
        1.5 if graphs else 0.8,
        keep=keep,
    )


def _many(runner: int, graphs: bool, backend: str) -> Recording:
    shape = "tiny" if backend == "cpu" else "1b"
    return Recording(
        _name("many", runner, graphs, backend),
        Path(__file__).with_name("many.py"),
        ("--shape", shape),
        _engine(runner, graphs, backend),
        runner,
        "cpu" if backend == "cpu" else "cuda",
        2.0 if graphs else 1.3,
    )


def _overhead(shape: str, graphs: bool, backend: str) -> Recording:
    """What tracing costs: its table instead of a trace."""
    engine = _engine(2, graphs, backend)
    size = ("--batch", "64", "--rounds", "15") if backend != "cpu" else ("--rounds", "5")
    return Recording(
        f"overhead_{shape}_{'graphs' if graphs else 'eager'}{'_cpu' * (backend == 'cpu')}",
        ROOT / "benchmarks" / "overhead.py",
        ("--shape", shape, "--no-profilers", *size),
        engine,
        2 if backend != "cpu" else 1,
        "cpu" if backend == "cpu" else "cuda",
        2.5,
        traced=False,
    )


def _name(what: str, runner: int, graphs: bool, backend: str) -> str:
    return f"{what}_v{runner}_{'graphs' if graphs else 'eager'}_{backend}"


def _engine(runner: int, graphs: bool, backend: str) -> dict[str, Any]:
    """FlashAttention takes no float32; V2 schedules ahead, as it does by default, V1 does not."""
    common = {"enforce_eager": not graphs, "attention_backend": _BACKENDS[backend]}
    if backend == "cpu":
        return {**common, "dtype": "float32"}
    return {
        **common,
        "dtype": "bfloat16",
        "async_scheduling": runner == 2,
        "gpu_memory_utilization": 0.3,
    }


__all__ = ["ROOT", "Recording", "chosen", "recordings"]
