"""Every type of column: what a client sent comes back byte for byte the same, in every answer, on every database."""

from __future__ import annotations

import datetime as dt
import enum
import json
import uuid
from decimal import Decimal

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from pydantic import JsonValue
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from splice import Database, Resource, install


class Base(DeclarativeBase):
    pass


class Mood(enum.Enum):
    GOOD = "very good"
    BAD = "bad"


class Thing(Base):
    __tablename__ = "things"
    id: Mapped[int] = mapped_column(primary_key=True)
    string: Mapped[str | None] = mapped_column(sa.String(100))
    text: Mapped[str | None] = mapped_column(sa.Text)
    small: Mapped[int | None] = mapped_column(sa.SmallInteger)
    integer: Mapped[int | None] = mapped_column(sa.Integer)
    big: Mapped[int | None] = mapped_column(sa.BigInteger)
    real: Mapped[float | None] = mapped_column(sa.Float)
    double: Mapped[float | None] = mapped_column(sa.Double)
    amount: Mapped[Decimal | None] = mapped_column(sa.Numeric(15, 2))
    whole: Mapped[Decimal | None] = mapped_column(sa.Numeric(10))
    fine: Mapped[Decimal | None] = mapped_column(sa.Numeric(10, 10))
    flag: Mapped[bool | None] = mapped_column(sa.Boolean)
    day: Mapped[dt.date | None] = mapped_column(sa.Date)
    local: Mapped[dt.datetime | None] = mapped_column(sa.DateTime)
    zoned: Mapped[dt.datetime | None] = mapped_column(sa.DateTime(timezone=True))
    time: Mapped[dt.time | None] = mapped_column(sa.Time)
    span: Mapped[dt.timedelta | None] = mapped_column(sa.Interval)
    mood: Mapped[Mood | None] = mapped_column(sa.Enum(Mood))
    size: Mapped[str | None] = mapped_column(sa.Enum("small", "größer", name="size"))
    uid: Mapped[uuid.UUID | None] = mapped_column(sa.Uuid)
    uid_text: Mapped[str | None] = mapped_column(sa.Uuid(as_uuid=False))
    blob: Mapped[bytes | None] = mapped_column(sa.LargeBinary)
    document: Mapped[JsonValue | None] = mapped_column(sa.JSON)


class Clock(Base):
    __tablename__ = "clocks"
    id: Mapped[int] = mapped_column(primary_key=True)
    rings: Mapped[dt.time] = mapped_column(sa.Time(timezone=True))


FIELDS = list(Thing.__table__.columns.keys())


def build(db: Database) -> FastAPI:
    app = FastAPI()
    install(app, db)
    app.include_router(Resource(Thing, db))
    if db.dialect == "postgresql":  # The others lose the zone, and a Resource says so.
        app.include_router(Resource(Clock, db))
    return app


