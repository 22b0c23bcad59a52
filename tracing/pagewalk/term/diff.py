"""Two traces compared -> what differs: settings, the first step and why, requests, counts."""

from __future__ import annotations

from pathlib import PurePath

from rich.console import Console

from pagewalk.term.console import line
from pagewalk.term.diff_points import point
from pagewalk.term.layout import Cell, flow, paragraph, table
from pagewalk.term.request import status_words
from pagewalk.term.safe import escape, shown
from pagewalk.term.show import sizes
from pagewalk.term.words import count, duration
from pagewalk.views.diff_values import (
    Diff,
    EngineDiff,
    RequestDiff,
    Setting,
    StepDiff,
    Value,
)
from pagewalk.views.engines import EngineSummary

_MOST_POINTS, _MOST_REQUESTS, _MOST_NAMES = 12, 40, 12
_NAME = 24
_NONE = "·"


def show(console: Console, one: Diff, a: str, b: str) -> None:
    """All of it; `a` and `b` are what the user called the traces."""
    for at, engine in enumerate(one.engines):
        if at:
            line(console, "")
        if len(one.engines) > 1:
            line(console, (f"engine {engine.engine}", "head"))
        _engine(console, engine, a, b)
    _engines(console, one)
    _requests(console, one)
    for doubt in one.doubts:
        line(console, "")
        paragraph(console, escape(doubt), "unsure")
    line(console, "")
    paragraph(console, *_outcome(one))


def _engine(console: Console, one: EngineDiff, a: str, b: str) -> None:
    _heading(console, "A", a, one.a)
    _heading(console, "B", b, one.b)
    line(console, "")
    if one.a.model != one.b.model:
        paragraph(
            console,
            "The models differ: steps and requests are compared by number and id all the same.",
            "unsure",
        )
    if one.settings:
        table(console, ("setting", "A", "B"), [_row(setting) for setting in one.settings])
        line(console, "")
    _untold(console, one.untold)
    if one.first is not None:
        _step(console, one, one.first)
    elif one.steps:
        line(console, f"No step differs: {count(one.steps, 'step')} compared.")
    else:
        line(console, "No step was compared.")
    _blocks(console, one)
    if any(not count.same for count in one.counts):
        line(console, "")
        titles = ("count", "A", "B", "")
        rows = [(*_row(each), "" if each.same else "differs") for each in one.counts]
        table(console, titles, rows, right=(1, 2))


def _untold(console: Console, settings: tuple[Setting, ...]) -> None:
    if settings:
        told = [
            f"{escape(one.name)} {_value(one.a if one.b is None else one.b)} in "
            f"{'A' if one.b is None else 'B'}"
            for one in settings
        ]
        paragraph(console, f"Told by one trace alone: {', '.join(told)}.", "quiet")
        line(console, "")


def _heading(console: Console, name: str, path: str, one: EngineSummary) -> None:
    facts = (
        shown(PurePath(one.model).name or one.model, 32) if one.model else "unnamed model",
        f"vLLM {escape(one.release) or '?'}",
        escape(one.device) or "?",
        f"{count(one.num_blocks, 'block')} of {sizes(one.block_sizes)} tokens",
    )
    line(console, (f"{name}  ", "id"), (shown(path, 40), "head"), (f"  {' · '.join(facts)}", ""))


def _row(one: Setting) -> tuple[Cell, Cell, Cell]:
    return escape(one.name), _value(one.a), _value(one.b)


def _value(value: Value) -> str:
    if value is None:
        return _NONE
    if isinstance(value, bool):
        return "on" if value else "off"
    return shown(value, 32) if isinstance(value, str) else f"{value:,}"


def _step(console: Console, engine: EngineDiff, one: StepDiff) -> None:
    differing = f"{engine.differing:,} of {count(engine.steps, 'step')} differ"
    line(console, (f"First in step {one.step}", "hurt"), f"  ({differing})")
    if one.a is None or one.b is None:
        has, has_not = ("B", "A") if one.a is None else ("A", "B")
        paragraph(console, f"{has} has this step, and {has_not} ended before it.", indent=2)
        return
    a, b = one.a, one.b
    figures = (
        f"tokens {a.used}/{a.budget} in A, {b.used}/{b.budget} in B",
        f"scheduled {a.scheduled}, {b.scheduled}",
        f"waiting {_known(a.waiting)}, {_known(b.waiting)}",
        f"running {_known(a.running)}, {_known(b.running)}",
        f"free blocks {_known(a.free_blocks)}, {_known(b.free_blocks)}",
    )
    flow(console, [f"  {figures[0]}", *figures[1:]])
    for each in one.points[:_MOST_POINTS]:
        point(console, each)
    rest = len(one.points) - _MOST_POINTS
    if rest > 0:
        paragraph(console, f"… and {rest:,} more: --json has them all.", "quiet", 2)


