"""Models that ask more of a migration than the shop: schemas, arrays, own types, computed columns, own names."""

from __future__ import annotations

import datetime as dt
import enum

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from splice.types import AsStored
from tests.migrations.kinds import Email, Point

__all__ = ["CONVENTION", "EVERYTHING", "POSTGRESQL", "SCHEMAS", "Base"]


class Color(enum.Enum):
    """An enum by its values."""

    red = "r"
    green = "g"


class Base(DeclarativeBase):
    """What ordinary models look like."""


class Author(Base):
    """Many plain types, and a key that is no number."""

    __tablename__ = "authors"
    id: Mapped[str] = mapped_column(sa.String(36), primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(50), index=True, comment="as printed")
    email: Mapped[str | None] = mapped_column(Email)
    place: Mapped[str | None] = mapped_column(Point)
    color: Mapped[Color] = mapped_column(server_default="red")
    shade: Mapped[Color | None] = mapped_column(
        sa.Enum(
            Color, native_enum=False, values_callable=lambda kind: [item.value for item in kind], length=10
        )
    )
    born: Mapped[dt.date | None]
    seen: Mapped[dt.datetime] = mapped_column(sa.DateTime(timezone=True), server_default=sa.func.now())
    score: Mapped[float] = mapped_column(server_default="0.5")
    is_alive: Mapped[bool] = mapped_column(server_default=sa.true())
    raw: Mapped[str | None] = mapped_column(AsStored(sa.String(10)))
    motto: Mapped[str] = mapped_column(sa.String(30), server_default="it's 100% fine")
    size: Mapped[int] = mapped_column(sa.CheckConstraint("size > 0"), server_default="1")
    area: Mapped[int | None] = mapped_column(sa.Computed("size * size", persisted=True))

    __table_args__ = (
        sa.Index("ix_author_born_name", "born", "name"),
        sa.CheckConstraint("size < 1000 AND score >= 0"),
    )


class Book(Base):
    """A composite key that is referred to, and a partial unique index where there is one."""

    __tablename__ = "books"
    shelf: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    author_id: Mapped[str] = mapped_column(sa.ForeignKey("authors.id", onupdate="CASCADE"))
    title: Mapped[str] = mapped_column(sa.Text)
    price: Mapped[float | None] = mapped_column(sa.Numeric(8, 2, asdecimal=False))

    __table_args__ = (
        sa.UniqueConstraint("author_id", "shelf"),
        sa.Index(
            "ux_books_free",
            "author_id",
            unique=True,
            postgresql_where=sa.text("price IS NULL"),
            sqlite_where=sa.text("price IS NULL"),
        ),
    )


class Loan(Base):
    """Refers to two columns, and to itself."""

    __tablename__ = "loans"
    id: Mapped[int] = mapped_column(primary_key=True)
    shelf: Mapped[int]
    number: Mapped[int]
    next_id: Mapped[int | None] = mapped_column(sa.ForeignKey("loans.id", ondelete="SET NULL"))

    __table_args__ = (
        sa.ForeignKeyConstraint(["shelf", "number"], ["books.shelf", "books.number"], ondelete="CASCADE"),
    )


EVERYTHING = Base.metadata

CONVENTION = sa.MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)
sa.Table(
    "owners",
    CONVENTION,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("code", sa.String(5), unique=True),
)
sa.Table(
    "cats",
    CONVENTION,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("owner_id", sa.ForeignKey("owners.id"), index=True),
    sa.Column("lives", sa.Integer, sa.CheckConstraint("lives <= 9", name="lives")),
)

SCHEMAS = sa.MetaData()
sa.Table("plain", SCHEMAS, sa.Column("id", sa.Integer, primary_key=True))
sa.Table(
    "things",
    SCHEMAS,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("plain_id", sa.ForeignKey("plain.id")),
    sa.Column("name", sa.String(10), unique=True, index=True),
    schema="splice_other",
)

POSTGRESQL = sa.MetaData()
sa.Table(
    "pg",
    POSTGRESQL,
    sa.Column("id", sa.Uuid, primary_key=True, server_default=sa.text("gen_random_uuid()")),
    sa.Column("tags", postgresql.ARRAY(sa.String(10)), server_default="{}"),
    sa.Column("colors", postgresql.ARRAY(sa.Enum("r", "g", name="paint"))),
    sa.Column("paint", postgresql.ENUM("r", "g", name="paint"), server_default="r"),
    sa.Column("doc", postgresql.JSONB, nullable=False, server_default=sa.text("'{}'::jsonb")),
    sa.Column("span", postgresql.TSTZRANGE),
    sa.Column("ip", postgresql.INET),
    sa.Column("number", sa.Integer, sa.Identity()),
    sa.Column("long", sa.Interval),
    sa.Index("ix_pg_doc", "doc", postgresql_using="gin"),
    schema="public",
)
