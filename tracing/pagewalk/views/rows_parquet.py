"""Rows -> a directory of Parquet files, a file for each table, written in row groups.

Needs pyarrow, which nothing else here does: it is imported when the first row is written.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from pagewalk.errors import PagewalkError
from pagewalk.views.rows import TABLES, Table, Type

ROWS = 65_536
"""Rows in a row group: what is held in memory of a table."""
_EXTRA = "export"


def write_tables(
    folder: Path, rows: Iterable[tuple[str, tuple[Any, ...]]], facts: dict[str, str]
) -> dict[str, int]:
    """Write all tables into a directory that exists; how many rows each of them got.

    `facts` stand in the metadata of each file. Empty tables are files too.
    """
    arrow, parquet = _pyarrow()
    files: dict[str, _File] = {}
    try:
        with ExitStack() as rubbish:
            with ExitStack() as open_files:
                for name, table in TABLES.items():
                    files[name] = one = _File(folder, table, facts, arrow, parquet)
                    rubbish.callback(one.forget)
                    open_files.callback(one.close)
                for name, row in rows:
                    files[name].add(row)
                counts = {name: one.finish() for name, one in files.items()}
            for one in files.values():
                one.keep()
            return counts
    except (arrow.ArrowException, OverflowError) as error:
        raise PagewalkError(
            "not-a-table",
            f"The trace holds a value that no table can hold ({type(error).__name__}): it is "
            "damaged, and `pagewalk check` says more of it.",
        ) from None


def need_pyarrow() -> None:
    """An error that says how to get pyarrow, where it is missing."""
    _pyarrow()


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise PagewalkError(
            "no-pyarrow",
            "Parquet files are written with pyarrow, which is not installed here: "
            f"`pip install 'pagewalk[{_EXTRA}]'` brings it.",
        ) from None
    return pyarrow, pyarrow.parquet


class _File:
    """One table on its way to its file."""

    def __init__(
        self, folder: Path, table: Table, facts: dict[str, str], arrow: Any, parquet: Any
    ) -> None:
        self._arrow = arrow
        self._rows: list[tuple[Any, ...]] = []
        self._count = 0
        types = _types(arrow)
        fields = [
            arrow.field(one.name, types[one.type], metadata={"meaning": one.meaning})
            for one in table.columns
        ]
        self._schema = arrow.schema(fields, metadata={"row": table.row, **facts})
        self._path = folder / f"{table.name}.parquet"
        self._half = folder / f"{table.name}.{os.getpid()}.part"
        self._writer = parquet.ParquetWriter(self._half, self._schema, compression="zstd")

    def add(self, row: tuple[Any, ...]) -> None:
        """Keep a row until there are enough for a row group."""
        self._rows.append(row)
        if len(self._rows) >= ROWS:
            self._flush()

    def finish(self) -> int:
        """Write what is left; the number of rows."""
        self._flush()
        return self._count

    def close(self) -> None:
        """Write the footer."""
        self._writer.close()

    def keep(self) -> None:
        """Give the file its name."""
        self._half.replace(self._path)

    def forget(self) -> None:
        """Leave nothing behind that did not get its name."""
        self._half.unlink(missing_ok=True)

    def _flush(self) -> None:
        if not self._rows:
            return
        arrays = [
            self._arrow.array(values, field.type)
            for values, field in zip(zip(*self._rows, strict=True), self._schema, strict=True)
        ]
        self._writer.write_table(self._arrow.Table.from_arrays(arrays, schema=self._schema))
        self._count += len(self._rows)
        self._rows = []


def _types(arrow: Any) -> dict[Type, Any]:
    return {
        "int64": arrow.int64(),
        "string": arrow.string(),
        "bool": arrow.bool_(),
        "timestamp": arrow.timestamp("ns", tz="UTC"),
    }


__all__ = ["ROWS", "need_pyarrow", "write_tables"]
