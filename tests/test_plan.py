"""Names are resolved, values typed, bounds checked, and the order made stable."""

from __future__ import annotations

import contextlib
import datetime as dt
import uuid
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import JSON, Column, DateTime, ForeignKey, Integer, Numeric, String, Table, func
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
from sqlalchemy.sql.elements import ColumnElement

from splice import cursors, private, write_only
from splice.description import describe
from splice.errors import Invalid, UnknownField, UnknownParameter
from splice.plan import (
    MAX_CONDITIONS,
    MAX_EXISTS,
    MAX_EXPANDED,
    MAX_ORDER,
    MAX_PATTERN,
    MAX_QUERY_VALUES,
    MAX_VALUES,
    plan_children,
    plan_read,
    plan_row,
)
from splice.readable import MAX_HOPS, MAX_OFFSET, readable
from splice.reads import ChildOf, Compare, Custom, Either, Every, Exists, KeyIs, Many, Negation, One, Position
from splice.terms import COUNTS, OPERATORS, All, AnyOf, Condition, Expand, Not, Order, Place, Query, Related


class Base(DeclarativeBase): ...


class Author(Base):
    __tablename__ = "authors"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    mentor_id: Mapped[int | None] = mapped_column(ForeignKey("authors.id"))
    born: Mapped[int | None]
    books: Mapped[list[Book]] = relationship(back_populates="author")
    mentor: Mapped[Author | None] = relationship(remote_side="Author.id", back_populates="pupils")
    pupils: Mapped[list[Author]] = relationship(back_populates="mentor")


class Binding(Base):
    """A model without a resource."""

    __tablename__ = "bindings"
    id: Mapped[int] = mapped_column(primary_key=True)


class Copy(Base):
    __tablename__ = "copies"
    id: Mapped[int] = mapped_column(primary_key=True)
    stars: Mapped[int | None]
    isbn: Mapped[str] = mapped_column(ForeignKey("books.isbn"))
    book: Mapped[Book] = relationship(back_populates="copies", foreign_keys=[isbn])


class Book(Base):
    __tablename__ = "books"
    isbn: Mapped[str] = mapped_column(String(13), primary_key=True)
    copy: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(String(100))
    year: Mapped[int | None]
    price: Mapped[Decimal] = mapped_column(Numeric(8, 2))
    limit: Mapped[int]
    in_print: Mapped[bool]
    year__in: Mapped[int]
    added: Mapped[dt.datetime] = mapped_column(DateTime(timezone=True))
    shelf: Mapped[uuid.UUID]
    tags: Mapped[dict[str, Any]] = mapped_column(JSON)
    wholesale: Mapped[int] = mapped_column(info=private)
    note: Mapped[str] = mapped_column(info=write_only)
    author_id: Mapped[int] = mapped_column(ForeignKey("authors.id"))
    binding_id: Mapped[int | None] = mapped_column(ForeignKey("bindings.id"))
    copies: Mapped[list[Copy]] = relationship(back_populates="book", foreign_keys=[Copy.isbn])
    author: Mapped[Author] = relationship(back_populates="books")
    binding: Mapped[Binding | None] = relationship()


class Line(Base):
    """A view, whose columns are all its key."""

    __table__ = Table("lines", Base.metadata, Column("day", Integer), Column("sum", Integer))
    __mapper_args__ = {"primary_key": [__table__.c.day, __table__.c.sum]}  # SQLAlchemy's


RELATED: dict[type, Any] = {}
BOOKS = readable(describe(Book), max_limit=200, related=RELATED)
AUTHORS = readable(describe(Author), related=RELATED)
COPIES = readable(describe(Copy), max_limit=20, related=RELATED)
SHORT = readable(describe(Author), related=RELATED, shown=frozenset({"id", "name"}))
RELATED.update({Book: BOOKS, Author: AUTHORS, Copy: COPIES})


def older_than(years: int) -> ColumnElement[bool]:
    """Books that came out before so many years."""
    return Book.year < 2026 - years


