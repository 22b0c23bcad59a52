"""The tables of an export -> their part of the reference page, in Markdown."""

from __future__ import annotations

from pagewalk.views.rows import TABLES, Table


def tables() -> str:
    """What each table and each column means."""
    intro = [
        "### The tables",
        "",
        "Times are nanoseconds since the first event of the trace. Durations are nanoseconds too.",
        "Both are `int64`. `wall` is a `timestamp` in UTC. A step is named by `engine` and `step`.",
        "Null is what the trace does not tell. The same sentences stand in the files' metadata.",
    ]
    return "\n".join([*intro, *(line for table in TABLES.values() for line in _table(table))])


def _table(table: Table) -> list[str]:
    rows = [f"| `{one.name}` | `{one.type}` | {one.meaning} |" for one in table.columns]
    head = ["| column | type | meaning |", "| --- | --- | --- |"]
    return ["", f"#### `{table.name}`", "", table.row, "", *head, *rows]


__all__ = ["tables"]
