"""A shop in two versions: parents and children, an enum, CHECKs, unique and plain indexes, defaults, many types."""

from __future__ import annotations

import enum

import sqlalchemy as sa

from tests.migrations.kinds import Email

__all__ = ["first", "second"]


class Mood(enum.Enum):
    """How somebody feels in the first version."""

    calm = "calm"
    wild = "wild"


class MoreMood(enum.Enum):
    """How somebody feels in the second."""

    calm = "calm"
    keen = "keen"
    wild = "wild"


def _people(metadata: sa.MetaData, mood: type[enum.Enum], *more: sa.Column, name: int, note: bool) -> None:
    sa.Table(
        "people",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(name), nullable=False),
        sa.Column("email", Email(), unique=True),
        sa.Column("mood", sa.Enum(mood, name="mood"), nullable=False, server_default="calm"),
        sa.Column("boss_id", sa.ForeignKey("people.id")),
        sa.Column("note", sa.Text, nullable=note),
        sa.Column("made_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.CheckConstraint("length(name) > 0"),
        sa.UniqueConstraint("name", "boss_id"),
        *more,
    )


def _orders(metadata: sa.MetaData, *more: sa.SchemaItem) -> None:
    sa.Table(
        "orders",
        metadata,
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("person_id", sa.ForeignKey("people.id", ondelete="CASCADE"), nullable=False, index=True),
        sa.Column("total", sa.Numeric(12, 2), sa.CheckConstraint("total >= 0"), nullable=False),
        sa.Column("paid", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("weight", sa.Float),
        sa.Column("precise", sa.Double),
        sa.Column("day", sa.Date),
        sa.Column("hour", sa.Time),
        sa.Column("at", sa.DateTime),
        sa.Column("extra", sa.JSON),
        sa.Column("blob", sa.LargeBinary),
        sa.Column("token", sa.Uuid),
        sa.Column("small", sa.SmallInteger, server_default="0", nullable=False),
        sa.Column("code", sa.CHAR(3), server_default="EUR", nullable=False),
        sa.Column("label", sa.String(20), server_default=sa.text("'none'")),
        sa.Column("size", sa.Enum("s", "m", "l", name="size", native_enum=False, create_constraint=True)),
        *more,
    )


def first() -> sa.MetaData:
    """The first version."""
    metadata = sa.MetaData()
    _people(metadata, Mood, name=50, note=True)
    _orders(metadata)
    return metadata


def second() -> sa.MetaData:
    """The second: an enum of one value more, a column that must be filled, columns and a table that are new."""
    metadata = sa.MetaData()
    locale = sa.Column("locale", sa.String(10), nullable=False, server_default="en")
    other = sa.Column("other_mood", sa.Enum(MoreMood, name="mood"))
    _people(metadata, MoreMood, locale, other, name=80, note=False)
    state = sa.Column("state", sa.Enum("new", "sent", name="state"), server_default="new", nullable=False)
    _orders(metadata, sa.CheckConstraint("small < 100", name="small_enough"), state)
    sa.Table(
        "lines",
        metadata,
        sa.Column("order_id", sa.ForeignKey("orders.id"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("text", sa.String(30), index=True),
    )
    return metadata


FIRST = first()
SECOND = second()
