"""A trace directory in any condition -> what can be read, and what is said of the rest."""

from __future__ import annotations

import os
from io import BytesIO
from pathlib import Path
from random import Random

import pytest
from builder import busy_toy, segment_of, write_trace
from hypothesis import given
from hypothesis import strategies as st
from toy import ToyEngine

from pagewalk.errors import PagewalkError
from pagewalk.trace.codec import encode
from pagewalk.trace.events import SegmentEnded, SegmentStarted, StepStarted
from pagewalk.trace.read import Gap, open_trace
from pagewalk.trace.segment import read_stream

TOY = busy_toy(1, steps=6)
LINES = TOY.lines()


def gaps(lines: list[bytes]) -> list[tuple[int, int, str]]:
    return [(gap.seq, gap.count, gap.reason) for gap in segment_of(lines).gaps]


def seqs(lines: list[bytes]) -> list[int]:
    return [event.seq for event in segment_of(lines).events if not isinstance(event, Gap)]


class TestSegment:
    """Lines in, events and gaps out."""

    def test_a_whole_segment_has_no_gap_and_names_its_facts(self) -> None:
        segment = segment_of([*LINES, encode(SegmentEnded(len(LINES), 5))])
        assert segment.events[:-1] == TOY.events
        assert (segment.gaps, segment.damaged_lines, segment.unknown_events) == ((), 0, {})
        assert (segment.pid, segment.roles, segment.engines) == (4711, ("engine_core",), (0,))
        assert segment.ended
        assert segment.request_id(1) == "request-1"
        assert segment.request_id(77) == "?77"

    def test_a_missing_line_is_a_gap_in_its_place(self) -> None:
        segment = segment_of(LINES[:20] + LINES[21:])
        assert segment.gaps == (
            Gap("4711-0.jsonl", 20, "the line with seq 20 is missing", 1, TOY.events[19].t),
        )
        assert segment.events[20] is segment.gaps[0]
        assert segment.events[21] == TOY.events[21]

    def test_missing_lines_are_one_gap(self) -> None:
        lost = "the lines from seq 20 to 29 are missing"
        assert gaps(LINES[:20] + LINES[30:]) == [(20, 10, lost)]

    def test_missing_first_lines_are_a_gap(self) -> None:
        segment = segment_of(LINES[3:])
        assert gaps(LINES[3:])[0][:2] == (0, 3)
        assert segment.started is None
        assert segment.pid == 4711

    def test_a_damaged_line_is_a_gap_that_says_which_line(self) -> None:
        broken = [*LINES[:20], LINES[20][:9] + b"\n", *LINES[21:]]
        assert gaps(broken) == [(20, 1, "line 21 is damaged: it is not JSON from byte 9 on")]

    def test_garbage_between_whole_lines_loses_nothing_and_is_counted(self) -> None:
        segment = segment_of([*LINES[:20], b"\x00\xff garbage\n", b"\n", *LINES[20:]])
        assert segment.events == TOY.events
        assert segment.damaged_lines == 1

    def test_a_torn_last_line_is_a_gap_at_the_end(self) -> None:
        segment = segment_of([*LINES[:20], LINES[20][:15]])
        assert segment.gaps[0].tail
        assert gaps([*LINES[:20], LINES[20][:15]]) == [(20, 0, "the last line is torn")]

    def test_a_last_line_that_only_lacks_its_newline_is_whole(self) -> None:
        assert segment_of([*LINES[:20], LINES[20].rstrip()]).gaps == ()

    @pytest.mark.parametrize("cut", range(0, len(b"".join(LINES)), 97))
    def test_any_cut_gives_a_prefix(self, cut: int) -> None:
        text = b"".join(LINES)[:cut]
        found = [one for one in segment_of([text]).events if not isinstance(one, Gap)]
        assert found == TOY.events[: len(found)]
        assert len(found) >= text.count(b"\n")

    def test_equal_lines_count_once(self) -> None:
        twice = [line for line in LINES for _ in range(2)]
        assert segment_of(twice).events == TOY.events

    def test_two_lines_that_disagree_on_a_seq_are_a_gap(self) -> None:
        other = encode(StepStarted(20, 5, 0, 99))
        assert gaps([*LINES[:21], other, *LINES[21:]]) == [
            (20, 0, "two different lines say seq 20")
        ]

    @given(st.randoms(use_true_random=False))
    def test_shuffled_lines_are_put_in_order(self, rng) -> None:
        lines = LINES[:30]
        rng.shuffle(lines)
        assert segment_of(lines).events == TOY.events[:30]

    def test_a_line_with_a_wild_seq_is_a_hole_where_it_was_and_one_before_it(self) -> None:
        wild = LINES[20].replace(b'"seq":20', b'"seq":20000000000000000000')
        assert [gap[:2] for gap in gaps([*LINES[:20], wild, *LINES[21:]])] == [
            (20, 1),
            (len(LINES), 20000000000000000000 - len(LINES)),
        ]

    def test_events_of_a_newer_pagewalk_are_counted_and_no_gap(self) -> None:
        newer = [line.replace(b'"e":"RequestNamed"', b'"e":"RequestChristened"') for line in LINES]
        segment = segment_of(newer)
        assert segment.gaps == ()
        assert segment.unknown_events == {"RequestChristened": TOY.numbered}
        holed = [line for line in newer if b'"seq":20,' not in line]
        assert [gap.seq for gap in segment_of(holed).gaps] == [20]

    def test_a_gap_beside_an_unknown_event_counts_only_what_is_missing(self) -> None:
        newer = LINES[10].replace(b'"e":"', b'"e":"New')
        assert [gap[:2] for gap in gaps([*LINES[:10], newer, *LINES[13:]])] == [(11, 2)]

    @pytest.mark.parametrize("limit", [64, 4096])
    def test_a_line_without_end_is_dropped_unseen(self, limit: int) -> None:
        long = b'{"e":"' + b"x" * 500_000 + b"\n"
        text = LINES[0] + long + encode(StepStarted(2, 5, 0, 1)) + long.rstrip()
        segment = read_stream("1-0.jsonl", BytesIO(text), len(text), max_line=max(limit, 400))
        assert [type(event) for event in segment.events] == [SegmentStarted, Gap, StepStarted, Gap]
        assert segment.gaps[0].reason == "line 2 is damaged: it is too long"

    @pytest.mark.parametrize(
        "text",
        [b"", b"\n\n", b"\x00" * 5000, Random(7).randbytes(5000), b"[" * 100_000, b"\xff\n" * 50],
    )
    def test_what_is_no_segment_has_no_events(self, text: bytes) -> None:
        segment = segment_of([text])
        assert segment.names == {}
        assert all(isinstance(event, Gap) for event in segment.events)

    def test_another_schema_is_refused_by_name(self) -> None:
        newer = LINES[0].replace(b'"schema":1', b'"schema":2')
        with pytest.raises(PagewalkError, match="schema 2, and this pagewalk reads schema 1"):
            segment_of([newer, *LINES[1:]])


