"""Rows as CSV and as JSON lines: the spellings of JSON, read back as they were; and which form a client asks for."""

from __future__ import annotations

import csv
import datetime as dt
import enum
import io
import json
import re
import uuid
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from splice.description import describe
from splice.errors import Invalid
from splice.exports import CsvWriter, lines, media_type_of
from splice.reads import Every, Many, One, Selection
from splice.serializers import serializer_of

CELL = re.compile(r'("(?:[^"]|"")*"|[^,"\r\n]*)(,|\r\n)')


class Base(DeclarativeBase): ...


class Mood(enum.Enum):
    LOW = "low"
    HIGH = "high"


class Author(Base):
    __tablename__ = "authors"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None] = mapped_column(sa.String(80))
    boss_id: Mapped[int | None] = mapped_column(sa.ForeignKey("authors.id"))
    boss: Mapped[Author | None] = relationship(remote_side="Author.id")
    kinds: Mapped[list[Kind]] = relationship(back_populates="author")


class Kind(Base):
    """One column of each type."""

    __tablename__ = "kinds"
    id: Mapped[int] = mapped_column(primary_key=True)
    whole: Mapped[int | None]
    large: Mapped[int | None] = mapped_column(sa.BigInteger)
    real: Mapped[float | None]
    price: Mapped[Decimal | None] = mapped_column(sa.Numeric(10, 2))
    rough: Mapped[float | None] = mapped_column(sa.Numeric(12, 4, asdecimal=False))
    text: Mapped[str | None] = mapped_column(sa.String(50))
    day: Mapped[dt.date | None]
    moment: Mapped[dt.datetime | None]
    zoned: Mapped[dt.datetime | None] = mapped_column(sa.DateTime(timezone=True))
    clock: Mapped[dt.time | None]
    span: Mapped[dt.timedelta | None]
    mood: Mapped[Mood | None]
    flag: Mapped[bool | None]
    uid: Mapped[uuid.UUID | None]
    blob: Mapped[bytes | None] = mapped_column(sa.LargeBinary(20))
    notes: Mapped[Any | None] = mapped_column(sa.JSON)
    tags: Mapped[list[str] | None] = mapped_column(ARRAY(sa.String(10)))
    author_id: Mapped[int | None] = mapped_column(sa.ForeignKey("authors.id"))
    author: Mapped[Author | None] = relationship(back_populates="kinds")


AUTHOR, KIND = describe(Author), describe(Kind)
VALUES: dict[str, list[Any]] = {
    "whole": [-5, 0, 2**31 - 1],
    "large": [2**63 - 1],
    "real": [1.5, 3.0, 0.1, 1e300, 1e-7, -0.0, float("inf")],
    "price": [Decimal("0.10"), Decimal("-99999.99")],
    "rough": [0.25],
    "text": [
        "",
        "ada",
        "a,b",
        'a "b"',
        "two\r\nlines",
        "\n",
        " padded ",
        "null",
        "true",
        "日本",
        "'",
        ";",
        "\t",
    ],
    "day": [dt.date(1, 1, 2)],
    "moment": [dt.datetime(2024, 2, 29, 12, 0, 0, 123456)],
    "zoned": [dt.datetime(2024, 1, 1, 1, 1, 1, 5, dt.UTC)],
    "clock": [dt.time(23, 59, 59, 999999)],
    "span": [dt.timedelta(days=3, microseconds=7)],
    "mood": [Mood.LOW],
    "flag": [True, False],
    "uid": [uuid.UUID(int=2**127)],
    "blob": [b"", b"\x00\xff"],
    "notes": [{"a": [1, None, "é,"]}, [], "text", 1e-7, True],
    "tags": [["a", "b,c", None], []],
}


def kinds(*names: str, relations: Any = ()) -> Selection:
    return Selection(KIND, tuple(KIND.fields[name] for name in names), relations)


