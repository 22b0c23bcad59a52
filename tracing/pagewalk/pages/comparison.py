"""Two traces and what differs in them -> one HTML file: the differences, and both players."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from html import escape
from pathlib import Path, PurePath

from pagewalk.pages.bundle import player_folder
from pagewalk.pages.file import about, embedded, one_file
from pagewalk.pages.plain import isolated
from pagewalk.pages.sources import SOURCES
from pagewalk.trace.read import Trace
from pagewalk.views.diff_values import Diff, EngineDiff, RequestDiff, Setting, StepDiff, Value
from pagewalk.views.engines import Engine
from pagewalk.views.payload import payload
from pagewalk.views.requests import RequestRow

Report = Callable[[int, int], None]
MOST_REQUESTS = 400
_OUTCOMES = {
    "equal": "Nothing differs.",
    "different": "They differ.",
    "unknown": "What could be compared is equal, and not all could be.",
}


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two: what the user called it, and the engine that is looked at."""

    name: str
    trace: Trace
    engine: Engine


def comparison(
    a: Side,
    b: Side,
    told: Diff,
    why: str,
    *,
    player: Path | None = None,
    report: Report | None = None,
) -> str:
    """The whole file as text. `why`: what differs in the first step, in words, as plain text."""
    (one,) = told.engines
    parts = {
        "title": escape(f"{PurePath(a.name).name} against {PurePath(b.name).name}"[:120]),
        "a": isolated(a.name, 60),
        "b": isolated(b.name, 60),
        "about_a": about(a.trace, a.engine),
        "about_b": about(b.trace, b.engine),
        "outcome": _outcome(told, one),
        "settings": _settings(one),
        "first": _first(one, why),
        "counts": _table(("count", "A", "B"), map(_pair, one.counts)),
        "requests": _requests(told),
        "step": str(one.first.step if one.first else "start"),
        "payload_a": embedded(payload(a.trace, a.engine, sources=SOURCES, report=report)),
        "payload_b": embedded(payload(b.trace, b.engine, sources=SOURCES, report=report)),
    }
    return one_file(player or player_folder(), "diff", parts)


def _outcome(told: Diff, one: EngineDiff) -> str:
    steps = f"{one.differing:,} of {one.steps:,} compared steps differ"
    requests = f"{len(told.requests):,} of {told.matched:,} matched requests"
    doubts = "".join(f"<li>{isolated(each, 300)}" for each in told.doubts)
    return (
        f"<b>{_OUTCOMES[told.outcome]}</b> {steps}, and {requests}."
        f"{f'<ul>{doubts}</ul>' if doubts else ''}"
    )


def _settings(one: EngineDiff) -> str:
    if not one.settings:
        return "<p>The engines were set up alike.</p>"
    return _table(("setting", "A", "B"), map(_pair, one.settings))


def _first(one: EngineDiff, why: str) -> str:
    first = one.first
    if first is None:
        return "<p>No step differs.</p>"
    link = f'<a href="#step={first.step}">Step {first.step:,}</a>'
    if first.a is None or first.b is None:
        has, has_not = ("B", "A") if first.a is None else ("A", "B")
        return f"<p>{link}: {has} has it, and {has_not} ended before it.</p>"
    return (
        f"<p>{link} is the first. The players below stand there.</p>{_figures(first)}"
        f'<pre class="wide" tabindex="0" aria-label="What differs in the step">{escape(why)}</pre>'
    )


def _figures(first: StepDiff) -> str:
    names = {
        "used": "tokens scheduled",
        "budget": "token budget",
        "scheduled": "requests scheduled",
        "running": "running",
        "waiting": "waiting",
        "free_blocks": "free blocks",
    }
    rows = [
        (words, _value(getattr(first.a, name)), _value(getattr(first.b, name)))
        for name, words in names.items()
    ]
    return _table((f"step {first.step:,}", "A", "B"), rows)


def _requests(told: Diff) -> str:
    titles = ("request", "waited, steps", "first step", "preempted", "hit", "output", "ended")
    rows = [_request(one) for one in told.requests[:MOST_REQUESTS]]
    rest = len(told.requests) - MOST_REQUESTS
    more = f"<p>… and {rest:,} more: <code>pagewalk diff --json</code> has them.</p>"
    alone = "".join(
        f"<p>Only in {name}: {', '.join(isolated(each, 40) for each in names[:MOST_REQUESTS])}</p>"
        for name, names in (("A", told.only_a), ("B", told.only_b))
        if names
    )
    if not rows:
        return f"<p>No matched request differs.</p>{alone}"
    return f"{_table(titles, rows)}{more if rest > 0 else ''}{alone}"


def _request(one: RequestDiff) -> tuple[str, ...]:
    a, b = one.a.row, one.b.row
    return (
        isolated(one.name, 40),
        _change(one.a.waited, one.b.waited),
        _change(a.first_step, b.first_step),
        _change(a.num_preemptions, b.num_preemptions),
        _change(a.prefix_hit, b.prefix_hit),
        _change(a.output_tokens, b.output_tokens),
        _change(_ended(a), _ended(b)),
    )


def _ended(row: RequestRow) -> str:
    """A stop string is found outside the engine core, which sees an abort."""
    if row.stop_string:
        return "stop string"
    return escape(row.status.removeprefix("FINISHED_").replace("_", " ").lower()) or "?"


def _change(a: int | str | None, b: int | str | None) -> str:
    one, two = (
        "?" if each is None else f"{each:,}" if isinstance(each, int) else each for each in (a, b)
    )
    return one if a == b else f"<b>{one} → {two}</b>"


def _pair(one: Setting) -> tuple[str, str, str]:
    a, b = _value(one.a), _value(one.b)
    return escape(one.name), a if one.same else f"<b>{a}</b>", b if one.same else f"<b>{b}</b>"


def _value(value: Value) -> str:
    if value is None:
        return "?"
    if isinstance(value, bool):
        return "on" if value else "off"
    return isolated(value, 40) if isinstance(value, str) else f"{value:,}"


def _table(titles: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    head = "".join(f"<th>{escape(one)}" for one in titles)
    body = "".join(
        f"<tr><th>{first}{''.join(f'<td>{one}' for one in rest)}" for first, *rest in rows
    )
    return (
        '<div class="wide" tabindex="0" role="region" aria-label="Table"><table class="left">'
        f"<thead><tr>{head}<tbody>{body}</table></div>"
        if body
        else ""
    )


__all__ = ["MOST_REQUESTS", "Side", "comparison"]
