"""Event <-> line: whole in one direction, a clear refusal in the other."""

from __future__ import annotations

import types
import typing
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pagewalk.errors import PagewalkError, plain
from pagewalk.trace.codec import UnknownEventError, check_schema, decode, encode
from pagewalk.trace.events import EVENTS, Event, ExitSite, StepStarted

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
NUMBERS = st.integers(-(2**63), 2**63 - 1)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)


def values(kind: Any) -> st.SearchStrategy[Any]:
    """Values of a field's type."""
    simple = {
        int: NUMBERS,
        float: FLOATS,
        str: TEXT,
        bool: st.booleans(),
        type(None): st.none(),
        msgspec.Raw: st.just(msgspec.Raw(b'{"running":[]}')),
        ExitSite: st.builds(ExitSite, NUMBERS, TEXT, NUMBERS, TEXT, TEXT, TEXT, st.lists(TEXT)),
    }
    if kind in simple:
        return simple[kind]
    arguments = typing.get_args(kind)
    if typing.get_origin(kind) is list:
        return st.lists(values(arguments[0]), max_size=3)
    if typing.get_origin(kind) is tuple:
        return st.tuples(*map(values, arguments))
    if typing.get_origin(kind) is dict:
        return st.dictionaries(values(arguments[0]), values(arguments[1]), max_size=3)
    assert isinstance(kind, types.UnionType), kind
    return st.one_of([values(one) for one in arguments])


@st.composite
def events(draw: st.DrawFn) -> Event:
    """Any event with any field values."""
    kind = draw(st.sampled_from(EVENTS))
    hints = typing.get_type_hints(kind)
    fields = {name: draw(values(hints[name])) for name in kind.__struct_fields__}
    return kind(**(fields | {"seq": abs(fields["seq"])}))


@settings(max_examples=400)
@given(events())
def test_decode_gives_back_what_was_encoded(event: Event) -> None:
    line = encode(event)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert decode(line) == event
    assert decode(line.rstrip()) == event


@settings(max_examples=400)
@given(st.binary(max_size=80))
def test_no_bytes_do_anything_but_decode_or_be_refused(line: bytes) -> None:
    slug = "event"
    try:
        decode(line)
    except PagewalkError as error:
        slug = error.slug
    assert slug in ("event", "damaged-line", "unknown-event", "unknown-schema")


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{",
        b"null",
        b"[" * 200_000,
        b'{"x":' * 200_000,
        b"\xff\xfe\x00",
        b'{"e":"StepStarted"}',
        b'{"e":["StepStarted"],"seq":1}',
        b'{"e":"StepStarted","seq":-1,"t":0,"engine":0,"step":1}',
        b'{"e":"StepStarted","seq":NaN,"t":0,"engine":0,"step":1}',
        b'{"e":"StepStarted","seq":' + b"9" * 9000 + b',"t":0,"engine":0,"step":1}',
        b'{"e":"StepStarted","seq":1.5,"t":0,"engine":0,"step":1}',
        b'{"e":"StepStarted","seq":1,"t":0,"engine":1e999,"step":1}',
        b'{"e":"RequestNamed","seq":1,"t":0,"request":1,"id":"\xff"}',
        b'{"e":"RequestNamed","seq":1,"t":0,"request":1,"id":"\\ud800"}',
        b'{"e":"StepStarted","seq":1,"t":0,"engine":0,"step":1}{}',
    ],
)
def test_a_damaged_line_is_named_so_and_none_of_it_is_shown(line: bytes) -> None:
    with pytest.raises(PagewalkError) as caught:
        decode(line)
    assert caught.value.slug == "damaged-line"
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 80


def test_an_event_of_a_newer_pagewalk_is_unknown_not_damaged() -> None:
    with pytest.raises(UnknownEventError) as caught:
        decode(b'{"e":"BlocksTeleported","seq":7,"t":1,"where":"elsewhere"}')
    assert (caught.value.name, caught.value.seq) == ("BlocksTeleported", 7)


def test_fields_of_a_newer_pagewalk_are_ignored() -> None:
    line = b'{"e":"StepStarted","seq":1,"t":2,"engine":0,"step":3,"mood":"good"}'
    assert decode(line) == StepStarted(1, 2, 0, 3)


def test_another_schema_is_refused_by_number_even_where_its_fields_changed() -> None:
    with pytest.raises(PagewalkError, match=r"schema 7.*reads schema 1") as caught:
        decode(b'{"e":"SegmentStarted","seq":0,"schema":7,"who":{}}')
    assert caught.value.slug == "unknown-schema"
    with pytest.raises(PagewalkError, match="schema True"):
        check_schema(True, "x")


@given(st.text(max_size=300))
def test_text_in_messages_is_printable_ascii_and_short(text: str) -> None:
    shown = plain(text)
    assert shown.isascii()
    assert shown.isprintable()
    assert len(shown) <= 60
