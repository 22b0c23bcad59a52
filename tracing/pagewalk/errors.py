"""What went wrong -> one clear sentence: the error type that users see, and safe text for it."""

from __future__ import annotations

_SHOWN = 60


class PagewalkError(Exception):
    """An error for a user: `slug` names its kind, the message the thing and the next step."""

    def __init__(self, slug: str, message: str) -> None:
        super().__init__(message)
        self.slug = slug

    def __reduce__(self) -> tuple[type[PagewalkError], tuple[str, str]]:
        return PagewalkError, (self.slug, str(self))


def plain(text: object, width: int = _SHOWN) -> str:
    """Text from a trace as a message may hold it: printable ASCII, at most `width` characters.

    Request ids and file names come from clients. Nothing that moves a cursor may pass.
    """
    # What cannot be shown anyway need not be escaped first.
    whole = str(text)[: 2 * width]
    if not (whole.isascii() and whole.isprintable()):
        whole = ascii(whole)[1:-1]
    return whole if len(whole) <= width else f"{whole[: width - 3]}..."


__all__ = ["PagewalkError", "plain"]
