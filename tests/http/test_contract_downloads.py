"""A list as CSV and as JSON lines: whole, in chunks, in flat memory."""

from __future__ import annotations

import csv
import datetime as dt
import gc
import io
import json
import logging
import tracemalloc
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import anyio
import pytest
import sqlalchemy as sa
from fastapi import Depends, FastAPI
from pydantic import BaseModel, ConfigDict
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from splice import Database, Resource, install
from splice.bridge import run_on

CSV, JSONL = {"Accept": "text/csv"}, {"Accept": "application/jsonl"}


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
    title: Mapped[str | None] = mapped_column(sa.String(40))
    price: Mapped[Decimal | None] = mapped_column(sa.Numeric(8, 2))
    sold_at: Mapped[dt.datetime | None] = mapped_column(sa.DateTime(timezone=True))
    extra: Mapped[Any | None] = mapped_column(sa.JSON)
    author_id: Mapped[int | None] = mapped_column(sa.ForeignKey("authors.id"))
    author: Mapped[Author | None] = relationship(back_populates="books")


class Short(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    title: str | None


def build(db: Database) -> FastAPI:
    async def lasting() -> AsyncIterator[Any]:
        async with db.begin() as session:
            yield session

    async def tenant(session: Any = db.session) -> None:
        await run_on(session, lambda inner: inner.info.update(tenant=1))

    app = FastAPI()
    install(app, db)
    app.include_router(Resource(Book, db, prefix="/scoped", dependencies=[Depends(tenant)]))
    app.include_router(Resource(Author, db))
    app.include_router(Resource(Book, db))
    app.include_router(Resource(Book, db, prefix="/short", read=Short))
    app.include_router(Resource(Book, prefix="/lasting", session=lasting))
    app.include_router(Resource(Book, prefix="/ending", session=Depends(lasting, scope="function")))

    return app


@pytest.fixture
def shelf(service):
    """Two authors, three books."""
    service.store(
        Author(id=1, name='Ada "L."'),
        Book(
            id=1,
            title="a, b",
            price=Decimal("7.00"),
            sold_at=dt.datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=dt.UTC),
        ),
        Book(id=2, title="", price=None, extra={"a": [1]}, author_id=1),
        Book(id=3, title=None, price=Decimal("1.50"), author_id=1),
    )
    return service.client


@pytest.fixture
def many(service):
    """More than two chunks."""
    with service.witness.begin() as session:
        session.execute(sa.insert(Author), [{"id": 1, "name": "Ada"}])
        session.execute(
            sa.insert(Book),
            [{"id": number, "title": f"t{number % 7}", "author_id": 1} for number in range(1, 2_501)],
        )
    return service.client


def test_a_table(shelf):
    """RFC 4180: NULL is nothing, the empty text is quoted, values are spelt as in JSON."""
    answer = shelf.get("/books?fields=id,title,price,sold_at,extra,author.name", headers=CSV)

    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.headers["content-disposition"] == 'attachment; filename="books.csv"'
    assert answer.headers["vary"] == "Accept"
    assert answer.text == (
        "id,title,price,sold_at,extra,author.name\r\n"
        '1,"a, b",7.00,2026-01-02T03:04:05.000006Z,,\r\n'
        '2,"",,,"{""a"":[1]}","Ada ""L."""\r\n'
        '3,,1.50,,,"Ada ""L."""\r\n'
    )


def test_json_lines(shelf):
    """Each line is the row as a list would show it; relations to many have a place there."""
    answer = shelf.get("/authors?expand=books&books.fields=id", headers=JSONL)
    listed = shelf.get("/authors?expand=books&books.fields=id").json()["items"]

    assert answer.headers["content-type"] == "application/jsonl"
    assert [json.loads(line) for line in answer.text.splitlines()] == listed
    assert answer.text.endswith("\n")


def test_no_rows(shelf):
    """A header alone, or nothing."""
    assert shelf.get("/books?id=9&fields=id,title", headers=CSV).text == "id,title\r\n"
    assert shelf.get("/books?id=9", headers=JSONL).content == b""


@pytest.mark.parametrize(
    "order", ["", "&order_by=title", "&order_by=-title", "&order_by=-author__name,title"]
)
def test_every_row_is_sent_once(many, order):
    """Chunk by chunk, in the order that was asked for."""
    answer = many.get(f"/books?fields=id,title{order}", headers=CSV)
    rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))

    assert sorted(int(row["id"]) for row in rows) == list(range(1, 2_501))
    if "title" in order:
        titles = [row["title"] for row in rows]
        assert titles == sorted(titles, reverse=order == "&order_by=-title")


@pytest.mark.parametrize(
    ("limit", "rows"), [(1, 1), (999, 999), (1_000, 1_000), (1_001, 1_001), (9_999, 2_500)]
)
def test_a_limit_is_of_rows_in_all(many, limit, rows):
    """It may be larger than that of a page."""
    answer = many.get(f"/books?limit={limit}&fields=id", headers=JSONL)

    assert len(answer.text.splitlines()) == rows


