"""JSON becomes a Query, the same as a query string's."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from splice.documents import parse_document
from splice.errors import Invalid, MalformedBody
from splice.grammar import Names
from splice.terms import All, AnyOf, Condition, Expand, Not, Order, Query, Related


def parsed(document: object) -> Query:
    return parse_document(json.dumps(document).encode())


def fault(document: object | bytes) -> tuple[str, str | None]:
    """The code and the pointer of the one thing that is wrong."""
    raw = document if isinstance(document, bytes) else json.dumps(document).encode()
    with pytest.raises(Invalid) as caught:
        parse_document(raw)
    (issue,) = caught.value.issues
    return issue.code, issue.pointer


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=12,
)
documents = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(
        ("filter", "order_by", "limit", "cursor", "count", "fields", "expand"), json_values
    ),
)


@settings(deadline=None)
@given(json_values | documents)
def test_any_json_is_a_query_or_refused(document):
    """Whatever is sent, the answer is a Query or what is wrong with it."""
    with contextlib.suppress(Invalid, MalformedBody):
        assert isinstance(parsed(document), Query)


@given(st.binary(max_size=60))
def test_any_bytes_are_a_query_or_refused(raw):
    """So is what is no JSON."""
    with contextlib.suppress(Invalid, MalformedBody):
        assert isinstance(parse_document(raw), Query)


def test_a_tree_of_conditions():
    """Members of one object all hold; and, or, not and relations nest."""
    found = parsed(
        {
            "filter": {
                "age__gte": 20,
                "or": [{"name": "Ada"}, {"not": {"posts__title__contains": "x", "id": 3.0}}],
                "posts": {"stars__in": [4, 5]},
            }
        }
    )

    assert found.filter == All(
        (
            Condition("age", "gte", (20,)),
            AnyOf(
                (
                    Condition("name", "eq", ("Ada",)),
                    Not(All((Condition("posts__title", "contains", ("x",)), Condition("id", "eq", (3,))))),
                )
            ),
            Related("posts", Condition("stars", "in", (4, 5))),
        )
    )


def test_the_whole_document():
    """Order, page, fields and expanded relations, in either form."""
    found = parsed(
        {
            "order_by": ["-age", "author__name"],
            "limit": 20,
            "cursor": "abc",
            "count": "capped",
            "fields": ["id", "author.name"],
            "expand": {"posts": {"limit": 3, "filter": {"id": 1}}, "posts.comments": {}},
        }
    )
    listed = parsed({"expand": ["author", "posts.comments"]})

    assert found == Query(
        order=(Order("age", descending=True), Order("author__name")),
        limit=20,
        cursor="abc",
        count="capped",
        fields=("id",),
        expand=(
            Expand("author", Query(fields=("name",))),
            Expand(
                "posts",
                Query(
                    filter=All((Condition("id", "eq", (1,)),)), limit=3, expand=(Expand("comments", Query()),)
                ),
            ),
        ),
    )
    assert listed.expand == (
        Expand("author", Query()),
        Expand("posts", Query(expand=(Expand("comments", Query()),))),
    )


@pytest.mark.parametrize(
    ("document", "code", "pointer"),
    [
        ([], "dict-type", ""),
        ({"limt": 3}, "unknown-member", "/limt"),
        ({"limit": "3"}, "invalid-number", "/limit"),
        ({"limit": True}, "invalid-number", "/limit"),
        ({"limit": -1}, "invalid-number", "/limit"),
        ({"cursor": ""}, "invalid-cursor", "/cursor"),
        ({"count": "all"}, "invalid-count", "/count"),
        ({"order_by": "id"}, "list-type", "/order_by"),
        ({"order_by": ["id", 1]}, "string-type", "/order_by/1"),
        ({"order_by": ["-"]}, "invalid-order", "/order_by/0"),
        ({"fields": ["a..b"]}, "invalid-path", "/fields/0"),
        ({"expand": ["."]}, "invalid-path", "/expand/0"),
        ({"expand": {"posts": []}}, "dict-type", "/expand/posts"),
        ({"filter": []}, "dict-type", "/filter"),
        ({"filter": {"a": None}}, "null-value", "/filter/a"),
        ({"filter": {"a": [1]}}, "scalar-type", "/filter/a"),
        ({"filter": {"a__in": 1}}, "list-type", "/filter/a__in"),
        ({"filter": {"a__in": []}}, "list-type", "/filter/a__in"),
        ({"filter": {"a__in": [1, None]}}, "null-value", "/filter/a__in/1"),
        ({"filter": {"a__in": [1, {}]}}, "scalar-type", "/filter/a__in/1"),
        ({"filter": {"and": {}}}, "list-type", "/filter/and"),
        ({"filter": {"or": []}}, "list-type", "/filter/or"),
        ({"filter": {"or": [{"a": 1}, 2]}}, "dict-type", "/filter/or/1"),
        ({"filter": {"a/b~c": None}}, "null-value", "/filter/a~1b~0c"),
        (b'{"limit": 1, "limit": 2}', "repeated-member", "/limit"),
        (b'{"filter": {"a": 1, "a": 1}}', "repeated-member", "/filter/a"),
        (b'{"filter": {"a": "\\ud800"}}', "invalid-text", "/filter/a"),
        (b'{"filter": {"a": 1e999}}', "finite-number", "/filter/a"),
        (b'{"filter": {"a": ' + b"9" * 5_000 + b"}}", "finite-number", "/filter/a"),
        (b'{"limit": ' + b"9" * 5_000 + b"}", "invalid-number", "/limit"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(document, code, pointer):
    """A JSON Pointer leads to it."""
    assert fault(document) == (code, pointer)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"\xff",
        b'{"filter": {"a": NaN}}',
        b'{"filter": {"a": Infinity}}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
    ],
)
def test_what_is_no_json_cannot_be_read(raw):
    """That is a 400, and no end of the recursion."""
    with pytest.raises(MalformedBody):
        parse_document(raw)


def deep(levels: int, inside: object) -> object:
    for _ in range(levels):
        inside = {"not": inside}
    return inside


def test_a_filter_is_ten_objects_deep_at_most():
    """Beyond, databases give up at depths of their own."""
    parsed({"filter": deep(9, {"a": 1})})

    assert fault({"filter": deep(10, {"a": 1})})[0] == "too-deep"
    assert fault({"filter": deep(200, {"a": 1})})[0] == "too-deep"


def test_relations_are_ten_deep_at_most():
    """Far fewer are shown, but nothing may recurse without bound before that is told."""
    document: dict[str, object] = {}
    for _ in range(11):
        document = {"expand": {"a": document}}

    assert fault(document)[0] == "too-deep"
    assert fault({"expand": [".".join("a" * 11)]})[0] == "invalid-path"


def test_members_have_the_names_of_the_parameters():
    """Whoever renames the parameters renames the members with them."""
    names = Names(limit="size", page="page", cursor=None)

    assert parse_document(b'{"size": 3, "page": 2}', names) == Query(limit=3, page=2)
    with pytest.raises(Invalid):
        parse_document(b'{"cursor": "x"}', names)
