"""Steps of an engine -> what stands in a player's place where no script runs: text and a table."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from pagewalk.pages.plain import isolated
from pagewalk.pages.story import Part, Who, story
from pagewalk.views.evidence import EngineRun
from pagewalk.views.step import Step
from pagewalk.views.steps import exit_kinds

MOST_ROWS = 30
_MOST_NAMES = 6
_NAME = 30
_HEADS = (
    "step",
    "tokens",
    "scheduled",
    "admitted",
    "preempted",
    "waiting",
    "free blocks",
    "why others got none",
)


def fallback(run: EngineRun, step: int | None, first: int | None, last: int | None) -> str:
    """One sentence of the step on show, and the steps of the range around it."""
    shown = [
        one
        for one in run.steps
        if (first is None or one.step >= first) and (last is None or one.step <= last)
    ]
    rows = _window(shown, step)
    heads = "".join(f'<th scope="col">{one}</th>' for one in _HEADS)
    body = "".join(_row(run, one, one.step == step) for one in rows)
    more = len(shown) - len(rows)
    note = f"<p>{more} more steps are in the trace.</p>" if more else ""
    return (
        f'<div class="pagewalk-fallback"><p>{_told(run, step, rows)}</p>'
        f'<div class="pagewalk-wide"><table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody>'
        f"</table></div>{note}</div>"
    )


def _window(shown: list[Step], step: int | None) -> list[Step]:
    """At most so many rows, those around the step on show."""
    at = next((number for number, one in enumerate(shown) if one.step == step), 0)
    start = max(0, min(at - MOST_ROWS // 2, len(shown) - MOST_ROWS))
    return shown[start : start + MOST_ROWS]


def _told(run: EngineRun, step: int | None, rows: list[Step]) -> str:
    wanted = step if step is not None else (rows[0].step if rows else 0)
    for chapter in story(run.steps):
        if chapter.step == wanted:
            told = " ".join("".join(_part(run, one) for one in s) for s in chapter.sentences)
            return f"Step {wanted}: {told}"
    return f"Step {wanted}: nothing is admitted, preempted or refused."


def _part(run: EngineRun, part: Part) -> str:
    return _name(run, part.request) if isinstance(part, Who) else escape(part)


def _name(run: EngineRun, request: str) -> str:
    return isolated(run.name(request), _NAME)


def _names(run: EngineRun, requests: Iterable[str]) -> str:
    every = list(dict.fromkeys(requests))
    shown = ", ".join(_name(run, one) for one in every[:_MOST_NAMES])
    more = len(every) - _MOST_NAMES
    return f"{shown} and {more} more" if more > 0 else shown


def _row(run: EngineRun, step: Step, here: bool) -> str:
    cells = (
        f"{step.used}/{step.budget}",
        ", ".join(f"{_name(run, one.request)} {one.tokens}" for one in step.scheduled[:_MOST_NAMES])
        + (f" and {len(step.scheduled) - _MOST_NAMES} more" if len(step.scheduled) > 6 else ""),
        _names(run, (*step.admitted("new"), *step.admitted("resumed"))),
        _names(run, (one.request for one in (*step.preempted_before, *step.preempted))),
        "?" if step.waiting is None else str(step.waiting),
        "?" if step.free_blocks is None else str(step.free_blocks),
        _why(run, step),
    )
    body = "".join(f"<td>{one}</td>" for one in cells)
    current = ' aria-current="step"' if here else ""
    return f'<tr{current}><th scope="row">{step.step}</th>{body}</tr>'


def _why(run: EngineRun, step: Step) -> str:
    """The exits that the scheduler took, and at whom it looked then."""
    if step.unknown:
        return isolated(f"not known: {step.unknown}", 80)
    parts = []
    for kind, requests in exit_kinds(step).items():
        if kind == "queue_empty":
            continue
        names = _names(run, (one for one in requests if one is not None))
        parts.append(f"{escape(kind)} ({names})" if names else escape(kind))
    return ", ".join(parts)


__all__ = ["MOST_ROWS", "fallback"]