def _known(value: int | None) -> str:
    return "?" if value is None else f"{value:,}"


def _blocks(console: Console, one: EngineDiff) -> None:
    blocks = one.blocks
    if blocks is None or (one.first is not None and one.first.step <= blocks.step):
        return
    paragraph(
        console,
        f"Blocks in use differ first after step {blocks.step}: {blocks.a:,} in A, "
        f"{blocks.b:,} in B.",
    )


def _engines(console: Console, one: Diff) -> None:
    if one.engines_a != one.engines_b:
        a, b = count(one.engines_a, "engine"), count(one.engines_b, "engine")
        line(console, "")
        line(console, f"A has {a} and B {b}: only engines of the same number are compared.")


def _requests(console: Console, one: Diff) -> None:
    if one.requests or one.only_a or one.only_b:
        line(console, "")
    if one.requests:
        differing = f"{len(one.requests):,} of {count(one.matched, 'matched request')} differ"
        line(console, (differing, "head"), (" (A → B; waited is in steps)", "quiet"))
        titles = ("request", "waited", "first step", "preempted", "hit", "output", "ended, times")
        rows = [_request(each) for each in one.requests[:_MOST_REQUESTS]]
        table(console, titles, rows, right=range(1, 6))
        rest = len(one.requests) - _MOST_REQUESTS
        if rest > 0:
            line(console, (f"… and {rest:,} more: --json has them all", "quiet"))
    for name, names in (("A", one.only_a), ("B", one.only_b)):
        if names:
            told = ", ".join(shown(each, _NAME) for each in names[:_MOST_NAMES])
            more = f" and {len(names) - _MOST_NAMES:,} more" if len(names) > _MOST_NAMES else ""
            paragraph(console, f"Only in {name}: {told}{more}")


def _request(one: RequestDiff) -> list[Cell]:
    a, b = one.a.row, one.b.row
    ends = [status_words(row.status) if not row.stop_string else "stop string" for row in (a, b)]
    last = [ends[0] if ends[0] == ends[1] else f"{ends[0]} → {ends[1]}"]
    if a.engine != b.engine:
        last.append(f"engine {_change(a.engine, b.engine)}")
    if a.prompt_tokens != b.prompt_tokens:
        last.append(f"prompt {_change(a.prompt_tokens, b.prompt_tokens)}")
    for name, times in (
        ("first token", (a.first_token, b.first_token)),
        ("total", (a.in_engine, b.in_engine)),
    ):
        if times != (None, None):
            last.append(f"{name} {' → '.join(_time(each) for each in times)}")
    return [
        shown(one.name, _NAME),
        _change(one.a.waited, one.b.waited),
        _change(a.first_step, b.first_step),
        _change(a.num_preemptions, b.num_preemptions),
        _change(a.prefix_hit, b.prefix_hit),
        _change(a.output_tokens, b.output_tokens),
        "; ".join(last),
    ]


def _change(a: int | None, b: int | None) -> str:
    one, two = ("?" if each is None else f"{each}" for each in (a, b))
    return (one if a else _NONE) if a == b else f"{one} → {two}"


def _time(value: int | None) -> str:
    return "?" if value is None else duration(value)


def _outcome(one: Diff) -> tuple[str, str]:
    if one.outcome == "equal":
        steps = count(sum(each.steps for each in one.engines), "step")
        return f"equal: {steps} and {count(one.matched, 'request')}", "good"
    if one.outcome == "unknown":
        return "unknown: what could be compared is equal, and not all could be", "unsure"
    steps = sum(each.differing for each in one.engines)
    parts = [
        count(sum(len(each.settings) for each in one.engines), "setting"),
        count(steps, "step"),
        count(len(one.requests) + len(one.only_a) + len(one.only_b), "request"),
    ]
    return f"different: {', '.join(parts)}", "hurt"


__all__ = ["show"]