def loudness() -> ColumnElement[Any]:
    return func.length(Book.title)


BOOKS.add_filter(older_than)
BOOKS.add_sort(loudness)


def asked(path, *values, op="eq"):
    """A condition of a query string."""
    return Condition(path, op, values, Place(parameter=path if op == "eq" else f"{path}__{op}"))


def told(path, *values, op="eq"):
    """A condition of a document."""
    return Condition(path, op, values, Place(pointer=f"/filter/{path}__{op}"))


def listed(*parts, model=BOOKS, **settings):
    """The plan for a list whose filter has these parts."""
    return plan_read(Query(All(parts), **settings), model)


def condition_of(*parts, model=BOOKS):
    """The only part of a planned test."""
    (only,) = listed(*parts, model=model).test.parts
    return only


def by(*paths):
    """Sort terms as they are spelt."""
    return tuple(Order(path.removeprefix("-"), path.startswith("-"), Place("order_by")) for path in paths)


def shown(relation, **settings):
    return Expand(relation, Query(**settings), Place(parameter="expand"))


def names_of(plan):
    return [(*(link.name for link, _ in term.links), term.by.name) for term in plan.order]


def issue_of(*parts, model=BOOKS, **settings):
    """The only thing wrong with a query."""
    with pytest.raises(Invalid) as caught:
        listed(*parts, model=model, **settings)
    (issue,) = caught.value.issues
    return issue


def test_nothing_asked_takes_the_defaults():
    """50 rows from the first, ordered by the key, with all fields and no relation."""
    found = listed()

    assert (found.limit, found.offset, found.count, found.position) == (50, 0, None, None)
    assert found.test == Every()
    assert names_of(found) == [("isbn",), ("copy",)]
    assert found.selection.fields == tuple(BOOKS.fields.values())
    assert found.selection.relations == ()


def test_values_take_the_type_of_their_column():
    """Text becomes what the column holds."""
    found = listed(
        asked("year", "1992"), asked("price", "9.50"), asked("added", "2026-01-01T01:00:00+01:00")
    ).test.parts

    assert [part.values for part in found] == [
        (1992,),
        (Decimal("9.50"),),
        (dt.datetime(2026, 1, 1, tzinfo=dt.UTC),),
    ]


@pytest.mark.parametrize(
    ("path", "text", "value", "op"),
    [
        ("year", "1992", 1992, "gt"),
        ("price", "9.5", 9.5, "eq"),
        ("price", "9.50", "9.50", "eq"),
        ("in_print", "true", True, "eq"),
        ("added", "2026-01-01T01:00:00+01:00", "2026-01-01T01:00:00+01:00", "lt"),
        ("shelf", "a3cfb9f8-9fe6-4fc4-8a0c-3b1f6a0c5a52", "a3cfb9f8-9fe6-4fc4-8a0c-3b1f6a0c5a52", "ne"),
        ("title", "Emma", "Emma", "icontains"),
        ("tags", "1", True, "isnull"),
        ("author", "false", False, "isnull"),
        ("older_than", "5", 5, "eq"),
    ],
)
def test_a_document_and_a_query_string_make_one_plan(path, text, value, op):
    """What was sent as text and what was sent as JSON are the same value, and so is the fingerprint."""
    of_text, of_json = listed(asked(path, text, op=op)), listed(told(path, value, op=op))

    assert of_text.test == of_json.test
    assert of_text.fingerprint == of_json.fingerprint


@pytest.mark.parametrize(
    ("path", "value", "op"),
    [
        ("year", "1992", "eq"),
        ("year", 1.5, "eq"),
        ("year", True, "eq"),
        ("in_print", 1, "eq"),
        ("in_print", "true", "eq"),
        ("title", 3, "eq"),
        ("title", 3, "contains"),
        ("title", "\ud800", "eq"),
        ("year", 1, "isnull"),
        ("older_than", "5", "eq"),
    ],
)
def test_values_of_a_document_are_strict(path, value, op):
    """A document says what it means: "3" is no number."""
    assert issue_of(told(path, value, op=op)).pointer == f"/filter/{path}__{op}"


