"""Text becomes a Query."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from splice.errors import Invalid
from splice.parser import PARAMETERS, parse
from splice.terms import Condition, Order, Query

NAMES = st.text("abcxyz_", min_size=1, max_size=8).filter(lambda name: not name.endswith("__eq"))


@st.composite
def conditions(draw):
    """A condition as clients may spell it: a field called like a parameter needs `__eq`."""
    field = draw(st.one_of(NAMES, st.sampled_from(PARAMETERS)))
    explicit = field in PARAMETERS or draw(st.booleans())
    values = draw(st.lists(st.text(max_size=5), min_size=1, max_size=3))
    return Condition(field, tuple(values), f"{field}__eq" if explicit else field)


QUERIES = st.builds(
    Query,
    conditions=st.lists(conditions(), max_size=4, unique_by=lambda one: one.parameter).map(tuple),
    order=st.lists(st.builds(Order, NAMES, st.booleans()), max_size=3).map(tuple),
    limit=st.none() | st.integers(0, 999_999_999),
    offset=st.none() | st.integers(0, 999_999_999),
    count=st.none() | st.just("exact"),
)


def spell(query: Query) -> list[tuple[str, str]]:
    """The parameters by which a client asks for this query."""
    spelt = [(condition.parameter, value) for condition in query.conditions for value in condition.values]
    if query.order:
        spelt.append(
            (
                "order_by",
                ",".join(f"-{term.field}" if term.descending else term.field for term in query.order),
            )
        )
    settings = (("limit", query.limit), ("offset", query.offset), ("count", query.count))
    return [*spelt, *((name, str(value)) for name, value in settings if value is not None)]


@given(QUERIES)
def test_what_is_spelt_is_read_again(query):
    """A query that is spelt as parameters and parsed is the same query."""
    assert parse(spell(query)) == query


@given(st.lists(st.tuples(st.text(max_size=12), st.text(max_size=12)), max_size=6))
def test_any_text_is_a_query_or_invalid(parameters):
    """Whatever is sent, the parser answers with a Query or says what is wrong."""
    with contextlib.suppress(Invalid):
        assert isinstance(parse(parameters), Query)


def test_nothing_asked_is_an_empty_query():
    """Without parameters nothing is said, and defaults are left to the plan."""
    assert parse([]) == Query()


def test_a_repeated_field_is_one_condition():
    """Values of one field are collected in the order sent: any of them may match."""
    assert parse([("a", "1"), ("b", "x"), ("a", "2")]).conditions == (
        Condition("a", ("1", "2"), "a"),
        Condition("b", ("x",), "b"),
    )


def test_a_comma_is_part_of_a_value():
    """Only sort terms are separated by commas."""
    assert parse([("a", "1,2")]).conditions[0].values == ("1,2",)


def test_sort_terms_keep_their_order_and_direction():
    """A minus sorts descending."""
    assert parse([("order_by", "-year,title")]).order == (Order("year", descending=True), Order("title"))


@pytest.mark.parametrize(
    ("parameters", "at_fault"),
    [
        ([("limit", "x")], {"limit"}),
        ([("limit", "-1")], {"limit"}),
        ([("limit", "١")], {"limit"}),
        ([("limit", "1.0")], {"limit"}),
        ([("offset", "9" * 30)], {"offset"}),
        ([("limit", "1"), ("limit", "2")], {"limit"}),
        ([("order_by", "")], {"order_by"}),
        ([("order_by", "a,,b")], {"order_by"}),
        ([("order_by", "-")], {"order_by"}),
        ([("count", "yes")], {"count"}),
        ([("limit", "x"), ("count", "y")], {"limit", "count"}),
    ],
)
def test_malformed_parameters_are_named(parameters, at_fault):
    """Every parameter at fault is listed, not the first alone."""
    with pytest.raises(Invalid) as caught:
        parse(parameters)

    assert {issue.parameter for issue in caught.value.issues} == at_fault