UNCHANGED = [
    ("string", ""),
    ("string", " spaces at both ends  "),
    ("string", "\t\r\n\x01\x7f\x85\u2028"),
    ("string", "\"quoted\" 'twice' \\ / \\u0041 %s :name ?"),
    ("string", "Zoë, Ωmega, 日本語, العربية, नमस्ते"),
    ("string", "🦊👩‍🚀🏳️‍🌈e\u0301é\ufeff\U0010ffff"),
    ("string", "x" * 100),
    ("text", "line\n" * 5_000),
    ("text", "🦊" * 10_000),
    ("small", -(2**15)),
    ("small", 2**15 - 1),
    ("integer", -(2**31)),
    ("integer", 2**31 - 1),
    ("integer", 0),
    ("big", -(2**63)),
    ("big", 2**63 - 1),
    ("big", 2**53 + 1),
    ("real", 1.5),
    ("real", 0.1),
    ("real", 123456.789012),
    ("double", 0.1),
    ("double", 1 / 3),
    ("double", 1.7976931348623157e308),
    ("double", 2.2250738585072014e-308),
    ("double", 1e22),
    ("double", 1e-7),
    ("double", -1e16),
    ("double", 0.0),
    ("amount", "9999999999999.99"),
    ("amount", "-9999999999999.99"),
    ("amount", "0.00"),
    ("amount", "0.01"),
    ("whole", "9999999999"),
    ("fine", "0.0000000001"),
    ("fine", "0.9999999999"),
    ("flag", True),
    ("flag", False),
    ("day", "0001-01-01"),
    ("day", "1582-10-10"),
    ("day", "2024-02-29"),
    ("day", "9999-12-31"),
    ("local", "0001-01-01T00:00:00"),
    ("local", "2024-03-31T02:30:00"),
    ("local", "2024-02-29T23:59:59.000001"),
    ("local", "2024-02-29T23:59:59.100000"),
    ("local", "9999-12-31T23:59:59.999999"),
    ("zoned", "0001-01-01T00:00:00Z"),
    ("zoned", "2024-02-29T12:30:00Z"),
    ("zoned", "2024-02-29T12:30:00.000001Z"),
    ("zoned", "9999-12-31T23:59:59.999999Z"),
    ("time", "00:00:00"),
    ("time", "12:30:00.000001"),
    ("time", "23:59:59.999999"),
    ("span", "PT0S"),
    ("span", "P1DT1H1M1.000001S"),
    ("span", "-P1DT12H"),
    ("span", "-PT0.000001S"),
    ("span", "P364D"),
    ("mood", "very good"),
    ("size", "größer"),
    ("uid", "00000000-0000-0000-0000-000000000000"),
    ("uid", "ffffffff-ffff-ffff-ffff-ffffffffffff"),
    ("uid_text", "00000000-0000-0000-0000-000000000000"),
    ("uid_text", "a8098c1a-f86e-11da-bd1a-00112444be1e"),
    ("blob", ""),
    ("blob", "AA=="),
    ("blob", "AAECA//+/f8="),
    ("blob", "/+//" * 10_000),
    ("document", {}),
    ("document", []),
    ("document", ""),
    ("document", False),
    ("document", 0),
    ("document", "null"),
    ("document", [None, True, 1, 1.5, "a"]),
    ("document", {"z": 1, "a": {"b": [{"c": None}]}, "Ü 🦊": '"\\/\n\x7f', "": ""}),
    ("document", [2**100]),
    ("document", 1e300),
    ("document", [0.1, 1e-7, 100000.0, 1e16]),
]

SPELT_ANEW = [
    ("amount", 1.5, "1.50"),
    ("amount", "-0", "0.00"),
    ("amount", 12, "12.00"),
    ("fine", "0", "0.0000000000"),
    ("real", 3, 3.0),
    ("real", -0.0, 0.0),
    ("zoned", "2024-02-29T12:30:00+02:00", "2024-02-29T10:30:00Z"),
    ("zoned", "2024-02-29T00:00:00.5-11:30", "2024-02-29T11:30:00.500000Z"),
    ("time", "12:30", "12:30:00"),
    ("span", "P1DT36H", "P2DT12H"),
    ("span", "P1W", "P7D"),
    ("span", "P365D", "P1Y"),
    ("integer", 1.0, 1),
    ("uid", "A8098C1A-F86E-11DA-BD1A-00112444BE1E", "a8098c1a-f86e-11da-bd1a-00112444be1e"),
    ("uid_text", "A8098C1A-F86E-11DA-BD1A-00112444BE1E", "a8098c1a-f86e-11da-bd1a-00112444be1e"),
    ("local", "2024-02-29T12:30:00.5", "2024-02-29T12:30:00.500000"),
]


def bytes_of(field: str, value: object) -> bytes:
    """A value as its field stands in a row."""
    return f'"{field}":'.encode() + json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def field_in(row: bytes, field: str) -> bytes:
    """The field as it stands in a row; every other field is null."""
    start = row.index(f'"{field}":'.encode())
    following = FIELDS[FIELDS.index(field) + 1 :]
    return row[start : row.index(f',"{following[0]}":null'.encode()) if following else -1]


@pytest.mark.parametrize(("field", "value"), UNCHANGED)
def test_a_value_comes_back_as_it_was_sent(client, field, value):
    """The canonical spelling of every type is what is answered, extremes and all scripts included."""
    answer = client.post("/things", json={field: value})

    assert answer.status_code == 201, answer.text
    assert json.loads(answer.content)[field] == value
    if not isinstance(value, float | dict | list):
        assert field_in(answer.content, field) == bytes_of(field, value)