def test_a_value_in_a_list_of_a_document_has_its_own_pointer():
    """The third of a list is found without counting."""
    assert issue_of(told("year", 1, 2, "x", op="in")).pointer == "/filter/year__in/2"


def test_a_field_called_like_a_parameter_is_a_field():
    """`limit__eq` is the column, `limit` the page."""
    found = listed(asked("limit", "3"), limit=20)

    (part,) = found.test.parts
    assert (part.field.name, part.values, found.limit) == ("limit", (3,), 20)


def test_a_field_called_like_an_operator_is_asked_for_by_eq():
    """The last part of a name is an operator where it can be one, and the hint says how to ask for the field."""
    assert condition_of(asked("year__in", "3")).field.name == "year__in"
    assert issue_of(asked("in", "3"), model=AUTHORS).code == "unknown-field"


@pytest.mark.parametrize(
    ("part", "hint"),
    [
        (asked("yaer", "1992"), "'year'"),
        (asked("limitt", "3"), "'limit'"),
        (asked("zzzzzz", "3"), "known: isbn, copy"),
        (asked("wholesale", "3"), "known"),
        (asked("note", "x"), "known"),
        (asked("tags", "x"), "isnull"),
        (asked("binding", "true", op="isnull"), "'binding_id'"),
        (asked("binding__id", "1"), "'binding_id'"),
        (asked("autor__name", "1"), "did you mean"),
        (asked("author__nmae", "1"), "'author__name'"),
        (asked("author__books__titel", "1"), "'author__books__title'"),
        (asked("older_tan", "1"), "'older_than'"),
        (asked("", "1"), "known"),
        (asked("author__", "1"), "known"),
        (told("order_by", 3), "known"),
    ],
)
def test_unknown_filters_come_with_a_hint(part, hint):
    """A misspelt, hidden or incomparable name is refused; the nearest one is offered, a hidden one never."""
    with pytest.raises(UnknownField) as caught:
        listed(part)

    (issue,) = caught.value.issues
    assert (issue.parameter, issue.pointer) == (part.at.parameter, part.at.pointer)
    assert hint in issue.hint
    assert "wholesale" not in issue.hint
    assert "binding" not in issue.hint.replace("binding_id", "")


@pytest.mark.parametrize(
    ("settings", "parameter", "hint"),
    [
        ({"order": by("-yaer")}, "order_by", "'year'"),
        ({"order": by("author__nmae")}, "order_by", "'author__name'"),
        ({"order": by("tags")}, "order_by", "known: isbn"),
        ({"order": by("binding__id")}, "order_by", "'binding_id'"),
        ({"fields": ("titel",)}, "fields", "'title'"),
        ({"fields": ("wholesale",)}, "fields", "known"),
        ({"fields": ("author",)}, "fields", "expand it"),
        ({"expand": (shown("autor"),)}, "expand", "'author'"),
        ({"expand": (shown("binding"),)}, "expand", "known: copies, author"),
    ],
)
def test_unknown_names_of_settings_come_with_a_hint(settings, parameter, hint):
    """So is what cannot be sorted by or shown."""
    issue = issue_of(**settings)

    assert (issue.parameter, issue.code) == (parameter, "unknown-field")
    assert hint in issue.hint


@pytest.mark.parametrize(
    "part",
    [
        asked("year", "x"),
        asked("year", "2147483648"),
        asked("year", "1", "x", op="in"),
        asked("price", "NaN"),
        asked("added", "2026-01-01T00:00:00"),
        asked("title", "a\x00"),
        asked("title", "a\x00", op="contains"),
        asked("title", "a" * (MAX_PATTERN + 1), op="endswith"),
        asked("year", "perhaps", op="isnull"),
        asked("year", "1", op="between"),
        asked("author__born", "x"),
        asked("older_than", "x"),
    ],
)
def test_values_that_do_not_fit_are_refused(part):
    """A value out of the range of its column names its parameter."""
    assert issue_of(part).parameter == part.at.parameter


