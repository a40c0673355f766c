"""Keys of every kind in paths: composite ones, UUIDs, text, dates."""

from __future__ import annotations

import datetime as dt
import enum
import uuid
from decimal import Decimal
from urllib.parse import quote

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from splice import Database, Resource, install


class Base(DeclarativeBase):
    pass


class Person(Base):
    __tablename__ = "people"
    id: Mapped[int] = mapped_column(primary_key=True)


class Membership(Base):
    __tablename__ = "memberships"
    group: Mapped[str] = mapped_column("group_name", sa.String(20), primary_key=True)
    person_id: Mapped[int] = mapped_column(sa.ForeignKey("people.id"), primary_key=True)
    role: Mapped[str | None] = mapped_column(sa.String(20))


class Token(Base):
    """Its key is made by Python."""

    __tablename__ = "tokens"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    text: Mapped[str | None] = mapped_column(sa.String(20))


class Device(Base):
    """Its key is the client's."""

    __tablename__ = "devices"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)


class Tag(Base):
    __tablename__ = "tags"
    name: Mapped[str] = mapped_column(sa.String(50), primary_key=True)
    colour: Mapped[str | None] = mapped_column(sa.String(20))


class Shade(enum.Enum):
    DARK = "very dark"
    LIGHT = "light"


class Cell(Base):
    """Every part of its key needs another spelling."""

    __tablename__ = "cells"
    day: Mapped[dt.date] = mapped_column(primary_key=True)
    at: Mapped[dt.datetime] = mapped_column(sa.DateTime(timezone=True), primary_key=True)
    shade: Mapped[Shade] = mapped_column(primary_key=True)
    price: Mapped[Decimal] = mapped_column(sa.Numeric(8, 2), primary_key=True)
    open: Mapped[bool] = mapped_column(primary_key=True)
    big: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True, autoincrement=False)


def build(db: Database) -> FastAPI:
    app = FastAPI()
    install(app, db)
    for model in (Person, Membership, Token, Device, Tag, Cell):
        app.include_router(Resource(model, db))
    return app


@pytest.fixture
def membership(service) -> str:
    """The address of Ada's membership."""
    service.store(Person(id=7), Membership(group="a b", person_id=7, role="head"))
    return "/memberships/a%20b/7"


def lives(client, path, body, changed) -> str:
    """Make, read, change and delete a row at the address that its creation names."""
    made = client.post(path, json=body)
    assert made.status_code == 201, made.text
    address = made.headers["location"]
    assert client.get(address).content == made.content
    assert client.patch(address, json=changed).json() == made.json() | changed
    assert client.put(address, json=body).json() == made.json()
    assert client.delete(address).status_code == 204
    assert client.get(address).status_code == 404
    return address


def test_parts_of_a_key_are_segments_in_its_order(service):
    """A row with a composite key has one address, and each verb works there."""
    service.store(Person(id=7))

    address = lives(
        service.client, "/memberships", {"group": "a b", "person_id": 7, "role": None}, {"role": "x"}
    )

    assert address == "/memberships/a%20b/7"


def test_a_part_of_a_composite_key_alone_is_no_address(client, membership):
    """Nothing is served between the collection and the row."""
    assert client.get("/memberships/a%20b").status_code == 404
    assert client.get(f"{membership}/8").status_code == 404


def test_each_part_of_a_key_is_checked(client, membership):
    """The part that does not fit its column is named."""
    answer = client.get("/memberships/a%20b/x")

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["parameter"] == "person_id"


def test_a_composite_key_is_not_changed(client, membership):
    """Neither PATCH nor PUT moves a row."""
    patched = client.patch(membership, json={"group": "c"})
    replaced = client.put(membership, json={"group": "c", "person_id": 7})

    assert {patched.json()["errors"][0]["code"], replaced.json()["errors"][0]["code"]} == {"forbidden-field"}
    assert client.get(membership).status_code == 200


def test_a_composite_key_may_be_put(service):
    """PUT creates the row at the address that it names."""
    service.store(Person(id=7))

    answer = service.client.put("/memberships/a%20b/7", json={"role": "head"})

    assert answer.status_code == 201
    assert answer.headers["location"] == "/memberships/a%20b/7"
    assert answer.json() == {"group": "a b", "person_id": 7, "role": "head"}


def test_a_composite_key_orders_its_rows(service):
    """Rows are in the order of the key, part by part."""
    service.store(Person(id=1), Person(id=2))
    pairs = [("b", 1), ("a", 2), ("a", 1)]
    service.store(*(Membership(group=group, person_id=person) for group, person in pairs))

    items = service.client.get("/memberships").json()["items"]

    assert [(item["group"], item["person_id"]) for item in items] == sorted(pairs)


