"""Highlighted code -> the same with fewer elements: only what the site's few colours show.

Names, numbers and signs have the colour of the text. Their elements would be half of a page.
"""

from __future__ import annotations

import re

_UNCOLOURED = re.compile(r'<span class="(?:n[a-z]?|m[a-z]|[pow]|bp|fm|vm)">([^<]*)</span>')


def thin(html: str) -> str:
    """Take away the elements that Pygments put around what has no colour of its own."""
    return _UNCOLOURED.sub(r"\1", html)


__all__ = ["thin"]
