"""The session of a `def` test where the driver is async: a `Session` to look at, a loop elsewhere to wait in."""

from collections.abc import AsyncIterator
from typing import Annotated

import pytest
from fastapi import Depends, FastAPI
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from splice import Database
from splice.errors import SetupError
from tests.testing.service import Post, User, service


@pytest.fixture
def app():
    """The service, on an async driver."""
    return service(Database("sqlite:////nowhere/app.db"))


@pytest.fixture
def ada(session):
    """A user with a post, of whom the session remembers only the name."""
    session.add(User(name="ada", posts=[Post()]))
    session.commit()
    session.expunge_all()
    return session.scalars(select(User)).one()


def test_it_has_the_methods_of_a_session(session):
    """Adding, flushing, getting, merging, deleting: each waits in the other loop."""
    ada = User(name="ada")
    session.add(ada)
    assert ada in session
    session.flush()
    eve = session.merge(User(name="eve"))
    session.commit()

    assert session.get_one(User, ada.id) is ada
    assert set(session) == {ada, eve}
    session.delete(eve)
    session.commit()
    assert session.execute(select(User.name)).all() == [("ada",)]


def test_a_savepoint_is_a_block(session):
    """`begin_nested` is written as with any session."""
    with pytest.raises(IntegrityError), session.begin_nested():
        session.add_all([User(name="ada"), User(name="ada")])
    with session.begin_nested():
        session.add(User(name="eve"))

    assert session.scalars(select(User.name)).all() == ["eve"]


def test_lazy_loading_has_its_place(ada, session):
    """An attribute that would have to be loaded is refused with the fix; `run_sync` is where it may be."""
    with pytest.raises(SetupError, match=r"User\.posts is loaded lazily.*selectinload\(User\.posts\)"):
        _ = ada.posts

    assert session.run_sync(lambda _: len(ada.posts)) == 1


def test_a_query_of_old_is_refused(session):
    """`session.query` would send its statement from nowhere; the error holds what to write."""
    with pytest.raises(NotImplementedError, match=r"session\.scalars\(select"):
        session.query(User)


def test_what_was_changed_elsewhere_is_read_again(client, session):
    """An entity in hand is what the database says, as soon as it is asked for once more."""
    client.post("/users", json={"name": "ada"})
    ada = session.get(User, 1)
    client.patch("/users/1", json={"name": "eve"})

    assert session.get(User, 1) is ada
    assert ada.name == "eve"


def halfway() -> FastAPI:
    """An application whose older routes call the sessionmaker themselves."""
    maker = async_sessionmaker(create_async_engine("sqlite+aiosqlite:////nowhere/app.db"))
    app: FastAPI = service(Database(maker))

    async def get_session() -> AsyncIterator[AsyncSession]:
        async with maker() as session:
            yield session

    @app.post("/old")
    async def create(session: Annotated[AsyncSession, Depends(get_session)]) -> None:
        session.add(User(name="ada"))
        await session.commit()

    return app


@pytest.mark.parametrize("app", [halfway()])
@pytest.mark.parametrize("time", ["first", "second"])
def test_sessions_of_old_routes_are_isolated(client, session, time):
    """A sessionmaker that was given to a Database works on the test database, wherever it is called."""
    assert client.post("/old").status_code == 200
    assert session.scalars(select(User.name)).all() == ["ada"]
