"""What a test does to its databases is undone: by a transaction that is rolled back, or by databases of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, Engine
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession
from sqlalchemy.orm import Session

from splice.database import Database
from splice.errors import SetupError
from splice.testing.stores import Lent, dispose

__all__ = ["Ground", "isolated"]

_Bind: TypeAlias = Connection | AsyncConnection | Engine | AsyncEngine

_SESSION_OPTIONS: Final[dict[str, Any]] = {
    "expire_on_commit": False,
    # What a test reads is what the application has written since, and not what the session remembers.
    "execution_options": {"populate_existing": True},
    "join_transaction_mode": "create_savepoint",
}


class _FreshSession(AsyncSession):
    """Says to `get` what the options say to all else: an `AsyncSession` overrides them by a default of its own."""

    async def get(self, *args: Any, **options: Any) -> Any:
        return await super().get(*args, **{"populate_existing": True, **options})

    async def get_one(self, *args: Any, **options: Any) -> Any:
        return await super().get_one(*args, **{"populate_existing": True, **options})


@dataclass(frozen=True)
class Ground:
    """What a test stands on: the databases of the application, and what sessions on each of them are bound to."""

    databases: Sequence[Database[Any]]
    binds: Sequence[_Bind]

    def session(self, db: Database[Any]) -> Session | AsyncSession:
        """A session of the test's own, of the kind of the driver.

        Raises:
            SetupError: The Database is none of the application's.
        """
        bind = next(
            (bind for known, bind in zip(self.databases, self.binds, strict=True) if known is db), None
        )
        if bind is None:
            raise SetupError(
                f"{db!r} is none of the application's; give it to install(app, …), or to `databases`"
            )
        if isinstance(bind, AsyncConnection | AsyncEngine):
            return _FreshSession(bind, **_SESSION_OPTIONS)
        return Session(bind, **_SESSION_OPTIONS)


@asynccontextmanager
async def isolated(lent: Sequence[Lent]) -> AsyncIterator[Ground]:
    """Put test databases in the place of an application's, until the end of the block."""
    async with AsyncExitStack() as stack:
        binds = [await stack.enter_async_context(_isolated(one)) for one in lent]
        yield Ground([one.db for one in lent], binds)


def _isolated(lent: Lent) -> AbstractAsyncContextManager[_Bind]:
    return _committing(lent) if lent.commits else _rolled_back(lent.db, lent.engine)


@asynccontextmanager
async def _rolled_back(db: Database[Any], engine: Engine | AsyncEngine) -> AsyncIterator[_Bind]:
    """One connection, in a transaction that never commits: units of work and sessions are savepoints of it."""
    if isinstance(engine, Engine):
        with engine.connect() as plain, closing(plain.begin()), db.rebound(plain):
            _stay(plain)
            yield plain
        return
    async with engine.connect() as connection:
        transaction = await connection.begin()
        await connection.run_sync(_stay)
        _refuse_other_loops(connection)
        try:
            with db.rebound(connection):
                yield connection
        finally:
            await transaction.rollback()


def _stay(connection: Connection) -> None:
    """A breakpoint may hold the transaction for longer than a service ever should."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")


@asynccontextmanager
async def _committing(lent: Lent) -> AsyncIterator[_Bind]:
    with lent.db.rebound(lent.bind):
        try:
            # Sessions have an engine of their own: that of the Database is closed as soon as the application stops.
            yield lent.engine
        finally:
            await lent.db.close()
            if not isinstance(lent.bind, URL):
                await dispose(lent.bind)


def _refuse_other_loops(connection: AsyncConnection) -> None:
    """Say which fixture is missing, where the driver would only speak of futures and loops."""
    home = asyncio.get_running_loop()

    def check(*_: object) -> None:
        if asyncio.get_running_loop() is not home:
            raise SetupError(
                "the test database was opened in another event loop than the one that uses it; `async def` tests use "
                "async_client, async_session and async_database, `def` tests use client, and no TestClient beside it"
            )

    sa.event.listen(connection.sync_connection, "savepoint", check)
