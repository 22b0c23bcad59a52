"""Steps of an engine -> the notable ones, told as sentences made from their events alone.

A sentence is a list of parts: text, or the internal id of a request as `Who`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pagewalk.views.step import Preemption, Refusal, Step

_MOST_NAMES = 4


@dataclass(frozen=True, slots=True)
class Who:
    """A request, by its internal id."""

    request: str


Part = str | Who
Sentence = tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Chapter:
    """What is worth telling of one step. `hurts`: a request lost blocks or began to be refused."""

    step: int
    t: int
    sentences: tuple[Sentence, ...]
    hurts: bool


def story(steps: Iterable[Step]) -> Iterator[Chapter]:
    """The chapters of these steps, in order; a step in which nothing happened has none."""
    refused_before: frozenset[str] = frozenset()
    for step in steps:
        begins = [
            one for one in step.refused if one.request not in refused_before and _waits(one, step)
        ]
        refused_before = frozenset(one.request for one in step.refused)
        lost = [*step.preempted_before, *step.preempted]
        sentences = [
            *(_preempted(one) for one in lost),
            *_admitted(step, "new", "admitted"),
            *_admitted(step, "resumed", "resumed"),
            *_finished(step),
            *(_refused(one) for one in begins),
        ]
        if step.unknown:
            sentences = [(f"What the engine's state was is not known: {step.unknown}.",)]
        if sentences:
            yield Chapter(step.step, step.t, tuple(sentences), bool(lost or begins))


def _waits(refusal: Refusal, step: Step) -> bool:
    """Whether the request that got no blocks is left waiting, and nobody gave way to it."""
    helped = {one.by for one in step.preempted}
    return refusal.request not in helped and step.share(refusal.request) is None


def _preempted(one: Preemption) -> Sentence:
    lost = f" It loses {_count(one.computed, 'computed token')}." if one.computed else ""
    if one.by is None or one.by == one.request:
        return (Who(one.request), f" is preempted.{lost}")
    return (Who(one.request), " is preempted so that ", Who(one.by), f" can grow.{lost}")


def _admitted(step: Step, admission: str, word: str) -> Iterator[Sentence]:
    hits = {one.request: one for one in step.lookups if one.hit}
    mine = [one.request for one in step.scheduled if one.admission == admission]
    for request in mine:
        if request in hits:
            found = hits[request]
            part = f"{found.hit:,} of its {found.tokens:,} tokens were in the prefix cache"
            yield (Who(request), f" is {word}; {part}.")
    plain = [one for one in mine if one not in hits]
    if plain:
        yield (*_names(plain), f" {'is' if len(plain) == 1 else 'are'} {word}.")


def _finished(step: Step) -> Iterator[Sentence]:
    done = step.finished_before
    if done:
        yield (*_names(done), f" {'has' if len(done) == 1 else 'have'} finished.")


def _refused(one: Refusal) -> Sentence:
    if one.required is None or one.available is None:
        return (Who(one.request), " gets no blocks and waits.")
    free = f"{one.available:,} {'is' if one.available == 1 else 'are'} free"
    return (Who(one.request), f" waits: it needs {_count(one.required, 'block')} and {free}.")


def _names(requests: Iterable[str]) -> Sentence:
    """`a, b and c`; of many, the first few and how many more."""
    every = list(requests)
    shown: list[Part] = [Who(one) for one in every[:_MOST_NAMES]]
    if len(every) > _MOST_NAMES:
        shown.append(f"{len(every) - _MOST_NAMES:,} more")
    parts: list[Part] = []
    for at, one in enumerate(shown):
        if at:
            parts.append(" and " if at == len(shown) - 1 else ", ")
        parts.append(one)
    return tuple(parts)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


__all__ = ["Chapter", "Part", "Sentence", "Who", "story"]
