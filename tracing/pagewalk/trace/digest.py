"""State as plain data -> a short hash, the same in the live engine and in replay."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec


def digest(value: Any) -> str:
    """16 hexadecimal digits over the canonical JSON of `value` (keys sorted)."""
    text = msgspec.json.encode(value, order="sorted")
    return hashlib.blake2b(text, digest_size=8).hexdigest()


def digest_fields(fields: dict[str, Any]) -> dict[str, str]:
    """One digest for each field, so that the first difference can be named."""
    return {name: digest(value) for name, value in fields.items()}