def test_a_second_row_with_the_same_key_is_a_conflict(service, membership):
    """The database decides, and the parts of the key are named."""
    answer = service.client.post("/memberships", json={"group": "a b", "person_id": 7})

    assert answer.status_code == 409
    assert answer.json()["type"] == "/problems/not-unique"
    assert {error["pointer"] for error in answer.json()["errors"]} == {"/group", "/person_id"}


def test_a_key_made_by_python_is_read_only(client):
    """A default makes the key the server's."""
    lives(client, "/tokens", {"text": "x"}, {"text": "y"})

    refused = client.post("/tokens", json={"id": str(uuid.uuid4())})

    assert refused.json()["errors"][0]["code"] == "forbidden-field"


def test_a_uuid_is_read_in_every_spelling(client):
    """The canonical one is what is answered."""
    key = uuid.UUID("A8098C1A-F86E-11DA-BD1A-00112444BE1E")
    client.put(f"/devices/{key}", json={})

    for spelling in (str(key).upper(), key.hex, f"{{{key}}}", key.urn):
        assert client.get(f"/devices/{spelling}").json() == {"id": str(key)}


@pytest.mark.parametrize("key", ["x", "a8098c1a-f86e-11da-bd1a-00112444be1", "0"])
def test_what_is_no_uuid_is_refused(client, key):
    """A key that no row can have is 422."""
    assert client.get(f"/devices/{key}").status_code == 422


@pytest.mark.parametrize(
    "name",
    [
        "plain",
        "two words",
        "Ünïcode ß",
        "日本語",
        "🦊",
        "100%",
        "a+b",
        "a?b#c",
        "a&b=c;d",
        "a:b@c",
        "~.-_",
        "'\"<>",
        "a,b",
        "query",
        "\\",
        "a\nb",
    ],
)
def test_text_of_any_kind_is_a_key(client, name):
    """The address escapes what URLs keep for themselves."""
    made = client.post("/tags", json={"name": name})

    assert made.status_code == 201
    assert made.headers["location"] == f"/tags/{quote(name, safe='')}"
    assert client.get(made.headers["location"]).json() == {"name": name, "colour": None}
    assert client.patch(made.headers["location"], json={"colour": "red"}).json()["colour"] == "red"
    assert client.put(made.headers["location"], json={}).json()["colour"] is None
    assert client.delete(made.headers["location"]).status_code == 204


def test_a_key_may_be_put_percent_encoded(client):
    """PUT reads the key as the server decodes it, and answers the same address."""
    answer = client.put("/tags/a%20%C3%BC", json={})

    assert answer.status_code == 201
    assert answer.json()["name"] == "a ü"
    assert answer.headers["location"] == "/tags/a%20%C3%BC"


@pytest.mark.parametrize("other", ["ADA", "áda", "ada ", "ad%"])
def test_keys_are_compared_exactly(service, other):
    """A key that differs in case, accents or spaces is another row's."""
    service.store(Tag(name="ada"))

    assert service.client.get(f"/tags/{quote(other)}").status_code == 404
    assert service.client.delete(f"/tags/{quote(other)}").status_code == 404
    assert service.stored(sa.select(Tag.name)) == [("ada",)]


def test_a_key_with_a_slash_is_reached_by_filter(client):
    """A path cannot hold it, a query string can."""
    client.post("/tags", json={"name": "a/b"})

    assert client.get("/tags", params={"name": "a/b"}).json()["items"] == [{"name": "a/b", "colour": None}]


@pytest.mark.parametrize("name", ["x" * 51, "\0"])
def test_a_text_key_that_no_row_can_have_is_refused_on_create(client, name):
    """The limits of the column hold for keys too."""
    assert client.post("/tags", json={"name": name}).status_code == 422


@pytest.mark.parametrize("name", ["x" * 51, "%00"])
def test_a_text_key_that_no_row_can_have_is_not_put(service, name):
    """PUT does not store what POST would refuse."""
    answer = service.client.put(f"/tags/{name}", json={})

    assert answer.status_code == 422
    assert service.stored(sa.select(Tag.name)) == []


def test_every_comparable_type_is_a_key(client):
    """Dates, times, enums, decimals, booleans and large numbers are spelt in the path as they are in JSON."""
    body = {
        "day": "2024-02-29",
        "at": "2024-02-29T12:30:00.000001Z",
        "shade": "very dark",
        "price": "12.50",
        "open": True,
        "big": 2**63 - 1,
    }

    made = client.post("/cells", json=body)

    assert made.json() == body
    assert client.get(made.headers["location"]).content == made.content
    assert client.delete(made.headers["location"]).status_code == 204
