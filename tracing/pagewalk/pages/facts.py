r"""`[[predicate.key]]` in a page's text -> the value that the trace gives it.

    [[nobody_admitted.step]]                      of the page's own stem
    [[scheduler/waiting_lora:lora_full.step]]     of another stem
    [[eviction.blocks.0]]                         one of a list, counted from 0
    \[[nobody_admitted.step]]                     left as it is, without the backslash

The text is replaced before Markdown sees it, so facts may stand in fences and links too.
"""

from __future__ import annotations

import difflib
import re
from pathlib import Path

from pagewalk.errors import PagewalkError, plain
from pagewalk.pages.claims import Fact, judge
from pagewalk.pages.stem import STEM

_MARKED = re.compile(r"(\\?)\[\[ *([A-Za-z_][^\[\]\n]*?) *\]\]")
_FACT = re.compile(
    rf"(?:(?P<stem>{STEM.pattern}):)?(?P<name>[a-z]\w*)\.(?P<key>\w+)(?:\.(?P<at>\d{{1,4}}))?"
)
_WORD = re.compile(r"[\w./:-]+")


def substitute(text: str, docs: Path, stem: str | None) -> str:
    """The text with its facts; an unknown one is an error that names it and its line.

    Without a stem, only what is plainly a fact is taken for one.
    """

    def value(found: re.Match[str]) -> str:
        escaped, inner = found[1], found[2]
        fact = _FACT.fullmatch(inner)
        if fact is None and (stem is None or not _WORD.fullmatch(inner)):
            return found[0]
        if escaped:
            return found[0][1:]
        line = text.count("\n", 0, found.start()) + 1
        try:
            return _value(fact, inner, docs, stem)
        except PagewalkError as error:
            raise PagewalkError(
                error.slug, f"line {line}, the fact {plain(inner, 120)}: {error}"
            ) from None

    return _MARKED.sub(value, text)


def _value(fact: re.Match[str] | None, inner: str, docs: Path, stem: str | None) -> str:
    if fact is None:
        raise PagewalkError(
            "bad-fact", "write a predicate and a key, as in predicate.key, or \\[[ for the marks."
        )
    stem = fact["stem"] or stem
    if stem is None:
        raise PagewalkError(
            "no-walk", "the page has no stem: write <!-- walk: STEM --> right after its title."
        )
    facts = judge(docs, stem, fact["name"])
    if fact["key"] not in facts:
        near = difflib.get_close_matches(fact["key"], facts, 1)
        hint = f"did you mean {near[0]}?" if near else f"it returns {', '.join(facts) or 'none'}."
        raise PagewalkError(
            "no-fact", f"the predicate {fact['name']} returns no {fact['key']}: {plain(hint, 200)}"
        )
    value = facts[fact["key"]]
    if fact["at"] is None:
        return shown(value)
    if not isinstance(value, list) or int(fact["at"]) >= len(value):
        raise PagewalkError(
            "no-fact", f"{fact['key']} has no place {fact['at']}: it is {plain(shown(value))}."
        )
    return shown(value[int(fact["at"])])


def shown(value: Fact) -> str:
    """A fact as text: `3`, `0.25`, `3, 4, 5`."""
    if isinstance(value, list):
        return ", ".join(shown(one) for one in value)
    return f"{value:.6g}" if isinstance(value, float) else str(value)


__all__ = ["shown", "substitute"]