class TestTrace:
    """A directory in, a header and segments out."""

    def test_header_joins_the_file_and_what_the_segments_declare(self, tmp_path: Path) -> None:
        trace = open_trace(write_trace(tmp_path / "t", LINES))
        header = trace.header
        assert (header.schema, header.run, header.command) == (1, "c0ffee", ("python", "my.py"))
        assert header.releases == ("0.32.0",)
        assert [(one.pid, one.engine, one.configured.model) for one in header.engines] == [
            (4711, 0, "toy")
        ]
        assert header.problems == ()
        assert trace.engine_segments() == [(trace.segments[0], 0)]

    def test_merged_is_by_time_then_process_then_seq(self, tmp_path: Path) -> None:
        other = ToyEngine()
        other.add()
        folder = write_trace(tmp_path / "t", LINES)
        write_trace(folder, other.events, "12-0.jsonl")
        merged = open_trace(folder).merged()
        keys = [(one.event.t, one.segment.pid, one.event.seq) for one in merged]
        assert keys == sorted(keys)
        assert len(keys) == len(LINES) + len(other.events)

    def test_without_header_file_the_segments_tell(self, tmp_path: Path) -> None:
        folder = write_trace(tmp_path / "t", LINES)
        (folder / "header.json").unlink()
        header = open_trace(folder).header
        assert (header.run, header.level, header.pagewalk) == ("c0ffee", "full", "0.1.0")
        assert "header.json is missing" in header.problems[0]

    @pytest.mark.parametrize(
        "text", [b"", b"{", b"[]", b"\xff", b'{"run":5}', b"[" * 99_999, b"null", b'{"a":NaN}']
    )
    def test_a_damaged_header_file_is_said_and_does_no_harm(
        self, tmp_path: Path, text: bytes
    ) -> None:
        folder = write_trace(tmp_path / "t", LINES)
        (folder / "header.json").write_bytes(text)
        assert "header.json is damaged" in open_trace(folder).header.problems[0]

    def test_a_header_of_another_schema_is_refused(self, tmp_path: Path) -> None:
        folder = write_trace(tmp_path / "t", LINES)
        (folder / "header.json").write_bytes(b'{"schema":9,"run":[]}')
        with pytest.raises(PagewalkError, match=r"header\.json follows trace schema 9"):
            open_trace(folder)

    def test_segments_of_other_runs_gaps_and_news_are_problems(self, tmp_path: Path) -> None:
        folder = write_trace(tmp_path / "t", LINES[:9] + LINES[10:])
        write_trace(folder, [LINES[0].replace(b"c0ffee", b"0ther")], "5-0.jsonl")
        write_trace(folder, [LINES[1].replace(b"RoleTaken", b"RollTaken")], "6-0.jsonl")
        (folder / "7-0.jsonl").mkdir()
        problems = " | ".join(open_trace(folder).header.problems)
        assert "4711-0.jsonl has 1 gap(s): the line with seq 9 is missing" in problems
        assert "5-0.jsonl belongs to another run, 0ther" in problems
        assert "1 event(s) of a newer pagewalk, skipped: RollTaken" in problems
        assert "7-0.jsonl is not a file" in problems

    def test_a_pipe_is_not_waited_for(self, tmp_path: Path) -> None:
        folder = write_trace(tmp_path / "t", LINES)
        os.mkfifo(folder / "99-0.jsonl")
        assert "99-0.jsonl is not a file" in open_trace(folder).header.problems

    def test_a_lone_run_folder_is_opened(self, tmp_path: Path) -> None:
        write_trace(tmp_path / "out" / "run-1", LINES)
        assert open_trace(tmp_path / "out").path.name == "run-1"

    def test_several_runs_are_named_with_what_to_pass(self, tmp_path: Path) -> None:
        for name in ("run-1", "run-2", "run-10"):
            write_trace(tmp_path / name, LINES)
        with pytest.raises(PagewalkError) as caught:
            open_trace(tmp_path)
        assert caught.value.slug == "several-traces"
        assert "run-1, run-2, run-10" in str(caught.value)
        assert str(caught.value).endswith(f"for example {tmp_path / 'run-10'}")

    @pytest.mark.parametrize(
        ("make", "slug", "words"),
        [
            (lambda path: None, "no-trace", "pagewalk run --out"),
            (lambda path: path.mkdir(), "empty-trace", "holds no segment"),
            (lambda path: path.write_text("x"), "not-a-trace", "is a file"),
        ],
    )
    def test_what_is_no_trace_gets_one_sentence(
        self, tmp_path: Path, make, slug: str, words: str
    ) -> None:
        make(tmp_path / "t")
        with pytest.raises(PagewalkError, match=words) as caught:
            open_trace(tmp_path / "t")
        assert caught.value.slug == slug
        assert "\n" not in str(caught.value)

    def test_a_path_no_file_system_takes_is_no_traceback(self) -> None:
        with pytest.raises(PagewalkError):
            open_trace("nul\x00byte")
        with pytest.raises(PagewalkError):
            open_trace("x" * 5000)

    def test_reading_is_followed_by_bytes(self, tmp_path: Path) -> None:
        toy = busy_toy(0, steps=300)
        write_trace(tmp_path / "t", toy.events)
        seen: list[tuple[int, int]] = []
        open_trace(tmp_path / "t", lambda done, total: seen.append((done, total)))
        assert seen
        assert all(0 < done <= total for done, total in seen)
