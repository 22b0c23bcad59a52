"""A request -> its life over all processes: what happened when, in which step, and how long."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pagewalk.trace.events import RequestEnqueued, RequestFinished, StepUpdated
from pagewalk.trace.read import Trace
from pagewalk.views.durations import durations
from pagewalk.views.engines import Engine
from pagewalk.views.execution import Execution, executions
from pagewalk.views.follow import Follower, Lost, Turn, follow
from pagewalk.views.identity import Identities
from pagewalk.views.moments import Fact, Moment, arrival, moments
from pagewalk.views.walk import Report


@dataclass(frozen=True, slots=True)
class Life:
    """One request from arrival to delivery. `front_end` is False where the trace has nothing of a
    Python front end: because it is `lean`, or because there was none (a Rust front end, say).
    Then the life begins at the engine core.

    `durations` are nanoseconds, those that the trace allows: `to_engine`, `queued`, `prefill`,
    `first_token`, `decode`, `per_output_token`, `preempted`, `model`, `total`.
    """

    request: str
    external: str | None
    engine: int | None
    status: str
    front_end: bool
    lean: bool
    prompt_tokens: int | None
    max_tokens: int | None
    output_tokens: int | None
    num_preemptions: int
    prefix_hit: int | None
    moments: tuple[Moment, ...]
    durations: dict[str, int]


def life(
    trace: Trace,
    engine: Engine | None,
    known: Identities,
    request: str,
    report: Report | None = None,
) -> Life:
    """The life of the request with this internal id; `engine` is None if none ever took it."""
    outside = moments(trace, request, known.external(request))
    outside += arrival(trace, outside)
    lean = trace.header.level == "lean"
    if engine is None:
        return _life(request, known, None, None, outside, lean)
    notes = _Notes(engine, request)
    follower = follow(engine, request, report, watch=notes.watch)
    inside = _inside(follower, notes, executions(trace, engine))
    return _life(request, known, follower, notes, outside + inside, lean)


class _Notes:
    """What the engine's events say of the request beside its steps."""

    def __init__(self, engine: Engine, request: str) -> None:
        self.pid = engine.segment.pid
        self.enqueued: RequestEnqueued | None = None
        self.finished: RequestFinished | None = None
        self.updates: dict[int, tuple[int, int]] = {}
        self._names = engine.segment.names
        self._request = request

    @property
    def watch(self) -> dict[type, Callable[[Any], None]]:
        """The events it needs, for a walk."""
        return {
            RequestEnqueued: self._enqueue,
            RequestFinished: self._finish,
            StepUpdated: self._update,
        }

    @property
    def first_token(self) -> int | None:
        """When the first new token was appended."""
        return next((t for t, tokens in self.updates.values() if tokens), None)

    @property
    def last_token(self) -> int | None:
        """When the last one was."""
        return next((t for t, tokens in reversed(self.updates.values()) if tokens), None)

    def _mine(self, number: int) -> bool:
        return self._names.get(number) == self._request

    def _enqueue(self, event: RequestEnqueued) -> None:
        if self._mine(event.request):
            self.enqueued = event

    def _finish(self, event: RequestFinished) -> None:
        if self._mine(event.request):
            self.finished = event

    def _update(self, event: StepUpdated) -> None:
        for at, number in enumerate(event.requests):
            if self._mine(number):
                many = event.tokens
                tokens = many if isinstance(many, int) else many[at] if at < len(many) else 0
                self.updates[event.step] = (event.t, tokens)
                return


def _inside(follower: Follower, notes: _Notes, runs: dict[int, Execution]) -> list[Moment]:
    """Enqueued, each wait, each group of steps, each preemption, finished."""
    found: list[Moment] = []
    pid = notes.pid
    if notes.enqueued is not None:
        event = notes.enqueued
        facts: dict[str, Fact] = {"status": event.status, "tokens": event.num_tokens}
        found.append(Moment("enqueued", event.t, pid, "engine core", facts=facts))
    for wait in follower.waits:
        facts = {
            "kind": wait.reason.kind,
            "head": wait.reason.head,
            "head_kind": wait.reason.head_kind or None,
            "steps": wait.steps,
        }
        what = "not scheduled" if wait.running else "waiting"
        found.append(
            Moment(what, wait.ended, pid, "engine core", wait.began, wait.first, wait.last, facts)
        )
    found += [_admission(turn, pid, notes) for turn in follower.turns.values() if _admits(turn)]
    found += [_preemption(lost, pid) for lost in follower.lost]
    for group in _groups(follower, notes):
        found.append(_group(group, notes, runs))
    if notes.finished is not None:
        end = notes.finished
        facts = {"status": end.status, "tokens": end.tokens, "output": end.num_output_tokens}
        found.append(Moment("finished", end.t, pid, "engine core", facts=facts))
    return found


def _admits(turn: Turn) -> bool:
    return turn.share.admission != "running"