def authors(*names: str, relations: Any = ()) -> Selection:
    return Selection(AUTHOR, tuple(AUTHOR.fields[name] for name in names), relations)


def by_author(selection: Selection) -> tuple[One]:
    return (One(KIND.links["author"], selection),)


def plain(selection: Selection, *rows: dict[str, Any]) -> list[dict[str, Any]]:
    return [serializer_of(selection).plain(row) for row in rows]


def table(selection: Selection, *rows: dict[str, Any]) -> str:
    """The whole file, in which line ends are as they were written."""
    writer = CsvWriter(selection)
    return (writer.header() + writer.rows(plain(selection, *rows))).decode()


def cells(text: str) -> list[list[str | None]]:
    """A table read by the letter of RFC 4180, where no text at all is told apart from an empty one."""
    records: list[list[str | None]] = [[]]
    for cell, end in CELL.findall(text):
        value = cell[1:-1].replace('""', '"') if cell.startswith('"') else cell or None
        records[-1].append(value)
        if end != ",":
            records.append([])
    return records[:-1]


def test_columns_are_fields_and_then_relations():
    """Those of a relation to one row have its name before them, however far away it is."""
    nested = authors("name", relations=(One(AUTHOR.links["boss"], authors("id", "name")),))
    selection = kinds("id", "text", relations=by_author(nested))
    row = {"id": 1, "text": "x", "author": {"name": "Ada", "boss": {"id": 2, "name": "Bob"}}}

    assert table(selection, row) == (
        "id,text,author.name,author.boss.id,author.boss.name\r\n1,x,Ada,2,Bob\r\n"  # exactly
    )


def test_absent_rows_are_empty_cells():
    """As many as the relation has columns, on whichever step it ends."""
    nested = authors("id", "name", relations=(One(AUTHOR.links["boss"], authors("name")),))
    selection = kinds("id", relations=by_author(nested))
    rows = [{"id": 1, "author": None}, {"id": 2, "author": {"id": 3, "name": "", "boss": None}}]

    assert table(selection, *rows).splitlines()[1:] == ["1,,,", '2,3,"",']


def test_no_rows_are_a_header():
    """A program that reads it learns of the columns all the same."""
    assert table(kinds("id", "text")) == "id,text\r\n"


def test_there_is_no_byte_order_mark():
    """UTF-8 begins with the first letter."""
    assert CsvWriter(kinds("id")).header() == b"id\r\n"


def test_null_differs_from_the_empty_text():
    """The one is nothing, the other is quoted."""
    rows = [{"id": 1, "text": None}, {"id": 2, "text": ""}]

    assert table(kinds("id", "text"), *rows).splitlines()[1:] == ["1,", '2,""']
    assert table(kinds("text"), {"text": None}, {"text": ""}) == 'text\r\n\r\n""\r\n'


