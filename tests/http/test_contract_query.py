"""Lists by a document: POST to `/query` and the QUERY method, which only read."""

from __future__ import annotations

import json

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from splice import Database, Resource, install


class Base(DeclarativeBase):
    pass


class Author(Base):
    __tablename__ = "authors"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(40))
    books: Mapped[list[Book]] = relationship(back_populates="author")


class Book(Base):
    __tablename__ = "books"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(sa.String(40))
    year: Mapped[int | None]
    author_id: Mapped[int] = mapped_column(sa.ForeignKey("authors.id"))
    author: Mapped[Author] = relationship(back_populates="books")


def build(db: Database) -> FastAPI:
    app = FastAPI()
    install(app, db)
    app.include_router(Resource(Author, db))
    app.include_router(Resource(Book, db))
    return app


@pytest.fixture
def shelf(service):
    """Three books of two authors."""
    service.store(
        Author(id=1, name="Ada"),
        Author(id=2, name="Bob"),
        Book(id=1, title="a", year=1843, author_id=1),
        Book(id=2, title="b", year=None, author_id=1),
        Book(id=3, title="c", year=1900, author_id=2),
    )
    return service.client


ASKED = {"filter": {"or": [{"year__isnull": True}, {"author__name": "Bob"}]}, "fields": ["id"]}
FOUND = {"items": [{"id": 2}, {"id": 3}], "next": None}


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/books/query"), ("QUERY", "/books"), ("QUERY", "/books/")]
)
def test_a_document_is_answered_as_a_list(shelf, method, path):
    """Both ways give the same bytes."""
    answer = shelf.request(method, path, json=ASKED)

    assert (answer.status_code, answer.json()) == (200, FOUND)
    assert "Link" not in answer.headers


@pytest.mark.parametrize("way", ["POST /books/query", "QUERY /books"])
@pytest.mark.parametrize(
    ("content", "media_type", "status", "code"),
    [
        (b"{}", "text/plain", 415, "content-type-unsupported"),
        (b"{}", "", 415, "content-type-unsupported"),
        (b"title=a", "application/x-www-form-urlencoded", 415, "content-type-unsupported"),
        (b"", "application/json", 422, "invalid"),
        (b"{", "application/json", 400, "malformed-body"),
        (b"[" * 100_000, "application/json", 400, "malformed-body"),
        (b"[]", "application/json", 422, "invalid"),
        (b'{"limt": 1}', "application/json", 422, "invalid"),
        (b'{"filter": {"yaer": 1}}', "application/json", 422, "unknown-field"),
        (b'{"filter": {"year": "1843"}}', "application/json", 422, "invalid"),
        (b'{"filter": {"id": 4294967296}}', "application/json", 422, "invalid"),
        (
            json.dumps(
                {
                    "filter": {
                        "not": {
                            "not": {
                                "not": {
                                    "not": {"not": {"not": {"not": {"not": {"not": {"not": {"id": 1}}}}}}}
                                }
                            }
                        }
                    }
                }
            ).encode(),
            "application/json",
            422,
            "invalid",
        ),
    ],
)
def test_what_is_no_query_is_refused(shelf, way, content, media_type, status, code):
    """By its media type, by its form, by its names and by its values."""
    headers = {"Content-Type": media_type} if media_type else {}
    answer = shelf.request(*way.split(), content=content, headers=headers)

    assert (answer.status_code, answer.json()["type"]) == (status, f"/problems/{code}")


@pytest.mark.parametrize(("method", "path"), [("POST", "/books/query"), ("QUERY", "/books")])
def test_parameters_are_none_of_it(shelf, method, path):
    """Everything stands in the document."""
    answer = shelf.request(method, f"{path}?limit=1", json={})

    assert answer.json()["errors"][0] | {"hint": ""} == {
        "detail": "This route takes no such parameter",
        "code": "unknown-parameter",
        "hint": "",
        "parameter": "limit",
    }


def test_a_document_walks_by_cursors(shelf):
    """Forward by `next`, with the same filter and order."""
    first = shelf.post("/books/query", json={"order_by": ["-year"], "limit": 2, "fields": ["id"]}).json()
    second = shelf.post(
        "/books/query", json={"order_by": ["-year"], "limit": 2, "fields": ["id"], "cursor": first["next"]}
    ).json()
    foreign = shelf.post("/books/query", json={"order_by": ["year"], "cursor": first["next"]})

    assert [row["id"] for row in first["items"] + second["items"]] == [3, 1, 2]
    assert second["next"] is None
    assert foreign.json()["errors"][0]["pointer"] == "/cursor"


def test_a_cursor_of_a_list_is_one_of_the_document_that_means_the_same(shelf):
    """Both are read into one plan."""
    listed = shelf.get("/books?year__gte=1800&limit=1").json()
    document = {"filter": {"year__gte": 1800}, "cursor": listed["next"], "fields": ["id"]}

    assert shelf.post("/books/query", json=document).json()["items"] == [{"id": 3}]


def test_reading_by_post_takes_no_write_lock(service, shelf):
    """SQLite's one lock is taken by units that write."""
    if service.dialect != "sqlite":
        pytest.skip("this database has no lock of the whole file")
    with service.witness.begin() as writer:
        writer.execute(sa.text("UPDATE books SET year = 1"))

        assert shelf.post("/books/query", json=ASKED).json() == FOUND
        assert shelf.request("QUERY", "/books", json=ASKED).json() == FOUND


def test_options_tell_of_it(client):
    """RFC 10008 has a header for what QUERY takes."""
    answer = client.options("/books")

    assert "QUERY" in answer.headers["allow"]
    assert answer.headers["accept-query"] == "application/json"
    assert "accept-query" not in client.options("/books/1").headers
    assert set(client.get("/openapi.json").json()["paths"]["/books"]) == {"get", "post"}


def test_a_list_of_1000_keys_fits(shelf):
    """Longer than an address may be."""
    keys = list(range(1, 1_001))

    assert len(shelf.post("/books/query", json={"filter": {"id__in": keys}}).json()["items"]) == 3
    assert shelf.post("/books/query", json={"filter": {"id__in": [*keys, 1_001]}}).status_code == 422
