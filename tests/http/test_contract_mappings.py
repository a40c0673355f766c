"""The ways of mapping a class that people use: inheritance, dataclasses, mixins, computed properties, odd names."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from pydantic import EmailStr, Field
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    MappedAsDataclass,
    column_property,
    declared_attr,
    mapped_column,
)

from splice import Database, Resource, install, private


class Base(DeclarativeBase):
    pass


class Stamped:
    """A mixin that brings columns."""

    created_at: Mapped[dt.datetime] = mapped_column(sa.DateTime(timezone=True), server_default=sa.func.now())

    @declared_attr
    def note(cls) -> Mapped[str | None]:
        return mapped_column(sa.String(20))


class Animal(Stamped, Base):
    __tablename__ = "animals"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(sa.String(10), default="animal", info=private)
    name: Mapped[str] = mapped_column(sa.String(20))
    __mapper_args__ = {"polymorphic_on": kind, "polymorphic_identity": "animal"}


class Dog(Animal):
    """Its own columns stand in a table of their own."""

    __tablename__ = "dogs"
    id: Mapped[int] = mapped_column(sa.ForeignKey("animals.id"), primary_key=True)
    tricks: Mapped[int] = mapped_column(default=0)
    chip: Mapped[str | None] = mapped_column(sa.String(20), unique=True)
    __mapper_args__ = {"polymorphic_identity": "dog"}


class Cat(Animal):
    """Its own columns stand in the table of its parent."""

    lives: Mapped[int | None] = mapped_column(default=9)
    __mapper_args__ = {"polymorphic_identity": "cat"}


class Rectangle(Base):
    __tablename__ = "rectangles"
    id: Mapped[int] = mapped_column(primary_key=True)
    width: Mapped[int] = mapped_column(sa.Integer)
    height: Mapped[int] = mapped_column(sa.Integer)
    area = column_property(width * height)


class Contact(Base):
    __tablename__ = "contacts"
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[EmailStr] = mapped_column(sa.String(50))
    age: Mapped[Annotated[int, Field(ge=0, le=150)] | None]
    code: Mapped[Annotated[str, Field(pattern="^[A-Z]{3}$")] | None] = mapped_column(sa.String(10))


class Odd(Base):
    """Attributes that are not called like their columns, and some that Pydantic has methods for."""

    __tablename__ = "order"
    key: Mapped[int] = mapped_column("group", primary_key=True)
    label: Mapped[str] = mapped_column("the label", sa.String(20), unique=True)
    json: Mapped[str | None] = mapped_column(sa.String(20))
    copy: Mapped[int | None] = mapped_column("select")
    model_dump: Mapped[int | None]
    model_config: Mapped[int | None]
    schema: Mapped[int | None] = mapped_column("where")


class Point(MappedAsDataclass, Base):
    __tablename__ = "points"
    id: Mapped[int] = mapped_column(primary_key=True, init=False)
    x: Mapped[int]
    y: Mapped[int] = mapped_column(default=0)
    label: Mapped[str | None] = mapped_column(sa.String(20), default=None)
    made_at: Mapped[dt.datetime] = mapped_column(
        sa.DateTime(timezone=True), server_default=sa.func.now(), init=False
    )


TITLES = sa.Table(
    "titles",
    Base.metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("text", sa.String(20), nullable=False),
)


class Title:
    """Mapped by hand, without a base."""


Base.registry.map_imperatively(Title, TITLES)


def build(db: Database) -> FastAPI:
    app = FastAPI()
    install(app, db)
    for model in (Animal, Dog, Rectangle, Contact, Odd, Point, Title):
        app.include_router(Resource(model, db))
    app.include_router(Resource(Cat, db, prefix="/cats"))
    return app


def test_a_joined_subclass_is_one_row_to_clients(service):
    """Both tables are written, read, changed and emptied together."""
    made = service.client.post("/dogs", json={"name": "Rex", "tricks": 3, "note": "good"})
    address = made.headers["location"]

    assert made.status_code == 201
    assert {"name": "Rex", "tricks": 3, "note": "good", "chip": None}.items() <= made.json().items()
    assert service.client.get(address).content == made.content
    assert service.client.patch(address, json={"name": "Max", "tricks": 4}).json()["name"] == "Max"
    assert (
        service.client.get("/dogs?name=Max&tricks=4&order_by=-tricks,name&count=exact").json()["total"] == 1
    )
    assert service.client.put(address, json={"name": "Sam"}).json()["tricks"] == 0
    assert service.client.delete(address).status_code == 204
    assert service.stored(sa.select(Animal.id)) == []


def test_the_key_of_a_subclass_is_the_databases(client):
    """The key comes from the table of the parent."""
    assert (
        client.post("/dogs", json={"name": "Rex", "id": 1}).json()["errors"][0]["code"] == "forbidden-field"
    )


def test_a_subclass_is_a_row_of_its_parent(client):
    """The parent's resource shows it with the parent's columns, and deletes it whole."""
    key = client.post("/dogs", json={"name": "Rex"}).json()["id"]

    row = client.get(f"/animals/{key}").json()

    assert list(row) == ["id", "name", "created_at", "note"] or set(row) == {
        "id",
        "name",
        "created_at",
        "note",
    }
    assert client.get("/animals?count=exact").json()["total"] == 1
    assert client.delete(f"/animals/{key}").status_code == 204
    assert client.get(f"/dogs/{key}").status_code == 404


def test_a_row_of_another_class_is_not_found(client):
    """A resource shows the rows of its class, not those that share the table."""
    dog = client.post("/dogs", json={"name": "Rex"}).json()["id"]
    cat = client.post("/cats", json={"name": "Tom"}).json()["id"]

    assert client.get("/cats?count=exact").json()["total"] == 1
    assert client.get("/dogs?count=exact").json()["total"] == 1
    assert client.get("/animals?count=exact").json()["total"] == 2
    for method in ("GET", "DELETE"):
        assert client.request(method, f"/cats/{dog}").status_code == 404
        assert client.request(method, f"/dogs/{cat}").status_code == 404
    assert client.patch(f"/cats/{dog}", json={"name": "x"}).status_code == 404


def test_a_single_table_subclass_has_columns_of_its_own(client):
    """They are written and read as if they had a table."""
    made = client.post("/cats", json={"name": "Tom"})

    assert made.json()["lives"] == 9
    assert client.patch(made.headers["location"], json={"lives": 8}).json()["lives"] == 8
    assert [cat["name"] for cat in client.get("/cats?lives=8").json()["items"]] == ["Tom"]


def test_a_conflict_in_a_subclass_names_its_field(client):
    """Constraints of both tables are known."""
    client.post("/dogs", json={"name": "Rex", "chip": "a"})

    answer = client.post("/dogs", json={"name": "Max", "chip": "a"})

    assert answer.status_code == 409
    assert answer.json()["errors"][0]["pointer"] == "/chip"


def test_a_column_property_is_read_filtered_and_sorted(client):
    """What the database computes is read-only."""
    made = client.post("/rectangles", json={"width": 3, "height": 4})
    client.post("/rectangles", json={"width": 1, "height": 1})

    changed = client.patch(made.headers["location"], json={"width": 5})

    assert (made.json()["area"], changed.json()["area"]) == (12, 20)
    assert client.get("/rectangles?area=20").json()["items"] == [changed.json()]
    assert [row["area"] for row in client.get("/rectangles?order_by=area").json()["items"]] == [1, 20]
    refused = client.post("/rectangles", json={"width": 3, "height": 4, "area": 1})
    assert refused.json()["errors"][0]["code"] == "forbidden-field"
    assert client.put(made.headers["location"], json=changed.json()).json() == changed.json()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("email", "nobody"),
        ("email", f"{'a' * 50}@x.org"),
        ("age", -1),
        ("age", 151),
        ("age", 1.5),
        ("code", "abc"),
        ("code", "ABCD"),
    ],
)
@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT"])
def test_the_annotation_of_an_attribute_is_kept(client, field, value, method):
    """What stands inside Mapped[…] holds together with the limits of the column."""
    body = {"email": "ada@example.org", "age": 36, "code": "ABC"}
    address = client.post("/contacts", json=body).headers["location"]

    answer = client.request(method, "/contacts" if method == "POST" else address, json=body | {field: value})

    assert answer.status_code == 422
    assert {error["pointer"] for error in answer.json()["errors"]} == {f"/{field}"}
    assert client.get(address).json().items() >= body.items()


def test_clients_speak_of_attributes(client):
    """Names in JSON, filters, sorts and paths are those of the attributes, whatever the columns are called."""
    body = {"label": "a", "json": "b", "copy": 1, "model_dump": 2, "model_config": 3, "schema": 4}

    made = client.post("/order", json=body)
    address = made.headers["location"]

    assert made.json() == {"key": made.json()["key"], **body}
    assert client.get(address).content == made.content
    assert client.get("/order?json=b&copy=1&label=a&order_by=-model_dump,schema").json()["items"] == [
        made.json()
    ]
    assert client.patch(address, json={"copy": 5, "json": None}).json() == made.json() | {
        "copy": 5,
        "json": None,
    }
    assert client.put(address, json=made.json()).json() == made.json()


def test_problems_speak_of_attributes(client):
    """So do conflicts, mistakes and hints."""
    client.post("/order", json={"label": "a"})

    taken = client.post("/order", json={"label": "a"}).json()
    unfit = client.post("/order", json={"label": "b", "json": 3}).json()
    unknown = client.post("/order", json={"label": "b", "jsn": 3}).json()

    assert taken["errors"][0]["pointer"] == "/label"
    assert unfit["errors"][0]["pointer"] == "/json"
    assert unknown["errors"][0]["hint"] == "did you mean 'json'?"
    assert client.post("/order", json={"label": "b", "the label": "c"}).status_code == 422
    assert client.post("/order", json={"label": "b", "json_": "c"}).status_code == 422


def test_a_dataclass_is_a_model_like_any_other(client):
    """Arguments that its constructor wants are not asked of clients."""
    made = client.post("/points", json={"x": 3})

    assert made.status_code == 201, made.text
    assert {"x": 3, "y": 0, "label": None}.items() <= made.json().items()
    assert client.post("/points", json={}).json()["errors"][0]["pointer"] == "/x"
    assert client.patch(made.headers["location"], json={"label": "p"}).json()["label"] == "p"
    assert client.put(made.headers["location"], json={"x": 1}).json()["label"] is None


def test_a_class_mapped_by_hand_is_a_model_like_any_other(client):
    """An imperative mapping needs neither base nor annotations."""
    made = client.post("/titles", json={"text": "Dr"})

    assert made.json() == {"id": made.json()["id"], "text": "Dr"}
    assert client.post("/titles", json={"text": "x" * 21}).status_code == 422