@pytest.mark.parametrize(
    ("settings", "parameter"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": 201}, "limit"),
        ({"offset": MAX_OFFSET + 1}, "offset"),
        ({"offset": -1}, "offset"),
        ({"page": 0}, "page"),
        ({"page": 1002, "limit": 100}, "page"),
        ({"page": 2, "offset": 3}, "offset"),
        ({"cursor": "x", "offset": 3}, "offset"),
    ],
)
def test_a_page_lies_within_bounds(settings, parameter):
    """Rows of a page and rows before it are bounded."""
    assert issue_of(**settings).parameter == parameter


def test_a_page_number_is_an_offset():
    """Pages are counted from 1; the last one that may be asked for begins at the largest offset."""
    assert listed(page=3, limit=20).offset == 40
    assert listed(page=1001, limit=100).offset == MAX_OFFSET


def test_a_value_is_not_quoted():
    """A query string is refused in the words that a body is, which hold nothing of what was sent."""
    issue = issue_of(asked("shelf", "zzzz"))

    assert (issue.detail, issue.code) == ("Input should be a valid UUID", "uuid-parsing")


def test_every_fault_is_listed():
    """One answer says everything that is wrong, in whatever part of the query it is."""
    with pytest.raises(Invalid) as caught:
        listed(
            asked("yaer", "1"),
            Not(asked("year", "x")),
            limit=0,
            order=by("titel"),
            expand=(shown("copies", limit=21),),
        )

    assert [issue.parameter for issue in caught.value.issues] == [
        "limit",
        "limit",
        "yaer",
        "year",
        "order_by",
    ]


def test_so_many_faults_are_listed():
    """Looking for near names costs too much to be done for thousands."""
    with pytest.raises(UnknownField) as caught:
        listed(fields=tuple(f"a{number}" for number in range(3000)))

    assert len(caught.value.issues) == 50


DEEP = Query(expand=(shown("pupils"),))
for _ in range(4):
    DEEP = Query(expand=(Expand("pupils", DEEP, Place(parameter="expand")),))


@pytest.mark.parametrize(
    ("query", "code"),
    [
        (Query(All((asked("year", *["1"] * (MAX_VALUES + 1), op="in"),))), "too-many-values"),
        (Query(All((asked("year", *["1"] * 900, op="in"),) * 6)), "too-many-values"),
        (Query(All((asked("year", "1"),) * (MAX_CONDITIONS + 1))), "too-many-conditions"),
        (
            Query(
                All((asked("year", "1"),) * MAX_CONDITIONS),
                expand=(shown("copies", filter=All((asked("stars", "1"),))),),
            ),
            "too-many-conditions",
        ),
        (Query(order=by("year") * (MAX_ORDER + 1)), "too-many-terms"),
        (Query(expand=(shown("copies"),) * (MAX_EXPANDED + 1)), "too-many-relations"),
        (Query(All((asked("copies__stars", "1"),) * (MAX_EXISTS + 1))), "too-many-relations"),
        (Query(All((asked("author" + "__mentor" * MAX_HOPS + "__id", "1"),))), "too-many-relations"),
        (Query(order=by("author" + "__mentor" * MAX_HOPS + "__id")), "too-many-relations"),
        (Query(expand=(Expand("author", DEEP),)), "too-deep"),
    ],
)
def test_a_query_has_its_bounds(query, code):
    """What makes a statement long or slow is bounded."""
    with pytest.raises(Invalid) as caught:
        plan_read(query, BOOKS)

    (issue,) = caught.value.issues
    assert issue.code == code


