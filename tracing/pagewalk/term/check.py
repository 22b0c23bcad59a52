"""The verdict on a trace -> two tables and one sentence."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from pagewalk.term.console import line
from pagewalk.term.layout import paragraph, table
from pagewalk.term.safe import escape
from pagewalk.term.words import count
from pagewalk.views.verdict import Check, LawVerdict, SegmentVerdict

_STYLES = {"holds": "good", "broken": "hurt", "unknown": "unsure"}
_MOST_LOSSES = 20


def show(console: Console, one: Check) -> None:
    """Processes, ranks, laws, what is wrong, what is unsure, and the outcome."""
    _segments(console, one)
    if one.ranks:
        line(console, "")
        _ranks(console, one)
    if one.laws:
        line(console, "")
        _laws(console, one)
    _breaches(console, one)
    _losses(console, one)
    line(console, "")
    paragraph(console, _outcome(one), _STYLES[one.outcome])


def _segments(console: Console, one: Check) -> None:
    rows = [
        (
            escape(segment.segment),
            escape(", ".join(segment.roles).replace("_", " ")) or "·",
            f"{segment.events:,}",
            _lost(segment),
            f"{segment.steps:,}" if segment.engines else "·",
            f"{segment.snapshots:,}" if segment.snapshots else "·",
            _differing(segment),
            Text(_end(segment), "quiet" if segment.ended else "unsure"),
        )
        for segment in one.segments
    ]
    titles = ("process", "acts as", "events", "lost", "steps", "snapshots", "differing", "end")
    table(console, titles, rows, right=range(2, 7))


def _ranks(console: Console, one: Check) -> None:
    """What each rank ran, held against what the scheduler meant."""
    rows = [
        (
            escape(rank.segment),
            f"{rank.rank}",
            f"{rank.steps:,}",
            f"{rank.entries:,}",
            f"{rank.slots:,}" if rank.slots else Text("·", "quiet"),
            f"{rank.lengths:,}" if rank.lengths else Text("·", "quiet"),
            Text(f"{rank.differing:,}", "hurt" if rank.differing else ""),
        )
        for rank in one.ranks
    ]
    titles = ("process", "rank", "batches", "table entries", "slots", "lengths", "differing")
    table(console, titles, rows, right=range(1, 7))


def _differing(segment: SegmentVerdict) -> Text:
    if not segment.snapshots:
        return Text("·", "quiet")
    return Text(f"{segment.diverging:,}", "hurt" if segment.diverging else "")


def _lost(segment: SegmentVerdict) -> Text:
    gaps = len(segment.gaps)
    if segment.dropped:
        return Text(f"{segment.dropped:,}", "unsure")
    return Text(count(gaps, "gap"), "unsure") if gaps else Text("·", "quiet")


def _end(segment: SegmentVerdict) -> str:
    if segment.engine_failed:
        return "engine failed"
    if segment.torn:
        return "torn line"
    return "in order" if segment.ended else "not closed"


def _laws(console: Console, one: Check) -> None:
    """A law that was broken or could not be judged is told in words; the name of one that holds
    is enough."""
    rows = []
    for law in one.laws:
        name = Text(law.law, "" if law.outcome == "holds" else "head")
        if law.outcome != "holds":
            name.append(f"  {law.sentence}", "quiet")
        rows.append((Text(*_word(law)), f"{law.judged:,}", name))
    table(console, ("verdict", "judged", "law"), rows, right=(1,))


def _word(law: LawVerdict) -> tuple[str, str]:
    if law.outcome == "broken":
        return "BROKEN", "hurt"
    if law.outcome == "holds" and not law.judged:
        return "no case", "quiet"
    return law.outcome, _STYLES[law.outcome]


def _breaches(console: Console, one: Check) -> None:
    for law in one.laws:
        if law.outcome == "broken":
            _breach(console, law)
    for rank in one.ranks:
        if rank.first is not None:
            line(console, "")
            batches = count(rank.steps, "batch", "batches")
            told = f" {rank.differing:,} of {batches} of {escape(rank.segment)}; first:"
            line(console, ("A worker ran something else than the scheduler meant", "hurt"), told)
            paragraph(console, escape(rank.first.message), indent=2)
    for segment in one.segments:
        if segment.first is not None:
            line(console, "")
            first = segment.first
            line(
                console,
                ("Replay differs from the live engine", "hurt"),
                f" in {segment.diverging:,} of {count(segment.snapshots, 'snapshot')} of "
                f"{escape(segment.segment)}; first:",
            )
            paragraph(console, f"field {escape(first.field)}: {escape(first.message)}", indent=2)


def _breach(console: Console, law: LawVerdict) -> None:
    line(console, "")
    times = "once" if law.count == 1 else f"{law.count:,} times"
    line(console, (f"{law.law} is broken {times}", "hurt"), "; first:")
    if law.first is not None:
        where = f"{escape(law.segment)}, event {law.first.seq:,}, step {law.first.step:,}: "
        paragraph(console, where + escape(law.first.message), indent=2)


def _losses(console: Console, one: Check) -> None:
    if not one.losses and not one.problems:
        return
    line(console, "")
    for loss in one.losses[:_MOST_LOSSES]:
        paragraph(console, escape(loss), "unsure")
    if len(one.losses) > _MOST_LOSSES:
        line(console, (f"… and {len(one.losses) - _MOST_LOSSES:,} more", "unsure"))
    for problem in one.problems:
        paragraph(console, escape(problem), "quiet")


def _outcome(one: Check) -> str:
    snapshots = count(one.snapshots, "snapshot")
    if one.outcome == "broken":
        laws = sum(law.outcome == "broken" for law in one.laws)
        parts = [f"{count(laws, 'law')} broken"] if laws else []
        parts += [f"{one.diverging:,} of {snapshots} differ"] if one.diverging else []
        unlike = sum(rank.differing for rank in one.ranks)
        parts += [f"{unlike:,} batches unlike the scheduler's"] if unlike else []
        return f"broken: {' and '.join(parts)}"
    told = f"{count(one.events, 'event')}, {count(one.steps, 'step')}"
    if one.snapshots:
        same = f"; replay equals the live engine in {snapshots}"
    else:
        same = "; nothing to compare replay with (record with --digest hash for that)"
    if not one.laws:
        return "unknown: nothing could be checked"
    if one.outcome == "unknown":
        return f"unknown: not all could be checked. What could, holds ({told}{same})"
    return f"holds: every law, at {told}{same}"


__all__ = ["show"]