@pytest.mark.parametrize("place", ["", "author."])
def test_many_rows_have_no_place_in_a_table(place):
    """The answer names the parameter, and the form that has one."""
    if place:
        inner = authors("id", relations=(Many(AUTHOR.links["kinds"], kinds("id"), Every(), (), None),))
        selection = kinds("id", relations=by_author(inner))
    else:
        selection = authors("id", relations=(Many(AUTHOR.links["kinds"], kinds("id"), Every(), (), 1),))

    with pytest.raises(Invalid) as caught:
        CsvWriter(selection)

    issue = caught.value.issues[0]
    assert issue.detail.startswith(f"{place}kinds ")
    assert (issue.parameter, "application/jsonl" in (issue.hint or "")) == ("expand", True)


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, pool in VALUES.items() for value in pool]
)
def test_values_are_spelt_as_in_json(name, value):
    """Texts without their quotes, all others letter by letter; what is null in JSON is an empty cell."""
    selection = kinds(name)
    written = json.loads(serializer_of(selection).row({name: value}))[name]
    letters = (
        serializer_of(selection).row({name: value}).decode().removeprefix(f'{{"{name}":').removesuffix("}")
    )

    expected = written if isinstance(written, str) else None if letters == "null" else letters
    assert cells(table(selection, {name: value})) == [[name], [expected]]


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_table_is_read_back_as_it_was(data):
    """By Python's reader as by the standard; every row has as many cells as the header."""
    names = data.draw(st.lists(st.sampled_from(["text", "whole", "flag", "notes"]), min_size=2, unique=True))
    text = st.text(st.characters(exclude_categories=["Cs"])) | st.text(",\"\r\n '", max_size=6)
    values = {
        "text": text,
        "whole": st.integers(-9, 9),
        "flag": st.booleans(),
        "notes": st.lists(text, max_size=2),
    }
    row = st.fixed_dictionaries({name: st.none() | values[name] for name in names})
    rows = data.draw(st.lists(row, max_size=4))

    written = table(kinds(*names), *rows)

    header, *found = cells(written)
    assert header == names
    assert [[read(name, cell) for name, cell in zip(names, cells_, strict=True)] for cells_ in found] == [
        [row[name] for name in names] for row in rows
    ]
    by_python = list(csv.reader(io.StringIO(written, newline=""), strict=True))
    assert by_python == [[cell or "" for cell in record] for record in cells(written)]


def read(name: str, cell: str | None) -> Any:
    return cell if name == "text" or cell is None else json.loads(cell)


def test_lines_hold_a_json_text_each():
    """Each is what the row is in an answer, and ends by a line feed."""
    selection = kinds("id", "text", "zoned", relations=by_author(authors("name")))
    rows = [
        {"id": 1, "text": "two\nlines", "zoned": dt.datetime(2024, 1, 1, tzinfo=dt.UTC), "author": None},
        {"id": 2, "text": "\u2028", "zoned": None, "author": {"name": "Ada"}},
    ]
    serializer = serializer_of(selection)

    written = lines(rows, serializer.row)

    assert written.endswith(b"\n")
    assert b"[" + b",".join(written.split(b"\n")[:-1]) + b"]" == serializer.rows(rows)
    assert TypeAdapter(Any).validate_json(written.split(b"\n")[0])["zoned"] == "2024-01-01T00:00:00Z"


def test_no_rows_are_no_lines():
    """Not even an empty one, which no JSON reader takes."""
    assert lines([], json.dumps) == b""


JSON, LINES, CSV = "application/json", "application/jsonl", "text/csv"


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        (None, JSON),
        ("", JSON),
        ("*/*", JSON),
        ("application/*", JSON),
        ("text/*", CSV),
        ("text/csv", CSV),
        ("TEXT/CSV; header=present; charset=utf-8", CSV),
        ("application/jsonl", LINES),
        ("application/x-ndjson", LINES),
        ("application/ndjson", LINES),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", JSON),
        ("application/json, text/plain, */*", JSON),
        ("text/csv, application/json;q=0.9", CSV),
        ("text/csv;q=0.5, application/jsonl;q=0.7", LINES),
        ("text/csv, */*;q=0.1", CSV),
        ("text/csv ; q=0.2 , application/json ; q=0.1", CSV),
        ("application/json;q=0, */*", LINES),
        ("application/*;q=0, */*;q=0.1", CSV),
        ("text/csv;q=0", None),
        ("*/*;q=0", None),
        ("text/html", None),
        ("image/*", None),
        ("text/csv;q=much, application/jsonl;q=0.1", LINES),
        ("text/csv;q=nan", None),
        ("text/csv;q=-1", None),
        ("text/csv;q=7, application/json;q=0.1", JSON),
        (",, ,text/csv,", CSV),
        (";", None),
    ],
)
def test_a_client_gets_the_form_that_it_likes_best(accept, form):
    """By weight, the more specific range first (RFC 9110, 12.5.1); a weight that is none counts as zero."""
    assert media_type_of(accept) == form