def test_the_bounds_themselves_are_allowed():
    """As many values, relations in a path, and relations behind each other as are said."""
    values = ["1"] * MAX_VALUES
    found = listed(*[asked("year", *values, op="in")] * (MAX_QUERY_VALUES // MAX_VALUES))

    assert len(found.test.parts) == 5
    assert condition_of(asked("author" + "__mentor" * (MAX_HOPS - 1) + "__id", "1"))
    assert plan_read(DEEP.expand[0].query, AUTHORS).selection.relations


@pytest.mark.parametrize(
    ("part", "known"),
    [
        (asked("year", "1", op="contains"), "between"),
        (asked("in_print", "1", op="gt"), "not_in"),
        (asked("shelf", "1", op="between"), "in"),
        (asked("author", "1"), "author__id"),
        (asked("older_than", "1", op="gt"), "older_than=…"),
        (asked("older_than", "1", "2", op="in"), "once"),
    ],
)
def test_an_operator_has_to_fit(part, known):
    """An operator that the column does not have is refused with those that it has."""
    issue = issue_of(part)

    assert issue.code == "operator-unfit"
    assert known in issue.hint


def test_a_tree_is_planned_part_by_part():
    """AND, OR and NOT stay what they are."""
    one = condition_of(AnyOf((asked("year", "1"), Not(All((asked("limit", "2"), asked("copy", "3")))))))

    assert isinstance(one, Either)
    first, second = one.parts
    assert (first.field.name, first.values) == ("year", (1,))
    assert isinstance(second, Negation)
    assert [part.field.name for part in second.part.parts] == ["limit", "copy"]


def test_a_path_is_an_exists_for_each_relation():
    """A condition behind relations holds for some row there."""
    outer = condition_of(asked("author__mentor__name", "Ada", op="startswith"))

    assert (outer.link.name, outer.target) == ("author", AUTHORS.description)
    assert outer.part.link.name == "mentor"
    assert outer.part.part == Compare(AUTHORS.fields["name"], "startswith", ("Ada",))


def test_a_relation_without_rows():
    """`isnull` on a relation asks whether there is no row behind it; before it, some row may be meant."""
    link = BOOKS.description.links["copies"]

    assert condition_of(asked("copies", "true", op="isnull")) == Negation(
        Exists(link, COPIES.description, Every())
    )
    assert condition_of(asked("copies", "false", op="isnull")) == Exists(link, COPIES.description, Every())
    nested = condition_of(asked("author__mentor", "true", op="isnull"))
    assert isinstance(nested, Exists)
    assert isinstance(nested.part, Negation)


def test_one_related_row_may_have_to_be_all_of_it():
    """A filter of a relation is about one row behind it."""
    found = condition_of(Related("author__mentor", All((asked("name", "Ada"), asked("born", "1815")))))

    assert [found.link.name, found.part.link.name] == ["author", "mentor"]
    assert [part.field.name for part in found.part.part.parts] == ["name", "born"]


@pytest.mark.parametrize("path", ["title", "binding", "autor", "author__title", ""])
def test_only_relations_have_rows(path):
    """What is no relation, or one to a model without a resource, cannot be looked behind."""
    assert issue_of(Related(path, All(()), Place(pointer="/filter"))).code == "unknown-field"


def test_a_function_filters():
    """A filter of one's own takes a value of the type that its parameter has."""
    assert condition_of(asked("older_than", "5")) == Custom(older_than, 5, "older_than")
    assert condition_of(asked("books__older_than", "5"), model=AUTHORS).part == Custom(
        older_than, 5, "older_than"
    )


def test_a_function_sorts():
    """A sort key of one's own may be NULL as far as anybody knows."""
    first, *_ = listed(order=by("-loudness")).order

    assert (first.by, first.descending, first.nullable) == (BOOKS.sorts["loudness"], True, True)


def test_rows_are_sorted_by_fields_of_others():
    """A sort term leads through relations to one row; where there may be none, it may be NULL."""
    name, mentor, *_ = listed(order=by("author__name", "-author__mentor__name")).order

    assert ([link.name for link, _ in name.links], name.by.name, name.nullable) == (["author"], "name", True)
    assert ([link.name for link, _ in mentor.links], mentor.nullable) == (["author", "mentor"], True)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("copies__stars", "many rows"),
        ("author__books__title", "many rows"),
        ("copies", "many rows"),
        ("author", "no value"),
    ],
)
def test_many_rows_have_no_one_value(path, reason):
    """A sort term that leads to many rows is refused, and the answer says why."""
    issue = issue_of(order=by(path))

    assert issue.code == "not-sortable"
    assert reason in issue.detail


