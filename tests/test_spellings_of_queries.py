"""A query is written as a client would write it, and read again."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from splice.documents import parse_document
from splice.errors import Invalid
from splice.grammar import LISTS, NAMES, Names
from splice.parser import parse
from splice.spelling import as_document, as_parameters
from splice.terms import (
    COUNTS,
    OPERATORS,
    All,
    AnyOf,
    Condition,
    Expand,
    Filter,
    Not,
    Order,
    Query,
    Related,
)

PAGED = Names(limit="size", offset=None, count="total", order_by="sort", page="page")

names = st.sampled_from(["a", "b", "c_d", "x1", "limit", "and"])
# Names that could be mistaken for something else, among others so that not everything is refused.
odd = st.lists(st.sampled_from(["a", "_", "__", "-", ".", ",", "in", "gte"]), max_size=4).map("".join)
special = st.sampled_from([*NAMES.roles, *PAGED.roles, "not", "gte", "a__in", "and__eq", "_a", "a_"])
odd_names = st.integers(0, 5).flatmap(lambda roll: odd if roll == 0 else special if roll < 3 else names)
paths = st.lists(names, min_size=1, max_size=2).map("__".join)
texts = st.text(st.characters(codec="utf-8"), max_size=4)
scalars = (
    texts | st.integers(-(2**70), 2**70) | st.booleans() | st.floats(allow_nan=False, allow_infinity=False)
)


def conditions(of: st.SearchStrategy[str], values: st.SearchStrategy[Any]) -> st.SearchStrategy[Condition]:
    def with_values(operator: str) -> st.SearchStrategy[Condition]:
        most = 3 if operator in LISTS else 1
        return st.builds(
            Condition, of, st.just(operator), st.lists(values, min_size=1, max_size=most).map(tuple)
        )

    return st.sampled_from(OPERATORS).flatmap(with_values)


def trees(of: st.SearchStrategy[str]) -> st.SearchStrategy[Filter]:
    def combined(inner: st.SearchStrategy[Filter]) -> st.SearchStrategy[Filter]:
        parts = st.lists(inner, max_size=3).map(tuple)
        some = st.lists(inner, min_size=1, max_size=3).map(tuple)
        return (
            st.builds(All, parts)
            | st.builds(AnyOf, some)
            | st.builds(Not, inner)
            | st.builds(Related, of, inner)
        )

    return st.recursive(conditions(of, scalars), combined, max_leaves=6)


def queries(
    of: st.SearchStrategy[str], parts: st.SearchStrategy[Filter], depth: int = 2
) -> st.SearchStrategy[Query]:
    shown = (
        st.lists(st.builds(Expand, of, queries(of, parts, depth - 1)), max_size=2) if depth else st.just([])
    )
    return st.builds(
        Query,
        filter=st.lists(parts, max_size=2).map(lambda found: All(tuple(found))),
        order=st.lists(st.builds(Order, of, st.booleans()), max_size=2).map(tuple),
        limit=st.none() | st.integers(0, 999_999_999),
        cursor=st.none() | st.sampled_from(["x", "-_"]),
        count=st.none() | st.sampled_from(COUNTS),
        fields=st.none() | st.lists(of, max_size=2).map(tuple),
        expand=shown.map(tuple),
    )


spellings = st.sampled_from([NAMES, PAGED])


def typed(value: Any) -> Any:
    """A value in a form in which True is not 1, nor 3.0 is 3."""
    if dataclasses.is_dataclass(value):
        shown = (getattr(value, one.name) for one in dataclasses.fields(value) if one.compare)
        return (type(value), *map(typed, shown))
    return tuple(map(typed, value)) if isinstance(value, tuple) else (type(value), value)


def reread(query: Query, names: Names = NAMES) -> Query:
    return parse_document(json.dumps(as_document(query, names)).encode(), names)


def as_text(query: Query) -> Query:
    """The query with the texts of its values."""
    parts = tuple(
        dataclasses.replace(
            part, values=tuple(str(one).lower() if isinstance(one, bool) else str(one) for one in part.values)
        )
        for part in query.filter.parts
        if isinstance(part, Condition)
    )
    expand = tuple(dataclasses.replace(one, query=as_text(one.query)) for one in query.expand)
    return dataclasses.replace(query, filter=All(parts), expand=expand)


@given(queries(odd_names, conditions(odd_names, scalars)), spellings)
def test_a_query_string_says_it_or_cannot(query, names):
    """Whatever is asked, parameters that are written are read as the same query; all else is refused."""
    try:
        parameters = as_parameters(query, names)
    except ValueError:
        return

    assert typed(parse(parameters, names)) == typed(as_text(query))


def plain(part: Condition) -> bool:
    return part.operator not in LISTS or not any("," in str(value) for value in part.values)


usual = st.builds(
    Query,
    filter=st.lists(conditions(paths, texts).filter(plain), max_size=3, unique_by=lambda one: one.path).map(
        lambda parts: All(tuple(parts))
    ),
    order=st.lists(st.builds(Order, paths, st.booleans()), max_size=2).map(tuple),
    limit=st.none() | st.integers(0, 999_999_999),
    cursor=st.none() | st.just("x"),
    fields=st.none() | st.lists(names, min_size=1, max_size=2, unique=True).map(tuple),
)
usual_with_relations = st.builds(
    dataclasses.replace,
    usual,
    expand=st.lists(st.builds(Expand, names, usual), max_size=2, unique_by=lambda one: one.relation).map(
        tuple
    ),
)


@given(usual_with_relations)
def test_both_spellings_are_one_query(query):
    """None of the usual queries is refused, and both ways to write it are read alike."""
    assert parse(as_parameters(query)) == reread(query) == query


@given(queries(odd_names, trees(odd_names)), spellings)
def test_a_document_says_it_or_cannot(query, names):
    """What is read from a document is canonical: writing it and reading it again changes nothing."""
    with contextlib.suppress(ValueError):
        found = reread(query, names)

        assert typed(reread(found, names)) == typed(found)
        assert typed(dataclasses.replace(found, filter=All(), expand=())) == typed(
            dataclasses.replace(query, filter=All(), expand=())
        )


canonical_parts = trees(paths.filter(lambda path: path != "and"))


@given(canonical_parts)
def test_a_tree_is_read_as_it_was_written(part):
    """Inside of a document every tree is exact, but for floats that are whole."""
    query = Query(filter=All((AnyOf((part,)),)))

    assert reread(query) == query


# A relation may be called `a,b` in `a,b.limit=3`, but commas separate those of `expand`.
sent_names = st.sampled_from(
    ["a", "a__eq", "a__in", "b.a", "b.a__in", "fields", "b.fields", "expand", "order_by"]
) | odd_names.filter(lambda name: "," not in name)


@given(
    st.lists(
        st.tuples(sent_names, st.sampled_from(["1", "1,2", "b", "b.c,d", "-a,b__c", ""])),
        max_size=6,
    )
)
def test_what_was_read_as_parameters_can_be_written(parameters):
    """No query that a client can mean is beyond what is written."""
    try:
        query = parse(parameters)
    except Invalid:
        return

    assert typed(parse(as_parameters(query))) == typed(query)


members = st.sampled_from(["a", "a__eq", "a__in", "and", "or", "not", "and__eq"]) | odd_names
filters = st.recursive(
    st.sampled_from([1, 3.0, "x", [1, 2], {}, {"a__in": [1]}]),
    lambda inner: st.dictionaries(members, inner, max_size=3) | st.lists(inner, max_size=2),
    max_leaves=6,
)


@given(st.dictionaries(members, filters, max_size=4))
def test_what_was_read_as_a_document_can_be_written(said):
    """So it is with documents."""
    try:
        query = parse_document(json.dumps({"filter": said}).encode())
    except Invalid:
        return

    assert typed(reread(query)) == typed(query)


@pytest.mark.parametrize("names", [PAGED, Names(page="page")], ids=repr)
def test_settings_have_the_names_that_they_are_given(names):
    """A number of a page is written where there are pages."""
    query = Query(filter=All((Condition("size", "eq", ("3",)),)), limit=4, page=2)

    assert parse(as_parameters(query, names), names) == reread(query, names) == query


flags = st.sampled_from(["a", "b", "c"])
flag_trees = st.recursive(
    flags.map(lambda path: Condition(path, "eq", (True,))),
    lambda inner: (
        st.builds(All, st.lists(inner, max_size=3).map(tuple))
        | st.builds(AnyOf, st.lists(inner, min_size=1, max_size=3).map(tuple))
        | st.builds(Not, inner)
    ),
    max_leaves=8,
)


def holds(part: Filter, true: set[str]) -> bool:
    """Whether a filter holds where these flags are set."""
    match part:
        case Condition(path):
            return path in true
        case All(parts):
            return all(holds(one, true) for one in parts)
        case AnyOf(parts):
            return any(holds(one, true) for one in parts)
        case Not(inner):
            return not holds(inner, true)
        case Related():
            raise NotImplementedError


@given(st.lists(flag_trees, max_size=4).map(lambda parts: All(tuple(parts))), st.sets(flags))
def test_a_document_keeps_what_is_meant(whole, true):
    """Where the canonical query is another one than the one written, the same rows match."""
    assert holds(reread(Query(filter=whole)).filter, true) == holds(whole, true)


def condition(path: str, operator: Any, *values: Any) -> Condition:
    return Condition(path, operator, values)


def asked(*parts: Filter, **settings: Any) -> Query:
    return Query(filter=All(parts), **settings)


@pytest.mark.parametrize(
    ("query", "parameters"),
    [
        (asked(condition("a", "eq", "1,2")), [("a", "1,2")]),
        (asked(condition("limit", "eq", "3")), [("limit__eq", "3")]),
        (asked(condition("a__in", "eq", "3")), [("a__in__eq", "3")]),
        (asked(condition("a", "in", "1,", "2")), [("a", "1,"), ("a", "2")]),
        (asked(condition("a", "in", "1")), [("a__in", "1")]),
        (asked(condition("a", "eq", "1"), condition("a", "eq", "2")), [("a", "1"), ("a__eq", "2")]),
        (
            asked(condition("a", "in", "1", "2"), condition("a", "eq", "3"), condition("a", "eq", "4")),
            [("a__in", "1,2"), ("a", "3"), ("a__eq", "4")],
        ),
        (asked(condition("a", "between", 1, 2.5)), [("a__between", "1,2.5")]),
        (asked(condition("a", "isnull", True)), [("a__isnull", "true")]),
        (asked(order=(Order("a", descending=True), Order("b__c"))), [("order_by", "-a,b__c")]),
        (
            Query(fields=(), expand=(Expand("b", Query()), Expand("a", Query(fields=("x", "y"))))),
            [("expand", "b,a"), ("fields", "a.x"), ("a.fields", "x,y")],
        ),
        (
            Query(expand=(Expand("a", asked(condition("x", "gt", "1"), limit=2)),)),
            [("expand", "a"), ("a.x__gt", "1"), ("a.limit", "2")],
        ),
    ],
)
def test_parameters_are_those_that_a_client_would_write(query, parameters):
    """The shortest name is chosen that nothing else has."""
    assert as_parameters(query) == parameters


@pytest.mark.parametrize(
    ("query", "document"),
    [
        (Query(), {}),
        (asked(condition("a", "eq", "x"), condition("and", "eq", 1)), {"a": "x", "and__eq": 1}),
        (asked(condition("limit", "eq", 3), condition("b", "in", 1)), {"limit": 3, "b__in": [1]}),
        (asked(AnyOf((condition("a", "eq", 1), All(())))), {"or": [{"a": 1}, {}]}),
        (asked(Not(All((condition("a", "eq", 1), condition("b", "eq", 2))))), {"not": {"a": 1, "b": 2}}),
        (asked(Not(All((condition("a", "eq", 1),)))), {"not": {"and": [{"a": 1}]}}),
        (
            asked(Not(condition("a", "eq", 1)), Not(condition("b", "eq", 1))),
            {"and": [{"not": {"a": 1}}, {"not": {"b": 1}}]},
        ),
        (asked(Related("a__in", condition("b", "eq", 1))), {"a__in": {"b": 1}}),
        (
            asked(condition("a", "eq", 1), Related("a", condition("b", "eq", 1))),
            {"a__eq": 1, "a": {"b": 1}},
        ),
    ],
)
def test_a_filter_is_written_as_shortly_as_it_can_be(query, document):
    """Members of one object where their names differ, `and` where they do not."""
    assert as_document(query).get("filter", {}) == document


NOT_IN_A_QUERY_STRING = [
    asked(AnyOf((condition("a", "eq", "1"),))),
    asked(Not(condition("a", "eq", "1"))),
    asked(Related("a", condition("b", "eq", "1"))),
    asked(All((condition("a", "eq", "1"),))),
    asked(condition("a", "not_in", "1,2")),
    asked(condition("a", "in", "1,2")),
    asked(condition("a", "gt", "1"), condition("a", "gt", "2")),
    asked(condition("a.b", "eq", "1")),
    asked(order=(Order("a,b"),)),
    Query(fields=()),
    Query(fields=("a,b",)),
    Query(expand=(Expand("a,b", Query()),)),
]
NOWHERE = [
    asked(condition("a", "eq")),
    asked(condition("a", "eq", 1, 2)),
    asked(condition("a", "in")),
    asked(condition("", "gt", 1)),
    asked(condition("a", "eq", "\ud800")),
    asked(condition("a", "eq", float("nan"))),
    asked(condition("a", "eq", 10**400)),
    asked(order=(Order("-a"),)),
    asked(order=(Order(""),)),
    Query(limit=-1),
    Query(limit=10**9),
    Query(cursor=""),
    Query(page=1),
    Query(fields=("a.b",)),
    Query(fields=("a", "a")),
    Query(expand=(Expand("a.b", Query()),)),
    Query(expand=(Expand("a", Query()), Expand("a", Query()))),
]


@pytest.mark.parametrize("query", [*NOT_IN_A_QUERY_STRING, *NOWHERE], ids=repr)
def test_what_no_query_string_says_is_refused(query):
    """There is no near miss: the parameters would ask for something else."""
    with pytest.raises(ValueError, match=r"."):
        as_parameters(query)


@pytest.mark.parametrize(
    "query", [*NOWHERE, asked(AnyOf(())), asked(Related("and", condition("a", "eq", 1)))], ids=repr
)
def test_what_no_document_says_is_refused(query):
    """A document says more, but not everything."""
    with pytest.raises(ValueError, match=r"."):
        as_document(query)
