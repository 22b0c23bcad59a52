"""DuckDB reads the tables of an export, and its answers are those of the views."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from builder import busy_toy, write_trace
from story import crowded, write

from pagewalk.cli import main
from pagewalk.trace.read import Trace, open_trace
from pagewalk.views import rows_parquet
from pagewalk.views.blocks import blocks, snapshot_at
from pagewalk.views.engines import Engine, pick_engine
from pagewalk.views.follow import follow
from pagewalk.views.identity import identities
from pagewalk.views.life import life
from pagewalk.views.requests import requests
from pagewalk.views.rows import TABLES
from pagewalk.views.rows_page import tables
from pagewalk.views.steps import exit_kinds, steps

duckdb = pytest.importorskip("duckdb")
PAGE = Path(__file__).parents[1] / "walkthroughs" / "reference" / "export.md"
QUERIES = re.findall(r"```sql\n(.*?)```", PAGE.read_text(), re.DOTALL)


def ask(sql: str) -> list[tuple[Any, ...]]:
    """The rows of a query."""
    return duckdb.sql(sql).fetchall()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tables")


@pytest.fixture(scope="module")
def trace(folder: Path) -> Trace:
    """A toy engine that preempts, hits and aborts."""
    toy = busy_toy(1, steps=80, num_blocks=10)
    return open_trace(write_trace(folder / "trace", toy.events))


@pytest.fixture(scope="module")
def engine(trace: Trace) -> Engine:
    return pick_engine(trace, None)


@pytest.fixture
def demo(trace: Trace, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tables under the name that the page uses, as seen from the current directory."""
    monkeypatch.chdir(folder)
    if not Path("demo").exists():
        assert main(["export", str(trace.path), "--to", "parquet", "--out", "demo"]) == 0
    return folder / "demo"


class TestTables:
    """Each table has what a view has."""

    def test_steps_are_those_of_show(self, demo: Path, engine: Engine) -> None:
        """Every number of every step."""
        names = "step, t - began, budget, used, scheduled, preempted, waiting, running, free_blocks"
        assert ask(f"SELECT {names} FROM 'demo/steps.parquet' ORDER BY step") == [
            (
                one.step,
                one.t - one.began,
                one.budget,
                one.used,
                len(one.scheduled),
                len(one.preempted),
                one.waiting,
                one.running,
                one.free_blocks,
            )
            for one in steps(engine)
        ]

    def test_shares_are_those_of_the_steps(self, demo: Path, engine: Engine) -> None:
        """In the order in which the scheduler gave them."""
        found = ask("SELECT * EXCLUDE (engine) FROM 'demo/shares.parquet'")
        assert found == [
            (step.step, one.request, one.tokens, one.computed, one.admission, one.drafts)
            for step in steps(engine)
            for one in step.scheduled
        ]

    def test_exits_have_the_kinds_that_show_prints(self, demo: Path, engine: Engine) -> None:
        """A refusal of the whole sequence is named as such."""
        found = ask("SELECT DISTINCT step, kind FROM 'demo/exits.parquet' ORDER BY ALL")
        assert found == sorted(
            (one.step, kind) for one in steps(engine) for kind in exit_kinds(one)
        )

    def test_requests_are_those_of_the_list(self, demo: Path, trace: Trace) -> None:
        """In its order."""
        names = "request, status, prompt_tokens, output_tokens, prefix_hit, preemptions"
        assert ask(f"SELECT {names}, first_step, last_step FROM 'demo/requests.parquet'") == [
            (
                one.request,
                one.status,
                one.prompt_tokens,
                one.output_tokens,
                one.prefix_hit,
                one.num_preemptions,
                one.first_step,
                one.last_step,
            )
            for one in requests(trace)
        ]

    def test_durations_are_those_of_life(self, demo: Path, trace: Trace, engine: Engine) -> None:
        """All that the trace allows, null for the others."""
        known = identities(trace)
        names = ("queued", "prefill", "decode", "per_output_token", "preempted", "total")
        for request, *found in ask(
            f"SELECT request, {', '.join(names)} FROM 'demo/requests.parquet'"
        ):
            told = life(trace, engine, known, request).durations
            assert found == [told.get(name) for name in names]

    def test_preemptions_are_those_of_why(self, demo: Path, trace: Trace, engine: Engine) -> None:
        """Who lost what to whom, and what was computed again."""
        expected = [
            (name, one.step, one.by, one.lost, one.resumed_step, one.rehit, one.recomputed)
            for name in identities(trace).requests
            for one in follow(engine, name).lost
        ]
        assert expected
        names = "request, step, beneficiary, lost, resumed_step, hit, recomputed"
        assert ask(f"SELECT {names} FROM 'demo/preemptions.parquet'") == expected

    def test_blocks_in_tables_are_those_of_the_replay(self, demo: Path, engine: Engine) -> None:
        """What has entered and not left, right after some steps."""
        compared = 0
        for step in (5, 17, 40, 61):
            snapshot = snapshot_at(engine, step, "scheduled")
            last = "seq * 2 + (what = 'entered')::INT"
            found = ask(
                f"SELECT request, kv_group, slot, arg_max(block, {last}) "
                "FROM 'demo/block_events.parquet' WHERE what IN ('entered', 'dropped') "
                f"AND seq <= {snapshot.seq} GROUP BY ALL HAVING arg_max(what, {last}) = 'entered'"
            )
            held = {
                (one.request, group, slot): block
                for one in blocks(engine, snapshot).requests
                for group, row in enumerate(one.tables)
                for slot, block in enumerate(row)
            }
            assert {tuple(place): block for *place, block in found} == held
            compared += len(held)
        assert compared > 10

    def test_reference_counts_never_go_below_zero(self, demo: Path) -> None:
        """And each block is freed as often as it was taken or shared, or is still held."""
        assert ask("SELECT count(*) FROM 'demo/block_events.parquet' WHERE refs < 0") == [(0,)]
        wrong = ask(
            "SELECT block FROM (SELECT block, arg_max(refs, seq) AS refs, "
            "sum(CASE what WHEN 'taken' THEN 1 WHEN 'shared' THEN 1 WHEN 'freed' THEN -1 END) "
            "AS held FROM 'demo/block_events.parquet' "
            "WHERE what IN ('taken', 'shared', 'freed') AND refs IS NOT NULL GROUP BY block) "
            "WHERE refs != held"
        )
        assert wrong == []


