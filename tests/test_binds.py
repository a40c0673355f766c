"""A Database that works on another database for a while, as tests want it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from splice import Database
from splice.errors import SetupError


class Base(DeclarativeBase):
    pass


class Word(Base):
    __tablename__ = "words"
    id: Mapped[int] = mapped_column(primary_key=True)


def add(session: Session) -> None:
    session.add(Word())


def count(session: Session) -> int:
    return session.scalar(sa.select(sa.func.count()).select_from(Word)) or 0


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database[Any]]:
    database = Database(f"sqlite:///{tmp_path}/app.db", create=Base.metadata, checkout_timeout_seconds=0.2)
    async with database.lifespan():
        yield database


@pytest.fixture
async def connection(db: Database[Any]) -> AsyncIterator[AsyncConnection]:
    """A connection whose transaction is never committed."""
    engine: Any = db.engine
    async with engine.connect() as connection:
        await connection.begin()
        yield connection
        await connection.rollback()


async def test_another_url_is_used_until_the_end_of_the_block(db, tmp_path):
    """What is written there stays there."""
    other: Database[Any] = Database(f"sqlite:///{tmp_path}/other.db", create=Base.metadata)
    await other.start()

    with db.rebound(other.url):
        await db.run(add)
        inside = await db.run(count)
        await db.close()

    assert (inside, await db.run(count), await other.run(count)) == (1, 0, 1)
    await other.close()


async def test_units_on_one_connection_are_savepoints(db, connection):
    """A unit that commits keeps its rows for the next one, and the rollback outside takes them all back."""
    with db.rebound(connection):
        await db.run(add)
        inside = await db.run(count)
    await connection.rollback()

    assert (inside, await db.run(count)) == (1, 0)


async def test_a_unit_that_fails_takes_back_only_its_own(db, connection):
    """As it would with a connection of its own."""

    def add_and_fail(session: Session) -> None:
        add(session)
        session.flush()
        raise RuntimeError

    with db.rebound(connection):
        await db.run(add)
        with pytest.raises(RuntimeError):
            await db.run(add_and_fail)
        assert await db.run(count) == 1


async def test_a_unit_inside_a_unit_does_not_wait_for_itself(db, connection):
    """There is one connection, and the outer unit has it."""
    with db.rebound(connection):
        async with db.begin(), db.begin() as inner:
            await inner.run_sync(add)

        assert await db.run(count) == 1


@pytest.fixture
async def sessions(tmp_path: Path) -> AsyncIterator[async_sessionmaker[AsyncSession]]:
    """A sessionmaker of the user's own."""
    engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/own.db")
    yield async_sessionmaker(engine, expire_on_commit=False)
    await engine.dispose()


async def test_a_sessionmaker_of_the_users_own_follows_to_a_connection(sessions):
    """Routes that call it by themselves work on the same connection, and on their engine again afterwards."""
    db: Database[Any] = Database(sessions, create=Base.metadata)
    await db.start()

    async with sessions.kw["bind"].connect() as connection:
        # The driver begins nothing before a SAVEPOINT, on an engine that splice has not made.
        await connection.exec_driver_sql("BEGIN")
        with db.rebound(connection):
            async with sessions.begin() as session:
                await session.run_sync(add)
            inside = await db.run(count)
        await connection.rollback()

    async with sessions() as session:
        assert (inside, await session.run_sync(count)) == (1, 0)


async def test_a_sessionmaker_of_the_users_own_follows_to_a_url(db, sessions):
    """The engine of that URL is closed with the Database."""
    own: Database[Any] = Database(sessions, create=Base.metadata)
    await own.start()

    with own.rebound(db.url):
        async with sessions.begin() as session:
            await session.run_sync(add)
        inside = await own.run(count)
        await own.close()

    assert (inside, await own.run(count), await db.run(count)) == (1, 0, 1)


@pytest.mark.parametrize("mode", ["check", "upgrade"])
def test_tables_are_made_in_one_way(mode):
    """`create=` beside migrations would make tables that no migration knows of."""
    with pytest.raises(SetupError, match="leave create= out"):
        Database("sqlite:///app.db", create=Base.metadata, migrations=mode)


async def test_tables_can_be_made_in_a_session_of_ones_own(db, tmp_path):
    """It says whether there was anything to do."""
    bare: Database[Any] = Database(f"sqlite:///{tmp_path}/bare.db")

    with db.rebound(f"sqlite:///{tmp_path}/empty.db"):
        async with db.begin() as session:
            assert await session.run_sync(db.make_tables) is False
        await db.close()
    async with bare.begin() as session:
        assert await session.run_sync(db.make_tables) is True

    assert await bare.run(count) == 0
    await bare.close()
