"""A trace and one engine of it -> one HTML file: the player, the story, the steps, the verdict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from html import escape
from pathlib import Path, PurePath
from typing import Any
from urllib.parse import quote

from pagewalk.pages.bundle import player_folder
from pagewalk.pages.file import about, embedded, one_file
from pagewalk.pages.plain import isolated
from pagewalk.pages.sources import SOURCES
from pagewalk.pages.story import Chapter, Part, Who, story
from pagewalk.trace.read import Trace
from pagewalk.views.engines import Engine, summary
from pagewalk.views.identity import Identities, identities
from pagewalk.views.payload import payload
from pagewalk.views.step import Step
from pagewalk.views.steps import exit_kinds, steps
from pagewalk.views.verdict import Check, check

Report = Callable[[int, int], None]
"""Called with (events done, events in all)."""
NameOf = Callable[[str], str]
MOST_CHAPTERS = 200
MOST_ROWS = 400
_LINKED_ID = 200


def report(
    trace: Trace, engine: Engine, *, player: Path | None = None, report: Report | None = None
) -> str:
    """The whole file as text. `player`: the folder of the player's modules, if not our own.

    An error if the player's files are not there or cannot be bundled.
    """
    verdict = check(trace, report)
    every = list(steps(engine, report=report))
    data = payload(trace, engine, sources=SOURCES, verdict=_verdict(verdict), report=report)
    chapters = list(story(every))
    parts = {
        "title": escape(_title(engine)),
        "heading": isolated(PurePath(engine.configured.model).name or "trace", 60),
        "about": about(trace, engine),
        "chapters": _chapters(chapters, _names(identities(trace)), every[0].t if every else 0),
        "rows": _rows(every, {one.step for one in chapters}),
        "rows_note": _rows_note(every),
        "verdict": _verdict_html(verdict),
        "payload": embedded(data),
    }
    return one_file(player or player_folder(), "page", parts)


def _title(engine: Engine) -> str:
    one = summary(engine)
    return f"{PurePath(one.model).name or 'a trace'} on vLLM {one.release}: a page walk"[:120]


def _verdict(verdict: Check) -> dict[str, Any]:
    """The verdict as the player's model has it."""
    return {
        "laws": [
            {
                "name": one.law,
                "outcome": one.outcome,
                "judged": one.judged,
                "sentence": one.sentence,
            }
            for one in verdict.laws
        ],
        "digests": {"compared": verdict.snapshots, "divergences": verdict.diverging},
    }


def _names(known: Identities) -> NameOf:
    """A request's name: the user's id, or the engine's where several share the user's (n > 1)."""
    given = Counter(known.external(one) for one in known.requests)

    def name_of(request: str) -> str:
        external = known.external(request)
        return external if external and given[external] == 1 else request

    return name_of


def _chapters(chapters: list[Chapter], name_of: NameOf, start: int) -> str:
    if not chapters:
        return "<p>Nothing was scheduled in this trace.</p>"
    rows = [_chapter(one, name_of, start) for one in chapters[:MOST_CHAPTERS]]
    rest = len(chapters) - MOST_CHAPTERS
    more = f"<p>… and {rest:,} more notable steps: the player has them.</p>" if rest > 0 else ""
    return f"<ol class=story>{''.join(rows)}</ol>{more}"


def _chapter(chapter: Chapter, name_of: NameOf, start: int) -> str:
    told = " ".join(
        "".join(_part(one, chapter.step, name_of) for one in s) for s in chapter.sentences
    )
    sign = "<b class=hurts>✕</b> " if chapter.hurts else ""
    at = f"{(chapter.t - start) / 1e6:,.1f} ms"
    return (
        f'<li><a href="#step={chapter.step}">step {chapter.step:,}</a>'
        f"<small>{at}</small><p>{sign}{told}</p>"
    )


