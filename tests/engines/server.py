"""An API server in processes of its own -> its address while the block lasts."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from engines.child import TAIL
from pagewalk.bed.settings import engine_args, environment

READY = "Application startup complete"
MODULE = "vllm.entrypoints.openai.api_server"


@contextlib.contextmanager
def serving(
    model: Path, log: Path, *arguments: str, env: Mapping[str, str], timeout: float = 900.0
) -> Iterator[str]:
    """Start the server, yield its address once it answers, and end it as ctrl-C does."""
    port = _free_port()
    command = [sys.executable, "-m", MODULE, *_flags(model), "--port", str(port), *arguments]
    with log.open("w") as said:
        server = subprocess.Popen(
            command,
            env={**os.environ, **environment(), **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            _until_ready(server, said, port, time.monotonic() + timeout)
            yield f"http://127.0.0.1:{port}"
            server.send_signal(signal.SIGINT)
            said.write(server.communicate(timeout=600)[0])
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGKILL)
            server.wait()


def complete(address: str, prompts: Mapping[str, list[int]], max_tokens: int) -> dict[str, str]:
    """Ask for all completions at the same time; request id -> text."""
    with ThreadPoolExecutor(len(prompts)) as pool:
        jobs = {
            name: pool.submit(_complete, address, name, tokens, max_tokens)
            for name, tokens in prompts.items()
        }
        return {name: job.result() for name, job in jobs.items()}


def _complete(address: str, name: str, tokens: list[int], max_tokens: int) -> str:
    body = {
        "model": "bed",
        "prompt": tokens,
        "max_tokens": max_tokens,
        "temperature": 0,
        "ignore_eos": True,
    }
    request = urllib.request.Request(
        f"{address}/v1/completions",
        json.dumps(body).encode(),
        {"Content-Type": "application/json", "X-Request-Id": name},
    )
    with urllib.request.urlopen(request, timeout=600) as answer:
        return str(json.load(answer)["choices"][0]["text"])


def _flags(model: Path) -> list[str]:
    """The bed's engine arguments as the command line spells them."""
    flags = ["--host", "127.0.0.1", "--served-model-name", "bed"]
    for name, value in engine_args("llama", model).items():
        flag = "--" + name.replace("_", "-")
        flags += [flag] if value is True else [flag, str(value)]
    return flags


def _until_ready(server: subprocess.Popen[str], said: Any, port: int, deadline: float) -> None:
    """Read what the server says until it is up and its port takes connections.

    It says that it is up a moment before it listens.
    """
    assert server.stdout is not None
    # Read past the text layer: what it holds back in its buffer would not wake `select`.
    pipe, seen = server.stdout.fileno(), ""
    while not (READY in seen and _listens(port)):
        more = b""
        waiting = select.select([pipe], [], [], 0.05)[0]
        if waiting:
            more = os.read(pipe, 1 << 16)
        if (waiting and not more) or time.monotonic() > deadline:
            raise AssertionError("the server did not come up:\n" + seen[-TAIL:])
        said.write(more.decode(errors="replace"))
        seen += more.decode(errors="replace")


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except ConnectionRefusedError:
        return False
    return True


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
