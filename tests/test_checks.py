"""What stops the start, without an application."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from pydantic import BaseModel, Field
from sqlalchemy.orm import DeclarativeBase, Mapped, column_property, mapped_column

from splice import Database, private, read_only
from splice.checks import check_create, check_storage
from splice.description import Description, describe
from splice.errors import SetupError


class Base(DeclarativeBase):
    pass


class Account(Base):
    __tablename__ = "accounts"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(20))
    level: Mapped[int] = mapped_column(info=read_only)
    digest: Mapped[str] = mapped_column(sa.String(20), info=private)
    note: Mapped[str | None] = mapped_column(sa.String(20), info=private)
    made: Mapped[dt.datetime] = mapped_column(server_default=sa.func.now())
    state: Mapped[str] = mapped_column(sa.String(5), default="new", info=private)
    version: Mapped[int] = mapped_column()
    kind: Mapped[str] = mapped_column(sa.String(9))
    loud: Mapped[str] = column_property(sa.func.upper(name, type_=sa.String))
    __mapper_args__ = {"version_id_col": version, "polymorphic_on": kind, "polymorphic_identity": "account"}


class Whole(BaseModel):
    name: str
    rank: int = Field(alias="level")
    digest: str = ""


class WithoutLevel(BaseModel):
    name: str
    digest: str


class WithoutDigest(BaseModel):
    name: str
    level: int


class WithoutName(BaseModel):
    level: int
    digest: str


class Clock(Base):
    __tablename__ = "clocks"
    id: Mapped[int] = mapped_column(primary_key=True)
    rings: Mapped[dt.time] = mapped_column(sa.Time(timezone=True))


class Alarm(sa.types.TypeDecorator[dt.time]):
    impl = sa.Time(timezone=True)
    cache_ok = True


class DecoratedClock(Base):
    __tablename__ = "decorated_clocks"
    id: Mapped[int] = mapped_column(primary_key=True)
    rings: Mapped[dt.time] = mapped_column(Alarm)


class Amount(sa.types.TypeDecorator[Decimal]):
    impl = sa.Numeric(20, 2)
    cache_ok = True


class TextOnSqlite(Amount):
    cache_ok = True

    def load_dialect_impl(self, dialect: Any) -> Any:
        return sa.String(30) if dialect.name == "sqlite" else self.impl_instance


SQLITE = "sqlite+aiosqlite:///:memory:"
POSTGRESQL = "postgresql+asyncpg://nobody@127.0.0.1:1/none"
MARIADB = "mariadb+asyncmy://nobody@127.0.0.1:1/none"


def amounts(type_: type[Any]) -> Description:
    """A model with a column of this type."""
    columns = {"id": mapped_column(sa.Integer, primary_key=True), "amount": mapped_column(type_)}
    stated = {"__tablename__": f"of_{type_.__name__}", "__annotations__": {"amount": Mapped[Decimal]}}
    return describe(type(f"Of{type_.__name__}", (Base,), {**stated, **columns}))


@pytest.mark.parametrize(
    ("own", "lacking"), [(WithoutLevel, "level"), (WithoutDigest, "digest"), (WithoutName, "name")]
)
def test_a_model_for_create_that_lacks_what_nothing_else_supplies_is_refused(own, lacking):
    """Every POST would fail."""
    with pytest.raises(SetupError) as raised:
        check_create(describe(Account), own)

    for words in (f"Account.{lacking} is required", own.__name__, "default", "before_create", "only="):
        assert words in str(raised.value)


def test_a_model_for_create_need_not_have_what_supplies_itself():
    """NULL, defaults, versions, discriminators, keys and expressions; a field counts under its alias."""
    check_create(describe(Account), Whole)


@pytest.mark.parametrize("model", [Clock, DecoratedClock])
@pytest.mark.parametrize("url", [SQLITE, MARIADB])
def test_a_zoned_time_is_refused_where_its_zone_would_be_lost(url, model):
    """Only PostgreSQL keeps it."""
    with pytest.raises(SetupError, match=r"\.rings is a Time with a time zone.*use Time\(\), or DateTime"):
        check_storage(describe(model), Database(url))


def test_a_zoned_time_is_kept_by_postgresql():
    """So nothing is said there, nor of a database that is not known."""
    check_storage(describe(Clock), Database(POSTGRESQL))
    check_storage(describe(Clock), None)


def test_a_decorator_is_held_to_what_sqlite_stores_below_it():
    """Text keeps every digit; a decorated Numeric is a double like any other."""
    check_storage(amounts(TextOnSqlite), Database(SQLITE))

    with pytest.raises(SetupError, match="amount is a Numeric of more than 15 digits"):
        check_storage(amounts(Amount), Database(SQLITE))