def test_filters_documents_and_relations_are_downloaded_too(many):
    """Whatever gives a list gives a file."""
    document = {"filter": {"title": "t0"}, "fields": ["id"], "limit": 2_000}

    assert len(many.post("/books/query", json=document, headers=JSONL).text.splitlines()) == 357
    assert len(many.get("/authors/1/books?title=t0", headers=JSONL).text.splitlines()) == 357
    assert many.get("/authors/9/books", headers=JSONL).status_code == 404


def test_a_short_one_has_a_length(many):
    """Clients see that it is whole; a long one ends as HTTP ends it."""
    assert "content-length" in many.get("/books?limit=3", headers=CSV).headers
    assert "content-length" not in many.get("/books", headers=CSV).headers


def test_connections_come_back(service, many):
    """No chunk keeps one."""
    many.get("/books", headers=CSV)

    assert service.db.engine.pool.checkedout() == 0


@pytest.mark.parametrize(
    ("path", "accept", "status", "where"),
    [
        ("/books", "image/png", 406, ("header", "Accept")),
        ("/books", "text/csv;q=0", 406, ("header", "Accept")),
        ("/authors?expand=books", "text/csv", 422, ("parameter", "expand")),
        ("/books?yaer=1", "text/csv", 422, ("parameter", "yaer")),
        ("/books?cursor=x", "text/csv", 422, ("parameter", "cursor")),
        ("/books?count=exact", "text/csv", 422, ("parameter", "count")),
        ("/books?limit=0", "text/csv", 422, ("parameter", "limit")),
        ("/short", "text/csv", 406, ("header", "Accept")),
        ("/ending", "text/csv", 406, ("header", "Accept")),
        ("/scoped", "text/csv", 406, ("header", "Accept")),
    ],
)
def test_what_cannot_be_sent_is_a_problem_document(shelf, path, accept, status, where):
    """The first chunk is read before the answer begins."""
    answer = shelf.get(path, headers={"Accept": accept})

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["errors"][0][where[0]] == where[1]


def test_own_shapes_are_lines(many):
    """What a model of one's own shows, a line each."""
    lines = many.get("/short", headers=JSONL).text.splitlines()

    assert (len(lines), lines[0]) == (2_500, '{"title":"t1"}')


def test_a_session_that_lasts_goes_on(many):
    """That of a dependency which ends after the answer, as FastAPI's do unless told otherwise."""
    assert len(many.get("/lasting?fields=id", headers=CSV).text.splitlines()) == 2_501


def test_head_says_what_would_come(shelf):
    """Its headers, and no body."""
    answer = shelf.head("/books", headers=CSV)

    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"].startswith("text/csv")


@pytest.mark.parametrize(
    "accept", ["*/*", "application/*", "text/html,application/json;q=0.9", "", "application/json"]
)
def test_json_is_what_most_clients_get(shelf, accept):
    """Browsers and curl as well."""
    assert shelf.get("/books", headers={"Accept": accept}).headers["content-type"] == "application/json"


def test_memory_is_flat(service, many):
    """Ten times the rows take no more memory, since no more than a chunk is held."""
    with service.witness.begin() as session:
        session.execute(
            sa.insert(Book), [{"id": number, "title": "x" * 40} for number in range(10_000, 30_000)]
        )

    def peak(limit: int) -> int:
        tracemalloc.start()
        with many.stream("GET", f"/books?limit={limit}", headers=JSONL) as answer:
            lines = sum(chunk.count(b"\n") for chunk in answer.iter_raw())
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert lines == limit
        return found

    peak(2_000)
    assert peak(20_000) < peak(2_000) * 2


def test_a_client_that_goes_away_is_no_failure(service, many, caplog):
    """One that leaves in the middle of a chunk leaves no connection behind, and no word in any log."""
    with caplog.at_level(logging.WARNING):
        for moment in range(1, 9):
            service.client.portal.call(leave, service, moment / 1_000)
        gc.collect()

    assert service.db.engine.pool.checkedout() == 0
    assert [record.getMessage()[:80] for record in caplog.records] == []


async def leave(service: Any, seconds: float) -> None:
    """Download books, and go away this long after the second chunk is asked for."""
    asked, sent = anyio.Event(), 0

    async def receive() -> dict[str, Any]:
        await asked.wait()
        await anyio.sleep(seconds)
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        nonlocal sent
        sent += message["type"] == "http.response.body"
        if sent:
            asked.set()

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/books",
        "raw_path": b"/books",
        "query_string": b"",
        "root_path": "",
        "headers": [(b"accept", b"application/jsonl")],
        "client": ("127.0.0.1", 50_000),
        "server": ("127.0.0.1", 80),
    }
    await service.app(scope, receive, send)