def test_a_relation_that_is_not_by_a_key_does_not_sort():
    """A join to one row by part of a key could multiply rows."""
    issue = issue_of(order=by("book__title"), model=COPIES)

    assert issue.code == "not-sortable"
    assert "a key of it" in issue.detail


def test_fields_come_in_the_order_of_the_model():
    """Whatever order they are asked for in, and each once."""
    found = listed(fields=("year", "isbn", "year", "tags")).selection

    assert [part.name for part in found.fields] == ["isbn", "year", "tags"]
    assert listed(fields=()).selection.fields == ()


def test_relations_come_in_the_order_of_the_model():
    """One row is read with its parent, many by a statement of their own."""
    found = listed(
        expand=(shown("author", fields=("name",)), shown("copies", limit=3, order=by("-stars")))
    ).selection.relations

    copies, author = found
    assert isinstance(copies, Many)
    assert isinstance(author, One)
    assert (copies.limit, copies.test, [term.by.name for term in copies.order]) == (
        3,
        Every(),
        ["stars", "id"],
    )
    assert [part.name for part in author.selection.fields] == ["name"]


def test_a_list_inside_shows_all_its_rows():
    """Without a limit nothing is cut; filters of it are planned as its own."""
    (copies,) = listed(
        expand=(shown("copies", filter=All((asked("stars", "3", op="gte"),))),)
    ).selection.relations

    assert copies.limit is None
    assert copies.test == Every((Compare(COPIES.fields["stars"], "gte", (3,)),))


@pytest.mark.parametrize(
    ("settings", "parameter", "code"),
    [
        ({"filter": All((asked("name", "Ada"),))}, "name", "single-row"),
        ({"order": by("name")}, "order_by", "single-row"),
        ({"limit": 1}, "limit", "single-row"),
        ({"cursor": "x"}, "cursor", "unknown-parameter"),
        ({"offset": 1}, "offset", "unknown-parameter"),
        ({"page": 1}, "page", "unknown-parameter"),
        ({"count": "exact"}, "count", "unknown-parameter"),
    ],
)
def test_one_row_is_no_list(settings, parameter, code):
    """A relation to one row is shown or not."""
    issue = issue_of(expand=(shown("author", **settings),))

    assert (issue.parameter, issue.code) == (parameter, code)


def test_a_row_behind_a_relation_that_is_not_by_a_key_is_read_on_its_own():
    """It is shown as one row, but a join might multiply its parent."""
    (book,) = listed(expand=(shown("book"),), model=COPIES).selection.relations

    assert isinstance(book, Many)
    assert not book.link.many


@pytest.mark.parametrize("settings", [{"fields": ("id",)}, {"expand": (shown("books"),)}])
def test_a_shape_of_ones_own_is_fixed(settings):
    """A resource with a model of its own is shown as that model says."""
    assert issue_of(model=SHORT, **settings).code == "fixed-shape"


def test_a_shape_of_ones_own_holds_behind_relations():
    """A row that is reached from elsewhere shows no field that its resource does not show."""
    books = readable(describe(Book), related={Author: SHORT})

    (author,) = listed(expand=(shown("author"),), model=books).selection.relations
    assert [part.name for part in author.selection.fields] == ["id", "name"]
    assert issue_of(expand=(shown("author", fields=("born",)),), model=books).code == "unknown-field"
    assert issue_of(expand=(shown("author", expand=(shown("books"),)),), model=books).code == "fixed-shape"


