"""A scenario's new trace -> whether it may take the old one's place, and what is new in it.

It may if it is whole and true, names nobody's machine, and every claim of its page holds on it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pagewalk.errors import PagewalkError, plain
from pagewalk.pages.claims import Fact, book, judge
from pagewalk.pages.facts import shown
from pagewalk.pages.record import Scenario
from pagewalk.trace.read import Trace, open_trace
from pagewalk.views.diff import diff
from pagewalk.views.diff_values import Diff, EngineDiff, Setting
from pagewalk.views.verdict import Check, check

HOST = "docs"  # what every machine is called in a committed trace

# A string that names a place of some machine; vLLM's own files are told from `vllm/` on.
_PLACE = re.compile(
    rb'"(?:[^"\\]|\\.)*?(?:(?<![\w.~-])/(?:[\w.~-]+/|work|root|tmp|home)'
    rb'|[A-Za-z]:\\\\|site-packages)(?:[^"\\]|\\.)*"'
)
_HOST = re.compile(rb'"host" ?: ?"((?:[^"\\]|\\.)*)"')

Outcome = Literal["new", "same", "changed"]
Facts = Mapping[str, Fact]


@dataclass(frozen=True, slots=True)
class FactChange:
    """A fact of a page by its name; None where a trace does not give it."""

    name: str
    before: Fact | None
    after: Fact | None

    def __str__(self) -> str:
        sides = ("none" if one is None else shown(one) for one in (self.before, self.after))
        return f"{self.name} {' -> '.join(sides)}"


@dataclass(frozen=True, slots=True)
class Judged:
    """A trace that may be kept: how long it is, how many claims hold, and what differs."""

    outcome: Outcome
    told: str
    steps: int
    claims: int
    facts: tuple[FactChange, ...]
    diff: Diff | None


class UnknownError(PagewalkError):
    """Not all of the new trace could be checked."""


def judge_new(scenario: Scenario, folder: Path) -> Judged:
    """Judge the trace in `folder` by the laws and the claims, then hold it to the old one.

    Raises:
        PagewalkError: it must not be kept; the sentence says why.
    """
    trace = open_trace(folder)
    verdict = check(trace)
    _refuse_unsound(verdict)
    _refuse_places(folder)
    facts = facts_of(scenario, folder)
    if not scenario.trace.is_dir():
        return Judged("new", "recorded for the first time", verdict.steps, len(facts), (), None)
    told, differing = _against_old(scenario, trace)
    changes = _changes(_old_facts(scenario), facts)
    outcome: Outcome = "same" if not told and not changes else "changed"
    return Judged(outcome, told or _same(changes), verdict.steps, len(facts), changes, differing)


def facts_of(scenario: Scenario, folder: Path) -> dict[str, Facts]:
    """What each predicate says of a trace; the first that fails is the error. No file, no facts."""
    if not scenario.claims.is_file():
        return {}
    docs, stem = scenario.docs, scenario.stem
    return {name: judge(docs, stem, name, folder) for name in book(docs, stem).predicates}


def places_in(folder: Path) -> tuple[str, ...]:
    """Texts of a trace that name a directory of the machine it was recorded on, or that machine."""
    found: dict[str, None] = {}
    for file in sorted(folder.iterdir()):
        text = file.read_bytes()
        hosts = (one for one in _HOST.findall(text) if one != HOST.encode())
        for one in (*hosts, *_PLACE.findall(text)):
            found[one.decode("utf-8", "replace")] = None
    return tuple(found)


def _refuse_unsound(verdict: Check) -> None:
    if verdict.outcome == "broken":
        raise PagewalkError(
            "trace-broken", f"On its new trace {_broken(verdict)}: `pagewalk check` shows it."
        )
    if not verdict.steps:
        raise PagewalkError(
            "no-steps", "It ran no engine step, so nothing can be shown: add requests and step."
        )
    if verdict.outcome != "holds" or verdict.problems or not verdict.snapshots:
        why = [*verdict.losses, *verdict.problems, "it has no digests to compare replay with"][0]
        raise UnknownError("trace-unknown", f"Its new trace could not be checked in full: {why}.")


def _broken(verdict: Check) -> str:
    broken = [one.law for one in verdict.laws if one.outcome == "broken"]
    if broken:
        return f"the law {broken[0]} is broken"
    if verdict.diverging:
        return "replay differs from the live engine"
    return "a worker ran something else than the scheduler meant"


def _refuse_places(folder: Path) -> None:
    places = places_in(folder)
    if places:
        raise PagewalkError(
            "trace-not-neutral",
            f"Its new trace names this machine or a place on it ({plain(places[0])}): give what "
            "the scenario names another name.",
        )


def _against_old(scenario: Scenario, trace: Trace) -> tuple[str, Diff | None]:
    """The first difference in a few words, nothing where the story is the same."""
    try:
        told = diff(open_trace(scenario.trace), trace)
    except PagewalkError:
        return "the old trace cannot be read", None
    return ("" if told.outcome == "equal" else first_difference(told)), told


def first_difference(told: Diff) -> str:
    """What differs first between two traces, in one short phrase."""
    for engine in told.engines:
        words = _of_engine(engine)
        if words:
            name = f"engine {engine.engine}: " if len(told.engines) > 1 else ""
            return f"{name}{words}"
    if told.engines_a != told.engines_b:
        return f"{told.engines_a} engines before, {told.engines_b} now"
    for names, when in ((told.only_a, "before"), (told.only_b, "now")):
        if names:
            return f"the request {plain(names[0])} is only there {when}"
    if told.requests:
        one = told.requests[0]
        return f"the request {plain(one.name)} differs in {', '.join(one.fields)}"
    return told.doubts[0] if told.doubts else "nothing that has a name"


def _of_engine(one: EngineDiff) -> str:
    if one.first is not None:
        if one.first.a is None or one.first.b is None:
            return (
                f"step {one.first.step} is only there {'now' if one.first.a is None else 'before'}"
            )
        points = one.first.points
        about = [f"{points[0].what} {points[0].request}".strip()] if points else []
        return f"step {one.first.step} differs" + "".join(f" ({plain(word)})" for word in about)
    if one.settings:
        return f"the setting {_words(one.settings[0])}"
    if one.blocks is not None:
        used = f"{one.blocks.a} before, {one.blocks.b} now"
        return f"step {one.blocks.step} leaves other blocks in use ({used})"
    counts = [count for count in one.counts if not count.same]
    return f"the count {_words(counts[0])}" if counts else ""


def _words(one: Setting) -> str:
    return f"{plain(one.name)}, {plain(one.a)} before, {plain(one.b)} now"


def _same(changes: tuple[FactChange, ...]) -> str:
    return "same story, other facts" if changes else "same story"


def _old_facts(scenario: Scenario) -> dict[str, Facts]:
    """What the predicates say of the old trace; some may be of the new one only."""
    if not scenario.claims.is_file():
        return {}
    found: dict[str, Facts] = {}
    for name in book(scenario.docs, scenario.stem).predicates:
        try:
            found[name] = judge(scenario.docs, scenario.stem, name, scenario.trace)
        except PagewalkError:
            found[name] = {}
    return found


def _changes(before: Mapping[str, Facts], after: Mapping[str, Facts]) -> tuple[FactChange, ...]:
    found = []
    for name, facts in after.items():
        old = before.get(name, {})
        keys = dict.fromkeys((*old, *facts))
        found += [
            FactChange(f"{name}.{key}", old.get(key), facts.get(key))
            for key in keys
            if old.get(key) != facts.get(key)
        ]
    return tuple(found)


__all__ = [
    "HOST",
    "FactChange",
    "Judged",
    "UnknownError",
    "facts_of",
    "first_difference",
    "judge_new",
    "places_in",
]
