"""A place and the steps of a locator -> the one place inside that they name.

A step is a kind and how the statement reads: `while req_index < len(self.running)`,
`call allocate_slots`, `assign token_budget @2`. Each step looks inside what the one before found.
Text that is equal counts first, then text that begins alike, then text that contains it. A step
must name one place; ` @n` picks the n-th, from 1, where several read the same.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache

from pagewalk.errors import PagewalkError, plain
from pagewalk.source.places import KINDS, Place, forms, header

Locator = tuple[str, ...]
_STEP = re.compile(r"(\w+)(?:\s+(.*?))?(?:\s+@(\d{1,4}))?", re.DOTALL)
_BRANCHES = ("elif", "else", "except", "finally", "call")
_LISTED = 8


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a locator, taken apart."""

    text: str
    kind: str
    wanted: str
    number: int | None = None


def parse_step(text: str) -> Step:
    """Take `kind text @n` apart."""
    matched = _STEP.fullmatch(text.strip())
    kind, wanted, number = matched.groups() if matched else ("", None, None)
    if kind not in KINDS or (number and int(number) < 1):
        raise PagewalkError(
            "bad-locator",
            f"{plain(text)} is no step of a locator: write a kind and how the line reads, as in "
            f"`call allocate_slots`; kinds are {', '.join(KINDS)}.",
        )
    return Step(text.strip(), kind, wanted or "", int(number) if number else None)


def locate(
    scope: Place,
    locator: Sequence[str],
    accept: Callable[[Place, bool], bool] = lambda place, is_end: True,
    what: str = "the symbol",
) -> Place:
    """Follow the steps; `accept(place, is last step)` may narrow what counts."""
    place = scope
    for depth, text in enumerate(locator):
        step = parse_step(text)
        is_end = depth == len(locator) - 1
        inside = [one for one in place.walk() if accept(one, is_end)]
        place = _pick(step, _of_kind(step, place, inside), what if not depth else "that place")
    return place


def matching(step: Step, places: Sequence[Place]) -> list[Place]:
    """The places that the step's text fits best: equal, else beginning so, else containing it."""
    wanted = {_loose(step.wanted), _loose(_as_written(step.wanted))}
    return _fitting(wanted, [(place, _texts(place, step.kind)) for place in places])


def names_of(places: Sequence[Place]) -> dict[Place, str]:
    """The shortest step that tells each place from the others, with `@n` where it must."""
    known: dict[str, list[tuple[Place, tuple[str, ...]]]] = {}
    for one in places:
        for kind in {one.kind, "stmt"}:
            if _is_kind(one, kind):
                known.setdefault(kind, []).append((one, _texts(one, kind)))
    return {place: _name(place, known[place.kind]) for place in places}


def _name(place: Place, alike: Sequence[tuple[Place, tuple[str, ...]]]) -> str:
    texts = _texts(place, place.kind)
    for text in sorted(texts, key=len):
        if _fitting({text}, alike) == [place]:
            return f"{place.kind} {text}".strip()
    found = _fitting({texts[0]}, alike)
    return f"{f'{place.kind} {texts[0]}'.strip()} @{found.index(place) + 1}"


def _fitting(wanted: set[str], known: Sequence[tuple[Place, tuple[str, ...]]]) -> list[Place]:
    for fits in (
        lambda texts: any(text in wanted for text in texts),
        lambda texts: any(texts[0].startswith(one) for one in wanted),
        lambda texts: any(one in texts[0] for one in wanted),
    ):
        found = [place for place, texts in known if fits(texts)]
        if found:
            return found
    return []


@lru_cache(maxsize=4096)  # every step of a locator asks for those of all places of its kind
def _texts(place: Place, kind: str) -> tuple[str, ...]:
    texts = (header(place.node),) if kind == "stmt" else forms(place)
    return tuple(_loose(text) for text in texts)


def _of_kind(step: Step, scope: Place, inside: Sequence[Place]) -> list[Place]:
    found = [place for place in inside if _is_kind(place, step.kind)]
    if step.kind in ("else", "finally") and not step.wanted:
        # The statement's own branch, not those of what is inside it.
        own = [place for place in found if place in scope.inner]
        return own or found
    return found


def _is_kind(place: Place, kind: str) -> bool:
    return place.kind == kind or (kind == "stmt" and place.kind not in _BRANCHES)


def _pick(step: Step, candidates: Sequence[Place], what: str) -> Place:
    found = matching(step, candidates)
    if not found:
        near = _listed(_nearest(step, candidates))
        raise PagewalkError(
            "no-such-place",
            f"`{plain(step.text)}` matches nothing in {what}; "
            + (f"nearest of {len(candidates)}: {near}." if near else f"no {step.kind} is there."),
        )
    if step.number is None and len(found) == 1:
        return found[0]
    if step.number is None:
        raise PagewalkError(
            "several-places",
            f"`{plain(step.text)}` matches {len(found)} places in {what} ({_listed(found)}): write "
            "more of it, a step before it, or ` @1` after it.",
        )
    if step.number > len(found):
        raise PagewalkError(
            "no-such-place",
            f"`{plain(step.text)}` asks for number {step.number} of {len(found)} in {what} "
            f"({_listed(found)}).",
        )
    return found[step.number - 1]


def _nearest(step: Step, places: Sequence[Place]) -> list[Place]:
    """The places that read most like the step, in source order."""

    def likeness(place: Place) -> float:
        wanted = _loose(step.wanted)
        # The length of a hostile line costs; its beginning tells enough.
        return max(
            SequenceMatcher(None, wanted, text[:200]).ratio() for text in _texts(place, step.kind)
        )

    best = sorted(places, key=likeness, reverse=True)[:_LISTED]
    return sorted(best, key=lambda place: place.line)


def _listed(places: Sequence[Place]) -> str:
    shown = [f"line {place.line}: {plain(reads(place), 50)}" for place in places[:_LISTED]]
    if len(places) > _LISTED:
        shown.append(f"and {len(places) - _LISTED} more")
    return "; ".join(shown)


def reads(place: Place) -> str:
    """The place as one line that a person knows it by."""
    if place.kind in ("elif", "except"):
        return _written(place.kind, forms(place)[0])
    if place.kind == "call":
        return forms(place)[0]
    return (
        f"{place.kind} of {header(place.node)}" if place.kind in _BRANCHES else header(place.node)
    )


def _written(kind: str, text: str) -> str:
    return f"{kind} {' '.join(text.split())}".strip()


def _as_written(text: str) -> str:
    """The text as `ast.unparse` writes it, or as it is where it is no complete Python."""
    try:
        return ast.unparse(ast.parse(text))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return text


def _loose(text: str) -> str:
    """Without what layout and the choice of quotes change."""
    return " ".join(text.replace('"', "'").split())


__all__ = ["Locator", "Step", "locate", "matching", "names_of", "parse_step", "reads"]