def _part(part: Part, step: int, name_of: NameOf) -> str:
    if not isinstance(part, Who):
        return escape(part)
    name = isolated(name_of(part.request), 40)
    if len(part.request) > _LINKED_ID:
        return name
    try:
        link = quote(part.request, safe="")
    except UnicodeEncodeError:
        return name
    return f'<a href="#step={step}&amp;request={link}">{name}</a>'


def _rows(every: list[Step], notable: set[int]) -> str:
    shown = every if len(every) <= MOST_ROWS else [one for one in every if one.step in notable]
    return "".join(_row(one) for one in shown[:MOST_ROWS])


def _row(step: Step) -> str:
    why = ", ".join(escape(kind) for kind in exit_kinds(step) if kind != "queue_empty")
    cells: Iterable[Any] = (
        f"{step.used:,}/{step.budget:,}",
        len(step.scheduled),
        len(step.admitted("new")) + len(step.admitted("resumed")) or "",
        f"✕ {len(step.preempted)}" if step.preempted else "",
        "?" if step.waiting is None else step.waiting,
        "?" if step.free_blocks is None else step.free_blocks,
    )
    hurts = " class=hurts" if step.preempted else ""
    body = "".join(f"<td>{one}" for one in cells)
    return f'<tr{hurts}><th><a href="#step={step.step}">{step.step}</a>{body}<td>{why}'


def _rows_note(every: list[Step]) -> str:
    if len(every) <= MOST_ROWS:
        return ""
    return f"<p>Of {len(every):,} steps, the notable ones; the player has all of them.</p>"


def _verdict_html(verdict: Check) -> str:
    words = {
        "holds": "Every law holds",
        "broken": "Broken: a law does not hold, replay differs from the live engine, or a worker "
        "did not run what the scheduler meant",
        "unknown": "Not all could be checked",
    }
    compared = (
        f"{verdict.snapshots:,} snapshots of the live engine were compared with the replay, "
        f"{verdict.diverging:,} differ."
        if verdict.snapshots
        else "The trace holds no digests of the live state, so replay was not compared with it."
    )
    # A recording is over when it is reported: without an end, its last events may be lost.
    cut = [
        f"{one.segment} has no orderly end: its last events may be missing."
        for one in verdict.segments
        if not one.ended
    ]
    losses = "".join(f"<li>{isolated(one, 200)}" for one in [*cut, *verdict.losses][:20])
    laws = "".join(
        f"<tr{'' if one.outcome == 'holds' else ' class=hurts'}><th>{escape(one.law)}"
        f"<td>{escape(one.outcome)}<td>{one.judged:,}<td>{escape(one.sentence)}"
        for one in verdict.laws
    )
    hurts = " class=hurts" if verdict.outcome == "broken" else ""
    return (
        f"<p><b{hurts}>{words[verdict.outcome]}</b>, at {verdict.events:,} events in "
        f"{verdict.steps:,} steps. {compared}</p>{_ranks(verdict)}"
        f"{f'<ul>{losses}</ul>' if losses else ''}"
        f"<details><summary>The {len(verdict.laws)} laws</summary><div class=wide><table><thead>"
        f"<tr><th>law<th>verdict<th>judged<th>what it says<tbody>{laws}</table></div></details>"
    )


def _ranks(verdict: Check) -> str:
    """What the workers ran, held against what the scheduler meant; nothing without batches."""
    if not verdict.ranks:
        return ""
    batches = sum(one.steps for one in verdict.ranks)
    differing = sum(one.differing for one in verdict.ranks)
    ranks = "1 rank" if len(verdict.ranks) == 1 else f"{len(verdict.ranks)} ranks"
    first = "".join(
        f"<li class=hurts>{isolated(one.first.message, 400)}"
        for one in verdict.ranks[:20]
        if one.first is not None
    )
    told = f"{batches:,} batches of {ranks} were held against the scheduler's block tables"
    return f"<p>{told}, {differing:,} differ.</p>{f'<ul>{first}</ul>' if first else ''}"


__all__ = ["MOST_CHAPTERS", "MOST_ROWS", "report"]
