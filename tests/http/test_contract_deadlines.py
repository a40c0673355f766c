"""A client says how long it waits (RFC 7240), and the service works no longer than that for it."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import anyio
import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from splice import Database, Resource, install
from splice.bridge import run_on
from tests.http.conftest import Service

PATIENCE_SECONDS = 3
"""What a wait of one second may take on a machine that is busy; far less than the usual limits."""


class Base(DeclarativeBase): ...


class Item(Base):
    __tablename__ = "items"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(20))


SLOW = {
    "postgresql": "pg_sleep(20)::text = 'x'",
    "mariadb": "SLEEP(20) = 0",
    "sqlite": "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000000)"
    " SELECT count(*) FROM n) > 0",
}


def build(db: Database[Any]) -> FastAPI:
    app, session_dependency = FastAPI(), db.session
    install(app, db)
    items = Resource(Item, db)

    @items.filter
    def slow(_: bool) -> sa.ColumnElement[bool]:
        return sa.literal_column(SLOW[db.dialect], sa.Boolean)

    @items.get("/twice")
    async def twice(session: Annotated[Any, session_dependency]) -> int:
        await run_on(session, lambda inner: inner.scalar(sa.select(1)))
        await anyio.sleep(1.5)
        return int(await run_on(session, lambda inner: inner.scalar(sa.select(2))))

    @items.get("/limit")
    async def limit(session: Annotated[Any, session_dependency]) -> float:
        return await run_on(session, limit_of)

    app.include_router(items)
    return app


def limit_of(session: Session) -> float:
    """How long a statement may take here, in seconds."""
    if session.get_bind().dialect.name == "postgresql":
        shown = session.scalar(sa.text("SELECT setting FROM pg_settings WHERE name = 'statement_timeout'"))
        return int(shown) / 1000
    return float(session.scalar(sa.text("SELECT @@max_statement_time")))


@pytest.fixture(scope="module", params=["aiosqlite", "sqlite3", "asyncpg", "psycopg2", "asyncmy"])
def running(request: pytest.FixtureRequest, serve: Any) -> Iterator[Service]:
    """The application on each database, by an async driver and by a sync one."""
    with serve(request.param) as service:
        yield service


@contextmanager
def in_time(service: Service) -> Iterator[Callable[..., Any]]:
    """Requests that wait one second, and are answered 503 at about that time."""

    def refused(method: str, path: str, **options: Any) -> None:
        begun = time.monotonic()
        answer = service.client.request(method, path, headers={"Prefer": "wait=1"}, **options)
        assert (answer.status_code, answer.json()["type"]) == (503, "/problems/too-busy"), answer.text
        assert "retry-after" in answer.headers
        assert time.monotonic() - begun < PATIENCE_SECONDS

    yield refused


def test_a_statement_ends_with_the_patience_of_its_client(service):
    """Its connection goes on, with the limit that is usual."""
    service.store(Item(id=1, name="one"))

    with in_time(service) as refused:
        refused("GET", "/items?slow=true")

    assert service.client.get("/items").json()["items"] == [{"id": 1, "name": "one"}]


def test_a_lock_is_waited_for_no_longer(service):
    """Nothing of the write is stored; without a word of the client it would wait five seconds."""
    service.store(Item(id=1, name="one"))

    with in_time(service) as refused, service.witness.begin() as session:
        session.execute(sa.update(Item).values(name="locked"))
        refused("PATCH", "/items/1", json={"name": "two"})

    assert service.stored(sa.select(Item.name)) == [("locked",)]


def test_nothing_is_begun_that_is_too_late(service):
    """Each statement is short, but the second comes after the time."""
    with in_time(service) as refused:
        refused("GET", "/items/twice")

    assert service.client.get("/items/twice").json() == 2


def test_the_usual_limit_comes_back(service):
    """A deadline is that of one request, whichever request has the connection next."""
    if service.dialect == "sqlite":
        pytest.skip("SQLite has no such setting; the tests above show that it is back")
    usual = service.client.get("/items/limit").json()

    short = service.client.get("/items/limit", headers={"Prefer": "wait=2"}).json()

    assert 0 < short <= 2 < usual == service.client.get("/items/limit").json() == 30


def test_more_patience_than_usual_is_not_given(service):
    """A client cannot keep a connection for an hour."""
    if service.dialect == "sqlite":
        pytest.skip("SQLite has no such setting")
    assert service.client.get("/items/limit", headers={"Prefer": "wait=3600"}).json() == 30


def test_a_place_at_the_gate_is_waited_for_no_longer(service):
    """Others have all connections: the answer comes at the deadline, before the usual three seconds."""
    gate = service.client.portal.call(service.db._core.pass_gate, None)
    taken = [gate, *(service.client.portal.call(service.db._core.pass_gate, None) for _ in range(gate.value))]
    try:
        begun = time.monotonic()
        answer = service.client.get("/items", headers={"Prefer": "wait=1"})
    finally:
        for place in taken:
            service.client.portal.call(place.release)

    assert answer.status_code == 503
    assert 0.9 < time.monotonic() - begun < 2.5


@pytest.mark.parametrize("prefer", ["wait=never", "respond-async", "wait=-1"])
def test_a_preference_that_cannot_be_read_is_none(service, prefer):
    """As the standard has it."""
    assert service.client.get("/items", headers={"Prefer": prefer}).status_code == 200
