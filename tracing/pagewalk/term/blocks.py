"""The blocks of one moment -> tables, free queue and queues, each in its order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.text import Text

from pagewalk.term.console import line
from pagewalk.term.layout import Cell, paragraph, table
from pagewalk.term.safe import escape, shown
from pagewalk.term.show import sizes
from pagewalk.term.words import count
from pagewalk.views.blocks import Blocks, PoolBlocks

_NULL = "∅"
_MOST = 4096
_MOMENTS = {"scheduled": "after schedule()", "updated": "after update_from_output()"}


def show(console: Console, view: Blocks) -> None:
    """The whole moment."""
    main = view.pools[0] if view.pools else None
    parts = [f"step {view.step}, {_MOMENTS.get(view.at, escape(view.at))}"]
    if main is not None:
        parts.append(f"{count(main.num_blocks, 'block')} of {sizes(view.block_sizes)} tokens")
        parts.append(f"{len(main.free_queue):,} free")
    parts.append(f"vLLM {escape(view.release) or '?'}")
    line(console, (" · ".join(parts), "head"))
    line(console, "")
    _tables(console, view, main)
    for name, waiting in view.queues.items():
        _named(console, f"{escape(name)}, head first", (shown(one, 28) for one in waiting))
    _named(console, "running, in order", (shown(one, 28) for one in view.running))
    for pool in view.pools:
        _pool(console, pool, several=len(view.pools) > 1)


def _tables(console: Console, view: Blocks, main: PoolBlocks | None) -> None:
    if not view.requests:
        line(console, "No request is unfinished.")
        return
    several = len(view.block_sizes) > 1
    titles = ["request", "status", "computed", "of", *(["group"] if several else []), "block table"]
    rows: list[list[Cell]] = []
    for one in view.requests:
        start = [shown(one.request, 24), escape(one.status), str(one.computed), str(one.tokens)]
        for group, row in enumerate(one.tables or ((),)):
            cells: list[Cell] = list(start if not group else ["", "", "", ""])
            cells += [str(group)] if several else []
            rows.append([*cells, _row(row, main)])
    table(console, titles, rows, right=(2, 3, 4) if several else (2, 3))


def _row(row: Sequence[int], main: PoolBlocks | None) -> Text:
    """Logical to physical, the null block as a sign, a shared block with its count."""
    text = Text()
    for index, block in enumerate(row[:_MOST]):
        if index:
            text.append(" ")
        if main is not None and block == main.null_block:
            text.append(_NULL, "quiet")
            continue
        text.append(str(block))
        shares = main.ref_counts.get(block, 0) if main is not None else 0
        if shares > 1:
            text.append(f"×{shares}", "id")
    if len(row) > _MOST:
        text.append(f" … {len(row) - _MOST:,} more", "quiet")
    return text if row else Text("·", "quiet")


def _pool(console: Console, pool: PoolBlocks, several: bool) -> None:
    hashed = set(pool.hashed)
    name = f" of pool {pool.pool} {escape(pool.medium)}".rstrip() if several else ""
    free = (f"{block}*" if block in hashed else str(block) for block in pool.free_queue[:_MOST])
    more = len(pool.free_queue) - _MOST
    _named(console, f"free queue{name}, next first (* still cached)", free, more)
    _named(console, f"cached{name}", (str(block) for block in pool.hashed[:_MOST]))
    if pool.ref_counts:
        shared = [f"{block}×{count}" for block, count in pool.ref_counts.items() if count > 1]
        _named(console, f"shared{name}, with their counts", shared)


def _named(console: Console, title: str, items: Iterable[str], more: int = 0) -> None:
    text = " ".join(items)
    if more > 0:
        text += f" … {more:,} more"
    line(console, (title, "quiet"))
    paragraph(console, text or "none", "" if text else "quiet", indent=2)


__all__ = ["show"]
