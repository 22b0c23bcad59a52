"""A reading as a probe made it -> the fields of its event: ids numbered, hashes salted."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pagewalk.trace import events as ev

if TYPE_CHECKING:
    from pagewalk.capture.encoder import Encoder


def _first(encoder: Encoder, t: int, kind: Any, request: str, *rest: Any) -> tuple[Any, ...]:
    return (kind, encoder.number(t, request), *rest)


def _second(
    encoder: Encoder, t: int, kind: Any, scope: int, request: str, *rest: Any
) -> tuple[Any, ...]:
    return (kind, scope, encoder.number(t, request), *rest)


def _many(encoder: Encoder, t: int, kind: Any, requests: list[str], *rest: Any) -> tuple[Any, ...]:
    return (kind, encoder.numbers(t, requests), *rest)


def _many_second(
    encoder: Encoder, t: int, kind: Any, scope: int, requests: list[str], *rest: Any
) -> tuple[Any, ...]:
    return (kind, scope, encoder.numbers(t, requests), *rest)


def _finished(
    encoder: Encoder, t: int, kind: Any, engine: int, request: str, *rest: Any
) -> tuple[Any, ...]:
    encoder.finished(request)
    return (kind, engine, encoder.number(t, request), *rest)


def _enqueued(
    encoder: Encoder, t: int, kind: Any, engine: int, request: str, *rest: Any
) -> tuple[Any, ...]:
    encoder.enqueued(request)
    return (kind, engine, encoder.number(t, request), *rest)


def _arrived(
    encoder: Encoder, t: int, kind: Any, request: str, external: str, *rest: Any
) -> tuple[Any, ...]:
    encoder.arrived(request, external)
    return (kind, encoder.number(t, request), external, *rest)


def _delivered(
    encoder: Encoder, t: int, kind: Any, request: str, finished: bool, external: str = ""
) -> tuple[Any, ...]:
    number = encoder.number(t, request)
    if finished:
        encoder.delivered(request, external)
    return (kind, number, finished, external)


def _aborted(encoder: Encoder, t: int, kind: Any, requests: list[str]) -> tuple[Any, ...]:
    numbers = encoder.numbers(t, requests)
    for request in requests:
        encoder.finished(request)
    return (kind, numbers)


def _hash(
    encoder: Encoder, t: int, kind: Any, pool: int, key: bytes, block: int
) -> tuple[Any, ...]:
    group = int.from_bytes(key[-4:], "big")
    return (kind, pool, group, encoder.salt(bytes(key[:-4])), block)


def _lookup(
    encoder: Encoder, t: int, kind: Any, request: str, hit: int, tokens: int, missed: Any, why: str
) -> tuple[Any, ...]:
    salted = encoder.salt(bytes(missed)) if missed is not None else None
    return (kind, encoder.number(t, request), hit, tokens, salted, why)


def _same(values: list[int]) -> list[int] | int:
    """One number where all are equal, which they are on every steady decode step."""
    if values and values.count(values[0]) == len(values):
        return values[0]
    return values


def _scheduled(
    encoder: Encoder,
    t: int,
    kind: Any,
    engine: int,
    step: int,
    requests: list[str],
    tokens: list[int],
    budget: int,
    new: dict[str, int],
    resumed: dict[str, int],
    spec: dict[str, int],
    input_budget: int,
) -> tuple[Any, ...]:
    maps = tuple(
        {encoder.number(t, request): value for request, value in one.items()} if one else {}
        for one in (new, resumed, spec)
    )
    ids = encoder.numbers(t, requests)
    return (kind, engine, step, ids, _same(tokens), budget, *maps, input_budget)


def _updated(
    encoder: Encoder,
    t: int,
    kind: Any,
    engine: int,
    step: int,
    requests: list[str],
    tokens: list[int],
    computed: dict[str, int],
    *rest: Any,
) -> tuple[Any, ...]:
    ids = encoder.numbers(t, requests)
    absolute = {encoder.number(t, request): value for request, value in computed.items()}
    return (kind, engine, step, ids, _same(tokens), absolute, *rest)


def _exit(
    encoder: Encoder, t: int, kind: Any, site: int, request: str | None, values: list[Any]
) -> tuple[Any, ...]:
    number = None if request is None else encoder.number(t, request)
    names = encoder.refusals.get(site)
    if names is None or number is None:
        return (kind, site, number, values)
    known = dict(zip(names, values, strict=False))
    required, available = known.get("required_blocks"), known.get("available_blocks")
    if required is None:
        required = known.get("num_blocks_to_allocate")
    return (
        ev.SlotsRefused,
        number,
        known.get("num_new_tokens") or 0,
        required,
        available,
        known.get("watermark_blocks"),
        available is None,
    )


def _detokenized(
    encoder: Encoder, t: int, kind: Any, requests: list[str], begun: int, stopped: list[str]
) -> tuple[Any, ...]:
    return (kind, encoder.numbers(t, requests), begun, encoder.numbers(t, stopped))


def _batch(
    encoder: Encoder, t: int, kind: Any, step: int, rank: int, requests: list[str], *rest: Any
) -> tuple[Any, ...]:
    computed, tokens, rows, slots, sizes, runner, states, staged, *members = rest
    ids = encoder.numbers(t, requests)
    runs = [_runs(one) if one.__class__ is tuple else one for one in slots]
    told = [[encoder.number(t, request) for request in some] for some in members]
    writes = [] if staged is None else _writes(*staged)
    before = (kind, step, rank, ids, computed, tokens, rows)
    return (*before, runs, sizes, runner, states, writes, *told)


def _runs(slots: tuple[int, ...]) -> list[int]:
    """Slots -> first slot, length, first slot, length."""
    runs: list[int] = []
    after = None
    for slot in slots:
        if slot == after:
            runs[-1] += 1
        else:
            runs += (slot, 1)
        after = slot + 1
    return runs


def _writes(groups: int, staged: list[Any]) -> list[Any]:
    """What was staged for a device's block tables -> (state, first entry, block ids) by group."""
    writes: list[Any] = [[] for _ in range(groups)]
    for group, states, starts, contents, ends in staged:
        begins = [0, *ends]
        for state, start, begin, end in zip(states, starts, begins, ends, strict=False):
            writes[group].append((state, start, contents[begin:end]))
    return writes if any(writes) else []


