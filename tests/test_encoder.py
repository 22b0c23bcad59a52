"""The encoder: request ids become numbers, hashes are salted, and nothing stops it."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lines import kinds, only

from pagewalk.capture.encoder import KEPT_AFTER_FINISH, Encoder
from pagewalk.trace import events as ev
from pagewalk.trace.codec import decode

SALT = b"0123456789abcdef"
HASH = hashlib.sha256(b"a block").digest()
HOSTILE = (
    "",
    "two\nlines\r\n",
    'quo"tes \\ and {braces}',
    "\0 nul",
    "\ud800 half a pair",
    "\u202e right to left",
    "\u2028 line separator \x85",
    "x" * 10_000,
    "é 漢 🦊",
)


def encoded(encoder: Encoder, *readings: tuple[Any, ...]) -> list[dict[str, Any]]:
    text = encoder.lines([(5, reading) for reading in readings])
    assert text.count(b"\n") == len(text.splitlines()) or b"\x85" in text
    return [json.loads(line) for line in text.split(b"\n")[:-1]]


def enqueued(name: str) -> tuple[Any, ...]:
    return (ev.RequestEnqueued, 0, name, "WAITING", 3, 3, 9)


def finished(name: str) -> tuple[Any, ...]:
    return (ev.RequestFinished, 0, name, "FINISHED_STOPPED", 3, 3)


@pytest.fixture
def encoder() -> Encoder:
    return Encoder(SALT)


class TestNumbers:
    """One number per id, named before it is used."""

    def test_named_at_first_use(self, encoder: Encoder) -> None:
        lines = encoded(encoder, enqueued("a"), enqueued("b"), (ev.RequestDequeued, "a"))
        assert kinds(lines) == [
            "RequestNamed",
            "RequestEnqueued",
            "RequestNamed",
            "RequestEnqueued",
            "RequestDequeued",
        ]
        assert [line["seq"] for line in lines] == [0, 1, 2, 3, 4]
        assert [line["request"] for line in lines] == [1, 1, 2, 2, 1]
        assert [line["id"] for line in only(lines, "RequestNamed")] == ["a", "b"]

    def test_lists_and_maps_of_ids(self, encoder: Encoder) -> None:
        step = (ev.StepScheduled, 0, 1, ["a", "b"], [5, 5], 64, {"b": 0}, {"a": 7}, {}, 64)
        lines = encoded(encoder, step, (ev.AbortSent, ["b", "c"]))
        scheduled, abort = only(lines, "StepScheduled")[0], only(lines, "AbortSent")[0]
        names = {line["request"]: line["id"] for line in only(lines, "RequestNamed")}
        assert [names[one] for one in scheduled["requests"]] == ["a", "b"]
        assert scheduled["tokens"] == 5
        assert {names[int(one)]: n for one, n in scheduled["resumed"].items()} == {"a": 7}
        assert [names[one] for one in abort["requests"]] == ["b", "c"]

    def test_different_counts_stay_a_list(self, encoder: Encoder) -> None:
        step = (ev.StepUpdated, 0, 1, ["a", "b"], [1, 2], {})
        assert only(encoded(encoder, step), "StepUpdated")[0]["tokens"] == [1, 2]

    def test_a_finished_id_keeps_its_number_for_a_while(self, encoder: Encoder) -> None:
        lines = encoded(encoder, enqueued("a"), finished("a"), (ev.Delivered, "a", True, "a"))
        assert len(only(lines, "RequestNamed")) == 1

    def test_forgets_ids_that_finished_long_ago(self, encoder: Encoder) -> None:
        encoded(encoder, enqueued("a"), finished("a"))
        for i in range(KEPT_AFTER_FINISH):
            encoded(encoder, enqueued(f"r{i}"), finished(f"r{i}"))
        again = encoded(encoder, (ev.RequestDequeued, "a"))
        assert kinds(again) == ["RequestNamed", "RequestDequeued"]
        assert again[0]["request"] == KEPT_AFTER_FINISH + 2

    def test_forgets_also_what_it_named_last_in_a_list(self, encoder: Encoder) -> None:
        """The same list again, after its request was forgotten: named anew, not half remembered."""
        aborted = (ev.AbortSent, ["a"])
        encoded(encoder, enqueued("a"), finished("a"), aborted)
        for i in range(KEPT_AFTER_FINISH):
            encoded(encoder, enqueued(f"r{i}"), finished(f"r{i}"))
        named, again, single = encoded(encoder, aborted, (ev.RequestDequeued, "a"))
        assert named["request"] == KEPT_AFTER_FINISH + 2
        assert again["requests"] == [single["request"]] == [named["request"]]

    def test_never_forgets_an_id_in_use(self, encoder: Encoder) -> None:
        """The id of a finished request comes again, and its second life is a long one."""
        first = encoded(encoder, enqueued("a"), finished("a"), enqueued("a"))
        for i in range(2 * KEPT_AFTER_FINISH):
            encoded(encoder, enqueued(f"r{i}"), finished(f"r{i}"))
        again = encoded(encoder, finished("a"))
        assert kinds(again) == ["RequestFinished"]
        assert again[0]["request"] == first[0]["request"]

    @pytest.mark.parametrize("samples", [1, 3])
    def test_a_front_end_forgets_what_it_delivered(self, encoder: Encoder, samples: int) -> None:
        """No scheduler in this process says that a request finished: delivery does."""

        def life(name: str) -> list[tuple[Any, ...]]:
            arrived = [(ev.RequestArrived, f"{k}-{name}", name) for k in range(samples)]
            return [*arrived, (ev.Delivered, name, False, name), (ev.Delivered, name, True, name)]

        encoded(encoder, *life("a"))
        for i in range(KEPT_AFTER_FINISH):
            encoded(encoder, *life(f"r{i}"))
        assert len(encoder._numbers) <= KEPT_AFTER_FINISH + samples + 1
        assert not encoder._arrived

    def test_a_front_end_forgets_what_was_aborted(self, encoder: Encoder) -> None:
        for i in range(KEPT_AFTER_FINISH + 50):
            encoded(encoder, (ev.RequestArrived, f"r{i}", "u"), (ev.RequestAborted, [f"r{i}"]))
        assert len(encoder._numbers) <= KEPT_AFTER_FINISH

    def test_a_dump_names_every_request_in_it(self, encoder: Encoder) -> None:
        """Replay finds its way back by the names in the dump: they must have numbers."""
        state = msgspec_raw({"running": ["a"], "queues": {"waiting": ["b"]}})
        dump = (ev.StateDumped, 0, 7, "scheduled", state, ["a", "b"])
        lines = encoded(encoder, enqueued("a"), dump)
        assert kinds(lines)[2:] == ["RequestNamed", "StateDumped"]
        assert lines[2]["id"] == "b"
        assert lines[3]["state"] == {"running": ["a"], "queues": {"waiting": ["b"]}}


class TestSalt:
    """A hash in the trace says nothing about the tokens."""

    def test_split_salted_and_the_same_each_time(self, encoder: Encoder) -> None:
        key = HASH + (3).to_bytes(4, "big")
        added = (ev.HashAdded, 0, key, 9)
        one, two, gone = encoded(encoder, added, added, (ev.HashRemoved, 0, key, 9))
        assert one["hash"] == two["hash"] == gone["hash"]
        assert one["group"] == 3
        assert one["block"] == 9
        assert len(one["hash"]) == 16

    def test_nothing_of_the_hash_itself(self, encoder: Encoder) -> None:
        lookup = (ev.PrefixLookedUp, "a", 0, 64, HASH, "")
        text = json.dumps(encoded(encoder, (ev.HashAdded, 0, HASH + bytes(4), 1), lookup))
        plain = hashlib.blake2b(HASH, digest_size=8).hexdigest()
        for shown in (HASH.hex(), HASH.hex()[:16], HASH.hex()[-16:], plain):
            assert shown not in text

    def test_another_run_another_salt(self) -> None:
        assert Encoder(b"a" * 16).salt(HASH) != Encoder(b"b" * 16).salt(HASH)

    def test_a_hit_has_no_missed_hash(self, encoder: Encoder) -> None:
        lines = encoded(encoder, (ev.PrefixLookedUp, "a", 64, 64, None, "no_full_block_left"))
        assert lines[1].get("missed") is None


class TestHostile:
    """One JSON object a line, whatever a client calls its request."""

    @pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
    def test_ids(self, encoder: Encoder, name: str) -> None:
        named, received, other = encoded(
            encoder, (ev.RequestDequeued, name), (ev.RequestDequeued, "next")
        )[:3]
        assert (named["e"], received["e"], other["e"]) == (
            "RequestNamed",
            "RequestDequeued",
            "RequestNamed",
        )
        expected = name.encode("utf-8", "backslashreplace").decode()
        assert named["id"] == expected
        assert encoder.take_failures() == 0

    def test_half_a_pair_costs_its_neighbours_nothing(self, encoder: Encoder) -> None:
        lines = encoded(
            encoder,
            enqueued("before"),
            (ev.RequestArrived, "\ud800-1", "\ud800"),
            (ev.Delivered, "\ud800", True, "\udfff"),
            enqueued("after"),
        )
        assert [line["seq"] for line in lines] == list(range(8))
        assert only(lines, "RequestArrived")[0]["external"] == "\\ud800"
        assert only(lines, "Delivered")[0]["external"] == "\\udfff"

    @given(st.lists(st.text(st.characters(codec=None), max_size=20), max_size=6))
    def test_any_ids(self, names: list[str]) -> None:
        encoder = Encoder(SALT)
        text = encoder.lines([(1, (ev.RequestDequeued, name)) for name in names])
        decoded = [decode(line) for line in text.split(b"\n")[:-1]]
        assert [one.seq for one in decoded] == list(range(len(decoded)))
        assert sum(isinstance(one, ev.RequestDequeued) for one in decoded) == len(names)


class TestNotEncodable:
    """A reading no encoder understands costs itself, and is said in its place."""

    @pytest.mark.parametrize(
        "reading",
        [
            (ev.BlocksTaken, 0, [object()]),
            (ev.BlocksTaken, 0, [1.5j]),
            (ev.BlocksTaken, 0, [1], "too", "many"),
            (ev.BlocksTaken,),
            (ev.HashAdded, 0, None, 1),
            (ev.HashAdded, 0),
            (ev.StepScheduled, 0, 1),
            (ev.RequestDequeued, ["unhashable"]),
            ("no event",),
            ([],),
            (),
        ],
        ids=lambda reading: repr(reading)[:30],
    )
    def test_its_neighbours_survive(self, encoder: Encoder, reading: Any) -> None:
        lines = encoded(encoder, (ev.BlocksFreed, 0, [1]), reading, (ev.BlocksFreed, 0, [2]))
        left = [line for line in lines if line["e"] != "RequestNamed"]
        assert kinds(left) == ["BlocksFreed", "Dropped", "BlocksFreed"]
        assert [line["seq"] for line in lines] == list(range(len(lines)))
        assert (left[1]["count"], left[1]["reason"]) == (1, "not_encodable")
        assert encoder.take_failures() == 1
        assert encoder.take_failures() == 0

    def test_integers_of_other_libraries_are_integers(self, encoder: Encoder) -> None:
        class Int64:
            def __index__(self) -> int:
                return 7

        assert encoded(encoder, (ev.BlocksTaken, 0, [Int64()]))[0]["blocks"] == [7]


class TestRefusals:
    """An exit of `allocate_slots` is a refusal, with the numbers that were compared."""

    def test_marked_exit_becomes_slots_refused(self, encoder: Encoder) -> None:
        encoder.refusals = {7: ("num_new_tokens", "required_blocks", "available_blocks")}
        lines = encoded(encoder, (ev.ExitTaken, 7, "a", [16, 3, 2]), (ev.ExitTaken, 8, "a", []))
        refused = only(lines, "SlotsRefused")[0]
        assert (refused["new_tokens"], refused["required"], refused["available"]) == (16, 3, 2)
        assert only(lines, "ExitTaken")[0]["site"] == 8


def msgspec_raw(value: Any) -> Any:
    import msgspec

    return msgspec.Raw(msgspec.json.encode(value))