def _admission(turn: Turn, pid: int, notes: _Notes) -> Moment:
    share = turn.share
    facts: dict[str, Fact] = {"hit": share.computed, "of": turn.length}
    what = "admitted" if share.admission == "new" else "resumed"
    return Moment(what, turn.t, pid, "engine core", turn.began, turn.step, turn.step, facts)


def _preemption(lost: Lost, pid: int) -> Moment:
    facts: dict[str, Fact] = {
        "by": lost.by,
        "lost": lost.lost,
        "rule": lost.rule,
        "rehit": lost.rehit,
        "recomputed": lost.recomputed,
        "resumed_step": lost.resumed_step,
    }
    return Moment("preempted", lost.t, pid, "engine core", None, lost.step, lost.step, facts)


def _is_prefill(turn: Turn, prompt: int) -> bool:
    """As the engine has it: until all but the last token are computed, or the prompt is."""
    return turn.share.computed is not None and turn.share.computed < max(prompt, turn.length - 1)


def _groups(follower: Follower, notes: _Notes) -> list[list[Turn]]:
    """Turns in a row of one kind; a preemption or a step without tokens ends a group."""
    prompt = notes.enqueued.num_prompt_tokens if notes.enqueued is not None else 0
    order = {step: at for at, step in enumerate(follower.steps)}
    groups: list[list[Turn]] = []
    for turn in follower.turns.values():
        last = groups[-1][-1] if groups else None
        if (
            last is not None
            and order[turn.step] == order[last.step] + 1
            and not _admits(turn)
            and _is_prefill(turn, prompt) == _is_prefill(last, prompt)
        ):
            groups[-1].append(turn)
        else:
            groups.append([turn])
    return groups


def _group(turns: list[Turn], notes: _Notes, runs: dict[int, Execution]) -> Moment:
    prompt = notes.enqueued.num_prompt_tokens if notes.enqueued is not None else 0
    first, last = turns[0], turns[-1]
    ended = notes.updates.get(last.step, (last.t, 0))[0]
    ran = [runs[turn.step] for turn in turns if turn.step in runs]
    chunks = [turn.share.tokens for turn in turns]
    facts: dict[str, Fact] = {
        "steps": len(turns),
        "tokens": sum(chunks),
        "chunks": "+".join(map(str, chunks)) if len(chunks) <= 8 else None,
        "output": sum(notes.updates.get(turn.step, (0, 0))[1] for turn in turns),
        "drafts": sum(turn.share.drafts for turn in turns),
        "model": sum(run.took for run in ran) if ran else None,
    }
    what = "prefill" if _is_prefill(first, prompt) else "decode"
    return Moment(what, ended, notes.pid, "engine core", first.began, first.step, last.step, facts)


_ORDER = (
    "arrived",
    "input processed",
    "sent",
    "received",
    "dequeued",
    "enqueued",
    "waiting",
    "admitted",
    "resumed",
    "prefill",
    "decode",
    "preempted",
    "finished",
)


def _place(moment: Moment) -> tuple[int, int]:
    """By time; a step's own moments begin together and follow in the order of a life."""
    rank = _ORDER.index(moment.what) if moment.what in _ORDER else len(_ORDER)
    return moment.start if moment.what != "arrived" else moment.start - 1, rank


def _life(
    request: str,
    known: Identities,
    follower: Follower | None,
    notes: _Notes | None,
    found: list[Moment],
    lean: bool,
) -> Life:
    enqueued = notes.enqueued if notes else None
    finished = notes.finished if notes else None
    ordered = tuple(sorted(found, key=_place))
    fallback = "never reached an engine core" if notes is None else "unfinished"
    output = finished.num_output_tokens if finished else None
    if output is None and notes is not None:
        output = sum(tokens for _, tokens in notes.updates.values())
    tokens = (notes.first_token, notes.last_token) if notes else (None, None)
    return Life(
        request=request,
        external=known.external(request),
        engine=follower.walk.engine.index if follower else None,
        status=finished.status if finished else fallback,
        front_end=any(one.role == "front end" for one in ordered),
        lean=lean,
        prompt_tokens=enqueued.num_prompt_tokens if enqueued else _prompt(ordered),
        max_tokens=enqueued.max_tokens if enqueued else None,
        output_tokens=output,
        num_preemptions=len(follower.lost) if follower else 0,
        prefix_hit=_hit(follower) if follower else None,
        moments=ordered,
        durations=durations(ordered, follower, tokens, output or 0),
    )


def _prompt(ordered: tuple[Moment, ...]) -> int | None:
    tokens = next((one.facts["tokens"] for one in ordered if one.what == "input processed"), None)
    return tokens if isinstance(tokens, int) else None


def _hit(follower: Follower) -> int | None:
    first = next((turn for turn in follower.turns.values() if _admits(turn)), None)
    return first.share.computed if first is not None else None


__all__ = ["Life", "life"]
