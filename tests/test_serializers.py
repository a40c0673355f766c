"""Rows are written as Pydantic would write them, nested ones too; shapes are kept, and not without bound."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from pydantic import TypeAdapter
from sqlalchemy import DateTime, ForeignKey, LargeBinary, Numeric, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from splice.description import describe
from splice.reads import Every, Many, One, Selection
from splice.schemas import Schemas
from splice.serializers import Serializers, row_serializer, serializer_of


class Base(DeclarativeBase): ...


class Author(Base):
    __tablename__ = "authors"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(80))
    books: Mapped[list[Book]] = relationship(back_populates="author")


class Book(Base):
    __tablename__ = "books"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str | None] = mapped_column(String(80))
    price: Mapped[Decimal | None] = mapped_column(Numeric(8, 2))
    cover: Mapped[bytes | None] = mapped_column(LargeBinary)
    printed: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))
    author_id: Mapped[int | None] = mapped_column(ForeignKey("authors.id"))
    author: Mapped[Author | None] = relationship(back_populates="books")


AUTHOR, BOOK = describe(Author), describe(Book)
ROW = {
    "id": 1,
    "title": "Añ",
    "price": Decimal("1.50"),
    "cover": b"\x00\xff",
    "printed": dt.datetime(2026, 1, 1, 0, 0, 0, 1, tzinfo=dt.UTC),
    "author_id": None,
}


def books(*names: str) -> Selection:
    return Selection(BOOK, tuple(BOOK.fields[name] for name in names))


def nested(limit: int | None = None) -> Selection:
    """An author with books, each with its author."""
    inner = Selection(
        BOOK, (BOOK.fields["price"],), (One(BOOK.links["author"], Selection(AUTHOR, AUTHOR.readable)),)
    )
    return Selection(
        AUTHOR, (AUTHOR.fields["id"],), (Many(AUTHOR.links["books"], inner, Every(), (), limit),)
    )


def test_rows_are_written_as_the_model_would_write_them():
    """The serialiser of rows and the generated model agree byte for byte, one row and several."""
    shown = Schemas(BOOK).Read
    model = shown.model_validate(ROW)

    assert row_serializer(BOOK).row(ROW).decode() == model.model_dump_json()
    assert row_serializer(BOOK).rows([ROW, ROW]) == TypeAdapter(list[shown]).dump_json([model, model])


def test_plain_values_are_those_of_the_json():
    """What goes into a table is spelt as in an answer."""
    assert row_serializer(BOOK).plain(ROW) == TypeAdapter(Any).validate_json(row_serializer(BOOK).row(ROW))


def test_nested_rows_are_spelt_as_others():
    """A decimal is text and an absent row null at every depth."""
    row = {
        "id": 1,
        "books": [
            {"price": Decimal("7.00"), "author": {"id": 1, "name": "Ada"}},
            {"price": None, "author": None},
        ],
    }

    written = serializer_of(nested()).row(row)

    assert (
        written
        == b'{"id":1,"books":[{"price":"7.00","author":{"id":1,"name":"Ada"}},{"price":null,"author":null}]}'
    )


@pytest.mark.parametrize(
    ("stray", "spelt"), [(b"\xff\xfe", '"//4="'), ("naïve".encode(), '"naïve"')], ids=["bytes", "utf-8"]
)
def test_stray_bytes_are_shown_at_every_depth(stray, spelt):
    """SQLite keeps bytes in a column of text; one such value makes no list a failure."""
    row = {"id": 1, "books": [{"price": None, "author": {"id": 1, "name": stray}}]}

    written = serializer_of(nested()).rows([row]).decode()

    assert f'"name":{spelt}' in written


def test_equal_rows_have_equal_digests():
    """A digest changes with any field that is shown."""
    serializer = row_serializer(BOOK)

    assert serializer.digest(ROW) == serializer.digest(dict(ROW))
    assert serializer.digest(ROW) != serializer.digest({**ROW, "title": "B"})


def test_a_shape_is_made_once():
    """Filters and limits of relations make no other shape; other fields do."""
    known = Serializers()

    assert known.of(nested()) is known.of(nested(limit=3))
    assert known.of(books("id")) is not known.of(books("id", "title"))


def test_ever_new_shapes_fill_no_memory():
    """Whoever asks for all combinations of fields makes serialisers that are thrown away again."""
    known, names = Serializers(), [field.name for field in BOOK.readable]

    for number in range(1, 2 ** len(names)):
        chosen = [name for place, name in enumerate(names) if number >> place & 1]
        known.of(Selection(BOOK, tuple(BOOK.fields[name] for name in chosen), nested().relations[:0]))
        known.of(
            Selection(
                AUTHOR, AUTHOR.readable, (Many(AUTHOR.links["books"], books(*chosen), Every(), (), None),)
            )
        )

    assert len(known._known) <= 128
