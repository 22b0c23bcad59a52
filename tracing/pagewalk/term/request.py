"""The life of a request -> a timeline to read from top to bottom."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.text import Text

from pagewalk.term.console import line
from pagewalk.term.layout import flow, table
from pagewalk.term.safe import escape, shown
from pagewalk.term.words import count, duration, offset
from pagewalk.views.life import Life
from pagewalk.views.moments import STOP_STRING, Fact, Moment

_MANY_WAITS = 4
_ROLES = {"front end": "front", "engine core": "core", "worker": "worker"}
_STATUS = {
    "FINISHED_STOPPED": "finished: stop",
    "FINISHED_LENGTH_CAPPED": "finished: length",
    "FINISHED_ABORTED": "aborted",
    "FINISHED_IGNORED": "ignored",
    "FINISHED_ERROR": "finished: error",
    "FINISHED_REPETITION": "finished: repetition",
}


def status_words(status: str) -> str:
    """The engine's status in lower case words."""
    return _STATUS.get(status, escape(status))


def life(console: Console, one: Life) -> None:
    """The heading, the timeline and the durations."""
    _heading(console, one)
    if one.moments:
        _timeline(console, one)
    _durations(console, one.durations)


def _heading(console: Console, one: Life) -> None:
    title = Text.assemble(("request ", "quiet"), (shown(one.request, 60), "head"))
    if one.external is not None and one.external != one.request:
        title.append(f"   the user's id: {shown(one.external, 40)}", "quiet")
    line(console, title)
    parts = []
    if one.prompt_tokens is not None:
        parts.append(count(one.prompt_tokens, "prompt token"))
    if one.output_tokens is not None:
        most = f" of at most {one.max_tokens:,}" if one.max_tokens else ""
        parts.append(f"{one.output_tokens:,}{most} generated")
    if one.prefix_hit is not None:
        parts.append(f"prefix hit {count(one.prefix_hit, 'token')}")
    if one.num_preemptions:
        parts.append(f"preempted {count(one.num_preemptions, 'time')}")
    flow(console, [_ended(one), *parts])
    if not one.front_end and one.engine is not None:
        why = "The trace is lean" if one.lean else "No Python front end saw it"
        line(console, (f"{why}: its life begins at the engine core.", "quiet"))
    line(console, "")


def _ended(one: Life) -> str:
    """The engine core knows no stop strings: it is told to abort where the front end finds one."""
    if any(moment.what == STOP_STRING for moment in one.moments):
        return "finished: stop string"
    return status_words(one.status)


def _timeline(console: Console, one: Life) -> None:
    origin = one.moments[0].start
    rows, where = [], ""
    for moment in _joined(one.moments):
        role = f"{_ROLES[moment.role]} {moment.pid}"
        took = moment.t - moment.start
        rows.append(
            (
                offset(moment.start - origin),
                duration(took) if took > 0 else "",
                _steps(moment),
                "" if role == where else role,
                _text(moment),
            )
        )
        where = role
    table(console, ("at", "took", "step", "where", "what"), rows, right=(0, 1, 2))


def _steps(moment: Moment) -> str:
    if moment.step is None:
        return ""
    if moment.last_step in (None, moment.step):
        return str(moment.step)
    return f"{moment.step}-{moment.last_step}"


def _joined(moments: Sequence[Moment]) -> Iterable[Moment]:
    """Many waits in a row are told as one: `why` tells each."""
    row: list[Moment] = []
    for moment in moments:
        if moment.what == "waiting":
            row.append(moment)
            continue
        yield from _waits(row)
        row = []
        yield moment
    yield from _waits(row)


def _waits(row: list[Moment]) -> list[Moment]:
    if len(row) <= _MANY_WAITS:
        return row
    kinds: Counter[str] = Counter()
    for one in row:
        kinds[str(one.facts["kind"])] += _int(one.facts["steps"])
    first, last = row[0], row[-1]
    told = ", ".join(f"{kind} {steps}" for kind, steps in kinds.most_common())
    facts: dict[str, Fact] = {"steps": sum(kinds.values()), "told": told}
    return [
        Moment(
            "waiting", last.t, first.pid, first.role, first.began, first.step, last.last_step, facts
        )
    ]


def _int(value: Fact) -> int:
    return value if isinstance(value, int) else 0


def _text(moment: Moment) -> Text:
    say = _WORDS.get(moment.what)
    words = say(moment) if say is not None else escape(moment.what)
    return Text(words, "hurt" if moment.what in ("preempted", "engine failed") else "")


def _who(value: Fact) -> str:
    return shown(str(value), 28)


def _arrived(moment: Moment) -> str:
    clock = " (by the front end's wall clock)" if moment.facts.get("clock") == "wall" else ""
    return f"arrived{clock}"


def _input_processed(moment: Moment) -> str:
    tokens = _int(moment.facts.get("tokens"))
    return f"input processed: {count(tokens, 'prompt token')}"


def _sent(moment: Moment) -> str:
    rank = _int(moment.facts.get("dp_rank"))
    return "sent to the engine core" + (f" of rank {rank}" if rank else "")


