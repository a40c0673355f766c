"""The test databases of a run: prepared once, with the tables of an application, and given out to tests."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import sqlalchemy as sa
from anyio.from_thread import BlockingPortal
from sqlalchemy.engine import URL, Engine
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.orm import Mapper, Session

from splice.bridge import run_on
from splice.creation import create_tables
from splice.database import Database
from splice.errors import SetupError
from splice.migrations import bring_up_to_date
from splice.settings import Settings
from splice.testing.places import Place, bind_for, engine_for, fit

__all__ = [
    "Lent",
    "Loan",
    "Preparation",
    "Store",
    "create_what_is_mapped",
    "dispose",
    "make_tables",
    "migrate",
]

Preparation: TypeAlias = Callable[[Session, Database[Any]], None]
"""Fills an empty database, as `prepare_database` gives it: tables, and rows that every test finds."""


def make_tables(session: Session, db: Database[Any]) -> None:
    """Make the tables as the Database would at its first start; else those of the models that Resources have on it."""
    if not db.make_tables(session):
        create_what_is_mapped(session, db)


def migrate(session: Session, _db: Database[Any], settings: Settings) -> None:
    """Make the tables by the migrations of a project."""
    bring_up_to_date(session, "upgrade", settings)


def create_what_is_mapped(session: Session, db: Database[Any]) -> None:
    """Make the tables of the models that Resources have on a Database, and of what is declared beside them.

    Raises:
        SetupError: There are none.
    """
    if not db.tables:
        raise SetupError(
            f"{db!r} has neither create=, migrations= nor a Resource, so its tables are not known; override the "
            "fixture prepare_database to make them"
        )
    for metadata in _metadata(db):
        create_tables(session, metadata)


def _metadata(db: Database[Any]) -> list[sa.MetaData]:
    mappers: list[Mapper[Any]] = [sa.inspect(description.model) for description in db.tables.values()]
    tables = [table for mapper in mappers for table in mapper.tables if isinstance(table, sa.Table)]
    return list(dict.fromkeys(table.metadata for table in tables))


@dataclass(frozen=True)
class Loan:
    """What a test needs: databases that `prepare` has filled, its own ones if it commits.

    `pooled` says that its event loop lives as long as the store, so that connections may be kept for the next test.
    """

    prepare: Preparation
    commits: bool
    pooled: bool


@dataclass(frozen=True)
class Lent:
    """A test database in the place of a Database: what that works on, and an engine for sessions of the test.

    `commits` says that it is the test's alone.
    """

    db: Database[Any]
    bind: URL | Engine | AsyncEngine
    engine: Engine | AsyncEngine
    commits: bool


class Store:
    """Databases with their tables in them.

    What must not happen in the event loop of a test happens in that of `portal`: it lives as long as the run.
    """

    def __init__(self, portal: BlockingPortal, place_of: Callable[[Database[Any]], Place]) -> None:
        self.portal = portal
        self._place_of = place_of
        self._place: Place | None = None
        self._prepared: dict[Hashable, URL] = {}
        self._engines: dict[Hashable, Engine | AsyncEngine] = {}
        self._taken: list[Database[Any]] = []
        self._ends = ExitStack()

    @contextmanager
    def lend(self, databases: Sequence[Database[Any]], loan: Loan) -> Iterator[list[Lent]]:
        """A test database for each Database of an application, until the end of the block.

        Raises:
            SetupError: They have one already; or the message of the Database, of its driver or of the server.
        """
        with ExitStack() as stack:
            for db in databases:
                stack.enter_context(self._taking(db))
            lend = self._own if loan.commits else self._shared
            yield [stack.enter_context(lend(number, db, loan)) for number, db in enumerate(databases)]

    @contextmanager
    def _taking(self, db: Database[Any]) -> Iterator[None]:
        """Each Database works on one test database at a time: two would be in two loops, with different rows."""
        if any(taken is db for taken in self._taken):
            raise SetupError(
                "the test asks for client, session or database, which are for `def` tests, and also for async_client, "
                "async_session or async_database, which are for `async def` tests"
            )
        self._taken.append(db)
        try:
            yield
        finally:
            self._taken.remove(db)

    @contextmanager
    def _shared(self, number: int, db: Database[Any], loan: Loan) -> Iterator[Lent]:
        """The database whose rows every test finds, and which none of them changes for good."""
        url = self._with_tables("shared", number, db, loan.prepare)
        key = (url, db.is_async, repr(db.settings), loan.pooled)
        if key not in self._engines:
            self._engines[key] = engine = engine_for(url, db, pooled=loan.pooled)
            self._ends.callback(self.portal.call, dispose, engine)
        yield Lent(db, self._engines[key], self._engines[key], loan.commits)

    @contextmanager
    def _own(self, number: int, db: Database[Any], loan: Loan) -> Iterator[Lent]:
        """A database for one test alone."""
        place, prepare = self._at(db), loan.prepare
        url = place.copy(self._with_tables("template", number, db, prepare)) or self._make(db, prepare)
        try:
            own = fit(url, db)
            yield Lent(db, bind_for(own, db), engine_for(own, db, pooled=False), loan.commits)
        finally:
            place.drop(url)

    def close(self) -> None:
        """Close the engines and drop the databases, whatever becomes of one of them."""
        self._ends.close()

    def _with_tables(self, use: str, number: int, db: Database[Any], prepare: Preparation) -> URL:
        key = (use, number, prepare, _tables_of(db))
        if key not in self._prepared:
            self._prepared[key] = made = self._make(db, prepare)
            self._ends.callback(self._at(db).drop, made)
        return fit(self._prepared[key], db)

    def _make(self, db: Database[Any], prepare: Preparation) -> URL:
        place = self._at(db)
        made = place.make()
        with ExitStack() as undo:
            undo.callback(place.drop, made)
            engine = engine_for(fit(made, db), db, pooled=False)
            self.portal.call(_fill, engine, lambda session: prepare(session, db))
            undo.pop_all()
        return made

    def _at(self, db: Database[Any]) -> Place:
        self._place = self._place or self._place_of(db)
        return self._place


def _tables_of(db: Database[Any]) -> Hashable:
    """What tells the tables of one Database from those of another: applications may be made anew for each test."""
    described = _metadata(db)
    return tuple((metadata, frozenset(metadata.tables)) for metadata in described) or db


async def _fill(engine: Engine | AsyncEngine, prepare: Callable[[Session], None]) -> None:
    session = AsyncSession(engine) if isinstance(engine, AsyncEngine) else Session(engine)
    try:
        await run_on(session, lambda inner: _fill_and_commit(inner, prepare))
    finally:
        await run_on(session, Session.close)
        await dispose(engine)


def _fill_and_commit(session: Session, prepare: Callable[[Session], None]) -> None:
    prepare(session)
    session.commit()


async def dispose(engine: Engine | AsyncEngine) -> None:
    """Close the connections of an engine of either kind."""
    if isinstance(engine, AsyncEngine):
        await engine.dispose()
    else:
        engine.dispose()
