"""Names are resolved, values typed, bounds checked, and the order made stable."""

from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import JSON, DateTime, Numeric, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from splice import private, write_only
from splice.description import describe
from splice.errors import Invalid, UnknownField
from splice.parser import parse
from splice.plan import MAX_OFFSET, MAX_VALUES, plan_read, readable
from splice.terms import Order, Query


class Base(DeclarativeBase): ...


class Book(Base):
    __tablename__ = "books"
    isbn: Mapped[str] = mapped_column(String(13), primary_key=True)
    copy: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(String(100))
    year: Mapped[int | None]
    price: Mapped[Decimal] = mapped_column(Numeric(8, 2))
    limit: Mapped[int]
    added: Mapped[dt.datetime] = mapped_column(DateTime(timezone=True))
    shelf: Mapped[uuid.UUID]
    tags: Mapped[dict[str, Any]] = mapped_column(JSON)
    wholesale: Mapped[int] = mapped_column(info=private)
    note: Mapped[str] = mapped_column(info=write_only)


BOOKS = readable(describe(Book), max_limit=200)


def plan(**parameters):
    """The plan for some parameters."""
    return plan_read(parse(list(parameters.items())), BOOKS)


def test_nothing_asked_takes_the_defaults():
    """50 rows from the first, ordered by the key."""
    found = plan()

    assert (found.limit, found.offset, found.counted) == (50, 0, False)
    assert [term.field.name for term in found.order] == ["isbn", "copy"]


def test_values_take_the_type_of_their_column():
    """Text becomes what the column holds."""
    found = plan(year="1992", price="9.50", added="2026-01-01T01:00:00+01:00")

    assert [condition.values for condition in found.filters] == [
        (1992,),
        (Decimal("9.50"),),
        (dt.datetime(2026, 1, 1, tzinfo=dt.UTC),),
    ]


def test_a_field_called_like_a_parameter_is_asked_for_by_eq():
    """`limit__eq` is the column, `limit` the page."""
    found = plan(limit__eq="3", limit="20")

    assert (found.filters[0].field.name, found.filters[0].values, found.limit) == ("limit", (3,), 20)


@pytest.mark.parametrize(
    ("parameters", "parameter", "hint"),
    [
        ({"yaer": "1992"}, "yaer", "'year'"),
        ({"order_by": "-yaer"}, "order_by", "'year'"),
        ({"limitt": "3"}, "limitt", "'limit'"),
        ({"zzzzzz": "3"}, "zzzzzz", "known: isbn, copy"),
        ({"wholesale": "3"}, "wholesale", "known"),
        ({"note": "x"}, "note", "known"),
        ({"tags": "x"}, "tags", "known"),
    ],
)
def test_unknown_names_come_with_a_hint(parameters, parameter, hint):
    """A misspelt, hidden or incomparable field is refused; the nearest name is offered, a hidden one never."""
    with pytest.raises(UnknownField) as caught:
        plan(**parameters)

    (issue,) = caught.value.issues
    assert issue.parameter == parameter
    assert hint in issue.hint
    assert "wholesale" not in issue.hint


@pytest.mark.parametrize(
    ("parameters", "parameter"),
    [
        ({"year": "x"}, "year"),
        ({"year": "2147483648"}, "year"),
        ({"price": "NaN"}, "price"),
        ({"added": "2026-01-01T00:00:00"}, "added"),
        ({"title": "a\x00"}, "title"),
        ({"limit": "0"}, "limit"),
        ({"limit": "201"}, "limit"),
        ({"offset": str(MAX_OFFSET + 1)}, "offset"),
    ],
)
def test_values_that_do_not_fit_are_refused(parameters, parameter):
    """A value out of the range of its column or bound names its parameter."""
    with pytest.raises(Invalid) as caught:
        plan(**parameters)

    assert [issue.parameter for issue in caught.value.issues] == [parameter]


def test_a_value_is_not_quoted():
    """A query string is refused in the words that a body is, which hold nothing of what was sent."""
    with pytest.raises(Invalid) as caught:
        plan(shelf="zzzz")

    (issue,) = caught.value.issues
    assert (issue.detail, issue.code) == ("Input should be a valid UUID", "uuid-parsing")


def test_every_fault_is_listed():
    """One answer says everything that is wrong."""
    with pytest.raises(Invalid) as caught:
        plan(yaer="1", year="x", limit="0")

    assert {issue.parameter for issue in caught.value.issues} == {"yaer", "year", "limit"}


def test_too_many_values_are_refused():
    """A driver binds only so many parameters."""
    with pytest.raises(Invalid, match=str(MAX_VALUES)):
        plan_read(parse([("year", "1")] * (MAX_VALUES + 1)), BOOKS)


@given(st.lists(st.builds(Order, st.sampled_from(sorted(BOOKS.fields)), st.booleans()), max_size=6))
def test_the_order_is_total_and_says_each_field_once(terms):
    """The terms asked for come first as sent, the key comes in whatever was asked, no field comes twice."""
    order = plan_read(Query(order=tuple(terms)), BOOKS).order
    names = [term.field.name for term in order]
    first: dict[str, bool] = {}
    for term in terms:
        first.setdefault(term.field, term.descending)

    assert names[: len(first)] == list(first)
    assert len(names) == len(set(names))
    assert set(names) == {*first, "isbn", "copy"}
    assert {term.field.name: term.descending for term in order}.items() >= first.items()
