"""Which operators a column allows."""

from __future__ import annotations

import datetime as dt
import enum
import uuid
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from pydantic import EmailStr
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from splice.description import describe
from splice.operators import LIKE, operators_of, takes
from splice.terms import OPERATORS


class Base(DeclarativeBase): ...


class Size(enum.Enum):
    SMALL = "small"


class Parts(sa.types.TypeDecorator[list[str]]):
    impl = sa.String
    cache_ok = True


class Trimmed(sa.types.TypeDecorator[str]):
    impl = sa.String
    cache_ok = True


class Thing(Base):
    __tablename__ = "things"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    mail: Mapped[EmailStr | None] = mapped_column(sa.String(50))
    trimmed: Mapped[str | None] = mapped_column(Trimmed(9))
    parts: Mapped[list[str]] = mapped_column(Parts(9))
    price: Mapped[Decimal]
    weight: Mapped[float]
    day: Mapped[dt.date]
    moment: Mapped[dt.datetime]
    hour: Mapped[dt.time]
    lasts: Mapped[dt.timedelta]
    size: Mapped[Size]
    grade: Mapped[str] = mapped_column(sa.Enum("a", "b"))
    real: Mapped[bool]
    token_id: Mapped[uuid.UUID]
    picture: Mapped[bytes]
    extra: Mapped[Any] = mapped_column(sa.JSON)
    codes: Mapped[list[int]] = mapped_column(sa.ARRAY(sa.Integer))


FIELDS = describe(Thing).fields
EQUALITY = ("eq", "ne", "in", "not_in", "isnull")
ORDERED = ("eq", "ne", "gt", "gte", "lt", "lte", "in", "not_in", "isnull", "between")


@pytest.mark.parametrize(
    ("names", "operators"),
    [
        (("name", "mail", "trimmed"), OPERATORS),
        (("id", "price", "weight", "day", "moment", "hour", "lasts", "parts"), ORDERED),
        (("size", "grade", "real", "token_id", "picture"), EQUALITY),
        (("extra", "codes"), ("isnull",)),
    ],
)
def test_a_column_allows_what_its_type_has_a_meaning_for(names, operators):
    """Text all, what has an order comparisons, the rest equality, JSON and lists only whether there is a value."""
    assert {name: operators_of(FIELDS[name]) for name in names} == dict.fromkeys(names, operators)


@pytest.mark.parametrize("operator", OPERATORS)
def test_an_operator_takes_one_value_or_two_or_many(operator):
    """Lists take one or more, `between` its two ends, all others one."""
    allowed = [number for number in range(4) if takes(operator, number)]

    assert allowed == {"in": [1, 2, 3], "not_in": [1, 2, 3], "between": [2]}.get(operator, [1])


def test_pieces_of_text_are_looked_for_by_six_operators():
    """Three, with and without letter case."""
    assert len(LIKE) == 6
    assert set(OPERATORS) >= LIKE
