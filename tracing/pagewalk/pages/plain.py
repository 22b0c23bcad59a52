"""Text of strangers -> HTML that shows it and does nothing else."""

from __future__ import annotations

import unicodedata
from html import escape

_HIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def isolated(text: str, most: int) -> str:
    """Text as HTML that cannot run, hide, turn the line around or go on for ever.

    At most `most` characters are shown, the middle left out; the title has more of it.
    """
    whole = _visible(text[:300]) if len(text) <= 300 else f"{_visible(text[:300])}…"
    ends = text if len(text) <= most else f"{text[: most * 2 // 3]}…{text[-(most // 3) :]}"
    title = f' title="{escape(whole)}"' if len(text) > most else ""
    return f"<bdi{title}>{escape(_visible(ends))}</bdi>"


def _visible(text: str) -> str:
    return "".join("�" if unicodedata.category(one) in _HIDDEN else one for one in text)


__all__ = ["isolated"]
