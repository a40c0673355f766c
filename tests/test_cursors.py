"""A cursor comes back as it was given, and nothing else is one."""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import json
import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from splice.cursors import Cursor, InvalidCursor, decode, encode

texts = st.text(st.characters(codec="utf-8"), max_size=30)
zones = st.none() | st.just(dt.UTC) | st.just(dt.timezone(dt.timedelta(hours=-5, minutes=-30)))
values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**64), 2**64 - 1),
    st.floats(allow_nan=False),
    texts,
    st.binary(max_size=30),
    st.decimals(allow_nan=False, allow_infinity=False),
    st.dates(),
    st.datetimes(timezones=zones),
    st.times(timezones=zones),
    st.timedeltas(),
    st.uuids(),
)
cursors = st.builds(
    Cursor,
    values=st.lists(values, max_size=4).map(tuple),
    backward=st.booleans(),
    skipped=st.none() | st.integers(0, 2**63 - 1),
    fingerprint=st.text("0123456789abcdef", max_size=16),
)


@given(cursors)
def test_a_cursor_comes_back_as_it_was_given(cursor):
    """Values are equal, and of the same types; the token needs no escaping in a URL."""
    token = encode(cursor)
    found = decode(token)

    assert found == cursor
    assert [type(value) for value in found.values] == [type(value) for value in cursor.values]
    assert set(token) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, Decimal("NaN"), -0.0, Decimal("1.500")])
def test_what_is_no_usual_number_comes_back(value):
    """JSON has no spelling for some of them, and equality none for others."""
    (found,) = decode(encode(Cursor((value,), backward=False, skipped=None, fingerprint=""))).values

    assert (type(found), repr(found)) == (type(value), repr(value))


def test_what_no_column_holds_is_no_value():
    """The caller has to store a member of an enum as what it stands for."""
    with pytest.raises(TypeError):
        encode(Cursor((object(),), backward=False, skipped=None, fingerprint=""))


def is_cursor_or_refused(token: str) -> None:
    with contextlib.suppress(InvalidCursor):
        assert isinstance(decode(token), Cursor)


@given(st.text(max_size=60))
def test_any_text_is_a_cursor_or_refused(token):
    """There is one way to refuse."""
    is_cursor_or_refused(token)


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | texts,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("fbndmtiux"), inner, max_size=2)
    ),
    max_leaves=10,
)


@given(json_values | st.tuples(st.just("0a"), st.sampled_from([0, 1]), st.lists(json_values, max_size=3)))
def test_any_json_is_a_cursor_or_refused(said):
    """Whoever knows the form cannot break anything by its contents."""
    is_cursor_or_refused(base64.urlsafe_b64encode(json.dumps(said).encode()).decode().rstrip("="))


@given(cursors, st.data())
def test_a_damaged_cursor_is_a_cursor_or_refused(cursor, data):
    """A letter is exchanged, or the end is lost."""
    token = encode(cursor)
    place = data.draw(st.integers(0, len(token) - 1))

    is_cursor_or_refused(token[:place] + data.draw(st.sampled_from("Aa0-_")) + token[place + 1 :])
    is_cursor_or_refused(token[:place])


def token_of(*said: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(said).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "token",
    [
        "",
        "=",
        "é",
        token_of(),
        token_of("0a", 0, [2**64]),
        token_of("0a", 0, [-(2**64) - 1]),
        token_of("0a", 2, [1]),
        token_of("0a", 0, ["\ud800"]),
        token_of("0a", 0, [{"n": "9" * 2_000}]),
        token_of("0a", 0, [{"n": "x"}]),
        token_of("0a", 0, [{"d": "2026-13-01"}]),
        token_of("0a", 0, [{"i": "1e9 0 0"}]),
        token_of("0a", 0, [{"i": "999999999999 0 0"}]),
        token_of("0a", 0, [{"b": "???"}]),
        token_of("0a", 0, [{"z": "1"}]),
        token_of("0a", 0, [[1]]),
        token_of("0a", 0, [1], -1),
        token_of("0a", 0, [1], 1, 1),
        token_of("xyz", 0, [1]),
        "A" * 70_000,
    ],
)
def test_a_forged_cursor_is_refused(token):
    """Values beyond every column, unknown tags, a wrong form."""
    with pytest.raises(InvalidCursor):
        decode(token)
