"""Two traces -> which request of the one is which of the other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from pagewalk.views.identity import Identities, Sighting

# What vLLM's front end adds to a user's id, and puts before it for each sample of n > 1.
_SUFFIX = re.compile(r"(?s:(.+))-[0-9a-f]{8}")
_SAMPLE = re.compile(r"(\d{1,9})_(?s:(.+))")


@dataclass(frozen=True, slots=True)
class Pair:
    """One request in both traces, or in one of them: its internal ids, and a name for it.

    The name is the user's id, with the sample's number before it; where several requests have it,
    their order of arrival stands behind it.
    """

    name: str
    a: str | None
    b: str | None


def match(a: Identities, b: Identities) -> tuple[Pair, ...]:
    """Pair requests by internal id, and the rest by the user's id in their order of arrival.

    Those that only B has come last.
    """
    taken = a.requests.keys() & b.requests.keys()
    waiting: dict[str, list[str]] = {}
    for name, stem in _stems(b):
        if name not in taken:
            waiting.setdefault(stem, []).append(name)
    for names in waiting.values():
        names.reverse()
    pairs: list[tuple[str, str | None, str | None]] = []
    for name, stem in _stems(a):
        if name in taken:
            pairs.append((stem, name, name))
        else:
            same = waiting.get(stem)
            pairs.append((stem, name, same.pop() if same else None))
    met = {pair[2] for pair in pairs}
    pairs += [(stem, None, name) for name, stem in _stems(b) if name not in met]
    return tuple(_named(pairs))


def _named(pairs: list[tuple[str, str | None, str | None]]) -> Iterator[Pair]:
    """A name for each pair that no other has."""
    names = {pair[0] for pair in pairs}
    number: dict[str, int] = {}
    for stem, a, b in pairs:
        number[stem] = number.get(stem, 0) + 1
        name = stem if number[stem] == 1 else f"{stem} no. {number[stem]}"
        while number[stem] > 1 and name in names:
            name += "'"
        names.add(name)
        yield Pair(name, a, b)


def _stems(known: Identities) -> Iterator[tuple[str, str]]:
    """Internal id and what is left of it without what the front end made up."""
    for name, sighting in known.requests.items():
        yield name, _stem(name, sighting)


def _stem(name: str, sighting: Sighting) -> str:
    if sighting.external is None:
        # A lean trace has no front end to ask: the suffix is known by its form alone.
        made = _SUFFIX.fullmatch(name)
        return made[1] if made is not None else name
    sample = _SAMPLE.fullmatch(name)
    if sample is not None and sample[2].startswith(sighting.external):
        return f"{sample[1]}_{sighting.external}"
    return sighting.external


__all__ = ["Pair", "match"]
