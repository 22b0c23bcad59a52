"""Requests by hand -> a real in-process vLLM engine, stepped one step at a time.

What a user of `LLM.generate` cannot do is done here between two steps: abort, reset, add more.
Everything is a function of the case alone, so that two runs of it must agree token by token.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from typing import Any

LIMIT = 5_000  # steps after which a case is taken to hang


class Drive:
    """One engine, in this process unless it is given; `outcome` is what its user saw."""

    def __init__(self, args: dict[str, Any], engine: Any = None) -> None:
        from vllm.engine.arg_utils import EngineArgs
        from vllm.v1.engine.llm_engine import LLMEngine

        self.engine = engine or LLMEngine.from_engine_args(
            EngineArgs(distributed_executor_backend="uni", disable_log_stats=True, **args)
        )
        self.steps = 0
        self._arrivals = 0
        self._seen: dict[str, list[Any]] = {}
        self._later: dict[int, list[Callable[[], object]]] = {}

    @property
    def scheduler(self) -> Any:
        """The engine's own scheduler."""
        return self.engine.engine_core.engine_core.scheduler

    def add(
        self,
        name: str,
        prompt: Sequence[int] | str,
        max_tokens: int = 24,
        *,
        priority: int = 0,
        lora: Any = None,
        **sampling: Any,
    ) -> None:
        """Add a request; greedy and without an end of its own unless told otherwise."""
        from vllm.sampling_params import SamplingParams

        sampling = {"temperature": 0.0, "ignore_eos": True, "max_tokens": max_tokens, **sampling}
        self._add(name, prompt, SamplingParams(**sampling), priority, lora)

    def embed(self, name: str, prompt: Sequence[int]) -> None:
        """Add a request for an embedding."""
        from vllm.pooling_params import PoolingParams

        self._add(name, prompt, PoolingParams(task="embed"), 0, None)

    def abort(self, *names: str) -> None:
        """Abort requests, as a user of the engine does."""
        self.engine.abort_request(list(names))

    def at(self, step: int, do: Callable[[], object]) -> None:
        """Have something done before step `step` (counted from 0)."""
        self._later.setdefault(step, []).append(do)

    def run(self) -> None:
        """Step until nothing is left to do."""
        while self._later or self.engine.has_unfinished_requests():
            for do in self._later.pop(self.steps, ()):
                do()
            self.step()
            assert self.steps < LIMIT, "the engine does not come to an end"

    def step(self) -> None:
        """One step, also where there is nothing to run: the next action may bring something."""
        self.steps += 1
        for output in self.engine.step():
            self._seen[output.request_id] = _seen(output)

    def outcome(self) -> dict[str, Any]:
        """Per request what its user got last, and how many steps it all took."""
        return {"requests": self._seen, "steps": self.steps}

    def _add(self, name: str, prompt: Any, params: Any, priority: int, lora: Any) -> None:
        self._arrivals += 1
        self._seen[name] = ["nothing"]
        self.engine.add_request(
            name,
            prompt if isinstance(prompt, str) else {"prompt_token_ids": list(prompt)},
            params,
            # Of the case, not of the clock: priority queues order by it.
            arrival_time=float(self._arrivals),
            priority=priority,
            lora_request=lora,
        )


def _seen(output: Any) -> list[Any]:
    """A `RequestOutput` as plain data; of an embedding only a checksum."""
    data = getattr(output.outputs, "data", None)
    if data is not None:
        return ["embedding", zlib.crc32(data.numpy().tobytes())]
    return [[one.index, list(one.token_ids), one.finish_reason, one.text] for one in output.outputs]