@pytest.mark.parametrize(("field", "sent", "stored"), SPELT_ANEW)
def test_other_spellings_are_answered_in_the_canonical_one(client, field, sent, stored):
    """The answer is what was stored, not what was sent."""
    answer = client.post("/things", json={field: sent})

    assert answer.status_code == 201, answer.text
    assert json.loads(answer.content)[field] == stored


@pytest.mark.parametrize(("field", "value"), UNCHANGED)
def test_every_answer_spells_a_value_alike(client, field, value):
    """POST, GET, list, PATCH and PUT answer the same bytes and the same entity tag."""
    made = client.post("/things", json={field: value})
    address = made.headers["location"]
    read = client.get(address)
    listed = client.get("/things")
    patched = client.patch(address, json={field: value})
    replaced = client.put(address, json={field: value})

    assert made.content == read.content == patched.content == replaced.content
    assert listed.content == b'{"items":[' + made.content + b'],"next":null}'
    assert len({answer.headers["etag"] for answer in (made, read, patched, replaced)}) == 1


def test_a_row_is_the_same_bytes_on_every_database(client):
    """One row of all types, spelt once and for all."""
    body = {
        "string": "Zoë",
        "text": "日本語",
        "small": -1,
        "integer": 2,
        "big": 9007199254740993,
        "real": 1.5,
        "double": 0.1,
        "amount": "12.50",
        "whole": "7",
        "fine": "0.5000000000",
        "flag": True,
        "day": "2024-02-29",
        "local": "2024-02-29T12:30:00",
        "zoned": "2024-02-29T12:30:00Z",
        "time": "12:30:00",
        "span": "P1DT1H",
        "mood": "bad",
        "size": "small",
        "uid": "a8098c1a-f86e-11da-bd1a-00112444be1e",
        "uid_text": "ffffffff-ffff-ffff-ffff-ffffffffffff",
        "blob": "AAEC",
        "document": {"b": [1, 2.5, None], "a": "é"},
    }

    answer = client.post("/things", json=body)

    key = answer.json()["id"]
    expected = json.dumps({"id": key, **body}, ensure_ascii=False, separators=(",", ":")).encode()
    assert answer.content == expected


def test_null_comes_back_in_every_type(client):
    """A row of NULLs reads as nulls."""
    answer = client.post("/things", json={})

    assert set(answer.json().values()) == {None, answer.json()["id"]}


REFUSED = [
    ("string", "x" * 101),
    ("small", 2**15),
    ("integer", 1.5),
    ("integer", "1"),
    ("big", 2**63),
    ("amount", "10000000000000.00"),
    ("amount", "0.001"),
    ("amount", "1e3"),
    ("amount", True),
    ("amount", "NaN"),
    ("amount", 0.1234567890123456),
    ("whole", "0.5"),
    ("fine", "1"),
    ("flag", 1),
    ("flag", "true"),
    ("day", "2023-02-29"),
    ("day", "0000-01-01"),
    ("day", "2024-02-29T00:00:00"),
    ("day", 0),
    ("local", "2024-02-29T12:30:00Z"),
    ("local", "2024-02-30T12:30:00"),
    ("local", 0),
    ("zoned", "2024-02-29T12:30:00"),
    ("zoned", "0001-01-01T00:00:00+01:00"),
    ("zoned", "9999-12-31T23:59:59-01:00"),
    ("time", "24:00:00"),
    ("time", "12:30:00Z"),
    ("span", "a while"),
    ("span", "P9999999D"),
    ("mood", "GOOD"),
    ("size", "SMALL"),
    ("uid", "x"),
    ("uid", 1),
    ("uid_text", "zz"),
    ("uid_text", "a8098c1af86e11dabd1a00112444be1e"),
    ("blob", "not base64!"),
    ("blob", "AA"),
    ("document", {"a": "\0"}),
    ("document", {"\0": 1}),
]


