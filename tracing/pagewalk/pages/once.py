"""Files on disk -> what was seen of them, looked at once while a piece of work lasts.

Pages, claims files and traces may change between two pages that a server renders anew, and must
then be seen. While one page is rendered they count as standing still: without that, every fact
and every claim of a page would look at the same files again.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

T = TypeVar("T")
Seen = dict[Hashable, Any]
# None where no piece of work is under way: then every look is a new one.
_seen: ContextVar[Seen | None] = ContextVar("pagewalk_seen", default=None)


@contextmanager
def looked_once(seen: Seen | None = None) -> Iterator[None]:
    """Inside, `once` keeps what it found: in `seen`, which goes on where it stopped.

    Without `seen` it goes on with the work that is under way, if there is some.
    """
    if seen is None:
        seen = _seen.get()
    token = _seen.set({} if seen is None else seen)
    try:
        yield
    finally:
        _seen.reset(token)


def once(key: Hashable, look: Callable[[], T]) -> T:
    """What `look` finds. An error is not kept: the next one looks again."""
    seen = _seen.get()
    if seen is None:
        return look()
    if key not in seen:
        seen[key] = look()
    return seen[key]  # type: ignore[no-any-return]


__all__ = ["Seen", "looked_once", "once"]
