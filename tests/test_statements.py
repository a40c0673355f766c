"""Plans become SQL, without a database."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from splice import private
from splice.description import describe
from splice.parser import parse
from splice.plan import plan_read, readable
from splice.statements import children_of, count_rows, lock_entity, parent_of, select_row, select_rows


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


BOOK = describe(Book)
DIALECTS = {
    "sqlite": sqlite.dialect(),
    "postgresql": postgresql.dialect(),
    "mariadb": mysql.dialect(is_mariadb=True),
}


def sql(statement: sa.Select, dialect: str = "sqlite") -> str:
    """The text of a statement on one line, values in place."""
    options = {"literal_binds": True}
    return " ".join(str(statement.compile(dialect=DIALECTS[dialect], compile_kwargs=options)).split())


def plan(query: list[tuple[str, str]]):
    """The plan for some parameters."""
    return plan_read(parse(query), readable(BOOK))


def test_a_page_reads_what_is_shown_and_no_more():
    """Private columns are not even read; one row more than the page tells whether another page follows."""
    text = sql(select_rows(plan([("limit", "20"), ("offset", "40")]), "sqlite"))

    assert "cost" not in text
    assert "LIMIT 21 OFFSET 40" in text


@pytest.mark.parametrize(
    ("dialect", "order"),
    [
        ("sqlite", "ORDER BY books.year DESC NULLS LAST, books.isbn ASC"),
        ("postgresql", "ORDER BY books.year DESC NULLS LAST, books.isbn ASC"),
        ("mariadb", "ORDER BY books.year IS NULL, books.year DESC, books.isbn ASC"),
    ],
)
def test_nulls_come_last(dialect, order):
    """Each database is told in its own words."""
    assert order in sql(select_rows(plan([("order_by", "-year")]), dialect), dialect)


def test_text_is_compared_exactly_on_mariadb():
    """There 'ada' equals 'ÁDA ': the first half uses the index, the second is exact."""
    text = sql(select_rows(plan([("isbn", "x")]), "mariadb"), "mariadb")

    assert "books.isbn = 'x' AND books.isbn = ('x' COLLATE utf8mb4_nopad_bin)" in text
    assert "COLLATE" not in sql(select_rows(plan([("isbn", "x")]), "sqlite"))
    assert "COLLATE" not in sql(select_rows(plan([("year", "1")]), "mariadb"), "mariadb")


def test_conditions_are_joined_by_and_their_values_by_or():
    """Repeated values of one field are alternatives."""
    text = sql(select_rows(plan([("year", "1"), ("year", "2"), ("isbn", "x")]), "sqlite"))

    assert "WHERE (books.year = 1 OR books.year = 2) AND books.isbn = 'x'" in text


def test_a_count_knows_nothing_of_the_page():
    """It is right past the last page as well."""
    text = sql(count_rows(plan([("year", "1"), ("limit", "1"), ("offset", "9")]), "sqlite"))

    assert text == "SELECT count(*) AS count_1 FROM books WHERE books.year = 1"


def test_values_are_bound_parameters():
    """No value is part of the text that a database compiles."""
    statement = select_rows(plan([("isbn", "'; DROP TABLE books")]), "sqlite")

    assert "DROP" not in str(statement.compile(dialect=DIALECTS["sqlite"]))


def test_one_row_is_read_by_its_key():
    """Nothing but the key decides."""
    assert sql(select_row(BOOK, ["x"], "sqlite")).endswith("FROM books WHERE books.isbn = 'x'")


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
