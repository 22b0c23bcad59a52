"""Two snapshots -> what changed between them, as plain data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pagewalk.replay.snapshot import Snapshot

Change = dict[str, Any]


def difference(before: Snapshot, after: Snapshot) -> Change:
    """What `after` has and `before` has not, and the other way round; empty parts are left out.

    `pools`: per pool `taken` (no longer free), `freed`, `ref_counts` (block -> [old, new]),
    `hashed` and `unhashed` (key -> blocks). `tables`: per table and request `old` and `new` row
    from the first entry `at` which they differ. `queues` and `running`: who `entered` and `left`.
    `requests`: `new`, `gone`, and `changed` (id -> [old, new] as [status, computed, tokens]).
    """
    old, new = before.fields(), after.fields()
    found = {
        "pools": _pools(old, new),
        "tables": _nested(old["tables"], new["tables"], _rows),
        "queues": _nested(old["queues"], new["queues"], _lines),
        "running": _lines(old["running"], new["running"]),
        "requests": _requests(old["requests"], new["requests"]),
    }
    return {"from": _moment(before), "to": _moment(after)} | _filled(found)


def _moment(snapshot: Snapshot) -> Change:
    return {"step": snapshot.step, "at": snapshot.at}


def _pools(old: Change, new: Change) -> Change:
    numbers = dict.fromkeys([*old["free_queue"], *new["free_queue"]])
    return _filled({number: _pool(number, old, new) for number in numbers})


def _pool(number: str, old: Change, new: Change) -> Change:
    was, now = old["free_queue"].get(number, []), new["free_queue"].get(number, [])
    freed, taken = set(now), set(was)
    had, has = old["ref_counts"].get(number, {}), new["ref_counts"].get(number, {})
    old_hashes, new_hashes = old["hashes"].get(number, {}), new["hashes"].get(number, {})
    return _filled(
        {
            "taken": [block for block in was if block not in freed],
            "freed": [block for block in now if block not in taken],
            "ref_counts": {
                block: [had.get(block, 0), has.get(block, 0)]
                for block in sorted({*had, *has}, key=int)
                if had.get(block, 0) != has.get(block, 0)
            },
            "hashed": _more(old_hashes, new_hashes),
            "unhashed": _more(new_hashes, old_hashes),
        }
    )


def _more(less: dict[str, list[int]], more: dict[str, list[int]]) -> dict[str, list[int]]:
    """Key -> blocks that `more` has under it and `less` has not."""
    found = {
        key: [block for block in blocks if block not in less.get(key, ())]
        for key, blocks in more.items()
    }
    return {key: blocks for key, blocks in found.items() if blocks}


def _nested(old: Change, new: Change, change: Callable[[Any, Any], Change]) -> Change:
    keys = dict.fromkeys([*old, *new])
    empty = type(next(iter([*old.values(), *new.values()]), {}))
    return _filled({key: change(old.get(key, empty()), new.get(key, empty())) for key in keys})


def _rows(old: dict[str, list[int]], new: dict[str, list[int]]) -> Change:
    """Request -> the part of its row that is not what it was."""
    changed = {}
    for request in dict.fromkeys([*old, *new]):
        was, now = old.get(request, []), new.get(request, [])
        if was != now:
            same = next(
                (i for i, (a, b) in enumerate(zip(was, now, strict=False)) if a != b),
                min(len(was), len(now)),
            )
            changed[request] = {"at": same, "old": was[same:], "new": now[same:]}
    return changed


def _lines(old: list[str], new: list[str]) -> Change:
    """Who entered and who left a line of requests."""
    was, now = set(old), set(new)
    return _filled(
        {
            "entered": [one for one in new if one not in was],
            "left": [one for one in old if one not in now],
        }
    )


def _requests(old: dict[str, list[Any]], new: dict[str, list[Any]]) -> Change:
    return _filled(
        {
            "new": [one for one in new if one not in old],
            "gone": [one for one in old if one not in new],
            "changed": {
                one: [old[one], now] for one, now in new.items() if one in old and old[one] != now
            },
        }
    )


def _filled(parts: Change) -> Change:
    return {name: part for name, part in parts.items() if part}


__all__ = ["difference"]
