"""Places between rows, without a database; walking them is tried on real ones in `databases/test_reading.py`."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from splice.keyset import (
    PositionError,
    Term,
    beyond,
    branches,
    check_position,
    form_of,
    order_by,
    reversed_terms,
)
from splice.reads import Computed, Position, Sort

T = sa.table("t", sa.column("a", sa.Integer), sa.column("b", sa.Integer), sa.column("c", sa.Integer))


def term(name: str, *, descending: bool = False, nullable: bool = False, dialect: str = "sqlite") -> Term:
    """A sort term by an integer."""
    return Term(T.c[name], form_of(sa.Integer(), dialect), descending, nullable)


def text(clause: Any) -> str:
    """A condition on one line, values in place."""
    return " ".join(str(clause.compile(compile_kwargs={"literal_binds": True})).split())


def test_one_comparison_of_rows_where_all_terms_go_one_way():
    """An index serves it whole."""
    terms = (term("a"), term("b"))

    assert text(beyond(terms, (1, 2), "sqlite")) == "(t.a, t.b) > (1, 2)"
    assert text(beyond(reversed_terms(terms), (1, 2), "sqlite")) == "(t.a, t.b) < (1, 2)"


@pytest.mark.parametrize(
    ("terms", "dialect"),
    [((term("a"), term("b", descending=True)), "sqlite"), ((term("a"), term("b")), "mariadb")],
)
def test_a_leading_bound_for_the_index_elsewhere(terms, dialect):
    """Redundant, but the only part of the condition that is a range."""
    assert text(beyond(terms, (1, 2), dialect)).startswith("t.a >= 1 AND (t.a > 1 OR t.a = 1 AND t.b")


def test_where_nulls_stand_decides_what_is_beyond():
    """Forward they come last: after every value, and nothing after them; backward it is the other way round."""
    forward = (term("a", nullable=True),)
    backward = reversed_terms(forward)

    assert text(beyond(forward, (1,), "sqlite")) == "t.a > 1 OR t.a IS NULL"
    assert text(beyond(forward, (None,), "sqlite")) == "false"
    assert text(beyond(backward, (1,), "sqlite")) == "t.a < 1"
    assert text(beyond(backward, (None,), "sqlite")) == "t.a IS NOT NULL"


rows = st.tuples(*[st.none() | st.integers(0, 2)] * 3)


@settings(max_examples=100, deadline=None)
@given(
    data=st.lists(rows, max_size=12),
    position=rows,
    descending=st.tuples(*[st.booleans()] * 3),
    backward=st.booleans(),
)
def test_beyond_a_position_lies_what_sorts_after_it(data, position, descending, backward):
    """For any rows with ties and NULLs, in any mix of directions, from both ends; in one part as in branches."""
    terms = tuple(
        term(name, descending=down, nullable=True) for name, down in zip("abc", descending, strict=True)
    )
    terms = reversed_terms(terms) if backward else terms
    engine = sa.create_engine("sqlite://")
    table = sa.Table("t", sa.MetaData(), *(sa.Column(name, sa.Integer) for name in "abc"))

    with engine.connect() as connection:
        table.create(connection)
        if data:
            connection.execute(table.insert(), [dict(zip("abc", row, strict=True)) for row in data])

        def read(part_terms, *conditions):
            statement = sa.select(T.c.a, T.c.b, T.c.c).where(*conditions)
            return [
                tuple(row) for row in connection.execute(statement.order_by(*order_by(part_terms, "sqlite")))
            ]

        whole = read(terms, beyond(terms, position, "sqlite"))
        parts: list[tuple[Any, ...]] = []
        for branch in branches(terms, position, "sqlite"):
            conditions = [] if branch.condition is None else [branch.condition]
            if branch.values is not None:
                conditions.append(beyond(branch.terms, branch.values, "sqlite"))
            parts += read(branch.terms, *conditions)
    engine.dispose()

    assert whole == parts == sorted_after(data, position, descending, backward=backward)


def sorted_after(data, position, descending, *, backward):
    """The same in Python: NULLs last, whichever way a term goes, and all of it turned round where backward."""

    def place(row):
        return [
            (value is None, 0 if value is None else -value if down else value)
            for value, down in zip(row, descending, strict=True)
        ]

    if backward:
        return sorted((row for row in data if place(row) < place(position)), key=place, reverse=True)
    return sorted((row for row in data if place(row) > place(position)), key=place)


def test_two_branches_only_where_an_index_needs_them():
    """Where it has the NULLs at the wanted end, one scan gives the first page."""
    up, down = (term("a", nullable=True),), (term("a", nullable=True, descending=True),)

    counts = {
        (dialect, name): len(branches(terms, None, dialect))
        for dialect in ("sqlite", "postgresql", "mariadb")
        for name, terms in {"up": up, "down": down}.items()
    }

    assert counts == {
        ("sqlite", "up"): 2,
        ("sqlite", "down"): 1,
        ("postgresql", "up"): 1,
        ("postgresql", "down"): 2,
        ("mariadb", "up"): 2,
        ("mariadb", "down"): 1,
    }
    assert len(branches((term("a"),), (1,), "postgresql")) == 1


@pytest.mark.parametrize(
    ("type_", "fits", "unfit"),
    [
        (sa.SmallInteger(), [1, -(2**15)], [2**15, True, 1.0, "1"]),
        (sa.Integer(), [1, 2**31 - 1], [2**31, "1", None]),
        (sa.BigInteger(), [2**63 - 1], [2**63]),
        (sa.Float(), [1.5, 3, float("nan")], ["1", True, 10**400]),
        (sa.Numeric(10, 2), [Decimal("1.5"), Decimal("NaN")], [1.5, Decimal("sNaN"), Decimal("1e1000000")]),
        (sa.String(3), ["", "long"], ["\x00", "\ud800", 1, b"x"]),
        (sa.Boolean(), [True], [1]),
        (sa.Date(), [dt.date(1, 1, 1)], [dt.datetime(1, 1, 1), "2020-01-01"]),
        (sa.DateTime(), [dt.datetime(1, 1, 1)], [dt.datetime(1, 1, 1, tzinfo=dt.UTC), dt.date(1, 1, 1)]),
        (sa.DateTime(timezone=True), [dt.datetime(1, 1, 1, tzinfo=dt.UTC)], [dt.datetime(1, 1, 1)]),
        (sa.Time(), [dt.time(1)], [dt.time(1, tzinfo=dt.UTC)]),
        (sa.Enum("a", "b", name="ab"), ["a"], ["c", 1]),
        (sa.LargeBinary(), [b""], [""]),
        (sa.Integer().with_variant(sa.BigInteger(), "postgresql"), [2**31], [2**63]),
    ],
)
def test_a_position_of_the_wrong_type_is_refused(type_, fits, unfit):
    """What a client forges reaches no statement that would break on it."""

    def check(value: Any) -> None:
        sort = Sort((), Computed("x", lambda: sa.column("x", type_)), descending=False, nullable=False)
        check_position(Position((value,)), (sort,), "postgresql")

    for value in fits:
        check(value)
    for value in unfit:
        with pytest.raises(PositionError):
            check(value)


def test_a_position_has_a_value_for_each_term():
    """And NULL only where a column can hold it; a number of rows has no values."""
    sort = Sort((), Computed("x", lambda: T.c.a), descending=False, nullable=True)

    check_position(Position((None,)), (sort,), "sqlite")
    check_position(Position(skipped=3), (sort,), "sqlite")
    for position, order in [
        (Position((None,)), (replace(sort, nullable=False),)),
        (Position(()), (sort,)),
        (Position((1, 2)), (sort,)),
        (Position((1,), skipped=1), (sort,)),
        (Position(skipped=-1), (sort,)),
    ]:
        with pytest.raises(PositionError):
            check_position(position, order, "sqlite")
