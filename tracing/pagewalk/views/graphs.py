"""Worker segments -> how each batch was run: with which CUDA graph, or why with none."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pagewalk.trace.events import Event, GraphChosen, GraphsCaptured
from pagewalk.trace.read import Trace
from pagewalk.trace.segment import Gap
from pagewalk.views.engines import Engine
from pagewalk.views.execution import workers


@dataclass(frozen=True, slots=True)
class GraphRun:
    """How the batch of a step was run on a rank; `padded` tokens were computed for `num_tokens`.

    `mode` is NONE, PIECEWISE or FULL, and `why` says in words what was chosen, or why nothing was.
    """

    step: int
    rank: int
    mode: str
    num_tokens: int
    padded: int
    why: str


def graph_runs(trace: Trace, engine: Engine, rank: int = 0) -> dict[int, GraphRun]:
    """Step -> how that rank ran it."""
    return {
        run.step: run
        for segment in workers(trace, engine)
        for run in runs_of(segment.events)
        if run.rank == rank
    }


def runs_of(events: Iterable[Event | Gap]) -> list[GraphRun]:
    """The same of one segment's events, in order."""
    captured: dict[int, GraphsCaptured] = {}
    runs: list[GraphRun] = []
    for event in events:
        if type(event) is GraphsCaptured:
            captured[event.rank] = event
        elif type(event) is GraphChosen:
            why = _why(event, captured.get(event.rank))
            runs.append(
                GraphRun(event.step, event.rank, event.mode, event.num_tokens, event.padded, why)
            )
    return runs


def _why(chosen: GraphChosen, captured: GraphsCaptured | None) -> str:
    if chosen.mode == "NONE":
        return _why_none(chosen, captured)
    padding = chosen.padded - chosen.num_tokens
    said = f"captured for {_counted(chosen.padded, 'token')}"
    if chosen.mode == "PIECEWISE":
        said = f"graphs of what lies between the attention layers, {said}"
    else:
        said = f"one graph, {said}"
        if chosen.num_reqs is not None:
            said += f" in {_counted(chosen.num_reqs, 'row')}"
        if chosen.uniform:
            said += f" of {chosen.uniform} each"
        elif chosen.max_query_len:
            said += f" of at most {chosen.max_query_len} each"
    return f"{said}; {padding} of them padding" if padding else said


def _why_none(chosen: GraphChosen, captured: GraphsCaptured | None) -> str:
    if captured is None:
        return "no graph was used"
    if not captured.sizes:
        return f"there are no graphs: the engine's cudagraph_mode is {captured.setting}"
    largest = max(max(sizes, default=0) for sizes in captured.sizes.values())
    if chosen.num_tokens > largest:
        return (
            f"{_counted(chosen.num_tokens, 'token')}, and the largest graph was captured "
            f"for {largest}"
        )
    modes = " and ".join(sorted(captured.sizes))
    return f"none of the graphs that were captured ({modes}) fits this batch"


def _counted(count: int, thing: str) -> str:
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


__all__ = ["GraphRun", "graph_runs", "runs_of"]
