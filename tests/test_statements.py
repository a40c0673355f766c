"""Plans become SQL, without a database."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from splice.description import describe
from splice.marks import private
from splice.reads import Compare, Every, Many, One, Position, ReadPlan, Selection, Sort
from splice.statements import (
    children_of,
    count_rows,
    count_some,
    has_row,
    lock_entity,
    parent_of,
    select_children,
    select_entities,
    select_page,
)


class Base(DeclarativeBase): ...


class Shelf(Base):
    __tablename__ = "shelves"
    id: Mapped[int] = mapped_column(primary_key=True)
    books: Mapped[list[Book]] = relationship()


class Book(Base):
    __tablename__ = "books"
    isbn: Mapped[str] = mapped_column(sa.String(13), primary_key=True)
    year: Mapped[int | None]
    cost: Mapped[int] = mapped_column(info=private)
    shelf_id: Mapped[int | None] = mapped_column(sa.ForeignKey("shelves.id"))
    shelf: Mapped[Shelf | None] = relationship(viewonly=True)


SHELF, BOOK = describe(Shelf), describe(Book)
DIALECTS = {
    "sqlite": sqlite.dialect(),
    "postgresql": postgresql.dialect(),
    "mariadb": mysql.dialect(is_mariadb=True),
}


def sql(statement: Any, dialect: str = "sqlite") -> str:
    """The text of a statement on one line, values in place."""
    options = {"literal_binds": True}
    return " ".join(str(statement.compile(dialect=DIALECTS[dialect], compile_kwargs=options)).split())


def by(*names: str) -> tuple[Sort, ...]:
    """Sort terms from their text, as in `-year`."""
    fields = [(BOOK.fields[name.lstrip("-")], name.startswith("-")) for name in names]
    return tuple(Sort((), field, descending, field.nullable) for field, descending in fields)


def plan(*order: str, **more: Any) -> ReadPlan:
    """A plan that shows all columns, in the order of the key unless told otherwise."""
    selection = more.pop("selection", Selection(BOOK, BOOK.readable))
    parts = more.pop("parts", ())
    return ReadPlan(selection, Every(tuple(parts)), by(*order, "isbn"), more.pop("limit", 20), **more)


def test_a_page_reads_what_is_shown_and_no_more():
    """Private columns are not even read; one row more than the page tells whether another page follows."""
    text = sql(select_page(plan(offset=40), "sqlite"))

    assert text == (
        "SELECT books.isbn, books.year, books.shelf_id FROM books ORDER BY books.isbn ASC LIMIT 21 OFFSET 40"
    )


@pytest.mark.parametrize(
    ("dialect", "order"),
    [
        ("sqlite", "ORDER BY books.year DESC NULLS LAST, books.isbn ASC"),
        ("postgresql", "ORDER BY books.year DESC NULLS LAST, books.isbn ASC"),
        ("mariadb", "ORDER BY books.year DESC, books.isbn ASC"),
    ],
)
def test_nulls_come_last(dialect, order):
    """Each database is told in its own words, if it has to be told at all."""
    assert order in sql(select_page(plan("-year", offset=9_000), dialect), dialect)


def test_nulls_come_last_by_two_branches_where_an_index_has_them_first():
    """Each branch stops at the limit; what they give is sorted once more, and cut."""
    text = sql(select_page(plan("-year", limit=2), "postgresql"), "postgresql")

    assert "WHERE books.year IS NOT NULL ORDER BY books.year DESC, books.isbn ASC LIMIT 3" in text
    assert "WHERE books.year IS NULL ORDER BY books.isbn ASC LIMIT 3" in text
    assert text.endswith("ORDER BY anon_1.part, anon_1.c1 DESC, anon_1.c0 ASC LIMIT 3 OFFSET 0")


def test_going_backward_turns_the_order():
    """NULLs come first then; the reader turns the rows round."""
    position = Position((1999, "x"), backward=True)

    text = sql(select_page(plan("year", position=position), "sqlite"))

    assert text.endswith(
        "WHERE books.year IS NOT NULL AND (books.year, books.isbn) < (1999, 'x') "
        "ORDER BY books.year DESC, books.isbn DESC LIMIT 21 OFFSET 0"
    )


def test_a_number_of_rows_is_a_position_too():
    """Where no key tells rows apart."""
    assert sql(select_page(plan(position=Position(skipped=60)), "sqlite")).endswith("LIMIT 21 OFFSET 60")


def test_what_is_shown_of_one_row_is_joined_once():
    """An outer join under an alias, which sorting by the relation shares."""
    name = Sort(((BOOK.links["shelf"], SHELF),), SHELF.fields["id"], descending=False, nullable=True)
    shelf = One(BOOK.links["shelf"], Selection(SHELF, SHELF.key))
    asked = ReadPlan(Selection(BOOK, BOOK.key, (shelf,)), Every(), (name, *by("isbn")), 20)

    assert sql(select_page(asked, "sqlite")) == (
        "SELECT books.isbn, shelves_1.id FROM books LEFT OUTER JOIN shelves AS shelves_1 "
        "ON shelves_1.id = books.shelf_id ORDER BY shelves_1.id ASC NULLS LAST, books.isbn ASC LIMIT 21 OFFSET 0"
    )


def test_children_are_read_for_all_parents_at_once():
    """The parent's key first, exactly as the page has it."""
    books = Many(SHELF.links["books"], Selection(BOOK, BOOK.key), Every(), by("isbn"), None)

    assert sql(select_children(SHELF, books, [(1,), (2,)], "sqlite")) == (
        "SELECT shelves_1.id, books_1.isbn FROM shelves AS shelves_1 JOIN books AS books_1 "
        "ON shelves_1.id = books_1.shelf_id WHERE shelves_1.id IN (1, 2) ORDER BY books_1.isbn ASC LIMIT 10001 OFFSET 0"
    )


