"""`excerpts.lock` <-> entries: what each excerpt of the pages was when somebody last read it.

The lock holds places and hashes, and no code. It is one JSON object, sorted by page and id, and
written by `pagewalk excerpts update` alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from pagewalk.errors import PagewalkError, plain
from pagewalk.source.excerpt import Excerpt, Wanted

SCHEMA = 1
LOCK = "excerpts.lock"


@dataclass(frozen=True, slots=True)
class Quote:
    """An excerpt as a page quotes it; the id is unique on its page, `line` is the fence's."""

    id: str
    page: str
    line: int
    wanted: Wanted


class Entry(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """One excerpt: which, where it was, and the hashes of what it does and how it is written."""

    id: str
    page: str
    symbol: str
    at: tuple[str, ...] = ()
    to: tuple[str, ...] = ()
    head: int = 0
    before: int = 0
    after: int = 0
    release: str
    file: str
    first: int
    last: int
    code: str
    text: str

    @property
    def key(self) -> tuple[str, str]:
        """What tells entries apart, and orders them."""
        return self.page, self.id

    def is_for(self, wanted: Wanted) -> bool:
        """Whether the page still asks for what the entry is about."""
        asked = (wanted.symbol, wanted.at, wanted.to, wanted.head, wanted.before, wanted.after)
        return asked == (self.symbol, self.at, self.to, self.head, self.before, self.after)


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    schema: int
    excerpts: tuple[Entry, ...]


class _Schema(msgspec.Struct, frozen=True):
    schema: int


def entry_of(quote: Quote, excerpt: Excerpt) -> Entry:
    """The entry of a quote as it is now."""
    wanted = quote.wanted
    return Entry(
        id=quote.id,
        page=quote.page,
        symbol=wanted.symbol,
        at=wanted.at,
        to=wanted.to,
        head=wanted.head,
        before=wanted.before,
        after=wanted.after,
        release=excerpt.release,
        file=excerpt.file,
        first=excerpt.first,
        last=excerpt.last,
        code=excerpt.code,
        text=excerpt.text,
    )


def read_lock(path: Path) -> tuple[Entry, ...]:
    """The entries of a lock; no file is no entries, a broken one is one sentence."""
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise PagewalkError(
            "unreadable-lock",
            f"{plain(path)} cannot be read ({error.strerror or type(error).__name__}); check it.",
        ) from error
    try:
        schema = msgspec.json.decode(text, type=_Schema).schema
        if schema != SCHEMA:
            raise PagewalkError(
                "unknown-lock",
                f"{plain(path)} has schema {schema} and this pagewalk knows {SCHEMA}; use the "
                "pagewalk that wrote it.",
            )
        return msgspec.json.decode(text, type=_File).excerpts
    except (msgspec.DecodeError, RecursionError) as error:
        raise PagewalkError(
            "bad-lock",
            f"{plain(path)} is no lock ({plain(error, 100)}); restore it, or delete it and run "
            "`pagewalk excerpts update`.",
        ) from error


def write_lock(path: Path, entries: Iterable[Entry]) -> None:
    """Write the entries, sorted; a lock that says the same already is not touched."""
    file = _File(SCHEMA, tuple(sorted(entries, key=lambda entry: entry.key)))
    text = msgspec.json.format(msgspec.json.encode(file), indent=2) + b"\n"
    try:
        if path.exists() and path.read_bytes() == text:
            return
        path.write_bytes(text)
    except OSError as error:
        raise PagewalkError(
            "unwritable-lock",
            f"{plain(path)} cannot be written ({error.strerror or type(error).__name__}); check "
            "its permissions.",
        ) from error


__all__ = ["LOCK", "SCHEMA", "Entry", "Quote", "entry_of", "read_lock", "write_lock"]