def test_one_row_is_a_list_of_one():
    """The row of a key, its fields and its relations."""
    found = plan_row(Query(fields=("title",), expand=(shown("author"),)), BOOKS, ("978", 1))

    assert (found.test, found.limit) == (KeyIs(("978", 1)), 1)
    assert [part.name for part in found.selection.fields] == ["title"]
    assert [part.link.name for part in found.selection.relations] == ["author"]


@pytest.mark.parametrize(
    ("settings", "parameter"),
    [
        ({"filter": All((asked("year", "1"),))}, "year"),
        ({"filter": All((asked("nonsense", "1"),))}, "nonsense"),
        ({"order": by("year")}, "order_by"),
        ({"limit": 1}, "limit"),
        ({"cursor": "x"}, "cursor"),
        ({"count": "exact"}, "count"),
    ],
)
def test_one_row_takes_nothing_of_a_list(settings, parameter):
    """There is nothing to filter, to sort or to count."""
    with pytest.raises(UnknownParameter) as caught:
        plan_row(Query(**settings), BOOKS, ("978", 1))

    assert [issue.parameter for issue in caught.value.issues] == [parameter]


def test_children_are_a_list_behind_one_row():
    """The whole language, and the relation of the parent besides."""
    link = BOOKS.description.links["copies"]
    found = plan_children(Query(All((asked("stars", "3"),)), limit=5), COPIES, BOOKS, link, ["978", 1])

    assert found.test.parts[0] == ChildOf(BOOKS.description, link, ("978", 1))
    assert found.test.parts[1].field.name == "stars"
    assert (found.description, found.limit) == (COPIES.description, 5)


def token(plan, **changes):
    """A cursor for a plan."""
    values = {"values": (1992, "978", 1), "backward": False, "skipped": None, "fingerprint": plan.fingerprint}
    return cursors.encode(cursors.Cursor(**(values | changes)))


def test_a_cursor_is_a_position():
    """It has one value for each sort term; the page after it may be of another size and shape."""
    plan = listed(order=by("year"))

    found = listed(
        order=by("year"), cursor=token(plan, backward=True), limit=3, fields=("isbn",), count="exact"
    )

    assert found.position == Position((1992, "978", 1), backward=True)


@pytest.mark.parametrize(
    ("changes", "settings"),
    [
        ({"values": (1992, "978")}, {}),
        ({"values": (), "skipped": 3}, {}),
        ({"fingerprint": "0" * 16}, {}),
        ({}, {"order": by("-year")}),
        ({}, {"filter": All((asked("limit", "1"),))}),
    ],
)
def test_a_cursor_of_something_else_is_refused(changes, settings):
    """A cursor is of one filter and one order."""
    cursor = token(listed(order=by("year")), **changes)
    with pytest.raises(Invalid) as caught:
        plan_read(Query(**({"order": by("year"), "cursor": cursor} | settings)), BOOKS)

    (issue,) = caught.value.issues
    assert (issue.code, issue.parameter) == ("invalid-cursor", "cursor")


@pytest.mark.parametrize("text", ["", "x", "AAAA", "null", "ü", "a" * 10_000])
def test_no_cursor_at_all_is_refused(text):
    """Whatever was made up."""
    assert issue_of(cursor=text).code == "invalid-cursor"


def test_rows_that_cannot_be_told_apart_are_counted():
    """A position in a view is a number of rows."""
    lines = readable(describe(Line))
    plan = listed(model=lines)

    assert listed(model=lines, cursor=token(plan, values=(), skipped=50)).position == Position(skipped=50)
    assert issue_of(model=lines, cursor=token(plan, values=(1, 2))).code == "invalid-cursor"


def test_a_fingerprint_is_the_same_in_every_process():
    """Not of addresses, nor of a hash that differs: a cursor outlives the process that gave it."""
    found = listed(
        asked("year", "1992", "1993", op="in"),
        asked("shelf", "a3cfb9f8-9fe6-4fc4-8a0c-3b1f6a0c5a52"),
        asked("older_than", "5"),
        order=by("-price", "author__name"),
    )

    assert found.fingerprint == "11578867a032d2d3"