@pytest.mark.parametrize(
    ("dialect", "words"), [("sqlite", "row_number() OVER"), ("postgresql", "JOIN LATERAL")]
)
def test_each_parent_has_a_limit_of_its_own(dialect, words):
    """By rank, or where the database can by a scan of its own for each parent."""
    books = Many(SHELF.links["books"], Selection(BOOK, BOOK.key), Every(), by("isbn"), 3)

    text = sql(select_children(SHELF, books, [(1,), (2,)], dialect), dialect)

    assert words in text
    assert "nth LIMIT 10001" in text


def test_entities_come_with_their_positions():
    """After each entity the values of its sort terms."""
    text = sql(select_entities(plan("year"), "mariadb"), "mariadb")

    assert text.startswith("SELECT books.isbn, books.year, books.cost, books.shelf_id")
    assert text.endswith(
        "FROM books ORDER BY books.year IS NULL ASC, books.year ASC, books.isbn ASC LIMIT 0, 21"
    )


def test_a_count_knows_nothing_of_the_page():
    """It is right past the last page as well."""
    asked = plan(parts=[Compare(BOOK.fields["year"], "eq", (1,))], limit=1, offset=9)

    assert sql(count_rows(asked, "sqlite")) == "SELECT count(*) AS count_1 FROM books WHERE books.year = 1"
    assert sql(count_some(asked, 10, "sqlite")) == (
        "SELECT count(*) AS count_1 "
        "FROM (SELECT 1 AS found FROM books WHERE books.year = 1 LIMIT 11 OFFSET 0) AS anon_1"
    )


def test_values_are_bound_parameters():
    """No value is part of the text that a database compiles."""
    hostile = "'; DROP TABLE books"
    asked = plan(parts=[Compare(BOOK.fields["isbn"], "contains", (hostile,))], position=Position((hostile,)))

    assert "DROP" not in str(select_page(asked, "sqlite").compile(dialect=DIALECTS["sqlite"]))


def test_the_text_of_a_statement_does_not_depend_on_values():
    """So that SQLAlchemy compiles it once, and the database plans it once."""
    shelf = One(BOOK.links["shelf"], Selection(SHELF, SHELF.key))
    asked = [
        plan(
            "year",
            parts=[Compare(BOOK.fields["year"], "in", values)],
            position=Position((values[0], "x")),
            selection=Selection(BOOK, BOOK.key, (shelf,)),
        )
        for values in [(1,), (2, 3)]
    ]

    keys = {select_page(each, "sqlite")._generate_cache_key().key for each in asked}

    assert len(keys) == 1


def test_one_row_is_looked_for_by_its_key():
    """Nothing but the key decides."""
    assert sql(has_row(BOOK, ["x"], "sqlite")).startswith("SELECT EXISTS (SELECT * FROM books WHERE")


@pytest.mark.parametrize(
    ("dialect", "ending"),
    [("sqlite", "'x'"), ("postgresql", "FOR UPDATE OF books"), ("mariadb", "FOR UPDATE")],
)
def test_a_row_about_to_change_is_locked(dialect, ending):
    """Where the database has row locks, and on this table alone where it can say so."""
    assert sql(lock_entity(BOOK, ["x"], dialect), dialect).endswith(ending)


def test_children_and_parents_are_asked_for_by_existence():
    """A question about relations reads no rows."""
    (relation,) = describe(Shelf).keeps
    key = next(rule for rule in BOOK.constraints if rule.kind == "foreign_key")

    children = children_of(relation, {"id": 7})
    parent = parent_of(BOOK, key, {"shelf_id": 7})

    assert sql(children) == "SELECT EXISTS (SELECT * FROM books WHERE books.shelf_id = 7) AS anon_1"
    assert sql(parent) == "SELECT EXISTS (SELECT * FROM shelves WHERE shelves.id = 7) AS anon_1"
    assert parent_of(BOOK, key, {"shelf_id": None}) is None
