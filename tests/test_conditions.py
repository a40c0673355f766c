"""Tests become SQL, without a database; what they find is tried on real ones in `databases/test_reading.py`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.orm import DeclarativeBase, Mapped, aliased, mapped_column, relationship

from splice.conditions import adapted, where
from splice.description import describe
from splice.reads import ChildOf, Compare, Custom, Either, Every, Exists, KeyIs, Negation


class Base(DeclarativeBase): ...


class Person(Base):
    __tablename__ = "people"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(30))
    nick: Mapped[str | None] = mapped_column(sa.String(30, collation="NOCASE"))
    boss_id: Mapped[int | None] = mapped_column(sa.ForeignKey("people.id"))
    boss: Mapped[Person | None] = relationship(remote_side="Person.id", back_populates="team")
    team: Mapped[list[Person]] = relationship(back_populates="boss")


PERSON = describe(Person)
DIALECTS = {
    "sqlite": sqlite.dialect(),
    "postgresql": postgresql.dialect(),
    "mariadb": mysql.dialect(is_mariadb=True),
}


def sql(test: Any, dialect: str = "sqlite") -> str:
    """The conditions of a test on one line, values in place."""
    statement = sa.select(Person.id).where(*where(test, PERSON, Person, dialect))
    text = statement.compile(dialect=DIALECTS[dialect], compile_kwargs={"literal_binds": True})
    return " ".join(str(text).split()).removeprefix("SELECT people.id FROM people WHERE ")


def ask(name: str, operator: str, *values: Any) -> Compare:
    """One comparison."""
    return Compare(PERSON.fields[name], operator, values)


@pytest.mark.parametrize(
    ("test", "text"),
    [
        (ask("id", "eq", 1), "people.id = 1"),
        (ask("id", "ne", 1), "people.id != 1"),
        (ask("id", "in", 1, 2), "people.id IN (1, 2)"),
        (ask("id", "not_in", 1, 2), "(people.id NOT IN (1, 2))"),
        (ask("id", "between", 1, 2), "people.id BETWEEN 1 AND 2"),
        (ask("id", "gte", 1), "people.id >= 1"),
        (ask("boss_id", "isnull", True), "people.boss_id IS NULL"),
        (ask("boss_id", "isnull", False), "people.boss_id IS NOT NULL"),
        (KeyIs((1,)), "people.id = 1"),
        (Either((ask("id", "eq", 1), ask("id", "lt", 0))), "people.id = 1 OR people.id < 0"),
        (Every((ask("id", "gt", 1), ask("id", "lt", 9))), "people.id > 1 AND people.id < 9"),
        (
            Negation(Every((ask("id", "gt", 1), ask("id", "lt", 9)))),
            "NOT (people.id > 1 AND people.id < 9)",
        ),
        (ChildOf(PERSON, PERSON.links["team"], (1,)), "people.boss_id = 1"),
        (Custom(lambda value: Person.id == value, 7), "people.id = 7"),
    ],
)
def test_conditions_are_plain_sql(test, text):
    """As one would write them by hand."""
    assert sql(test) == text


def test_what_always_holds_is_no_condition():
    """A read of everything has no WHERE."""
    assert where(Every(), PERSON, Person, "sqlite") == []


def test_text_is_compared_exactly_on_mariadb():
    """There 'ada' equals 'ÁDA ': the first half uses the index, the second is exact."""
    exact = "('x' COLLATE utf8mb4_nopad_bin)"

    assert sql(ask("name", "eq", "x"), "mariadb") == f"people.name = 'x' AND people.name = {exact}"
    assert sql(ask("name", "in", "x"), "mariadb") == f"people.name IN ('x') AND people.name IN {exact}"
    assert sql(ask("name", "ne", "x"), "mariadb") == f"NOT (people.name = 'x' AND people.name = {exact})"
    assert "COLLATE" not in sql(ask("name", "eq", "x"), "sqlite")
    assert "COLLATE" not in sql(ask("id", "eq", 1), "mariadb")


@pytest.mark.parametrize(("dialect", "collation"), [("sqlite", '"BINARY"'), ("postgresql", '"C"')])
def test_a_collation_of_the_column_does_not_make_equality_wider(dialect, collation):
    """A second half is exact, as on MariaDB."""
    assert sql(ask("nick", "eq", "x"), dialect) == (
        f"people.nick = 'x' AND (people.nick COLLATE {collation}) = 'x'"
    )


@pytest.mark.parametrize(
    ("operator", "dialect", "text"),
    [
        ("startswith", "sqlite", "people.name GLOB '5%[*]k*'"),
        ("icontains", "sqlite", "people.name GLOB '*5%[*][Kk]*'"),
        ("endswith", "postgresql", r"people.name LIKE '%%5\%%*k'"),
        ("icontains", "postgresql", r"people.name ILIKE '%%5\%%*k%%'"),
        (
            "contains",
            "mariadb",
            "people.name LIKE {0} ESCAPE '/' AND people.name LIKE ({0} COLLATE utf8mb4_nopad_bin) ESCAPE '/'".format(
                "'%%5/%%*k%%'"
            ),
        ),
        (
            "istartswith",
            "mariadb",
            "lower(people.name) LIKE (lower('5/%%*k%%') COLLATE utf8mb4_nopad_bin) ESCAPE '/'",
        ),
    ],
)
def test_wildcards_in_values_are_escaped(operator, dialect, text):
    """Each database has its own pattern, and its own characters that mean more than themselves."""
    written = sql(ask("name", operator, "5%*k"), dialect).replace("\\\\", "\\")

    assert written == text


@pytest.mark.parametrize(
    ("char", "pattern"),
    [("ä", "[Ää]"), ("ß", "ß"), ("1", "1"), ("İ", "İ"), ("]", "]"), ("[", "[[]"), ("ſ", "ſ")],
)
def test_letter_case_folds_beyond_ascii_on_sqlite(char, pattern):
    """A class of all single characters that are the same in lower case."""
    assert sql(ask("name", "icontains", char)) == f"people.name GLOB '*{pattern}*'"


def test_related_rows_are_asked_for_by_existence():
    """Under aliases of their own: a model may be related to itself."""
    inner = Exists(PERSON.links["boss"], PERSON, ask("name", "eq", "x"))

    assert sql(Exists(PERSON.links["team"], PERSON, inner)) == (
        "EXISTS (SELECT 1 FROM people AS people_1 WHERE people.id = people_1.boss_id AND "
        "(EXISTS (SELECT 1 FROM people AS people_2 WHERE people_2.id = people_1.boss_id "
        "AND people_2.name = 'x')))"
    )


def test_the_rows_of_a_parent_are_found_by_their_keys_where_the_link_is_more_than_a_key():
    """Any relation of SQLAlchemy's can be followed."""
    link = replace(PERSON.links["team"], pairs=())

    assert sql(ChildOf(PERSON, link, (1,))) == (
        "people.id IN (SELECT people_1.id FROM people AS people_2 JOIN people AS people_1 "
        "ON people_2.id = people_1.boss_id WHERE people_2.id = 1)"
    )


def test_own_conditions_move_to_an_alias_and_other_aliases_stay():
    """Also inside of subqueries."""
    other, alias = aliased(Person, name="other"), aliased(Person, name="alias")
    clause = sa.exists().where(other.boss_id == Person.boss_id, Person.id > 1)

    text = " ".join(str(sa.select(alias.id).where(adapted(clause, alias))).split())

    assert text == (
        "SELECT alias.id FROM people AS alias WHERE EXISTS (SELECT * FROM people AS other "
        "WHERE other.boss_id = alias.boss_id AND alias.id > :id_1)"
    )
    assert adapted(clause, Person) is clause
