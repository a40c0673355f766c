"""The route class of a Resource, on paths that servers decode."""

from __future__ import annotations

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from splice import Database, Resource, install


class Base(DeclarativeBase): ...


class Tag(Base):
    __tablename__ = "tags"
    name: Mapped[str] = mapped_column(String(9), primary_key=True)
    note: Mapped[str | None] = mapped_column(String(9))


@pytest.fixture
def client(tmp_path):
    """A service with two rows whose keys differ in a slash."""
    db = Database(f"sqlite:///{tmp_path}/tags.db", create=Base.metadata)
    app = FastAPI()
    install(app, db)
    app.include_router(Resource(Tag, db))
    with TestClient(app) as client:
        for name in ("a", "a/"):
            assert client.post("/tags", json={"name": name}).status_code == 201
        yield client


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
def test_a_slash_inside_of_a_key_leads_to_no_other_row(client, method):
    """`a%2F` is the key `a/`, which no path reaches; it must not be taken for `a`."""
    body = {"json": {"note": "x"}} if method in {"PUT", "PATCH"} else {}
    answer = client.request(method, "/tags/a%2F", **body)

    assert answer.status_code == 404
    assert [row["note"] for row in client.get("/tags").json()["items"]] == [None, None]


def test_a_slash_at_the_end_of_a_path_is_ignored(client):
    """`/tags/a/` is `/tags/a`, without a redirect."""
    assert client.get("/tags/a/").json() == client.get("/tags/a").json()


@pytest.mark.parametrize("name", ["b/c", ".", "..", ""])
def test_a_key_that_no_path_reaches_has_no_location(client, name):
    """A Location that leads elsewhere would be worse than none; the row is found by a filter."""
    answer = client.post("/tags", json={"name": name})

    assert answer.status_code == 201
    assert "location" not in answer.headers
    assert client.get("/tags", params={"name": name}).json()["items"] == [answer.json()]
