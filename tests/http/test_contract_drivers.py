"""The same short story on every driver: create, read, list, change, conflict, delete."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from splice import Database, Resource, install
from tests.databases.drivers import DRIVERS


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(sa.String(50), unique=True)
    name: Mapped[str | None] = mapped_column(sa.String(50))


class Post(Base):
    __tablename__ = "posts"
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("users.id"))


def build(db: Database) -> FastAPI:
    app = FastAPI()
    install(app, db)
    app.include_router(Resource(User, db))
    app.include_router(Resource(Post, db))
    return app


@pytest.fixture(scope="module", params=list(DRIVERS))
def running(request: pytest.FixtureRequest, serve) -> Iterator:
    """The application on every driver."""
    with serve(request.param) as service:
        yield service


@pytest.fixture
def ada(client) -> str:
    """The address of a user."""
    return client.post("/users", json={"email": "ada@x.org", "name": "Zoë 🦊"}).headers["location"]


def test_the_driver_is_the_one_that_was_asked_for(service):
    """A URL or an engine names the driver, and whether it is asynchronous."""
    assert service.db.is_async == service.driver.is_async


def test_a_row_is_created_and_read(client):
    """POST answers what GET does."""
    made = client.post("/users", json={"email": "ada@x.org", "name": "Zoë 🦊"})

    assert made.status_code == 201
    assert made.json() == {"id": made.json()["id"], "email": "ada@x.org", "name": "Zoë 🦊"}
    assert client.get(made.headers["location"]).content == made.content


def test_rows_are_listed(client, ada):
    """Filters, order, pages and totals work."""
    client.post("/users", json={"email": "eve@x.org"})

    first = client.get("/users?order_by=-name&limit=1&count=exact").json()
    found = client.get("/users", params={"name": "Zoë 🦊"}).json()

    assert (first["total"], first["items"][0]["email"]) == (2, "ada@x.org")
    assert [item["email"] for item in found["items"]] == ["ada@x.org"]


def test_a_row_is_changed_and_replaced(client, ada):
    """PATCH keeps what PUT forgets; an old tag is refused."""
    tag = client.get(ada).headers["etag"]

    patched = client.patch(ada, json={"email": "ada@y.org"}, headers={"if-match": tag})
    stale = client.patch(ada, json={"email": "ada@z.org"}, headers={"if-match": tag})
    replaced = client.put(ada, json={"email": "ada@z.org"})

    assert (patched.status_code, patched.json()["name"]) == (200, "Zoë 🦊")
    assert stale.status_code == 412
    assert (replaced.status_code, replaced.json()["name"]) == (200, None)


@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT"])
def test_a_taken_value_is_a_conflict(client, ada, method):
    """409 names the field, and the session is fit for the next request."""
    eve = client.post("/users", json={"email": "eve@x.org"}).headers["location"]

    answer = client.request(method, "/users" if method == "POST" else eve, json={"email": "ada@x.org"})

    assert answer.status_code == 409
    assert answer.json()["type"] == "/problems/not-unique"
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/email"]
    assert client.get(eve).json()["email"] == "eve@x.org"


@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT"])
def test_a_missing_reference_is_a_conflict(client, ada, method):
    """409 names the field that refers to nothing."""
    key = int(ada.rpartition("/")[2])
    post = client.post("/posts", json={"user_id": key}).headers["location"]

    answer = client.request(method, "/posts" if method == "POST" else post, json={"user_id": 2**31 - 1})

    assert answer.status_code == 409
    assert answer.json()["type"] == "/problems/reference-missing"
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/user_id"]
    assert client.get(post).json()["user_id"] == key


def test_a_row_is_deleted_once_nothing_refers_to_it(client, ada):
    """409 as long as it is referenced, then 204, then 404."""
    post = client.post("/posts", json={"user_id": int(ada.rpartition("/")[2])}).headers["location"]

    kept = client.delete(ada)
    client.delete(post)

    assert (kept.status_code, kept.json()["type"]) == (409, "/problems/still-referenced")
    assert client.delete(ada).status_code == 204
    assert client.get(ada).status_code == 404