def test_a_fingerprint_is_of_filter_and_order():
    """The order of conditions changes nothing, the values do, and so does the parent."""
    year, limit = asked("year", "1"), asked("limit", "2")
    link = BOOKS.description.links["copies"]

    assert listed(year, limit).fingerprint == listed(limit, year, count="exact").fingerprint
    assert listed(year).fingerprint != listed(asked("year", "2")).fingerprint
    assert listed(year).fingerprint != listed(asked("limit", "1")).fingerprint
    assert (
        plan_children(Query(), COPIES, BOOKS, link, ("a", 1)).fingerprint
        != plan_children(Query(), COPIES, BOOKS, link, ("a", 2)).fingerprint
    )


SORTABLE = sorted({"isbn", "copy", "title", "year", "limit", "author__name", "loudness"})


@settings(deadline=None, max_examples=60)
@given(st.lists(st.builds(Order, st.sampled_from(SORTABLE), st.booleans()), max_size=6))
def test_the_order_is_total_and_says_each_field_once(terms):
    """The terms asked for come first as sent, the key comes in whatever was asked, no field comes twice."""
    order = plan_read(Query(order=tuple(terms)), BOOKS).order
    names = ["__".join((*(link.name for link, _ in term.links), term.by.name)) for term in order]
    first: dict[str, bool] = {}
    for term in terms:
        first.setdefault(term.path, term.descending)

    assert names[: len(first)] == list(first)
    assert len(names) == len(set(names))
    assert set(names) == {*first, "isbn", "copy"}
    assert dict(zip(names, (term.descending for term in order), strict=True)).items() >= first.items()


PIECES = st.sampled_from(
    ["author", "copies", "mentor", "name", "year", "year__in", "tags", "older_than", "binding"]
)
PATHS = st.text(max_size=8) | st.lists(PIECES, min_size=1, max_size=6).map("__".join)
PLACES = st.builds(Place, st.none() | st.text(max_size=5)) | st.builds(Place, st.none(), st.text(max_size=5))
SCALARS = (
    st.text(max_size=8)
    | st.integers()
    | st.floats()
    | st.booleans()
    | st.sampled_from(["1", "true", "\ud800"])
)
CONDITIONS = st.builds(
    Condition, PATHS, st.sampled_from(OPERATORS), st.lists(SCALARS, max_size=3).map(tuple), PLACES
)
FILTERS = st.recursive(
    CONDITIONS,
    lambda part: st.one_of(
        st.builds(Not, part),
        st.builds(All, st.lists(part, max_size=3).map(tuple)),
        st.builds(AnyOf, st.lists(part, min_size=1, max_size=3).map(tuple)),
        st.builds(Related, PATHS, part, PLACES),
    ),
    max_leaves=6,
)


def queries(nested):
    return st.builds(
        Query,
        filter=st.builds(All, st.lists(FILTERS, max_size=3).map(tuple)),
        order=st.lists(st.builds(Order, PATHS, st.booleans(), PLACES), max_size=3).map(tuple),
        limit=st.none() | st.integers(),
        offset=st.none() | st.integers(),
        page=st.none() | st.integers(),
        cursor=st.none() | st.text(max_size=9),
        count=st.none() | st.sampled_from(COUNTS),
        fields=st.none() | st.lists(PATHS, max_size=3).map(tuple),
        expand=st.lists(st.builds(Expand, PATHS, nested, PLACES), max_size=2).map(tuple),
    )


@settings(deadline=None, max_examples=100)
@given(queries(queries(st.just(Query()))), st.sampled_from([BOOKS, AUTHORS, COPIES, SHORT]))
def test_whatever_is_asked_is_planned_or_refused(query, model):
    """Nothing that can be sent raises anything but Invalid."""
    for plan in (plan_read, lambda query, model: plan_row(query, model, (1,))):
        with contextlib.suppress(Invalid):
            plan(query, model)
