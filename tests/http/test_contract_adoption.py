"""A Resource in an application that has sessions of its own: any dependency that yields one, and no `install`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi import Depends, FastAPI
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker

from splice import Database, Resource

DRIVERS = ["sqlite3", "aiosqlite", "asyncpg", "psycopg2", "asyncmy", "pymysql"]


class Base(DeclarativeBase):
    pass


class Team(Base):
    __tablename__ = "teams"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(20), unique=True)


class TeamRead(BaseModel):
    name: str


def build(db: Database) -> FastAPI:
    """As it might stand in an application that knows nothing of splice; the engine is all that is shared."""
    app = FastAPI(lifespan=db.lifespan)
    app.state.told = []
    open_session = async_sessions(db.engine) if db.is_async else sessions(db.engine)
    committing = async_committing(db.engine) if db.is_async else sync_committing(db.engine)
    teams = Resource(Team, session=open_session)
    teams.after_commit(lambda change: app.state.told.append(change.action))
    app.include_router(teams)
    app.include_router(Resource(Team, session=open_session, prefix="/flushed", commit=False))
    app.include_router(Resource(Team, session=committing, prefix="/theirs", commit=False))
    app.include_router(
        Resource(Team, session=Depends(open_session), prefix="/seen", read=TeamRead, only={"list", "read"})
    )
    return app


def sessions(engine: sa.Engine) -> Any:
    make = sessionmaker(engine)

    def get_db() -> Iterator[Session]:
        with make() as session:
            yield session

    return get_db


def async_sessions(engine: Any) -> Any:
    make = async_sessionmaker(engine)

    async def get_db() -> AsyncIterator[AsyncSession]:
        async with make() as session:
            yield session

    return get_db


def sync_committing(engine: sa.Engine) -> Any:
    def get_db() -> Iterator[Session]:
        with sessionmaker(engine).begin() as session:
            yield session

    return Depends(get_db, scope="function")


def async_committing(engine: Any) -> Any:
    async def get_db() -> AsyncIterator[AsyncSession]:
        async with async_sessionmaker(engine).begin() as session:
            yield session

    return Depends(get_db, scope="function")


@pytest.fixture(scope="module", params=DRIVERS)
def running(request: pytest.FixtureRequest, serve) -> Iterator:
    with serve(request.param) as service:
        yield service


@pytest.mark.parametrize("path", ["/teams", "/theirs"])
def test_a_write_is_committed_before_the_answer(service, path):
    """By splice, or with `commit=False` by the dependency itself."""
    made = service.client.post(path, json={"name": "Reds"})
    address = made.headers["location"]

    assert service.stored(sa.select(Team.name)) == [("Reds",)]
    assert service.client.patch(address, json={"name": "Blues"}).json()["name"] == "Blues"
    assert service.client.put(address, json={"name": "Greens"}).json()["name"] == "Greens"
    assert service.stored(sa.select(Team.name)) == [("Greens",)]
    assert service.client.delete(address).status_code == 204
    assert service.stored(sa.select(Team.name)) == []


def test_without_commit_a_write_is_only_flushed(service):
    """A dependency that does not commit either stores nothing."""
    answer = service.client.post("/flushed", json={"name": "Reds"})

    assert answer.status_code == 201
    assert answer.json()["id"]
    assert service.stored(sa.select(Team.name)) == []


def test_hooks_after_commit_run_where_the_commit_is(service):
    """They are told of what splice commits."""
    service.app.state.told.clear()

    service.client.post("/teams", json={"name": "Reds"})

    assert service.app.state.told == ["create"]


def test_reads_are_in_a_model_of_ones_own(service):
    """One route at a time can be given over."""
    service.store(Team(name="Reds"))
    ((key,),) = service.stored(sa.select(Team.id))

    assert service.client.get(f"/seen/{key}").json() == {"name": "Reds"}
    assert service.client.get("/seen").json() == {"items": [{"name": "Reds"}], "next": None}
    assert service.client.post("/seen", json={"name": "x"}).status_code == 405


@pytest.mark.parametrize("path", ["/teams", "/theirs"])
@pytest.mark.parametrize(
    ("request_line", "body", "status", "code"),
    [
        ("GET /2147483647", None, 404, "not-found"),
        ("GET /x", None, 422, "invalid"),
        ("GET ?nmae=x", None, 422, "unknown-field"),
        ("POST ", {"nmae": "x"}, 422, "invalid"),
        ("POST ", {"name": "Reds"}, 409, "not-unique"),
        ("PATCH /2147483647", {"name": "x"}, 404, "not-found"),
        ("DELETE /2147483647", None, 404, "not-found"),
    ],
)
def test_problems_are_documents_without_install(service, path, request_line, body, status, code):
    """A Resource answers its own problems wherever it stands, and stores nothing of what it refused."""
    service.store(Team(name="Reds"))
    method, suffix = request_line.split(" ")

    answer = service.client.request(method, path + suffix, json=body)

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == f"/problems/{code}"
    assert service.stored(sa.select(Team.name)) == [("Reds",)]


def test_a_route_that_is_not_the_resources_stays_as_it_was(service):
    """The rest of the application is not touched."""
    assert service.client.get("/nowhere").json() == {"detail": "Not Found"}
