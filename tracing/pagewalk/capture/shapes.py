"""A reading as a probe made it -> the fields of its event: ids numbered, hashes salted."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pagewalk.capture.worker_shapes import batch, prepared, same
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


def _scheduled(
    encoder: Encoder,
    t: int,
    kind: Any,
    engine: int,
    step: int,
    requests: list[str],
    tokens: list[int],
    budget: int,
    new: dict[Any, int],
    resumed: dict[Any, int],
    spec: dict[Any, int],
    input_budget: int,
) -> tuple[Any, ...]:
    if new or resumed or spec:
        new, resumed, spec = (
            {encoder.number(t, request): value for request, value in one.items()}
            for one in (new, resumed, spec)
        )
    ids = encoder.numbers(t, requests)
    return (kind, engine, step, ids, same(tokens), budget, new, resumed, spec, input_budget)


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
    absolute = computed and {encoder.number(t, one): value for one, value in computed.items()}
    return (kind, engine, step, ids, same(tokens), absolute, *rest)


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
    ev.BatchPrepared: batch,
    ev.AttentionPrepared: prepared,
    ev.OutputReceived: _many,
    ev.Detokenized: _detokenized,
    ev.Delivered: _delivered,
    ev.StateDumped: _dumped,
    ev.RequestAborted: _aborted,
}

__all__ = ["SHAPES"]