def _enqueued(moment: Moment) -> str:
    return f"enqueued, {escape(str(moment.facts.get('status')))}"


def _waiting(moment: Moment) -> str:
    steps = count(_int(moment.facts.get("steps")), "step")
    if "told" in moment.facts:
        return f"waits {steps}: {escape(str(moment.facts['told']))}"
    kind = escape(str(moment.facts.get("kind")))
    if moment.facts.get("head") is not None:
        head = escape(str(moment.facts.get("head_kind")))
        return f"waits {steps} behind {_who(moment.facts['head'])}: {head}"
    return f"waits {steps}: {kind}"


def _not_scheduled(moment: Moment) -> str:
    kind = escape(str(moment.facts.get("head_kind") or moment.facts.get("kind")))
    return f"running, but no tokens for {count(_int(moment.facts.get('steps')), 'step')}: {kind}"


def _admitted(moment: Moment) -> str:
    hit, whole = moment.facts.get("hit"), moment.facts.get("of")
    verb = "resumed" if moment.what == "resumed" else "admitted"
    if not hit:
        return f"{verb}; none of its {whole} tokens was cached"
    return f"{verb}; {hit} of its {whole} tokens were cached"


def _prefill(moment: Moment) -> str:
    facts = moment.facts
    tokens, steps = _int(facts.get("tokens")), _int(facts.get("steps"))
    if steps == 1:
        text = f"prefill: {count(tokens, 'token')}"
    else:
        chunks = f" ({facts['chunks']})" if facts.get("chunks") else ""
        text = f"prefill: {tokens:,} tokens in {steps} chunks{chunks}"
    return text + _model(moment)


def _decode(moment: Moment) -> str:
    facts = moment.facts
    steps, output = _int(facts.get("steps")), _int(facts.get("output"))
    drafts = _int(facts.get("drafts"))
    text = f"decode: {count(output, 'token')} in {count(steps, 'step')}"
    if drafts:
        text += f", {count(drafts, 'draft token')}"
    return text + _model(moment)


def _model(moment: Moment) -> str:
    model = moment.facts.get("model")
    return f"; model {duration(model)}" if isinstance(model, int) else ""


def _preempted(moment: Moment) -> str:
    facts = moment.facts
    lost = f"; lost {count(_int(facts.get('lost')), 'computed token')}"
    later = "; not resumed in this trace"
    if facts.get("resumed_step") is not None:
        hit, again = _int(facts.get("rehit")), _int(facts.get("recomputed"))
        later = f" (later {hit} hit again, {again} recomputed)"
    if facts.get("by") is None:
        return f"preempted by a reset of the prefix cache{lost}{later}"
    return f"preempted so that {_who(facts['by'])} can grow{lost}{later}"


def _finished(moment: Moment) -> str:
    status = status_words(str(moment.facts.get("status")))
    return f"{status} after {count(_int(moment.facts.get('output')), 'token')}"


def _first_output(moment: Moment) -> str:
    return f"first output received: {count(_int(moment.facts.get('tokens')), 'token')}"


def _last_output(moment: Moment) -> str:
    facts = moment.facts
    tokens = count(_int(facts.get("tokens")), "token")
    return f"last output received: {tokens} in {count(_int(facts.get('outputs')), 'output')}"


def _delivered(moment: Moment) -> str:
    times = _int(moment.facts.get("deliveries"))
    often = f" ({count(times, 'delivery', 'deliveries')})" if times > 1 else ""
    if moment.what == "delivered":
        return f"delivered to the caller{often}"
    return f"last delivery in this trace, not the final one{often}"


def _failed(moment: Moment) -> str:
    return f"engine failed: {escape(str(moment.facts.get('where')))}"


_WORDS = {
    "arrived": _arrived,
    "input processed": _input_processed,
    "sent": _sent,
    "received": lambda _: "received, decoded and hashed",
    "dequeued": lambda _: "taken from the input queue",
    "enqueued": _enqueued,
    "waiting": _waiting,
    "not scheduled": _not_scheduled,
    "admitted": _admitted,
    "resumed": _admitted,
    "prefill": _prefill,
    "decode": _decode,
    "preempted": _preempted,
    "finished": _finished,
    "first output received": _first_output,
    "last output received": _last_output,
    "first delivery": lambda _: "first delivery to the caller",
    "delivered": _delivered,
    "last delivery": _delivered,
    "engine failed": _failed,
}

_DURATIONS = (
    ("to_engine", "arrival to queue"),
    ("queued", "in the queue"),
    ("prefill", "prefill"),
    ("first_token", "to the first token"),
    ("per_output_token", "a token after that"),
    ("preempted", "preempted"),
    ("model", "model runs"),
    ("total", "in all"),
)


def _durations(console: Console, durations: dict[str, int]) -> None:
    told = [f"{title} {duration(durations[key])}" for key, title in _DURATIONS if key in durations]
    if told:
        line(console, "")
        flow(console, told)


__all__ = ["life", "status_words"]