def _prepared(
    encoder: Encoder, t: int, kind: Any, step: int, rank: int, *rest: Any
) -> tuple[Any, ...]:
    *counts, fields = rest[:8]
    words = {name: _described(what) for name, what in fields.items()}
    return (kind, step, rank, *counts, words, *rest[8:])


def _described(what: Any) -> Any:
    """A field of a backend's metadata in words, unless it is a small value."""
    if what.__class__ is not tuple:
        return what
    if len(what) == 3:
        dtype, shape, device = what
        where = str(device)
        sizes = ", ".join(map(str, shape))
        told = f"{str(dtype).removeprefix('torch.')}[{sizes}]"
        return told if where == "cpu" else f"{told} {where}"
    name: str = what[0].__name__
    return name if len(what) == 1 else f"{name} of {what[1]}"


def _dumped(
    encoder: Encoder,
    t: int,
    kind: Any,
    engine: int,
    step: int,
    at: str,
    state: Any,
    requests: list[str],
) -> tuple[Any, ...]:
    encoder.numbers(t, requests)
    return (kind, engine, step, at, state)


Shape = Callable[..., tuple[Any, ...]]
SHAPES: dict[type[ev.Event], Shape] = {
    ev.HashAdded: _hash,
    ev.HashRemoved: _hash,
    ev.TableExtended: _second,
    ev.TableEntrySet: _second,
    ev.TableReplaced: _second,
    ev.TableDropped: _second,
    ev.RequestEnqueued: _enqueued,
    ev.QueueAdded: _second,
    ev.QueuePopped: _second,
    ev.QueuePrepended: _many_second,
    ev.QueueRemoved: _many_second,
    ev.RequestSet: _first,
    ev.RequestPreempted: _second,
    ev.RequestFinished: _finished,
    ev.StepScheduled: _scheduled,
    ev.StepUpdated: _updated,
    ev.ExitTaken: _exit,
    ev.PrefixLookedUp: _lookup,
    ev.SlotsRefused: _first,
    ev.RequestArrived: _arrived,
    ev.InputProcessed: _first,
    ev.RequestSent: _first,
    ev.AbortSent: _many,
    ev.RequestReceived: _first,
    ev.RequestDequeued: _first,
    ev.AbortReceived: _many,
    ev.BatchPrepared: _batch,
    ev.AttentionPrepared: _prepared,
    ev.OutputReceived: _many,
    ev.Detokenized: _detokenized,
    ev.Delivered: _delivered,
    ev.StateDumped: _dumped,
    ev.RequestAborted: _aborted,
}

__all__ = ["SHAPES"]
