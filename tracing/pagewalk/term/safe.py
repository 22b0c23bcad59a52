"""Hostile text -> text a terminal can show: nothing moves the cursor, nothing hides.

Request ids come from clients. An id may hold escape sequences, newlines, right-to-left marks,
zero-width characters or ten thousand letters. `shown` escapes what is not plainly visible, as
Python would write it, and cuts the middle out of what is long. It is for people to read; exact
ids are in the JSON output.
"""

from __future__ import annotations

import unicodedata

from rich.cells import cell_len

_MARKS = ("Mn", "Me", "Mc")
_SHORT = {"\t": "\\t", "\n": "\\n", "\r": "\\r", "\\": "\\\\"}
_STACK = 2


def escape(text: str) -> str:
    """Replace every character that is invisible, moves the cursor or stacks without end."""
    if text.isascii() and text.isprintable() and "\\" not in text:
        return text
    parts: list[str] = []
    marks = 0
    for char in text:
        is_mark = unicodedata.category(char) in _MARKS
        marks = marks + 1 if is_mark else 0
        visible = char.isprintable() and char != "\\"
        if visible and not (is_mark and (marks > _STACK or not parts)):
            parts.append(char)
        else:
            parts.append(_code(char))
    return "".join(parts)


def shown(text: str, width: int = 40) -> str:
    """The id as a person may see it: escaped, at most `width` cells, the middle left out."""
    if not text:
        return '""'
    # Ten thousand characters need not all be escaped to show the two ends of them.
    head, tail = (text, "") if len(text) <= 4 * width else (text[: 2 * width], text[-2 * width :])
    whole = escape(head)
    if not tail and cell_len(whole) <= width and whole.strip(" ") == whole:
        return whole
    if not tail and cell_len(whole) <= width - 2:
        return f'"{whole}"'
    end = escape(tail) if tail else whole
    return f"{_take(whole, width - 1 - width // 2)}…{_take_end(end, width // 2)}"


def _code(char: str) -> str:
    """The character as a Python escape."""
    if char in _SHORT:
        return _SHORT[char]
    point = ord(char)
    if point < 0x100:
        return f"\\x{point:02x}"
    return f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"


def _take(text: str, width: int) -> str:
    """As many leading characters as fit into `width` cells."""
    used = 0
    for at, char in enumerate(text):
        used += cell_len(char)
        if used > width:
            return text[:at]
    return text


def _take_end(text: str, width: int) -> str:
    """As many trailing characters as fit into `width` cells."""
    used = 0
    for at in range(len(text) - 1, -1, -1):
        used += cell_len(text[at])
        if used > width:
            return text[at + 1 :]
    return text


__all__ = ["escape", "shown"]