class TestThePage:
    """The queries on the page give the answers of the views."""

    def test_there_are_three(self) -> None:
        """Each with its output."""
        assert len(QUERIES) == 3

    def test_who_waited_longest_and_why(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """C waits in steps 2 to 5; what ended their passes is what the steps' last exits were."""
        core = crowded()
        core.start()
        core.end({"c": 6}, new={"c": 0})
        crowd = open_trace(write(tmp_path / "crowd", core))
        ended = Counter(
            next(iter(exit_kinds(replace(step, exits=step.exits[-1:]))))
            for step in steps(pick_engine(crowd, None))
            if step.step in (2, 3, 4, 5)
        )
        assert len(ended) > 1
        monkeypatch.chdir(tmp_path)
        assert main(["export", str(crowd.path), "--to", "parquet", "--out", "demo"]) == 0
        found = ask(QUERIES[0])
        assert {kind: count for name, _, kind, count in found if name == "c"} == dict(ended)
        queued = life(crowd, pick_engine(crowd, None), identities(crowd), "c").durations["queued"]
        assert {ms for name, ms, _, _ in found if name == "c"} == {round(queued / 1e6, 1)}

    def test_hit_rate_by_steps(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Two come with 8 tokens each and hit none; one comes back with 9 and hits 4 of them."""
        monkeypatch.chdir(tmp_path)
        crowd = str(write(tmp_path / "crowd", crowded()))
        assert main(["export", crowd, "--to", "parquet", "--out", "demo"]) == 0
        assert ask(QUERIES[1]) == [(1, 3, 4, 25, 16.0)]

    def test_where_the_blocks_of_the_preempted_went(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """B loses blocks 3 and 4 in step 2; a takes 4 at once, and b gets 3 back in step 5."""
        monkeypatch.chdir(tmp_path)
        crowd = str(write(tmp_path / "crowd", crowded()))
        assert main(["export", crowd, "--to", "parquet", "--out", "demo"]) == 0
        found = ask(QUERIES[2])
        assert found[:2] == [("b", 2, "a", 3, "b", 3), ("b", 2, "a", 4, "a", 0)]

    def test_lists_the_tables_as_they_are(self) -> None:
        """Names, types and meanings."""
        assert tables() in PAGE.read_text()


class TestWriting:
    """The files themselves."""

    def test_columns_say_what_they_mean(self, demo: Path) -> None:
        """In the file's own schema, with the zero of its times."""
        parquet = pytest.importorskip("pyarrow.parquet")
        for name, table in TABLES.items():
            schema = parquet.read_schema(demo / f"{name}.parquet")
            assert [one.name for one in schema] == [one.name for one in table.columns]
            meanings = [one.metadata[b"meaning"].decode() for one in schema]
            assert meanings == [one.meaning for one in table.columns]
            assert schema.metadata[b"vllm"] == b"0.32.0"
            assert int(schema.metadata[b"zero_wall_ns"]) > 0

    def test_rows_are_written_in_groups(
        self, trace: Trace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """No table is held in memory as a whole, and no row is lost between two groups."""
        parquet = pytest.importorskip("pyarrow.parquet")
        monkeypatch.setattr(rows_parquet, "ROWS", 50)
        out = tmp_path / "out"
        assert main(["export", str(trace.path), "--to", "parquet", "--out", str(out)]) == 0
        file = parquet.ParquetFile(out / "shares.parquet")
        sizes = [file.metadata.row_group(at).num_rows for at in range(file.num_row_groups)]
        assert len(sizes) > 2
        assert set(sizes[:-1]) == {50}
        count = sum(len(one.scheduled) for one in steps(pick_engine(trace, None)))
        assert sum(sizes) == count

    def test_nothing_half_written_is_left(self, tmp_path: Path) -> None:
        """If the rows end in an error, the tables of before are still there, and nothing else."""

        def breaks() -> Iterator[tuple[str, tuple[Any, ...]]]:
            yield "lookups", (0, 1, 2, "a", 0, 8, None, "", True)
            raise KeyboardInterrupt

        (tmp_path / "lookups.parquet").write_text("before")
        with pytest.raises(KeyboardInterrupt):
            rows_parquet.write_tables(tmp_path, breaks(), {})
        assert [one.name for one in tmp_path.iterdir()] == ["lookups.parquet"]
        assert (tmp_path / "lookups.parquet").read_text() == "before"

    def test_without_pyarrow_a_sentence_says_how_to_get_it(
        self,
        trace: Trace,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """Before the trace is read."""
        monkeypatch.setitem(sys.modules, "pyarrow", None)
        assert main(["export", str(trace.path), "--to", "parquet", "--out", str(tmp_path)]) == 2
        said = capsys.readouterr().err
        assert "`pip install 'pagewalk[export]'`" in said
        assert said.count("\n") == 1
