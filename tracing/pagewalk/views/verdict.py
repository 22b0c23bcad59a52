"""Trace -> whether it is whole and true: laws kept, digests equal, nothing lost.

Three outcomes. `broken`: a law is broken, replay differs from the live engine, or a worker ran
something else than the scheduler meant. `unknown`: what
could be checked holds, but something was lost, so not all could be. `holds`: all holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pagewalk.errors import plain
from pagewalk.replay.compare import Divergence, compare
from pagewalk.replay.laws import Violation, judge
from pagewalk.trace.events import (
    Dropped,
    EngineFailed,
    ProbeFailed,
    StateDigested,
    StateDumped,
    StepScheduled,
)
from pagewalk.trace.read import Segment, Trace
from pagewalk.views.engines import engines
from pagewalk.views.executed import RankVerdict, executed
from pagewalk.views.walk import Report

Outcome = Literal["holds", "broken", "unknown"]


@dataclass(frozen=True, slots=True)
class LawVerdict:
    """One law over all segments: judged at so many points, unsure at `skipped` of them."""

    law: str
    sentence: str
    reads: str
    outcome: Outcome
    judged: int
    skipped: int
    count: int
    segment: str = ""
    first: Violation | None = None
    since: str = ""


@dataclass(frozen=True, slots=True)
class SegmentVerdict:
    """One process: what it wrote, what of that is lost, and how replay compares."""

    segment: str
    pid: int
    roles: tuple[str, ...]
    engines: int
    events: int
    steps: int
    ended: bool
    torn: bool
    gaps: tuple[str, ...]
    dropped: int
    failed_probes: dict[str, str]
    engine_failed: tuple[str, ...]
    snapshots: int
    diverging: int
    not_compared: int
    resynced: int
    first: Divergence | None


@dataclass(frozen=True, slots=True)
class Check:
    """The verdict on a trace. `losses` are sentences on what could not be checked, and why."""

    outcome: Outcome
    events: int
    steps: int
    snapshots: int
    diverging: int
    digest: str
    segments: tuple[SegmentVerdict, ...]
    laws: tuple[LawVerdict, ...]
    losses: tuple[str, ...]
    problems: tuple[str, ...]
    absent: dict[str, str]
    ranks: tuple[RankVerdict, ...] = ()


def check(trace: Trace, report: Report | None = None) -> Check:
    """Judge every law, compare every digest in every segment, and every batch of every rank."""
    segments: list[SegmentVerdict] = []
    laws: dict[str, LawVerdict] = {}
    todo = sum(len(one.events) for one in trace.segments if one.engines) * 2
    done = 0
    for segment in trace.segments:
        shifted = _shifted(report, done, todo)
        if segment.engines:
            for verdict in _laws(segment, shifted):
                laws[verdict.law] = _join(laws.get(verdict.law), verdict)
            done += len(segment.events)
        segments.append(_segment(segment, _shifted(report, done, todo)))
        done += len(segment.events) if segment.engines else 0
    ranks = tuple(rank for engine in engines(trace) for rank in executed(trace, engine))
    losses = (*_losses(trace, segments, laws), *_uncompared(trace, ranks))
    broken = any(one.outcome == "broken" for one in laws.values())
    broken = broken or any(one.differing for one in ranks)
    diverging = sum(one.diverging for one in segments)
    return Check(
        outcome="broken" if broken or diverging else "unknown" if losses else "holds",
        events=sum(one.events for one in segments),
        steps=sum(one.steps for one in segments),
        snapshots=sum(one.snapshots for one in segments),
        diverging=diverging,
        digest=trace.header.digest,
        segments=tuple(segments),
        laws=tuple(laws.values()),
        losses=losses,
        problems=tuple(_problems(trace)),
        absent=trace.header.absent,
        ranks=ranks,
    )


def _laws(segment: Segment, report: Report | None) -> list[LawVerdict]:
    return [
        LawVerdict(
            law=one.law.name,
            sentence=one.law.sentence,
            reads=one.law.reads,
            outcome=one.outcome,
            judged=one.judged,
            skipped=one.skipped,
            count=one.count,
            segment=segment.name if one.violations else "",
            first=min(one.violations, key=lambda found: found.seq, default=None),
            since=one.since,
        )
        for one in judge(segment, report)
    ]


def _join(known: LawVerdict | None, other: LawVerdict) -> LawVerdict:
    """The same law in another segment; the worse outcome counts."""
    if known is None:
        return other
    order: tuple[Outcome, ...] = ("holds", "unknown", "broken")
    return LawVerdict(
        law=known.law,
        sentence=known.sentence,
        reads=known.reads,
        outcome=max(known.outcome, other.outcome, key=order.index),
        judged=known.judged + other.judged,
        skipped=known.skipped + other.skipped,
        count=known.count + other.count,
        segment=known.segment or other.segment,
        first=known.first or other.first,
        since=known.since or other.since,
    )


def _segment(segment: Segment, report: Report | None) -> SegmentVerdict:
    events = segment.events
    digested = any(type(one) in (StateDigested, StateDumped) for one in events)
    compared = compare(segment, report) if digested else None
    return SegmentVerdict(
        segment=segment.name,
        pid=segment.pid,
        roles=segment.roles,
        engines=len(segment.engines),
        events=len(events) - len(segment.gaps),
        steps=sum(type(one) is StepScheduled for one in events),
        ended=segment.ended,
        torn=any(one.tail for one in segment.gaps),
        gaps=tuple(one.reason for one in segment.gaps if not one.tail),
        dropped=sum(one.count for one in events if type(one) is Dropped),
        failed_probes={one.target: one.error for one in events if type(one) is ProbeFailed},
        engine_failed=tuple(one.where for one in events if type(one) is EngineFailed),
        snapshots=compared.snapshots if compared else 0,
        diverging=compared.divergences if compared else 0,
        not_compared=compared.unknown if compared else 0,
        resynced=compared.resynced if compared else 0,
        first=(compared.located or compared.first) if compared else None,
    )


def _losses(trace: Trace, segments: list[SegmentVerdict], laws: dict[str, LawVerdict]) -> list[str]:
    """What was lost on the way. A torn end is no loss: a killed process has done nothing since."""
    found: list[str] = []
    for one in segments:
        found += [f"{one.segment}: {reason}" for reason in one.gaps]
        if one.dropped:
            found.append(f"{one.segment}: {one.dropped} events were dropped while recording")
        for target in one.failed_probes:
            found.append(f"{one.segment}: the probe of {target} failed and was removed")
        if one.not_compared:
            found.append(
                f"{one.segment}: {one.not_compared} snapshots could not be compared, the "
                "replayed state was not known"
            )
    unsure = [one for one in laws.values() if one.outcome == "unknown"]
    if unsure and not found:
        found += [f"law {one.law}: {one.since}" for one in unsure]
    if not any(one.engines for one in segments):
        found.append("no segment holds an engine core: there is nothing to check")
    return found


def _uncompared(trace: Trace, ranks: tuple[RankVerdict, ...]) -> list[str]:
    found = []
    for one in ranks:
        of_rank = f"{one.segment}: {{}} batches of rank {one.rank}"
        if one.unmet:
            found.append(of_rank.format(one.unmet) + _why_unmet(trace))
        if one.unknown > one.unmet:
            found.append(
                of_rank.format(one.unknown - one.unmet)
                + " could not be held against the scheduler's block tables in full, one of the two "
                "was not known"
            )
    return found


def _why_unmet(trace: Trace) -> str:
    said = " are of steps that no engine core's segment holds"
    killed = [one.name for one in trace.segments if one.engines and not one.ended]
    if not killed:
        return said
    return (
        f"{said}: {', '.join(killed)} was cut off (vLLM kills its engine cores when a server is "
        "stopped: let the last answers come before that)"
    )


def _problems(trace: Trace) -> list[str]:
    """What the reader met, but for the gaps, which `losses` names one by one."""
    gapped = [f"{plain(one.name)} has {len(one.gaps)} gap" for one in trace.segments if one.gaps]
    return [
        one for one in trace.header.problems if not any(one.startswith(said) for said in gapped)
    ]


def _shifted(report: Report | None, before: int, total: int) -> Report | None:
    if report is None:
        return None
    return lambda done, _: report(before + done, total)


__all__ = ["Check", "LawVerdict", "Outcome", "SegmentVerdict", "check"]
