"""Text that UTF-8 cannot hold -> text that it can: half a surrogate pair is written out."""

from __future__ import annotations

from typing import Any

import msgspec


def mended(value: Any) -> Any:
    """The value with every string in it fit for a trace; strings that are fit stay as they are."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, list | tuple):
        return [mended(one) for one in value]
    if isinstance(value, dict):
        return {mended(key): mended(one) for key, one in value.items()}
    if isinstance(value, msgspec.Struct):
        fields = {name: mended(getattr(value, name)) for name in value.__struct_fields__}
        return type(value)(**fields)
    return value


__all__ = ["mended"]
