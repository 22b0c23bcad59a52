"""A template and its parts -> one HTML file that asks nothing of any network.

It runs from `file://`. Its policy forbids every script and style but its own, which it names by
their hashes. The player's script is packed: a small loader unpacks it and adds it to the page,
where the policy judges it again.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from string import Template

from pagewalk.pages.bundle import bundle
from pagewalk.pages.plain import isolated
from pagewalk.trace.read import Trace
from pagewalk.views.engines import Engine, summary


def one_file(folder: Path, name: str, parts: Mapping[str, str]) -> str:
    """The template `name`.html of the player's folder with its parts, and the script `name`.js.

    The parts are HTML. An error if the player's modules cannot be bundled.
    """
    script = bundle(folder, f"{name}.js")
    style, loader, page = (
        (folder / one).read_text(encoding="utf-8")
        for one in ("page.css", "loader.js", f"{name}.html")
    )
    return Template(page).substitute(
        parts,
        policy=escape(_policy([loader, script], [style])),
        css=style,
        script=_packed(script),
        loader=loader,
    )


def embedded(payload: bytes) -> str:
    """A payload as the player reads it out of the page."""
    return base64.b64encode(payload).decode("ascii")


def _policy(scripts: list[str], styles: list[str]) -> str:
    """Nothing is allowed but these scripts and styles, by their hashes."""
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src {' '.join(map(_hash, scripts))}",
            f"style-src {' '.join(map(_hash, styles))}",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"


def _packed(text: str) -> str:
    """Base64 of its gzip: a third of its size, and the same for the same text."""
    return base64.b64encode(gzip.compress(text.encode("utf-8"), 9, mtime=0)).decode("ascii")


def about(trace: Trace, engine: Engine) -> str:
    """Where and when this was recorded, and at which depth."""
    one = summary(engine)
    facts = [
        f"vLLM {one.release or '?'}",
        f"device {one.device or '?'}",
        f"{one.num_blocks:,} blocks of {'/'.join(map(str, engine.block_sizes)) or '?'} tokens",
        f"token budget {one.budget:,}" if one.budget else "",
        "prefix cache on" if one.prefix_caching else "prefix cache off",
        f"recorded live {_date(trace)}" if _date(trace) else "recorded live",
        f"{trace.header.level} events" if trace.header.level else "",
        f"pagewalk {trace.header.pagewalk}" if trace.header.pagewalk else "",
    ]
    return " · ".join(isolated(one, 60) for one in facts if one)


def _date(trace: Trace) -> str:
    try:
        return datetime.fromtimestamp(trace.header.wall_ns / 1e9, UTC).strftime(
            "%Y-%m-%d %H:%M UTC"
        )
    except (OverflowError, OSError, ValueError):
        return ""


__all__ = ["about", "embedded", "one_file"]