@pytest.mark.parametrize(("field", "value"), REFUSED)
def test_a_value_that_would_not_come_back_is_refused(service, field, value):
    """What a column cannot hold exactly is 422 with its pointer, on every database, and nothing is stored."""
    answer = service.client.post("/things", json={field: value})

    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["pointer"].startswith(f"/{field}")
    assert service.stored(sa.select(Thing.id)) == []


FILTERS = [(field, value) for field, value in UNCHANGED if field not in {"document", "real", "text", "blob"}]


@pytest.mark.parametrize(("field", "value"), FILTERS)
def test_a_stored_value_is_found_by_its_spelling(client, field, value):
    """What an answer shows can be asked for."""
    made = client.post("/things", json={field: value})
    text = json.dumps(value) if isinstance(value, bool | float) else str(value)

    found = client.get("/things", params={field: text})

    assert found.content == b'{"items":[' + made.content + b'],"next":null}'


def test_a_uuid_that_is_text_is_found_in_capitals_too(client):
    """A filter is spelt as a body is, and refused where a body would be."""
    made = client.post("/things", json={"uid_text": "a8098c1a-f86e-11da-bd1a-00112444be1e"})

    found = client.get("/things", params={"uid_text": "A8098C1A-F86E-11DA-BD1A-00112444BE1E"})
    refused = client.get("/things", params={"uid_text": "zz"})

    assert found.content == b'{"items":[' + made.content + b'],"next":null}'
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["parameter"] == "uid_text"


@pytest.mark.parametrize(
    "value", ["12:00:00+02:00", "00:00:00Z", "23:59:59.999999-15:59", "12:30:00.000001+05:30"]
)
def test_a_zoned_time_comes_back_with_its_zone(service, value):
    """PostgreSQL alone keeps it."""
    if service.dialect != "postgresql":
        pytest.skip("a zoned Time stops the start here")

    made = service.client.post("/clocks", json={"rings": value})

    assert made.json()["rings"] == value
    assert service.client.get("/clocks", params={"rings": value}).json()["items"] == [made.json()]


@pytest.mark.parametrize("value", ["12:00:00", "12:00:00+16:00", "24:00:00Z"])
def test_a_zoned_time_without_a_zone_is_refused(service, value):
    """The session's zone would be put in its place."""
    if service.dialect != "postgresql":
        pytest.skip("a zoned Time stops the start here")

    answer = service.client.post("/clocks", json={"rings": value})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/rings"
    assert service.client.get("/clocks", params={"rings": value}).status_code == 422


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("day", ["0001-01-01", "2024-02-29", "9999-12-31"]),
        ("zoned", ["0001-01-01T00:00:00Z", "2024-02-29T12:30:00Z", "9999-12-31T23:59:59.999999Z"]),
        ("span", ["-P1D", "PT0S", "PT1S", "P2D"]),
        ("amount", ["-2.00", "0.00", "1.99", "10.00"]),
        ("flag", [False, True]),
        ("time", ["00:00:00", "09:00:00", "23:59:59.999999"]),
    ],
)
def test_values_are_ordered_by_what_they_mean(client, field, values):
    """The order is that of the values, on databases that store them as text too."""
    for value in reversed(values):
        client.post("/things", json={field: value})

    items = client.get("/things", params={"order_by": field}).json()["items"]

    assert [item[field] for item in items] == values


def test_extremes_are_plain_values_to_other_programs(service):
    """What is stored for the last day is that day, for whoever reads the table by another driver.

    asyncpg alone spells Python's last day and last moment as `infinity`, in both directions.
    """
    service.client.post("/things", json={"day": "9999-12-31", "local": "9999-12-31T23:59:59.999999"})

    if service.dialect == "postgresql":
        last = sa.cast(Thing.day, sa.String), sa.cast(Thing.local, sa.String)
        assert service.stored(sa.select(*last)) == [("infinity", "infinity")]
        return
    found = service.stored(sa.select(sa.func.count()).where(Thing.day == dt.date(9999, 12, 31)))

    assert found == [(1,)]
    assert service.stored(sa.select(Thing.day, Thing.local)) == [(dt.date.max, dt.datetime.max)]  # noqa: DTZ901
