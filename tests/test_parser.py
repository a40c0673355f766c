"""Text becomes a Query."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from splice.errors import Invalid
from splice.grammar import NAMES, Names
from splice.parser import PARAMETERS, parse
from splice.terms import All, Condition, Expand, Order, Place, Query

names = st.text(max_size=12) | st.sampled_from([*PARAMETERS, "a.limit", "a.b.fields", "a__in", "a.b__lt"])


@given(st.lists(st.tuples(names, st.text(max_size=12)), max_size=6))
def test_any_text_is_a_query_or_invalid(parameters):
    """Whatever is sent, the parser answers with a Query or says what is wrong."""
    with contextlib.suppress(Invalid):
        assert isinstance(parse(parameters), Query)


def test_nothing_asked_is_an_empty_query():
    """Without parameters nothing is said, and defaults are left to the plan."""
    assert parse([]) == Query()


def conditions(*parameters: tuple[str, str]) -> tuple[object, ...]:
    return parse(parameters).filter.parts


def test_a_repeated_field_is_one_condition():
    """Values of one field are collected in the order sent: any of them may match."""
    assert conditions(("a", "1"), ("b", "x"), ("a", "2")) == (
        Condition("a", "in", ("1", "2")),
        Condition("b", "eq", ("x",)),
    )


@pytest.mark.parametrize(
    ("name", "value", "condition"),
    [
        ("a", "1,2", Condition("a", "eq", ("1,2",))),
        ("a__eq", "1", Condition("a", "eq", ("1",))),
        ("a__in", "1,2", Condition("a", "in", ("1", "2"))),
        ("a__not_in", "1", Condition("a", "not_in", ("1",))),
        ("a__between", "1,2", Condition("a", "between", ("1", "2"))),
        ("a__contains", "1,2", Condition("a", "contains", ("1,2",))),
        ("a__isnull", "true", Condition("a", "isnull", ("true",))),
        ("author__name", "Ada", Condition("author__name", "eq", ("Ada",))),
        ("a__b__c__icontains", "x", Condition("a__b__c", "icontains", ("x",))),
        ("a__in__eq", "1", Condition("a__in", "eq", ("1",))),
        ("in", "1", Condition("in", "eq", ("1",))),
        ("__gte", "1", Condition("__gte", "eq", ("1",))),
        ("limit__eq", "3", Condition("limit", "eq", ("3",))),
        ("limit__gte", "3", Condition("limit", "gte", ("3",))),
        ("page", "3", Condition("page", "eq", ("3",))),
    ],
)
def test_a_name_is_a_path_and_an_operator(name, value, condition):
    """The operator is the last part, if it is one and something stands before it."""
    assert conditions((name, value)) == (condition,)


def test_sort_terms_keep_their_order_and_direction():
    """A minus sorts descending."""
    assert parse([("order_by", "-year,author__name")]).order == (
        Order("year", descending=True),
        Order("author__name"),
    )


def test_dots_lead_into_relations():
    """Settings and filters of a relation that is shown stand behind its name."""
    found = parse(
        [
            ("fields", "id,author.name"),
            ("comments.limit", "3"),
            ("comments.stars__gte", "4"),
            ("comments.author.order_by", "-id"),
            ("expand", "tags"),
        ]
    )

    assert found == Query(
        fields=("id",),
        expand=(
            Expand("author", Query(fields=("name",))),
            Expand(
                "comments",
                Query(
                    filter=All((Condition("stars", "gte", ("4",)),)),
                    limit=3,
                    expand=(Expand("author", Query(order=(Order("id", descending=True),))),),
                ),
            ),
            Expand("tags", Query()),
        ),
    )


def test_a_field_of_a_relation_alone_shows_no_field_of_the_row():
    """What is not named is not shown."""
    assert parse([("fields", "author.name")]) == Query(
        fields=(), expand=(Expand("author", Query(fields=("name",))),)
    )


def test_everything_knows_its_place():
    """A fault that the plan finds is told by the parameter as it was sent."""
    found = parse([("a__gte", "1"), ("order_by", "b"), ("c.limit", "3")])

    assert found.filter.parts[0].at == Place(parameter="a__gte")
    assert found.order[0].at == Place(parameter="order_by")
    assert found.expand[0].query.at("limit") == Place(parameter="c.limit")


@pytest.mark.parametrize(
    ("parameters", "at_fault"),
    [
        ([("limit", "x")], {"limit"}),
        ([("limit", "-1")], {"limit"}),
        ([("limit", "١")], {"limit"}),
        ([("limit", "1.0")], {"limit"}),
        ([("offset", "9" * 30)], {"offset"}),
        ([("limit", "1"), ("limit", "2")], {"limit"}),
        ([("a__gte", "1"), ("a__gte", "2")], {"a__gte"}),
        ([("cursor", "")], {"cursor"}),
        ([("order_by", "")], {"order_by"}),
        ([("order_by", "a,,b")], {"order_by"}),
        ([("order_by", "-")], {"order_by"}),
        ([("fields", "")], {"fields"}),
        ([("fields", "a..b")], {"fields"}),
        ([("fields", ".".join("a" * 11))], {"fields"}),
        ([("expand", "a,")], {"expand"}),
        ([(".limit", "1")], {".limit"}),
        ([("a.", "1")], {"a."}),
        ([(".".join("a" * 30), "1")], {".".join("a" * 30)}),
        ([("count", "yes")], {"count"}),
        ([("limit", "x"), ("count", "y")], {"limit", "count"}),
    ],
)
def test_malformed_parameters_are_named(parameters, at_fault):
    """Every parameter at fault is listed, not the first alone."""
    with pytest.raises(Invalid) as caught:
        parse(parameters)

    assert {issue.parameter for issue in caught.value.issues} == at_fault


def test_a_long_name_is_told_in_short():
    """Nobody's answer should be a megabyte."""
    with pytest.raises(Invalid) as caught:
        parse([("a" * 5_000 + "__gte", "1")] * 2)

    assert len(caught.value.issues[0].parameter or "") <= 100


def test_settings_have_the_names_that_they_are_given():
    """The names of old are then those of fields."""
    names = Names(limit="size", page="page", offset=None)

    assert parse([("size", "3"), ("page", "2"), ("limit", "4"), ("offset", "5")], names) == Query(
        filter=All((Condition("limit", "eq", ("4",)), Condition("offset", "eq", ("5",)))), limit=3, page=2
    )
    assert set(NAMES.roles) == set(PARAMETERS)
